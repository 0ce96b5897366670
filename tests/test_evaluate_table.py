"""What ``evaluate`` says of the scores of videos: each number's name, rule and digits."""

import pytest

from datasets_vos.commands.evaluate import table
from vos_core.metrics import DAVIS2017, YOUTUBE_VOS, Protocol, Scores, SequenceResult
from vos_core.metrics.attributes import per_attribute
from vos_core.metrics.scores import collect_scores
from vos_core.metrics.sequence import object_scores

Capture = pytest.CaptureFixture[str]
ODD = "[red]alpha[/] :car:"


def scores_of(rules: Protocol = DAVIS2017, categories: dict[int, str] | None = None) -> Scores:
    """Score one sequence with an odd name: J&F 0.25 and 0.5, and object 3 without a frame."""
    numbers: dict[int, list[float]] = {1: [0.25], 2: [0.5], 3: []}
    objects = {i: object_scores(values, values) for i, values in numbers.items()}
    result = SequenceResult(ODD, 3, objects, {1: [1], 2: [1], 3: []}, {})
    return collect_scores(rules, [result], {ODD: categories or {}})


def lines(capsys: Capture, scores: Scores) -> list[str]:
    table.show(scores)
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]


def line_of(shown: list[str], start: str) -> str:
    (line,) = [line for line in shown if line.startswith(start)]
    return line


@pytest.mark.parametrize("columns", ["20", "200"])
def test_names_and_numbers_are_whole(
    columns: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    scores = scores_of()
    scores["per_attribute"] = per_attribute(scores, {ODD: ["[/]"]})
    shown = lines(capsys, scores)
    row = line_of(shown, ODD).removeprefix(ODD).split()
    assert row == ["3", "3", "0.375", "0.375", "0.375"]
    assert line_of(shown, "[/]").split() == ["[/]", "0.375", "0.375", "0.375"]


def test_rules_are_told(capsys: Capture) -> None:
    scores = scores_of()
    shown = lines(capsys, scores)
    assert line_of(shown, "J&F") == (
        "J&F 0.375 (davis2017: mean over 2 objects, frames 1..T-2, void as background)"
    )
    assert not any(line.startswith(("attribute", "category", "T ")) for line in shown)
    scores["per_attribute"] = per_attribute(scores, {ODD: ["fast"]})
    shown = lines(capsys, scores)
    assert line_of(shown, "attribute: ").startswith("attribute: mean over the sequences that bear")
    assert not any("baseline" in line for line in shown)
    scores["baseline"] = "nearest_annotation, every 3"
    rule = line_of(lines(capsys, scores), "J&F 0.375")
    assert rule.endswith("void as background, of the baseline nearest_annotation, every 3)")


def test_stability_has_a_number_and_its_count(capsys: Capture) -> None:
    scores = scores_of()
    for object_id, value in ((1, 0.125), (3, float("nan"))):
        scores["per_object"][f"{ODD}_{object_id}"]["T"] = value
    scores["global"]["T"] = 0.125
    assert line_of(lines(capsys, scores), "T 0") == (
        "T 0.125 (mean over 1 object): instability of the contour between frames; 0 is best"
    )


def test_only_the_mean_of_seen_and_unseen_is_called_g(capsys: Capture) -> None:
    shown = lines(capsys, scores_of(YOUTUBE_VOS, {1: "seen", 2: "unseen", 3: "seen"}))
    assert line_of(shown, "G ").startswith("G 0.375 (youtube_vos: mean over 2 categories")
    assert line_of(shown, "category: ") == "category: mean over its objects"
    # the object of the other category has no scored frame, or there is none
    for categories in ({1: "seen", 2: "seen", 3: "unseen"}, {1: "seen", 2: "seen", 3: "seen"}):
        shown = lines(capsys, scores_of(YOUTUBE_VOS, categories))
        rule = next(line for line in shown if "mean over 1 category" in line)
        assert rule.startswith("J&F 0.375 (youtube_vos: ")
        assert rule.endswith(", not G because no unseen object is scored)")
        assert not any(line.startswith("G ") for line in shown)
    shown = lines(capsys, scores_of(YOUTUBE_VOS, {1: "cat", 2: "dog", 3: "dog"}))
    rule = next(line for line in shown if "mean over 2 categories" in line)
    assert rule.startswith("J&F 0.375")
    assert "not G" not in rule
