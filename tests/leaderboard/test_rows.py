"""``leaderboard``: which rows there are, in which order, and what is said about them."""

import math
from pathlib import Path

import pytest

from datasets_vos.commands.leaderboard.runs import find_runs
from datasets_vos.commands.leaderboard.table import Group, Published, make_groups
from tests.leaderboard.command import (
    DATA,
    A,
    Capture,
    leaderboard,
    make_run,
    make_scores,
    other_kinds,
    publish,
    published,
    refusal,
    row,
)
from vos_core.metrics import DAVIS2017, SEGTRACK_V2, YOUTUBE_VOS, write_scores
from vos_core.metrics.protocols import MASKTRACK_DAVIS2016


def groups_of(place: Path, choice: Published = "best") -> list[Group]:
    return make_groups(find_runs([place]), choice, 0.95)


def test_runs_and_published_numbers_best_first(runs: Path, capsys: Capture) -> None:
    out = leaderboard(capsys)
    lines = [line.strip() for line in out.splitlines()]
    names = ["lucid/version_0", "Between", "osvos/version_0"]
    first = [next(i for i, line in enumerate(lines) if line.startswith(f"{n} ")) for n in names]
    assert first == sorted(first)
    # J&F of the run: means over the five sequences, 3.5 / 5 and 0.1 less
    low, high = row(out, "lucid/version_0")[1].split("..")
    assert 0.45 <= float(low) < 0.65 < float(high) <= 0.85
    assert row(out, "lucid/version_0")[0] == "0.650"
    assert row(out, "lucid/version_0")[2:4] == ["0.700", "0.600"]
    assert "val, 5 sequences, 5 objects" in out
    assert row(out, "Between")[:4] == ["0.630", "-", "0.680*", "-"]
    assert "val; Doe et al. 2020, Table 1" in out
    assert "Between: J 0.680* is inferred; the paper prints 0.070." in out
    assert "davis2016, ranked by J&F\n" in out
    assert "of J&F" in out  # the last line of the interval's heading
    assert "Rule: mean over 5 objects, frames 1..T-2" in out
    assert (
        "These runs scored 5 sequences; published numbers are of the whole split named in their "
        "row, by the rules of their papers." in out
    )
    assert "Left out: 1 published row of other splits (all); --published all shows them." in out
    for absent in ("Worse variant", "Elsewhere", "Clicks", "Only J", "cannot be compared"):
        assert absent not in out
    made = out[out.index("propagation") :]
    want = ["0.120", "6.0", "1.5", "GiB", "0", "0123456+", "2025-11-20"]
    assert row(made, "lucid/version_0") == want
    assert row(made, "osvos/version_0")[:2] == ["-", "-"]
    assert "16 CPU cores <fast>" in made
    assert "runs/lucid/version_0/config.yaml" in out


@pytest.mark.parametrize(
    ("choice", "methods"),
    [
        ("none", []),
        ("best", ["Between"]),
        ("all", ["Between", "Between", "Only J", "Worse variant"]),
    ],
)
def test_choice_of_published_numbers(runs: Path, choice: Published, methods: list[str]) -> None:
    [group] = groups_of(runs, choice)
    assert sorted(entry.name for entry in group.entries if not entry.run) == methods
    assert any("whole split" in remark for remark in group.remarks) == bool(methods)
    assert any("Left out" in remark for remark in group.remarks) == (choice == "best")


def test_rank_by_the_number_that_most_rows_have(runs: Path, capsys: Capture) -> None:
    [group] = groups_of(runs, "all")
    # Between in Table 2 and the variant have J&F alone, Only J has J alone: 5 of 6 against 4
    assert (group.ranked_by, group.headline) == ("J&F", "J&F")
    assert group.entries[-1].name == "Only J"


