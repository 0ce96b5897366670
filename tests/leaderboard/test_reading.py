"""``leaderboard``: finding files of scores, naming their runs, and refusing what is malformed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datasets_vos.commands.leaderboard.runs import find_runs
from datasets_vos.commands.leaderboard.search import name_runs, printable
from tests.leaderboard.command import DATA, INFO, A, Capture, leaderboard, make_run, refusal
from vos_core.errors import DatasetError
from vos_core.metrics import DAVIS2017

CONFIG = "data:\n  class_path: x.VideoDataModule\n  init_args:\n    dataset: {}\n    split: {}\n"


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


def test_names_are_as_short_as_they_can_be() -> None:
    paths = ["/a/x/v0", "/b/x/v0", "/c/b/x/v0", "/c/y/v0", "/c/mine.json", "/v0"]
    names = name_runs([Path(p) if "." in p else Path(p, "scores.json") for p in paths])
    assert names == ["a/x/v0", "/b/x/v0", "c/b/x/v0", "y/v0", "c/mine.json", "/v0"]


def test_many_names_take_no_time() -> None:
    paths = [Path(f"/{i}/x/y/z/scores.json") for i in range(20_000)]
    assert name_runs(paths)[77] == "77/x/y/z"  # quadratic, this would take minutes


def test_links_are_followed(tmp_path: Path) -> None:
    make_run(tmp_path / "store/lucid/v0", A)
    make_run(tmp_path / "runs/real/v1", A)
    (tmp_path / "runs/fast").mkdir()
    (tmp_path / "runs/fast/run").symlink_to(tmp_path / "store/lucid/v0")
    (tmp_path / "runs/real/latest").symlink_to("v1")
    (tmp_path / "runs/real/up").symlink_to(tmp_path / "runs")
    (tmp_path / "runs/gone").symlink_to(tmp_path / "nowhere")
    runs = find_runs([tmp_path / "runs"])
    assert [run.name for run in runs] == ["fast/run", "real/v1"]
    assert runs[0].path == tmp_path / "runs/fast/run/scores.json"
    # named through a link, it is what was typed
    [run] = find_runs([tmp_path / "runs/real/latest"])
    assert run.name == "real/latest"


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a run, which cannot be looked into, whoever runs the tests."""
    make_run(tmp_path / "runs/a/0", A)
    folder = tmp_path / "runs/secret"
    make_run(folder / "b", A)
    folder.chmod(0)
    real = os.scandir

    def scan(path: Any) -> Any:  # noqa: ANN401
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    yield folder
    folder.chmod(0o700)


