"""``leaderboard``: which rows there are, in which order, and what is said about them."""

import math
from pathlib import Path

import pytest

from datasets_vos.commands.leaderboard.runs import find_runs
from datasets_vos.commands.leaderboard.table import Published, make_groups
from tests.leaderboard_command import (
    DATA,
    NUMBERS,
    A,
    Capture,
    leaderboard,
    make_run,
    make_scores,
    make_two_runs,
    other_kinds,
    publish,
    published,
    refusal,
    row,
)
from vos_core.metrics import DAVIS2017, SEGTRACK_V2, YOUTUBE_VOS, write_scores


@pytest.fixture(autouse=True)
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, *NUMBERS)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs under ``runs``, which lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_two_runs(tmp_path / "runs")


def test_runs_and_published_numbers_best_first(runs: Path, capsys: Capture) -> None:
    out = leaderboard(capsys)
    lines = [line.strip() for line in out.splitlines()]
    names = ["lucid/version_0", "Between", "osvos/version_0", "Only J"]
    first = [next(i for i, line in enumerate(lines) if line.startswith(f"{n} ")) for n in names]
    assert first == sorted(first)
    # J&F of the run: means over the three sequences, 2.2 / 3 and 0.1 less
    low, high = row(out, "lucid/version_0")[1].split("..")
    assert 0.45 <= float(low) < 0.683 < float(high) <= 0.85
    assert row(out, "lucid/version_0")[0] == "0.683"
    assert row(out, "lucid/version_0")[2:4] == ["0.733", "0.633"]
    assert "val, 3 sequences, 3 objects" in out
    assert row(out, "Between")[:4] == ["0.650", "-", "0.700", "-"]
    assert "val; Doe et al. 2020, Table 1" in out
    assert "Between: J is printed as 0.070." in out
    assert row(out, "Only J")[:4] == ["-", "-", "0.990", "-"]
    assert "Rule: mean over 3 objects, frames 1..T-2" in out
    assert "These runs scored 3 sequences; published numbers are of the whole split" in out
    assert "cannot be compared" not in out
    for absent in ("Worse variant", "Elsewhere", "Clicks", "not recorded"):
        assert absent not in out
    made = out[out.index("propagation") :]
    want = ["0.200", "10.0", "1.5", "GiB", "0", "0123456+", "2025-11-20"]
    assert row(made, "lucid/version_0") == want
    assert row(made, "osvos/version_0")[:2] == ["-", "-"]
    assert "16 CPU cores <fast>" in made
    assert "runs/lucid/version_0/config.yaml" in out


@pytest.mark.parametrize(
    ("choice", "methods"),
    [
        ("none", []),
        ("best", ["Between", "Only J"]),
        ("all", ["Between", "Between", "Only J", "Worse variant"]),
    ],
)
def test_choice_of_published_numbers(runs: Path, choice: Published, methods: list[str]) -> None:
    [group] = make_groups(find_runs([runs]), choice, 0.95)
    assert sorted(entry.name for entry in group.entries if not entry.run) == methods
    assert any("whole split" in remark for remark in group.remarks) == bool(methods)


def test_best_result_is_of_the_split_of_the_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(
        monkeypatch,
        published("Method", "J&F", 0.9, split="test-dev"),
        published("Method", "J&F", 0.5),
        published("Method", "J&F", 0.4, table="Table 2"),
    )
    [group] = make_groups(find_runs([runs]), "best", 0.95)
    [entry] = [entry for entry in group.entries if not entry.run]
    assert (entry.split, entry.numbers["J&F"]) == ("val", 0.5)


def test_datasets_and_rules_apart(runs: Path, capsys: Capture) -> None:
    make_run(runs / "a/b", {"x": [0.5, 0.7]}, protocol=DAVIS2017, data={"dataset": "toy"})
    make_run(runs / "c/d", A, protocol=DAVIS2017, data=DATA)
    groups = make_groups(find_runs([runs]), "best", 0.95)
    keys = [(g.dataset, g.protocol, len(g.runs)) for g in groups]
    assert keys == [
        ("davis2016", "davis2016", 2),
        ("davis2016", "davis2017", 1),
        ("toy", "davis2017", 1),
    ]
    assert groups[2].entries[0].interval is None  # a single sequence
    assert row(leaderboard(capsys, "--dataset", "toy"), "a/b")[:2] == ["0.550", "0.600"]
    assert "davis2016" not in leaderboard(capsys, "--dataset=toy")
    assert "Did you mean 'toy'?" in refusal(capsys, "--dataset", "toys")


