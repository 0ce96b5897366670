"""Whole runs through the real command line, on generated fakes."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml

import cli
from cli import main
from datasets_vos.masks import read_mask, write_mask
from lightning_modules.parser import CONFIGS
from tests.fakes import fake_label_map, make_davis
from tests.lightning_modules.small_runs import SMALL, on, run, small


@pytest.fixture(scope="module")
def fitted(davis_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one whole fit, with the test after it."""
    root = tmp_path_factory.mktemp("runs")
    run("fit", *on(davis_root), *small(), f"--trainer.default_root_dir={root}")
    return root / "lucid" / "version_0"


def test_run_folder_is_complete(fitted: Path) -> None:
    masks = sorted(path.relative_to(fitted / "masks") for path in fitted.glob("masks/*/*.png"))
    assert [str(path) for path in masks] == [
        f"{name}/{frame:05d}.png" for name in ("cat", "dog") for frame in range(6)
    ]
    for name in ("config.yaml", "metrics.csv", "per_sequence.csv", "scores.json", "report.html"):
        assert (fitted / name).stat().st_size > 0
    assert list(fitted.glob("checkpoints/*.ckpt"))
    assert not [path for path in fitted.rglob("*") if path.name.endswith((".tmp", ".partial"))]


def test_first_frame_is_the_annotation(fitted: Path) -> None:
    mask = read_mask(fitted / "masks" / "dog" / "00000.png")
    np.testing.assert_array_equal(mask, fake_label_map(0))


def test_scores_have_the_shape_and_the_baselines(fitted: Path) -> None:
    scores = json.loads((fitted / "scores.json").read_text())
    assert scores["protocol"] == "davis2017"
    assert set(scores["per_object"]) == {"cat_1", "cat_2", "cat_3", "dog_1", "dog_2"}
    # the fifth object enters at frame 3 of 6: it is scored on frame 4 only
    assert len(scores["per_object"]["cat_3"]["J_frames"]) == 1
    assert set(scores["baselines"]) == {"not adapted", "copied first mask"}
    j, f = (scores["global"][m]["mean"] for m in "JF")
    assert scores["global"]["J&F_mean"] == pytest.approx((j + f) / 2)
    assert scores["seconds"]["total"] == pytest.approx(
        scores["seconds"]["adapt"] + scores["seconds"]["propagate"]
    )


def test_copied_mask_baseline_has_its_closed_form(fitted: Path) -> None:
    scores = json.loads((fitted / "scores.json").read_text())
    # squares of side a that moved d pixels sideways overlap in a * (a - d)
    expected = []
    for side, step in ((12, 2), (8, 2)):
        overlaps = [side * max(side - step * t, 0) for t in range(1, 5)]
        expected.append(np.mean([o / (2 * side * side - o) for o in overlaps]))
    late = 1.0  # object 3 does not move
    copied = np.mean([*expected, late, *expected])
    assert scores["baselines"]["copied first mask"]["J"]["mean"] == pytest.approx(copied)