def test_rank_by_j_where_papers_have_j(
    runs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(
        monkeypatch,
        published("Both", "J&F", 0.9),
        published("Both", "J", 0.69),
        published("First", "J", 0.99),
        published("Last", "J", 0.1),
    )
    [group] = groups_of(runs)
    names = ["First", "lucid/version_0", "Both", "osvos/version_0", "Last"]
    assert [entry.name for entry in group.entries] == names
    assert group.columns == ("J", "J&F", "F")
    assert "Ranked by J, as 2 of 5 rows have no J&F." in group.remarks
    # J of every sequence is 0.05 above its J&F, and so are the ends of the interval
    [other] = groups_of(runs, "none")
    assert other.ranked_by == "J&F"
    for entry in other.entries:
        [same] = [each for each in group.entries if each.name == entry.name]
        assert entry.interval is not None
        assert same.interval == pytest.approx(tuple(end + 0.05 for end in entry.interval))
    out = leaderboard(capsys)
    assert "davis2016, ranked by J\n" in out
    assert row(out, "First")[:2] == ["0.990", "-"]


def test_best_result_is_of_the_split_of_the_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(
        monkeypatch,
        published("Method", "J&F", 0.9, split="test-dev"),
        published("Method", "J&F", 0.5),
        published("Method", "J&F", 0.4, table="Table 2"),
        published("Other", "J&F", 0.4, split="all"),
    )
    [group] = groups_of(runs)
    [entry] = [entry for entry in group.entries if not entry.run]
    assert (entry.split, entry.numbers["J&F"]) == ("val", 0.5)
    left_out = "Left out: 2 published rows of other splits (all, test-dev); "
    assert any(remark.startswith(left_out) for remark in group.remarks)
    # of a run whose split is not known, any might be the same
    make_run(runs / "third/version_0", A, data={"dataset": "davis2016", "split": None})
    [group] = groups_of(runs)
    assert [(e.name, e.split) for e in group.entries if not e.run] == [
        ("Method", "test-dev"),
        ("Method", "val"),
        ("Other", "all"),
    ]
    assert not any("Left out" in remark for remark in group.remarks)


def test_best_result_is_the_same_whatever_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(
        monkeypatch,
        published("Method", "J", 0.711),
        published("Method", "J", 0.714, table="Table 2"),
        published("Complete", "J&F", 0.7),
        published("Complete", "J", 0.6),
        published("Complete", "J", 0.8, table="Table 2"),
    )
    make_run(tmp_path / "a/1", A, data=DATA)
    make_run(tmp_path / "b/1", A, data=DATA, protocol=MASKTRACK_DAVIS2016)
    by_mean, by_j = groups_of(tmp_path)
    assert (by_mean.headline, by_j.headline) == ("J&F", "J")
    for group, complete in ((by_mean, 0.6), (by_j, 0.8)):
        numbers = {entry.name: entry.numbers["J"] for entry in group.entries}
        assert (numbers["Method"], numbers["Complete"]) == (0.714, complete)


def test_papers_name_masktrack_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.undo()  # the real numbers
    make_run(tmp_path / "a/1", A, data={**DATA, "split": None})
    out = leaderboard(capsys, tmp_path)
    assert row(out, "MaskTrack")[0] == "0.748"
    assert row(out, "MaskTrack+Flow+CRF")[0] == "0.803"
    assert row(out, "ObjFlow")[0] == "0.714"


def test_datasets_and_rules_apart(runs: Path, capsys: Capture) -> None:
    make_run(runs / "a/b", {"x": [0.5, 0.7]}, protocol=DAVIS2017, data={"dataset": "toy"})
    make_run(runs / "c/d", A, protocol=DAVIS2017, data=DATA)
    groups = groups_of(runs)
    keys = [(g.dataset, g.protocol, len(g.runs)) for g in groups]
    assert keys == [
        ("davis2016", "davis2016", 2),
        ("davis2016", "davis2017", 1),
        ("toy", "davis2017", 1),
    ]
    assert row(leaderboard(capsys, "--dataset", "toy"), "a/b")[:2] == ["0.550", "0.600"]
    assert "davis2016" not in leaderboard(capsys, "--dataset=toy")
    assert "Did you mean 'toy'?" in refusal(capsys, "--dataset", "toys")


def test_unknown_dataset_is_compared_with_nothing(runs: Path, capsys: Capture) -> None:
    (make_run(runs / "old/0", A) / "config.yaml").unlink()
    known, unknown = groups_of(runs, "all")
    assert (known.dataset, len(known.runs)) == ("davis2016", 2)
    assert unknown.dataset is None
    assert [entry.name for entry in unknown.entries] == ["old/0"]
    assert "dataset not recorded, rules of davis2016, ranked by J&F\n" in leaderboard(capsys)
    assert "old/0" not in leaderboard(capsys, "--dataset", "davis2016")
    problem = refusal(capsys, runs / "old/0", "--dataset", "davis2016")
    assert "no run is known to be on it; there are runs on no recorded dataset" in problem


def test_other_sequences_are_told(runs: Path, capsys: Capture) -> None:
    make_run(runs / "third/version_0", {"bear": [0.5], "gnu": [0.5]}, data=DATA)
    out = leaderboard(capsys)
    assert "The runs did not all score the same sequences, so their numbers cannot be" in out
    assert "These runs scored 2 to 5 sequences; published" in out
    # one line for rules that differ in their count alone
    assert out.count("Rule") == 1
    assert "Rule: mean over objects, frames 1..T-2, void as background, all labels" in out


def test_other_rules_name_their_runs(runs: Path, capsys: Capture) -> None:
    scores = make_scores(A, data=DATA)
    make_run(runs / "third/0", A, data=DATA, rule=scores["rule"] + ", 2 frames taken as empty")
    out = leaderboard(capsys)
    assert "Rule of lucid/version_0, osvos/version_0: mean over 5 objects, frames 1..T-2" in out
    assert "Rule of third/0: mean over 5 objects, frames 1..T-2, void as background, all" in out


@pytest.mark.parametrize("count", [4, 5, 9, 10])
def test_few_sequences(tmp_path: Path, count: int) -> None:
    make_run(tmp_path / "a/1", {f"s{i}": [i / 20] for i in range(count)}, data=DATA)
    [group] = groups_of(tmp_path, "none")
    assert (group.entries[0].interval is None) == (count < 5)
    cautions = [remark for remark in group.remarks if remark.endswith(": a/1.")]
    want = "Fewer than 5 sequences give no interval: a/1."
    if count >= 5:
        want = "An interval over fewer than 10 sequences is too narrow: a/1."
    assert cautions == ([want] if count < 10 else [])


def test_interval_belongs_to_the_number(tmp_path: Path) -> None:
    scores = make_scores(A, data=DATA)
    scores["global"]["J&F_mean"] += 2e-6
    write_scores(tmp_path, scores)  # type: ignore[arg-type]
    [group] = groups_of(tmp_path, "none")
    assert group.entries[0].interval is None


def test_headline_of_other_benchmarks(tmp_path: Path) -> None:
    values = {"x": [0.2, 0.4], "y": [0.9], "z": [0.5]}
    make_run(tmp_path / "s/1", values, protocol=SEGTRACK_V2, data={"dataset": "segtrack_v2"})
    categories = {s: {1: "unseen" if s == "y" else "seen"} for s in "vwxyz"}
    values = {"v": [0.5], "w": [0.5], "x": [0.4], "y": [0.9], "z": [0.6]}
    data = {"dataset": "youtube_vos2018"}
    make_run(tmp_path / "y/1", values, protocol=YOUTUBE_VOS, categories=categories, data=data)
    segtrack, youtube = groups_of(tmp_path, "none")
    assert segtrack.columns == ("J", "J per sequence", "J&F", "F")
    numbers = segtrack.entries[0].numbers
    assert numbers["J"] == pytest.approx(0.5)
    assert numbers["J per sequence"] == pytest.approx((0.3 + 0.9 + 0.5) / 3)
    numbers = youtube.entries[0].numbers
    assert numbers["J&F"] == pytest.approx((0.5 + 0.4 + 0.9 + 0.8) / 4)
    assert {"J_seen", "J_unseen"} <= set(youtube.details)
    assert numbers["J_seen"] == pytest.approx(0.5)
    assert youtube.entries[0].interval is not None
    low, high = youtube.entries[0].interval
    # y alone is unseen; the others alone have a J&F from 0.35 to 0.55
    assert 0.35 < low < numbers["J&F"] < high < (0.55 + 0.85) / 2 + 1e-9


def test_published_g_is_the_headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"dataset": "youtube_vos2018"}
    publish(
        monkeypatch,
        published("Method", "G", 0.7, printed=0.6, **data),
        published("Method", "J_seen", 0.8, **data),
    )
    categories = {"x": {1: "seen"}}
    make_run(tmp_path / "y/1", {"x": [0.4]}, protocol=YOUTUBE_VOS, categories=categories, data=data)
    [group] = groups_of(tmp_path)
    assert [entry.name for entry in group.entries] == ["Method", "y/1"]
    assert group.entries[0].numbers["J&F"] == 0.7
    assert group.entries[0].printed["J&F"] == 0.6
    assert group.details == ("J_seen", "F_seen")  # F_seen is ours alone