def test_other_sequences_are_told(runs: Path, capsys: Capture) -> None:
    make_run(runs / "third/version_0", {"bear": [0.5], "elk": [0.5]}, data=DATA)
    out = leaderboard(capsys)
    assert "did not all score the same sequences (1 are common to all)" in out
    assert "These runs scored 2 to 3 sequences; published" in out


def test_headline_of_other_benchmarks(tmp_path: Path) -> None:
    make_run(tmp_path / "s/1", {"x": [0.2, 0.4], "y": [0.9]}, protocol=SEGTRACK_V2)
    categories = {"x": {1: "seen"}, "y": {1: "unseen"}, "z": {1: "seen"}}
    values = {"x": [0.4], "y": [0.9], "z": [0.6]}
    make_run(tmp_path / "y/1", values, protocol=YOUTUBE_VOS, categories=categories)
    segtrack, youtube = make_groups(find_runs([tmp_path]), "none", 0.95)
    assert segtrack.columns == ("J", "J per sequence", "J&F", "F")
    numbers = segtrack.entries[0].numbers
    assert numbers["J"] == pytest.approx(0.5)
    assert numbers["J per sequence"] == pytest.approx(0.6)
    numbers = youtube.entries[0].numbers
    assert numbers["J&F"] == pytest.approx((0.5 + 0.4 + 0.9 + 0.8) / 4)
    assert {"J_seen", "J_unseen"} <= set(youtube.details)
    assert numbers["J_seen"] == pytest.approx(0.5)
    # y alone is unseen; x and z alone give (0.35 + 0.85) / 2 and (0.55 + 0.85) / 2
    assert youtube.entries[0].interval is not None
    low, high = youtube.entries[0].interval
    assert low == pytest.approx(0.35)
    assert high == pytest.approx(0.85)


def test_published_g_is_the_headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"dataset": "youtube_vos2018"}
    publish(
        monkeypatch,
        published("Method", "G", 0.7, **data),
        published("Method", "J_seen", 0.8, **data),
    )
    categories = {"x": {1: "seen"}}
    make_run(tmp_path / "y/1", {"x": [0.4]}, protocol=YOUTUBE_VOS, categories=categories, data=data)
    [group] = make_groups(find_runs([tmp_path]), "best", 0.95)
    assert [entry.name for entry in group.entries] == ["Method", "y/1"]
    assert group.entries[0].numbers["J&F"] == 0.7
    assert group.details == ("J_seen", "F_seen")  # F_seen is ours alone