def test_locked_folders(locked: Path, capsys: Capture) -> None:
    assert [run.name for run in find_runs([locked.parent])] == ["a/0"]
    err = capsys.readouterr().err
    assert f"warning: left out {locked}: cannot be read (Permission denied)" in err
    with pytest.raises(DatasetError, match=r"secret: cannot be read \(Permission denied\)"):
        find_runs([locked])


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    make_run(tmp_path / "a/0", A)
    path = make_run(tmp_path / "b/0", A) / "scores.json"
    real = Path.read_text

    def read(self: Path, **options: Any) -> str:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return real(self, **options)

    monkeypatch.setattr(Path, "read_text", read)
    assert [run.name for run in find_runs([tmp_path])] == ["a/0"]
    assert f"left out {path}: cannot be read (Permission denied)" in capsys.readouterr().err
    assert f"{path}: cannot be read (Permission denied)" in refusal(capsys, path.parent)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ünï 日本 <b>", "ünï 日本 <b>"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        (os.fsdecode(b"bad\xff"), "bad\\udcff"),
        ("\ud800\u202e", "\\ud800\\u202e"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_odd_names_go_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = ("new\nline", "esc\x1b[31m", os.fsdecode(b"bad\xff"), "a`b|c*[d](e)")
    for name in odd:
        try:
            make_run(tmp_path / "runs" / name, A, run={**INFO, "command": "a\ud800"}, data=DATA)
        except OSError:  # some file systems have no such names
            pytest.skip("the file system refuses odd names")
    out = leaderboard(
        capsys, "--csv", "a.csv", "--html", "a.html", "--markdown", "a.md", "--published", "none"
    )
    assert "runs/new\\nline" in out
    assert "\x1b" not in out
    for name in ("a.csv", "a.html", "a.md"):
        text = Path(name).read_text(encoding="utf-8")
        assert "\x1b" not in text
        assert "\\udcff" in text.replace("\\\\", "\\")
    out = leaderboard(capsys, "--compare", "runs/new\\nline", "runs/esc\\x1b[31m")
    assert "are equal on all 5 sequences" in out


def make_old(folder: Path, config: str | None) -> Path:
    """Write scores as they were before they said what was scored."""
    make_run(folder, A, protocol=DAVIS2017)
    scores = json.loads((folder / "scores.json").read_text())
    for key in ("rule", "averages", "headline", "per_category", "quantiles"):
        del scores[key]
    for each in scores["sequences"].values():
        del each["categories"]
    (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "config.yaml").unlink()
    if config is not None:
        (folder / "config.yaml").write_text(config)
    return folder


@pytest.mark.parametrize(
    ("config", "dataset", "split"),
    [
        (CONFIG.format("davis2016", "val"), "davis2016", "val"),
        (CONFIG.format("davis2017", "null"), "davis2017", None),
        (CONFIG.format("toy", "null"), "toy", "val"),
        (CONFIG.format("toy", "train"), "toy", "train"),
        (CONFIG.format("[a, b]", "null"), None, None),
        ("data:\n  dataset: toy\n", None, None),
        ("- data", None, None),
        ("data: {", None, None),
        ("data: !!python/object:os.system {}\n", None, None),
        ("\x00", None, None),
        (None, None, None),
    ],
)
def test_older_scores_take_the_dataset_of_their_config(
    tmp_path: Path, config: str | None, dataset: str | None, split: str | None
) -> None:
    [run] = find_runs([make_old(tmp_path / "old/0", config)])
    assert (run.dataset, run.split) == (dataset, split)
    assert (run.average, run.headline) == ("object", "J&F")
    assert run.numbers["J&F"] == pytest.approx(0.65)


def test_config_beside_other_files_is_not_theirs(tmp_path: Path) -> None:
    path = make_old(tmp_path / "old/0", CONFIG.format("toy", "val")) / "scores.json"
    [run] = find_runs([path.rename(path.with_name("mine.json"))])
    assert run.name == "0/mine.json"
    assert (run.dataset, run.config, run.report) == (None, None, None)


def changed(*keys: str, value: object) -> dict[str, Any]:
    """Return good scores with one value replaced, or without it."""
    content: dict[str, Any] = json.loads(GOOD)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return content


MISSING = object()
GOOD = json.dumps(
    {
        "protocol": "davis2017",
        "headline": "J&F",
        "rule": "mean",
        "global": {"J": {"mean": 0.5, "decay": -0.1}, "F": {"mean": 0.5}, "J&F_mean": 0.5},
        "averages": {"object": {"J": {"mean": 0.5}, "units": 1, "rule": "mean"}},
        "per_object": {"a_1": {"J": {"mean": 0.5}, "F": {"mean": 0.5}}},
        "sequences": {"a": {"frames": 3, "scored": {"1": [1]}, "categories": {"1": "cat"}}},
        "seconds": {"adapt": 1.0, "propagate": None, "total": 1.0},
        "run": INFO,
        "data": DATA,
    }
)


def test_good_scores_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(GOOD)
    [run] = find_runs([tmp_path / "x.json"])
    assert (run.objects, run.frames, run.seconds) == (1, 3, {"adapt": 1.0})
    assert run.info["peak_memory_mib"] == 1536.0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "the file is of a wrong kind"),
        (None, "the file is of a wrong kind"),
        ("x", "the file is of a wrong kind"),
        ({"protocol": "http"}, "there are no numbers"),
        (changed("protocol", value=MISSING), "'protocol' is missing"),
        (changed("protocol", value=3), "protocol is of a wrong kind"),
        (changed("protocol", value=["davis2017"]), "protocol is of a wrong kind"),
        (changed("headline", value=5), "headline is of a wrong kind"),
        (changed("headline", value="G"), "G as a mean over each object is unknown"),
        (changed("averages", value={"frame": {}}), "J&F as a mean over each frame is unknown"),
        (changed("averages", value=[]), "averages is of a wrong kind"),
        (changed("rule", value=5), "rule is of a wrong kind"),
        (changed("global", value=3), "global is of a wrong kind"),
        (changed("global", "J", value="0.5"), "J is no number"),
        (changed("global", "J", value=True), "J is no number"),
        (changed("global", "J", value=[0.5]), "J is no number"),
        (changed("global", "J", "mean", value=50.0), "J is 50, which is no share of 1"),
        (changed("global", "J", "decay", value=-1.5), "J decay is -1.5, which is no share of 1"),
        (changed("global", "J&F_mean", value=10**400), "int too large"),
        (changed("per_object", value={}), "'a_1' is missing"),
        (changed("per_object", value=[]), "per_object is of a wrong kind"),
        (changed("per_object", "a_1", "F", value={}), "'mean' is missing"),
        (changed("per_object", "a_1", "F", "mean", value=7), "F of a_1 is 7, which is no share"),
        (changed("sequences", value=["a"]), "sequences is of a wrong kind"),
        (changed("sequences", "a", value=[]), "a is of a wrong kind"),
        (changed("sequences", "a", "frames", value="3"), "frames is of a wrong kind"),
        (changed("sequences", "a", "scored", value=[1]), "scored is of a wrong kind"),
        (changed("sequences", "a", "scored", "1", value=8), "scored frames of a_1 is of a wrong"),
        (changed("sequences", "a", "categories", "1", value=[]), "category is of a wrong kind"),
        (changed("seconds", "adapt", value="long"), "adapt is no number"),
        (changed("seconds", "adapt", value=-1), "adapt is negative"),
        (changed("run", value="x"), "run is of a wrong kind"),
        (changed("run", "commit", value=5), "commit is of a wrong kind"),
        (changed("run", "peak_memory_mib", value="much"), "peak_memory_mib is no number"),
        (changed("data", value="x"), "data is of a wrong kind"),
        (changed("data", "dataset", value=["x"]), "dataset is of a wrong kind"),
        (changed("baseline", value=1), "baseline is of a wrong kind"),
        ({"protocol": "mots", "per_class": {"car": 1}}, "car is of a wrong kind"),
        ({"protocol": "mots", "per_class": {"car": {"MOTSP": 97.5}}}, "car MOTSP is 97.5, which"),
        ({"protocol": "interactive", "AUC": 76.6}, "AUC is 76.6, which is no share of 1"),
    ],
)
def test_malformed_scores_are_refused(
    tmp_path: Path, capsys: Capture, content: object, reason: str
) -> None:
    (tmp_path / "x.json").write_text(json.dumps(content))
    problem = refusal(capsys, tmp_path / "x.json")
    assert f"{tmp_path / 'x.json'}: holds no scores as test and evaluate write them (" in problem
    assert reason in problem


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, GOOD.replace("0.5", "NaN", 1), GOOD.replace("0.5", "Infinity")]
)
def test_what_is_no_json_is_refused(tmp_path: Path, capsys: Capture, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert f"{tmp_path / 'x.json'}: is no JSON" in refusal(capsys, tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    assert f"{tmp_path / 'x.json'}: is no JSON" in refusal(capsys, tmp_path / "x.json")


def test_number_beyond_floats_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x.json").write_text(GOOD.replace("0.5", "1e999", 1))
    assert "is inf" in refusal(capsys, tmp_path / "x.json")


def test_track_scores_may_be_far_below_0(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"protocol": "mots", "per_class": {"car": {"MOTSA": -3.5}}}')
    [run] = find_runs([tmp_path / "x.json"])
    assert run.numbers == {"car MOTSA": -3.5}


def test_no_runs(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "runs: does not exist; make a run" in refusal(capsys)
    (tmp_path / "runs").mkdir()
    assert "runs: holds no scores.json; make a run" in refusal(capsys)
    (tmp_path / "runs/a").mkdir()
    (tmp_path / "runs/a/scores.json").write_text("{")
    assert "runs: no file there holds scores" in refusal(capsys)
    assert "typo: does not exist" in refusal(capsys, "runs", "typo")
