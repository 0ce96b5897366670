"""``evaluate`` of the unsupervised task and of still images, through the command line."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import cli
from datasets_vos import Davis
from datasets_vos.masks import read_mask, write_mask
from lightning_modules.recording import record_clip
from tests.fakes import fake_label_map, make_davis, make_frames
from vos_core.types import ClipJob, SegmentedClip

GOLDEN = Path(__file__).parents[1] / ".." / "shared" / "golden" / "metrics"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no reference scores at {GOLDEN}")

OBJECTS = {"alpha": (1, 2), "beta": (1, 2, 3)}
FRAMES = 6
NUMBERS = np.array([0, 7, 3, 20], dtype=np.uint8)  # the method's own for objects 1, 2 and 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "davis", frames=FRAMES, task="unsupervised")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Perfect masks under other ids, but for object 1 of alpha, which the first frame lacks."""
    folder = tmp_path / "results"
    for name, objects in OBJECTS.items():
        for t in range(FRAMES):
            label_map = NUMBERS[fake_label_map(t, objects)]
            if name == "alpha" and t == 0:
                label_map[label_map == 7] = 0
            write_mask(folder / name / f"{t:05d}.png", label_map)
    return folder


def evaluate(root: Path, results: Path, *options: str) -> int:
    command = ["evaluate", "--dataset=davis2017_unsupervised", f"--root={root}"]
    return cli.main([*command, f"--results={results}", *options])


@needs_golden
def test_equals_reference_scores(tmp_path: Path) -> None:
    task = GOLDEN / "multi_unsup"
    reference = json.loads((GOLDEN / "reference_scores.json").read_text())["multi_unsup"]
    root, out = tmp_path / "davis", tmp_path / "scores.json"
    shutil.copytree(task / "gt", root / "Annotations_unsupervised" / "480p")
    for sequence in (task / "gt").iterdir():
        frames = len(list(sequence.iterdir()))
        images = root / "JPEGImages" / "480p" / sequence.name
        make_frames(images, 1, size=(480, 854))
        for t in range(1, frames):
            shutil.copy(images / "00000.jpg", images / f"{t:05d}.jpg")
    assert evaluate(root, task / "pred", f"--out={out}") == 0
    scores = json.loads(out.read_text())
    assert scores["protocol"] == "davis2017_unsupervised"
    for key in ("J", "F", "J&F_mean"):
        assert scores["global"][key] == pytest.approx(reference["global"][key], abs=1e-12, rel=0)
    # the official names are the proposals', ours the objects'; no proposal is numbered in vain here
    assert scores["per_object"].keys() == reference["per_object"].keys()
    for name, got in scores["per_object"].items():
        want = reference["per_object"][f"{name.rpartition('_')[0]}_{got['proposal']}"]
        for key in ("J", "F", "J_frames", "F_frames"):
            assert got[key] == pytest.approx(want[key], abs=1e-12, rel=0)


def test_scores_and_says_by_which_rule(
    root: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / f"scores{workers}.json" for workers in (1, 2)]
    assert evaluate(root, results, f"--out={outs[0]}") == 0
    scores = json.loads(outs[0].read_text())
    assert {name: each["proposal"] for name, each in scores["per_object"].items()} == {
        "alpha_1": 7,
        "alpha_2": 3,
        "beta_1": 7,
        "beta_2": 3,
    }
    assert scores["per_object"]["alpha_1"]["J_frames"] == [0.0] + [1.0] * 5
    assert scores["sequences"]["alpha"] == {
        "frames": 6,
        "scored": {"1": [*range(6)], "2": [*range(6)]},
        "extra_ids": {},
        "categories": {},
    }
    assert scores["global"]["J"]["mean"] == pytest.approx((5 / 6 + 3) / 4)
    with outs[0].with_suffix(".csv").open(newline="") as file:
        rows = {row["sequence"]: row for row in csv.DictReader(file)}
    assert float(rows["alpha"]["J&F_mean"]) == pytest.approx(11 / 12)
    printed, errors = capsys.readouterr()
    rule = "davis2017_unsupervised: mean over 4 objects, one proposal for each, frames 0..T-1"
    assert rule in printed
    assert errors == (
        "warning: beta: the rules score the objects of the first frame only, so 3 took no part.\n"
        "warning: prediction equals ground truth in beta.\n"
    )
    assert evaluate(root, results, f"--out={outs[1]}", "--workers=2") == 0
    one, two = (json.loads(out.read_text()) for out in outs)
    one.pop("scored_by"), two.pop("scored_by")
    assert one == two


def test_refusals(root: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "beta" / "00003.png"
    label_map = read_mask(path)
    label_map[0, 0] = 21
    write_mask(path, label_map)
    assert evaluate(root, results) == 2
    assert "'beta', frame 3: the prediction holds 21; there may be 20" in capsys.readouterr().err
    assert evaluate(root, results, "--sequences", "alpha") == 0
    path.unlink()
    assert evaluate(root, results) == 2
    assert "beta lacks 1 of 6, first 00003.png" in capsys.readouterr().err


def test_withheld_truth_is_told_before_any_mask_is_read(
    root: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(root / "Annotations_unsupervised")
    shutil.copy(root / "ImageSets" / "2017" / "val.txt", root / "ImageSets/2017/test-dev.txt")
    (results / "beta" / "00000.png").write_bytes(b"")
    assert evaluate(root, results, "--split=test-dev") == 2
    assert "no scored frame has a true mask; choose another split" in capsys.readouterr().err


def test_a_run_on_that_set_is_scored_by_the_same_rules(root: Path) -> None:
    clip = Davis(root, task="unsupervised")[0]
    maps = iter([NUMBERS[fake_label_map(t)] for t in range(FRAMES)])
    job = ClipJob(clip, None, "davis2017_unsupervised")
    record = record_clip(SegmentedClip(job, {"own": maps}, 0.0), None)
    objects = record.results["own"].objects
    assert {i: each["proposal"] for i, each in objects.items()} == {1: 7, 2: 3}
    assert record.worst[0].J == 1.0


def test_still_images_are_handed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "--dataset=ecssd", f"--root={tmp_path}", f"--results={tmp_path}"]
    assert cli.main([*command, "--sequences", "a"]) == 2
    assert "'ecssd' has no sequences" in capsys.readouterr().err
    assert cli.main([*command]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_what_can_be_scored_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--help"])
    listed = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "videos: davis2016, davis2017, davis2017_unsupervised" in listed
    assert "stills: dut_omron" in listed
    assert cli.main(["evaluate", "--dataset=ecsdd", "--results=x"]) == 2
    assert "Did you mean 'ecssd'?" in capsys.readouterr().err
