"""``leaderboard --compare``: two runs on the sequences that both scored."""

import json
from pathlib import Path

import pytest

from datasets_vos.commands.leaderboard.runs import find_runs
from datasets_vos.commands.leaderboard.table import make_groups
from tests.leaderboard.command import (
    DATA,
    A,
    Capture,
    leaderboard,
    make_run,
    refusal,
    row,
)
from vos_core.metrics import DAVIS2017
from vos_core.metrics.comparison import SequenceValues, bootstrap_interval
from vos_core.metrics.protocols import MASKTRACK_DAVIS2016


def test_comparison(runs: Path, capsys: Capture) -> None:
    out = leaderboard(capsys, "--compare", "lucid/version_0", "osvos/version_0")
    # gains +0.3, -0.2, +0.05, +0.1, 0: mean +0.05
    sentence = (
        "lucid/version_0 beats osvos/version_0 on 3 of 5 sequences (1 equal), mean difference "
        "+0.050 J&F"
    )
    assert sentence in out
    assert "an interval over fewer than 10 sequences is too narrow." in out
    pairs = out[out.index(" beats ") :]
    assert row(pairs, "bear") == ["0.850", "0.550", "+0.300"]
    assert row(pairs, "cow") == ["0.450", "0.650", "-0.200"]
    order = [pairs.index(f"{name} ") for name in ("bear", "elk", "dog", "fox", "cow")]
    assert order == sorted(order)
    by_path = leaderboard(capsys, "--compare", "runs/lucid/version_0", runs / "osvos/version_0")
    assert row(by_path, "cow") == row(pairs, "cow")


def test_the_better_run_is_named_first(runs: Path, capsys: Capture) -> None:
    out = leaderboard(capsys, "--compare", "osvos/version_0", "lucid/version_0")
    assert "lucid/version_0 beats osvos/version_0 on 3 of 5 sequences (1 equal)" in out
    assert row(out[out.index(" beats ") :], "bear") == ["0.850", "0.550", "+0.300"]
    make_run(runs / "again/0", A, data=DATA)
    out = leaderboard(capsys, "--compare", "lucid/version_0", "again/0")
    assert "lucid/version_0 and again/0 are equal on all 5 sequences." in out


def test_scores_by_another_name(runs: Path, capsys: Capture) -> None:
    path = runs.parent / "mine.json"
    path.write_text((runs / "lucid/version_0/scores.json").read_text())
    sentence = leaderboard(capsys, "--compare", "mine.json", "osvos/version_0")
    name = f"{runs.parent.name}/mine.json"
    assert f"{name} beats osvos/version_0 on 3 of 5 sequences" in sentence


def test_paths_need_no_runs_folder(runs: Path, capsys: Capture) -> None:
    runs.rename(runs.parent / "elsewhere")
    mine = "elsewhere/osvos/version_0"
    out = leaderboard(capsys, "--compare", mine, "elsewhere/lucid/version_0/scores.json")
    assert "lucid/version_0 beats osvos/version_0 on 3 of 5 sequences" in out
    problem = refusal(capsys, "--compare", mine, "elsewhere/typo")
    assert "--compare 'elsewhere/typo': is no run folder or file of scores" in problem


def test_unlike_runs_are_refused(runs: Path, capsys: Capture) -> None:
    def compare(a: str, b: str) -> str:
        return refusal(capsys, "--compare", a, b)

    assert "Did you mean 'lucid/version_0'?" in compare("lucd/version_0", "osvos/version_0")
    assert "both are the run lucid/version_0" in compare("lucid/version_0", "runs/lucid/version_0")
    make_run(runs / "far/v0", {"gnu": [0.5]}, data=DATA)
    assert "no scored sequence in common" in compare("lucid/version_0", "far/v0")
    make_run(runs / "other/v0", A, protocol=DAVIS2017, data=DATA)
    assert "the rules of lucid/version_0 (davis2016, mean over each object)" in compare(
        "lucid/version_0", "other/v0"
    )
    make_run(runs / "set/v0", A, data={**DATA, "dataset": "youtube_objects"})
    assert (
        "lucid/version_0 is on davis2016 and set/v0 on youtube_objects; choose runs on the same "
        "data" in compare("lucid/version_0", "set/v0")
    )


def test_other_objects_and_frames_are_refused(runs: Path, capsys: Capture) -> None:
    def compare(other: str) -> str:
        return refusal(capsys, "--compare", "lucid/version_0", other)

    make_run(runs / "more/v0", {"bear": [0.5, 0.6]}, data=DATA)
    assert "sequence 'bear': the runs were scored on objects 1 against 1, 2" in compare("more/v0")
    path = make_run(runs / "ids/v0", A, data=DATA) / "scores.json"
    text = path.read_text()
    scores = json.loads(text)
    scores["sequences"]["cow"]["scored"] = {"3": scores["sequences"]["cow"]["scored"]["1"]}
    scores["per_object"]["cow_3"] = scores["per_object"].pop("cow_1")
    path.write_text(json.dumps(scores))
    assert "sequence 'cow': the runs were scored on objects 1 against 3" in compare("ids/v0")
    scores = json.loads(text)
    scores["sequences"]["dog"]["scored"]["1"].pop()
    path.write_text(json.dumps(scores))
    assert "'dog': the runs were scored on other frames of object 1 (8 against 7)" in compare(
        "ids/v0"
    )


@pytest.fixture
def unequal(tmp_path: Path) -> Path:
    """Two runs, ranked by J per sequence, whose first sequence has most of the objects."""
    b = {"s0": [0.2] * 9, **{f"s{k}": [k / 20] for k in range(1, 10)}}
    a = {"s0": [0.3] * 9, **{f"s{k}": [k / 20 + 0.4] for k in range(1, 10)}}
    for name, values in {"a": a, "b": b}.items():
        make_run(tmp_path / "r" / name, values, protocol=MASKTRACK_DAVIS2016, data=DATA)
    return tmp_path / "r"


def test_interval_is_of_the_headline_number(unequal: Path) -> None:
    [group] = make_groups(find_runs([unequal]), "none", 0.5)
    values = {"s0": SequenceValues((0.2,) * 9)}
    values |= {f"s{k}": SequenceValues((k / 20,)) for k in range(1, 10)}
    interval = bootstrap_interval(values, "sequence", level=0.5)
    assert group.entries[1].interval == pytest.approx(interval)
    assert group.entries[1].numbers["J"] == pytest.approx((0.2 + 45 / 20) / 10)


def test_comparison_is_of_the_headline_number(unequal: Path, capsys: Capture) -> None:
    out = leaderboard(capsys, unequal, "--compare", "r/a", "r/b", "--level", "0.5")
    # mean over sequences of +0.1 and nine times +0.4
    assert "r/a beats r/b on 10 of 10 sequences, mean difference +0.370 J, 50 % interval " in out
    path = unequal / "b" / "scores.json"
    scores = json.loads(path.read_text())
    scores["averages"] = {"object": scores["averages"]["sequence"]}
    path.write_text(json.dumps(scores))
    error = refusal(capsys, unequal, "--compare", "r/a", "r/b")
    assert "r/a (masktrack_davis2016, mean over each sequence) and r/b" in error