def test_older_files_and_missing_numbers(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    scores = make_scores(A, protocol=DAVIS2017)
    for key in ("rule", "averages", "headline", "per_category", "quantiles"):
        del scores[key]
    for each in scores["sequences"].values():
        del each["categories"]
    (tmp_path / "old").mkdir()
    write_scores(tmp_path / "old", scores)  # type: ignore[arg-type]
    [run] = find_runs([tmp_path / "old"])
    assert run.average == "object"
    assert run.numbers["J&F"] == pytest.approx(2.2 / 3 - 0.05)
    out = leaderboard(capsys, tmp_path / "old", "--published=none")
    assert f"Grouped by protocol alone, as the dataset is not recorded: {run.name}." in out

    unscored = make_scores({"x": [math.nan]}, protocol=DAVIS2017)
    write_scores(tmp_path / "old", unscored)  # type: ignore[arg-type]
    out = leaderboard(capsys, tmp_path / "old", "--published=none")
    assert row(out, run.name) == ["-", "-", "-", "1", "sequence"]


def test_other_kinds_have_their_own_columns(tmp_path: Path, capsys: Capture) -> None:
    other_kinds(tmp_path / "x")
    out = leaderboard(capsys, tmp_path)
    assert row(out, "x/stills") == ["0.900", "0.800", "0.050", "0.750", "2", "images"]
    assert row(out, "x/tracks") == ["0.600", "-0.250", "7", "1", "sequence"]
    assert row(out, "x/clicks")[:2] == ["0.766", "0.780"]
    assert row(out, "Clicks")[:2] == ["0.700", "-"]
    assert "interval" not in out
    assert "has no scores for each sequence" in refusal(
        capsys, tmp_path, "--compare", "x/stills", "x/tracks"
    )


def test_search_and_names(tmp_path: Path, capsys: Capture) -> None:
    for place in ("p/lucid/v0", "q/lucid/v0", "q/other/v1", ".hidden/a/b", "half.tmp/a/b"):
        make_run(tmp_path / place, A)
    (tmp_path / "q/other/v1/more.json").write_text("not searched for")
    runs = find_runs([tmp_path, tmp_path / "q", tmp_path / "q/other/v1/scores.json"])
    assert [run.name for run in runs] == ["p/lucid/v0", "q/lucid/v0", "other/v1"]

    (tmp_path / "p/broken").mkdir()
    (tmp_path / "p/broken/scores.json").write_text("{")
    (tmp_path / "p/foreign").mkdir()
    (tmp_path / "p/foreign/scores.json").write_text('{"protocol": "http"}')
    assert len(find_runs([tmp_path])) == 3
    err = capsys.readouterr().err
    assert err.count("warning: left out ") == 2
    assert f"{tmp_path / 'p/broken/scores.json'}: is no JSON" in err
    assert f"{tmp_path / 'p/foreign/scores.json'}: holds no scores" in err
    for name in ("broken", "foreign"):
        assert name in refusal(capsys, tmp_path / "p" / name)
        assert name in refusal(capsys, tmp_path, tmp_path / "p" / name / "scores.json")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        '{"protocol": 3, "global": {"J": 1}}',
        '{"protocol": "davis2017", "global": 3}',
        '{"protocol": "davis2017", "global": {"J": {"mean": 0.5}}, "per_object": {}}',
        '{"protocol": "davis2017", "global": {"J": {"mean": 0.5}}, "data": "x"}',
    ],
)
def test_foreign_json_is_refused(tmp_path: Path, capsys: Capture, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert f"{tmp_path / 'x.json'}: holds no scores" in refusal(capsys, tmp_path / "x.json")


def test_scores_by_another_name(runs: Path, capsys: Capture) -> None:
    path = runs.parent / "mine.json"
    path.write_text((runs / "lucid/version_0/scores.json").read_text())
    [run] = find_runs([path])
    assert run.name == f"{runs.parent.name}/mine.json"
    assert (run.config, run.report) == (None, None)
    sentence = leaderboard(capsys, "--compare", "mine.json", "osvos/version_0")
    assert f"{run.name} beats osvos/version_0 on 2 of 3 sequences" in sentence


def test_no_runs(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "runs: does not exist; make a run" in refusal(capsys)
    (tmp_path / "runs").mkdir()
    assert "runs: holds no scores.json; make a run" in refusal(capsys)
    (tmp_path / "runs/a").mkdir()
    (tmp_path / "runs/a/scores.json").write_text("{")
    assert "runs: no file there holds scores" in refusal(capsys)


def test_comparison(runs: Path, capsys: Capture) -> None:
    out = leaderboard(capsys, "--compare", "lucid/version_0", "osvos/version_0")
    # gains +0.3, -0.2, +0.05: mean +0.05
    assert (
        "lucid/version_0 beats osvos/version_0 on 2 of 3 sequences, mean difference +0.050 J&F"
        in out
    )
    pairs = out[out.index(" beats ") :]
    assert row(pairs, "bear") == ["0.850", "0.550", "+0.300"]
    assert row(pairs, "cow") == ["0.450", "0.650", "-0.200"]
    order = [pairs.index(f"{name} ") for name in ("bear", "dog", "cow")]
    assert order == sorted(order)
    by_path = leaderboard(capsys, "--compare", "runs/lucid/version_0", runs / "osvos/version_0")
    assert row(by_path, "cow") == row(pairs, "cow")


def test_comparison_of_paths_needs_no_runs_folder(runs: Path, capsys: Capture) -> None:
    runs.rename(runs.parent / "elsewhere")
    out = leaderboard(
        capsys, "--compare", "elsewhere/osvos/version_0", "elsewhere/lucid/version_0/scores.json"
    )
    assert "osvos/version_0 beats lucid/version_0 on 1 of 3 sequences" in out


def test_comparison_refuses(runs: Path, capsys: Capture) -> None:
    def compare(a: str, b: str) -> str:
        return refusal(capsys, "--compare", a, b)

    assert "Did you mean 'lucid/version_0'?" in compare("lucd/version_0", "osvos/version_0")
    assert "both are the run lucid/version_0" in compare("lucid/version_0", "runs/lucid/version_0")
    make_run(runs / "far/v0", {"elk": [0.5]}, data=DATA)
    assert "no scored sequence in common" in compare("lucid/version_0", "far/v0")
    make_run(runs / "more/v0", {"bear": [0.5, 0.6]}, data=DATA)
    assert "'bear': the runs have scores of different objects" in compare(
        "lucid/version_0", "more/v0"
    )
    make_run(runs / "other/v0", A, protocol=DAVIS2017, data=DATA)
    assert "the rules of lucid/version_0 (davis2016, mean over each object)" in compare(
        "lucid/version_0", "other/v0"
    )


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
