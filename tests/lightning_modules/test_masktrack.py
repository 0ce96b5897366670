"""MaskTrack through the command line: two networks, several annotations."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from cli import main
from datasets_vos.masks import read_mask
from lightning_modules.tasks import masktrack
from vos_core.types import Annotation, Clip

SMALL = [
    "--config=small/masktrack.yaml",
    "--data.size=[48,64]",
    "--data.train_sets=null",
    "--data.samples_per_epoch=4",
    "--data.batch_size=2",
    "--model.network_options={encoder: resnet10t, width: 8, depth: 2}",
    "--model.adapt_iterations=2",
    "--model.adapt_batch_size=2",
    "--trainer.accelerator=cpu",
]


def on(root: Path) -> list[str]:
    return ["--data.dataset=davis2017", f"--data.root={root}"]


def run(command: str, root: Path, out: Path, *options: str) -> dict[str, Any]:
    where = f"--trainer.default_root_dir={out}"
    assert main([command, *SMALL, *on(root), where, *options]) == 0
    scores = out / "small-masktrack" / "version_0" / "scores.json"
    return json.loads(scores.read_text()) if scores.is_file() else {}


@pytest.fixture(scope="module")
def box_checkpoint(davis_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on boxes, for hardly any time."""
    out = tmp_path_factory.mktemp("box")
    run("fit", davis_root, out, "--model.guidance=box", "--after_fit=null")
    return next(out.glob("small-masktrack/version_0/checkpoints/*.ckpt"))


def test_what_the_second_network_finds_in_the_boxes_is_what_is_followed(
    davis_root: Path, tmp_path: Path, box_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def found(
        network: nn.Module, clip: Clip, annotations: Sequence[Annotation], *_: object
    ) -> list[Annotation]:
        asked.append((clip.name, network.training))
        return [replace(a, label_map=np.roll(a.label_map, 3, axis=1)) for a in annotations]

    monkeypatch.setattr(masktrack, "masks_from_boxes", found)
    options = ["--data.sequences=[dog]", f"--model.box_network={box_checkpoint}"]
    run("test", davis_root, tmp_path, *options)
    assert asked == [("dog", False)]
    first = read_mask(next(tmp_path.glob("small-masktrack/*/masks/dog/00000.png")))
    given = read_mask(next(davis_root.glob("Annotations/*/dog/00000.png")))
    np.testing.assert_array_equal(first, np.roll(given, 3, axis=1))


def test_a_network_that_was_trained_on_masks_finds_none_in_boxes(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit", davis_root, tmp_path, "--after_fit=null")
    checkpoint = next(tmp_path.glob("small-masktrack/version_0/checkpoints/*.ckpt"))
    where = f"--trainer.default_root_dir={tmp_path}"
    options = [*SMALL, *on(davis_root), where, f"--model.box_network={checkpoint}"]
    assert main(["test", *options]) == 2
    assert "--model.guidance box" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["absent.ckpt", "broken.ckpt"])
def test_a_box_network_that_is_none_is_refused(
    davis_root: Path, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.ckpt").write_bytes(b"nothing")
    options = [*SMALL, *on(davis_root), f"--trainer.default_root_dir={tmp_path / 'runs'}"]
    assert main(["test", *options, f"--model.box_network={tmp_path / wrong}"]) == 2
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_every_annotated_frame_is_answered_with_its_annotation(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = run("test", davis_root, tmp_path / "1", "--data.annotate=1")
    assert every["global"]["J"]["mean"] == 1
    last = run("test", davis_root, tmp_path / "last", "--data.annotate=[-1]")
    assert last["global"]["J"]["mean"] < 1
    clips = len(last["sequences"])
    said = f"{clips} annotated frame{'s' * (clips != 1)} scored as given"
    assert last["rule"].endswith(said)
    assert f"sequence{'s' * (clips != 1)}, {said}; see" in capsys.readouterr().err
    assert last["data"]["annotate"] == [-1]
    masks = sorted((tmp_path / "last").glob("small-masktrack/*/masks/dog/*.png"))
    truth = sorted(davis_root.glob("Annotations/*/dog/*.png"))
    np.testing.assert_array_equal(read_mask(masks[-1]), read_mask(truth[-1]))


def test_a_frame_that_is_not_there_cannot_be_annotated(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*SMALL, *on(davis_root), f"--trainer.default_root_dir={tmp_path}"]
    assert main(["test", *options, "--data.annotate=[500]"]) == 2
    assert "has no frame 500" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_training_in_float16_without_scaled_losses_is_refused(
    davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*SMALL, *on(davis_root), f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *options, "--model.precision=float16"]) == 2
    assert "--trainer.precision 16-mixed" in capsys.readouterr().err


def test_adaptation_in_float16(davis_root: Path, tmp_path: Path) -> None:
    options = ["--model.precision=float16", "--data.sequences=[dog]"]
    assert 0 <= run("test", davis_root, tmp_path, *options)["global"]["J"]["mean"] <= 1
