"""``evaluate`` of KITTI-MOTS and MOTS20 through the command line, on generated sets."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cli
from datasets_vos.commands.evaluate import mots as evaluate_mots
from tests.datasets_vos.test_mots_results import lines
from tests.fakes.mots import FRAMES, mots_codes, write_codes
from tests.fakes.registry import VIDEO_FAKES, Fake
from vos_core.errors import MaskError
from vos_core.metrics.mots import Codes

FALSE_CAR = (slice(42, 48), slice(20, 30))
IN_IGNORED = (slice(42, 48), slice(0, 6))
CUT = (slice(4, 7), slice(0, 64))  # 3 of the car's 12 rows


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Sequences 0000 (two cars, one of them late, and a pedestrian), 0002, 0007 (one of each)."""
    return VIDEO_FAKES["kitti_mots"](tmp_path / "kitti")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """PNG with a switch, a miss, a cut, a false and an ignored car; text: all right; nothing."""
    folder = tmp_path / "results"
    for t in range(FRAMES):
        codes = predicted(t, (1, 2))
        codes[codes == 1007] = 1500 if t < 3 else 1501
        if t == 0:
            codes[FALSE_CAR] = 1600
            codes[CUT] = 0
        if t == 1:
            codes[IN_IGNORED] = 1600
        write_codes(folder / "0000" / f"{t:06d}.png", codes)
    write_text(folder / "0002.txt", 0)
    (folder / "0007.txt").touch()
    return folder


def predicted(t: int, objects: tuple[int, ...]) -> Codes:
    codes = mots_codes(t, objects)
    codes[codes == 10000] = 0
    return codes


def write_text(path: Path, first: int) -> None:
    path.parent.mkdir(exist_ok=True)
    content = [line for t in range(FRAMES) for line in lines(t + first, predicted(t, (1, 2)))]
    path.write_text("\n".join(content))


def evaluate(fake: Fake, results: Path, *options: str) -> int:
    command = ["evaluate", f"--dataset={fake.dataset}", f"--root={fake.root}"]
    return cli.main([*command, f"--results={results}", "--workers=1", *options])


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_scores(
    fake: Fake, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "scores.json"
    assert evaluate(fake, results, f"--out={out}") == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines() if line.strip()]
    # cars: 17 masks, 10 matched, one of them with an IoU of 0.75; one false, one switch
    assert ["all", "45.6", "47.1", "97.5", "58.8", "90.9", "1", "7", "1"] in rows
    assert ["0000", "39.3", "42.9", "95.0", "71.4", "83.3", "1", "2", "1"] in rows
    assert ["0007", "0.0", "0.0", "-", "0.0", "-", "0", "5", "0"] in rows
    # pedestrians: 15 masks, 10 matched
    assert ["all", "66.7", "66.7", "100.0", "66.7", "100.0", "0", "5", "0"] in rows
    summary = "sMOTSA car 45.6, pedestrian 66.7 (mots: counts added over 3 sequences and 15 frames"
    assert printed.out.splitlines()[-1].startswith(summary)

    scores = json.loads(out.read_text())
    assert scores["protocol"] == "mots"
    assert scores["rule"] in printed.out
    car = scores["per_class"]["car"]
    assert car["sMOTSA"] == pytest.approx(7.75 / 17, abs=1e-12)
    assert [car[key] for key in ("M", "TP", "FP", "FN", "IDS", "ignored", "tracks")] == [
        17,
        10,
        1,
        7,
        1,
        1,
        4,
    ]
    assert (car["MT"], car["ML"]) == (2 / 4, 2 / 4)
    assert scores["sequences"]["0007"]["car"]["MOTSP"] is None
    assert scores["sequences"]["0002"]["pedestrian"]["sMOTSA"] == 1
    assert scores["data"] == {"dataset": "kitti_mots", "split": None, "root": str(fake.root)}
    assert scores["scored_by"]["command"].startswith("python ")
    with out.with_suffix(".csv").open(newline="") as table:
        line = {(row["sequence"], row["class"]): row for row in csv.DictReader(table)}
    assert len(line) == 6
    assert (line["0000", "car"]["IDS"], line["0007", "car"]["MOTSP"]) == ("1", "")
    assert float(line["0000", "car"]["sMOTSA"]) == pytest.approx(2.75 / 7, abs=1e-12)