def test_missing_numbers(tmp_path: Path, capsys: Capture) -> None:
    unscored = make_scores({"x": [math.nan]}, protocol=DAVIS2017, data={"dataset": "toy"})
    (tmp_path / "old").mkdir()
    write_scores(tmp_path / "old", unscored)  # type: ignore[arg-type]
    [run] = find_runs([tmp_path])
    out = leaderboard(capsys, tmp_path, "--published=none")
    assert row(out, run.name) == ["-", "-", "-", "1", "sequence"]


def test_baselines_are_marked(runs: Path, capsys: Capture) -> None:
    name = "nearest_annotation, every 10"
    make_run(runs / "near/0", A, data=DATA, baseline=name, scored_by={"commit": "feedbee"})
    [group] = groups_of(runs, "none")
    kinds = {entry.name: entry.kind for entry in group.entries}
    assert kinds == {"lucid/version_0": "run", "near/0": "baseline", "osvos/version_0": "run"}
    out = leaderboard(capsys)
    assert f"baseline: {name}; val, 5 sequences, 5 objects" in out
    assert "feedbee" not in out  # the process that scored made no masks
    made = out[out.index("propagation") :]
    assert set(row(made, "near/0")) == {"-"}


def test_other_kinds_have_their_own_columns(tmp_path: Path, capsys: Capture) -> None:
    other_kinds(tmp_path / "x")
    out = leaderboard(capsys, tmp_path)
    assert row(out, "x/stills") == ["0.900", "0.800", "0.050", "0.750", "2", "images"]
    assert row(out, "x/tracks") == ["0.600", "-0.250", "7", "1", "sequence"]
    assert row(out, "x/clicks")[:2] == ["0.766", "0.780"]
    assert row(out, "Clicks")[:2] == ["0.700", "-"]
    assert "interval" not in out
    assert "better)" in out  # the last line of the heading of MAE
    assert "Scores are shares of 1, not percentages; IDS is a count." in out
    assert "has no scores for each sequence" in refusal(
        capsys, tmp_path, "--compare", "x/stills", "x/tracks"
    )