def test_overlay_is_h264_of_the_right_length(fitted: Path) -> None:
    with av.open(str(fitted / "overlays" / "cat.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in container.decode(stream)) == 6


def test_report_is_self_contained(fitted: Path) -> None:
    page = (fitted / "report.html").read_text()
    assert "copied first mask" in page
    assert "not adapted" in page
    assert "overlays/cat.mp4" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def logged(run_folder: Path) -> tuple[list[dict[str, str]], set[str]]:
    """Return the rows of the CSV log, and the names that have values."""
    rows = list(csv.DictReader((run_folder / "metrics.csv").open()))
    return rows, {name for row in rows for name, value in row.items() if value}


def test_losses_and_validation_are_in_the_csv_log(fitted: Path) -> None:
    rows, names = logged(fitted)
    assert {"train/loss", "train/J", "val/J&F", "test/J&F", "adapt/cat_1"} <= names
    assert all(0 <= float(row["train/J"]) <= 1 for row in rows if row["train/J"])


def test_sweeps_go_by_a_number_that_is_logged(fitted: Path) -> None:
    sweeps = [yaml.safe_load(path.read_text()) for path in CONFIGS.glob("sweep/*.yaml")]
    assert sweeps
    assert {sweep["metric"]["name"] for sweep in sweeps} <= logged(fitted)[1]
    assert {sweep["metric"]["goal"] for sweep in sweeps} == {"maximize"}


def test_checkpoint_brings_weights_but_no_settings(
    fitted: Path, davis_root: Path, tmp_path: Path
) -> None:
    checkpoint = next(fitted.glob("checkpoints/*.ckpt"))
    torch.load(checkpoint, weights_only=True)
    run(
        "test",
        *on(davis_root),
        *small(),
        f"--ckpt_path={checkpoint}",
        "--model.adapt_iterations=0",
        f"--trainer.default_root_dir={tmp_path}",
    )
    scores = json.loads((tmp_path / "lucid" / "version_0" / "scores.json").read_text())
    # the checkpoint was saved with adapt_iterations 2; what was typed wins
    validated = [row for row in csv.DictReader((fitted / "metrics.csv").open()) if row["val/J&F"]]
    assert scores["global"]["J&F_mean"] == pytest.approx(float(validated[-1]["val/J&F"]), abs=1e-6)
    # it is not shown again beside itself
    assert set(scores["baselines"]) == {"copied first mask"}


def test_checkpoint_of_another_network_is_refused(
    fitted: Path, davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = next(fitted.glob("checkpoints/*.ckpt"))
    options = ["test", "--config=lucid.yaml", *SMALL, *on(davis_root), *small()]
    runs = f"--trainer.default_root_dir={tmp_path}"
    assert (
        main(
            [
                *options,
                f"--ckpt_path={checkpoint}",
                "--model.network_options={encoder: resnet10t, width: 16}",
                runs,
            ]
        )
        == 2
    )
    assert "belongs to another network" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_same_seed_same_masks(davis_root: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        root = f"--trainer.default_root_dir={tmp_path / name}"
        run("test", *on(davis_root), *small(), root, "--seed_everything=3")
    first, second = (sorted((tmp_path / name).rglob("masks/*/*.png")) for name in ("a", "b"))
    assert len(first) == 12
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_validate_scores_without_writing_masks(
    davis_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("validate", *on(davis_root), *small(), "--trainer.default_root_dir=null")
    folder = tmp_path / "runs" / "lucid" / "version_0"
    assert "val/J&F" in (folder / "metrics.csv").read_text()
    assert not (folder / "masks").exists()


def test_predict_writes_masks_of_a_set_without_truth(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "data", sequences=("solo",), frames=4, annotate="first")
    run("predict", *on(root), *small(), f"--trainer.default_root_dir={tmp_path / 'runs'}")
    assert len(list((tmp_path / "runs").rglob("masks/solo/*.png"))) == 4


def test_predict_neither_scores_nor_compares(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("predict", *on(davis_root), *small(), f"--trainer.default_root_dir={tmp_path}")
    assert "J&F" not in capsys.readouterr().err
    assert not list(tmp_path.rglob("scores.json"))


def test_clips_with_the_given_mask_alone_are_segmented_but_not_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path / "data", sequences=("given", "known"), frames=4)
    for t in range(1, 4):
        (root / "Annotations" / "480p" / "given" / f"{t:05d}.png").unlink()
    runs = tmp_path / "runs"
    run("test", *on(root), *small(), f"--trainer.default_root_dir={runs}")
    folder = runs / "lucid" / "version_0"
    assert len(list(folder.glob("masks/given/*.png"))) == 4
    scores = json.loads((folder / "scores.json").read_text())
    assert {name.rsplit("_", 1)[0] for name in scores["per_object"]} == {"known"}
    assert 0 <= scores["global"]["J&F_mean"] <= 1
    capsys.readouterr()
    run(
        "test",
        *on(root),
        *small(),
        "--data.sequences=[given]",
        f"--trainer.default_root_dir={runs}",
    )
    assert not (runs / "lucid" / "version_1" / "scores.json").exists()
    assert f"masks are in {runs / 'lucid' / 'version_1' / 'masks'}" in capsys.readouterr().err


def test_a_run_that_is_asked_to_end_does(tiny_toy: Path, tmp_path: Path) -> None:
    command = [sys.executable, cli.__file__, "test", "--config=lucid.yaml", *SMALL, *small()]
    command += [f"--data.root={tiny_toy}", "--model.adapt_iterations=100000"]
    command += [f"--trainer.default_root_dir={tmp_path}"]
    environment = {**os.environ, "WANDB_MODE": "disabled"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as process:
        began = tmp_path / "lucid" / "version_0" / "config.yaml"
        while not began.exists():
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(2)  # by now it adapts
        process.terminate()
        try:
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 143
    assert told.strip().endswith("stopped; what was finished is kept")


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _break_jpeg(root: Path) -> None:
    _truncate(root / "JPEGImages" / "480p" / "beta" / "00003.jpg")


def _break_png(root: Path) -> None:
    _truncate(root / "Annotations" / "480p" / "beta" / "00000.png")


def _resize_mask(root: Path) -> None:
    write_mask(root / "Annotations/480p/beta/00000.png", np.ones((20, 20), np.uint8))


def _empty_mask(root: Path) -> None:
    for path in (root / "Annotations" / "480p" / "beta").glob("*.png"):
        write_mask(path, np.zeros((48, 64), np.uint8))


def _one_frame(root: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        for path in (root / kind / "480p" / "beta").iterdir():
            if path.stem != "00000":
                path.unlink()


def _empty_folder(root: Path) -> None:
    for path in (root / "JPEGImages" / "480p" / "beta").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "damage", [_break_jpeg, _break_png, _resize_mask, _empty_mask, _one_frame, _empty_folder]
)
def test_damaged_data_is_refused_before_anything_is_written(
    damage: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path / "data")
    damage(root)  # type: ignore[operator]
    runs = tmp_path / "runs"
    options = ["test", "--config=lucid.yaml", *SMALL, *on(root), *small()]
    assert main([*options, f"--trainer.default_root_dir={runs}"]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    assert "beta" in message
    assert not runs.exists()


def test_too_few_slots_are_refused_before_training(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*SMALL, *on(davis_root), *small(), f"--trainer.default_root_dir={tmp_path}"]
    # two objects in each annotated frame, but a third one enters late
    for command in ("fit", "test", "predict"):
        assert main([command, "--config=lucid.yaml", "--model.slots=2", *options]) == 2
        assert "cat has 3 objects, but the network 2 slots" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("*.png"))