def test_splits_and_sequences(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for layout in ("train", "val"):  # of the authors; the fake lacks most of their sequences
        assert evaluate(fake, results, f"--split={layout}") == 2
        assert "lacks" in refusal(capsys)
    assert evaluate(fake, results, "--split=val", "--sequences", "0007", "0002") == 0
    assert "sMOTSA car 50.0, pedestrian 50.0" in capsys.readouterr().out
    assert evaluate(fake, results, "--split=test", "--sequences", "0001") == 2
    assert "predictions of 1 of 1 sequence are missing (0001)" in refusal(capsys)
    (results / "0001.txt").touch()
    assert evaluate(fake, results, "--split=test") == 2
    assert "no frame has true masks" in refusal(capsys)


def test_workers_change_nothing(fake: Fake, results: Path, tmp_path: Path) -> None:
    contents = []
    for workers in (1, 2):
        out = tmp_path / f"{workers}.json"
        assert evaluate(fake, results, f"--out={out}", f"--workers={workers}") == 0
        scores = json.loads(out.read_text())
        del scores["scored_by"]
        contents.append((scores, out.with_suffix(".csv").read_bytes()))
    assert contents[0] == contents[1]


@pytest.mark.parametrize("dataset", ["kitti_mots", "mots20"])
def test_the_annotation_folder_is_refused(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, out = VIDEO_FAKES[dataset](tmp_path / "set"), tmp_path / "scores.json"
    truth = fake.root / "train" / "instances"
    assert evaluate(fake, truth, f"--out={out}") == 2
    message = refusal(capsys)
    assert "prediction equals ground truth: is the results folder the annotation" in message
    assert "--allow-perfect" in message
    assert not out.exists()
    assert evaluate(fake, truth, f"--out={out}", "--allow-perfect") == 0
    assert "warning: prediction equals ground truth" in refusal(capsys)
    per_class = json.loads(out.read_text())["per_class"]
    assert {name: each["sMOTSA"] for name, each in per_class.items()} == {
        "car": 1,
        "pedestrian": 1,
    }


def test_classes_that_a_set_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = VIDEO_FAKES["mots20"](tmp_path / "set")
    for path in (fake.root / "train" / "instances").rglob("*.png"):
        write_codes(path, mots_codes(int(path.stem) - 1, (2,)))  # the pedestrian
    results = tmp_path / "results"
    write_text(results / "0002.txt", 1)
    write_text(results / "0005.txt", 1)
    assert evaluate(fake, results) == 0  # not perfect: cars are all false
    assert "sMOTSA car -, pedestrian 100.0" in capsys.readouterr().out
    for path in results.iterdir():
        kept = [line for line in path.read_text().splitlines() if line.split()[2] == "2"]
        path.write_text("\n".join(kept))
    assert evaluate(fake, results, "--allow-perfect") == 0
    assert "sMOTSA pedestrian 100.0 (mots" in capsys.readouterr().out


def test_scores_are_stored_before_they_are_shown(
    fake: Fake, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_reads() -> None:
        raise MaskError("nobody reads")

    monkeypatch.setattr(evaluate_mots, "plain_console", nobody_reads)
    out = tmp_path / "scores.json"
    assert evaluate(fake, results, f"--out={out}") == 2
    assert json.loads(out.read_text())["protocol"] == "mots"


def test_names_are_printed_as_they_are(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "[red]0002[/] :car:"
    for folder in ("images", "instances"):
        parent = fake.root / "train" / folder
        (parent / "0002").rename(parent / odd.replace("/", "|"))
    (results / "0002.txt").rename(results / f"{odd.replace('/', '|')}.txt")
    assert evaluate(fake, results) == 0
    assert odd.replace("/", "|") in capsys.readouterr().out


def test_missing_sequences(
    fake: Fake, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    (results / "0007.txt").unlink()
    assert evaluate(fake, results, f"--out={out}") == 2
    message = refusal(capsys)
    assert f"{results}: predictions of 1 of 3 sequences are missing (0007)" in message
    assert "--allow-missing" in message
    assert not out.exists()
    assert evaluate(fake, results, f"--out={out}", "--allow-missing") == 0
    assert "1 sequence without predictions left out" in capsys.readouterr().out
    scores = json.loads(out.read_text())
    assert list(scores["sequences"]) == ["0000", "0002"]
    assert scores["per_class"]["car"]["sMOTSA"] == pytest.approx(7.75 / 12, abs=1e-12)
    for path in (*results.glob("*.txt"), results / "0000"):
        shutil.move(path, tmp_path / path.name)
    (results / "README.txt").touch()
    assert evaluate(fake, results, "--allow-missing") == 2
    assert "predictions of 3 of 3 sequences are missing" in refusal(capsys)


def test_missing_frames_are_empty_if_that_is_allowed(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "0000" / "000004.png").unlink()
    assert evaluate(fake, results) == 2
    assert "missing (0000 lacks 1 of 5, first 000004)" in refusal(capsys)
    assert evaluate(fake, results, "--allow-missing") == 0
    printed = capsys.readouterr().out
    # one more car and pedestrian are missed
    assert "sMOTSA car 39.7, pedestrian 60.0" in printed
    assert "1 missing frame taken as empty" in printed


def test_frames_numbered_from_elsewhere(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(results / "0002.txt", 1)
    assert evaluate(fake, results, "--allow-missing") == 2
    assert "for frames that do not exist (0002 has 5, but begins at 000000)" in refusal(capsys)


def test_truth_with_gaps_or_without_objects(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = fake.root / "train" / "instances" / "0002"
    for path in masks.iterdir():
        write_codes(path, np.where(mots_codes(0) == 10000, 10000, 0).astype(np.uint16))
    assert evaluate(fake, results, "--sequences", "0002") == 2
    assert "show no car and no pedestrian" in refusal(capsys)
    (masks / "000003.png").unlink()
    assert evaluate(fake, results, "--sequences", "0002") == 2
    assert "true masks of 1 frame are missing (000003)" in refusal(capsys)


def test_unusable_predictions_are_named(
    fake: Fake, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "0000" / "000002.png"
    write_codes(path, np.zeros((48, 64), dtype=np.uint8))
    assert evaluate(fake, results) == 2
    assert f"{path}: pixel mode L is not 16-bit gray" in refusal(capsys)
