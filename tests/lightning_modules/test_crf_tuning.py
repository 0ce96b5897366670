"""A CRF that is tuned on held-out samples, from the command line to the scores."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
from torch import nn

from augment.refinement import RefinementSampler
from cli import main
from datasets_vos import open_dataset
from datasets_vos.masks import read_mask
from lightning_modules.tasks import LucidTask, base
from tests.fakes import make_davis
from vos_core.postprocess import CRFTuning, DenseCRF, HeldOut
from vos_core.postprocess.tuning import CRF_GRID
from vos_core.types import ClipJob, LabelMap

OPTIONS = [
    "--config=lucid.yaml",
    "--model.network_options={encoder: resnet10t, width: 8}",
    "--model.adapt_iterations=2",
    "--model.adapt_batch_size=2",
    "--model.precision=float32",
    "--model.crf=true",
    "--model.crf_settings.iterations=2",
    "--trainer.accelerator=cpu",
    "--data.dataset=davis2017",
    "--data.size=[48,64]",
    "--data.samples_per_epoch=8",
    "--data.batch_size=2",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "davis", sequences=("cat", "dog"), frames=3)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """Collect the number and the seed of the samples that are held out."""
    calls: list[tuple[int, list[int]]] = []
    predict = base.predict_held_out

    def watched(
        network: nn.Module,
        sampler: RefinementSampler,
        count: int,
        seed: Sequence[int],
        *args: Any,
    ) -> list[HeldOut]:
        calls.append((count, list(seed)))
        return predict(network, sampler, count, seed, *args)

    monkeypatch.setattr(base, "predict_held_out", watched)
    return calls


def run(command: str, root: Path, *options: str) -> tuple[Path, dict[str, Any]]:
    """Run a command; return the run folder and the scores."""
    runs = root.parent / "runs"
    data = (f"--data.root={root}", f"--trainer.default_root_dir={runs}")
    assert main([command, *OPTIONS, *data, *options]) == 0
    folder = sorted((runs / "lucid").iterdir())[-1]
    return folder, json.loads((folder / "scores.json").read_text())


def on_the_grid(settings: dict[str, float]) -> bool:
    start = asdict(DenseCRF(iterations=2))
    known = {name: {*CRF_GRID.get(name, ()), value} for name, value in start.items()}
    return list(settings) == list(start) and all(settings[name] in known[name] for name in start)


def test_a_trained_network_is_tuned_for_once_and_on_all_clips(
    root: Path, drawn: list[tuple[int, list[int]]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, scores = run("fit", root, "--model.crf_tuning=3", "--seed_everything=5")
    # no training sample can be drawn from the same numbers
    assert drawn == [(3, [5, zlib.crc32(b"held out")])]
    assert set(scores["crf"]) == {"cat", "dog"}
    tuned = scores["crf"]["cat"]
    assert tuned == scores["crf"]["dog"]
    assert on_the_grid(tuned["settings"])
    assert 0 <= tuned["J"] <= 1
    assert 0 <= tuned["J_without"] <= 1
    said = [line for line in capsys.readouterr().err.splitlines() if "tuned CRF" in line]
    assert len(said) == 1
    assert said[0].startswith("dataset: ")
    assert f"J {tuned['J']:.3f}, without it {tuned['J_without']:.3f}" in said[0]
    # what was found, written into a config, does the same
    weights = f"--ckpt_path={next(folder.glob('checkpoints/*.ckpt'))}"
    found = f"--model.crf_settings={json.dumps({'preset': 'default', **tuned['settings']})}"
    again, others = run("test", root, weights, found, "--seed_everything=5")
    assert others["per_object"] == scores["per_object"]
    assert "crf" not in others
    for path in sorted(folder.glob("masks/*/*.png")):
        other = again / path.relative_to(folder)
        np.testing.assert_array_equal(read_mask(path), read_mask(other))


def test_without_training_each_clip_is_tuned_for_by_itself(
    root: Path, drawn: list[tuple[int, list[int]]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, scores = run("test", root, "--model.crf_tuning=3", "--seed_everything=5")
    # the objects share the samples; the adaptation drew from seeds that end in 0 and 1
    expected = [(2, [5, zlib.crc32(b"cat"), 1, 2]), (2, [5, zlib.crc32(b"cat"), 2, 2])]
    expected += [(2, [5, zlib.crc32(b"dog"), 1, 2]), (2, [5, zlib.crc32(b"dog"), 2, 2])]
    assert sorted(drawn) == sorted(expected)
    assert all(on_the_grid(tuned["settings"]) for tuned in scores["crf"].values())
    said = capsys.readouterr().err
    assert "cat: tuned CRF" in said
    assert "dog: tuned CRF" in said


@pytest.mark.parametrize("score", [0.75, 0.25])
def test_answers_are_sharpened_by_what_was_found_unless_it_hurts(
    score: float, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = DenseCRF(iterations=1, bilateral_weight=2)
    started: list[DenseCRF] = []
    used: list[DenseCRF | None] = []
    run_sequence = base.run_sequence

    def found(examples: Sequence[HeldOut], start: DenseCRF) -> CRFTuning:
        started.append(start)
        return CRFTuning(best, {None: 0.5, best: score})

    def watched(*args: Any) -> Iterator[LabelMap]:
        used.append(args[-1])
        return run_sequence(*args)

    monkeypatch.setattr(base, "tune_crf", found)
    monkeypatch.setattr(base, "run_sequence", watched)
    _, scores = run("test", root, "--model.crf_tuning=1")
    assert started == [DenseCRF(iterations=2)] * 2
    assert used == [best if score > 0.5 else None, None] * 2  # the copied first mask stays as it is
    told = {"settings": asdict(best), "J": score, "J_without": 0.5}
    assert scores["crf"] == {"cat": told, "dog": told}


def test_a_network_of_several_slots_is_tuned_for_on_all_objects_at_once(
    root: Path, drawn: list[tuple[int, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[HeldOut] = []

    def found(examples: Sequence[HeldOut], start: DenseCRF) -> CRFTuning:
        seen.extend(examples)
        return CRFTuning(start, {None: 0.5, start: 0.5})

    monkeypatch.setattr(base, "tune_crf", found)
    job = ClipJob(open_dataset("davis2017", root).clip("cat"), (48, 64), "davis2017")
    small = {"encoder": "resnet10t", "width": 8}
    task = LucidTask(network_options=small, slots=3, crf=True, crf_tuning=3)
    task.trainer = L.Trainer(accelerator="cpu", barebones=True)
    assert task._tune_to_clip(job, task.network)
    assert [(count, seed[1:]) for count, seed in drawn] == [(3, [zlib.crc32(b"cat"), 0, 2])]
    # two of the three slots are taken
    assert [len(example.probabilities) for example in seen] == [3] * 3
    assert {1, 2} <= set(np.unique([example.truth for example in seen]))


def test_a_network_that_has_learnt_nothing_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model.crf_tuning=3", "--model.adapt_iterations=0", f"--data.root={root}"]
    runs = f"--trainer.default_root_dir={root.parent / 'runs'}"
    assert main(["test", *OPTIONS, *options, runs]) == 2
    assert "give --ckpt_path, let it adapt" in capsys.readouterr().err


def test_tuning_goes_with_a_crf(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model.crf_tuning=3", "--model.crf=false", f"--data.root={root}"]
    runs = root.parent / "runs"
    assert main(["test", *OPTIONS, *options, f"--trainer.default_root_dir={runs}"]) == 2
    assert "say --model.crf true" in capsys.readouterr().err
    assert not runs.exists()