def test_session_without_dataset(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "scores.json").write_text(
        '{"protocol": "interactive", "AUC": 0.766, "J&F@60s": 0.78, "objects": 61}'
    )
    out = leaderboard(capsys, tmp_path)
    assert "dataset not recorded, rules of interactive, ranked by AUC" in out
    assert row(out, "Clicks")[:4] == ["0.700", "-", "davis2016", "val;"]


def test_interactive_numbers_of_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.undo()  # the real numbers
    (tmp_path / "scores.json").write_text(
        '{"protocol": "interactive", "AUC": 0.7, "J&F@60s": 0.7,'
        ' "data": {"dataset": "davis2017", "split": "val"}}'
    )
    out = leaderboard(capsys, tmp_path)
    name = "ROI mask propagation, ATOM tracker"
    assert row(out, name)[:3] == ["0.766", "0.780", "val;"]
    assert "0.588" not in out  # of test-dev


def test_errors_rank_the_other_way_round(tmp_path: Path) -> None:
    for name, error in (("worse", 0.3), ("better", 0.1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text(
            f'{{"protocol": "saliency", "global": {{"MAE": {error}}}}}'
        )
    [group] = groups_of(tmp_path)
    assert [entry.numbers["MAE"] for entry in group.entries] == [0.1, 0.3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--csv", "."], "--csv .: give a file that ends in .csv"),
        (["--markdown", "x.txt"], "give a file that ends in .md"),
        (["--html", "x"], "give a file that ends in .html"),
        (["--level", "95"], "'95' is no share between 0 and 1"),
        (["--published", "some"], "invalid choice"),
        (["--compare", "x"], "expected 2 arguments"),
    ],
)
def test_options_are_checked(runs: Path, capsys: Capture, options: list[str], message: str) -> None:
    assert message in refusal(capsys, *options)
