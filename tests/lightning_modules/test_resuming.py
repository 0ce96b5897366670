"""Trainings that begin from weights, and trainings that go on where they were stopped."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cli import main
from lightning_modules.callbacks import keep_training
from lightning_modules.tasks import LucidTask
from vos_core.types import RefinementSample

STEPS = 8


def fit(root: Path, out: Path, *options: str) -> int:
    """Train for two epochs of four steps each."""
    return main(
        [
            *("fit", "--config=lucid.yaml", "--after_fit=null", f"--data.root={root}"),
            *("--data.dataset=davis2017", "--data.size=[48,64]", "--data.batch_size=2"),
            *("--data.samples_per_epoch=8", "--model.precision=float32"),
            *("--model.network_options={encoder: resnet10t, width: 8}", "--trainer.max_epochs=2"),
            *("--trainer.accelerator=cpu", "--trainer.limit_val_batches=0"),
            *(f"--trainer.default_root_dir={out}", *options),
        ]
    )


def kept(out: Path, version: int = 0) -> dict[str, Tensor]:
    """Return the weights of the one checkpoint of a training that is over."""
    (path,) = (out / "lucid" / f"version_{version}" / "checkpoints").iterdir()
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return weights


@pytest.fixture(scope="module")
def whole(davis_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    assert fit(davis_root, out) == 0
    return out


def stop_after(
    steps: int, monkeypatch: pytest.MonkeyPatch, how: type[BaseException] = KeyboardInterrupt
) -> None:
    step = LucidTask.training_step

    def stopped(task: LucidTask, batch: RefinementSample, batch_idx: int) -> Tensor:
        if task.global_step == steps:
            raise how
        return step(task, batch, batch_idx)

    monkeypatch.setattr(LucidTask, "training_step", stopped)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_training_goes_on_as_if_nothing_had_stopped_it(
    davis_root: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: int,
) -> None:
    drawing = f"--data.num_workers={workers}"
    later = [  # what comes after a training
        *("--model.adapt_lr=0.5", "--model.time_per_sequence=3", "--model.flow=farneback"),
        *("--model.coherence=null", "--model.crf=true", "--model.adapted_cache=kept"),
    ]
    with monkeypatch.context() as patched:
        stop_after(STEPS - 3, patched)  # within the second epoch
        assert fit(davis_root, tmp_path, drawing) == 130
    interim = tmp_path / "lucid" / "version_0" / "checkpoints" / "interim.ckpt"
    assert f"stopped after 5 steps; fit --resume {interim} goes on" in capsys.readouterr().err
    assert fit(davis_root, tmp_path, drawing, f"--resume={interim}", *later) == 0
    told = capsys.readouterr().err
    assert "step 8 of 8" in told  # where no bar is
    assert "trained for 8 steps; the weights are " in told
    straight, resumed = kept(whole), kept(tmp_path, version=1)
    for name, weight in straight.items():
        assert torch.equal(resumed[name], weight), name


def test_the_state_is_kept_now_and_then_and_outlives_a_crash(
    davis_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    monkeypatch.setattr(keep_training, "_MINUTES", 0.0)
    monkeypatch.setattr(keep_training, "_ASK_EVERY", 3)
    stop_after(STEPS - 1, monkeypatch, Crash)
    with pytest.raises(Crash):
        fit(davis_root, tmp_path)
    (path,) = tmp_path.rglob("interim.ckpt")
    assert torch.load(path, weights_only=True)["global_step"] == 6


def test_a_trial_leaves_nothing_behind(davis_root: Path, tmp_path: Path) -> None:
    assert fit(davis_root, tmp_path, "--trainer.fast_dev_run=true", "--after_fit=test") == 0
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_brings_its_weights_alone(
    davis_root: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = whole.rglob("*.ckpt")
    options = ["--model.lr=1e-12", "--model.weight_decay=0", "--model.solver=sgd"]
    assert fit(davis_root, tmp_path, f"--ckpt_path={path}", *options, "--trainer.max_epochs=3") == 0
    assert "trained for 12 steps" in capsys.readouterr().err
    before, after = kept(whole), kept(tmp_path)
    for name, weight in before.items():
        if "running" not in name and "batches" not in name:
            torch.testing.assert_close(after[name], weight, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--model.lr=0.5", "model.lr 0.01, not 0.5"),
        ("--trainer.max_epochs=3", "trainer.max_epochs 2, not 3"),
        ("--data.batch_size=4", "data.batch_size 2, not 4"),
        ("--seed_everything=7", "seed 0, not 7"),
        ("--data.train_sets=[{dataset: toy, split: val, repeat: 2}]", "None, not ['2 x toy, val']"),
    ],
)
def test_a_training_does_not_go_on_with_other_settings(
    davis_root: Path,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    said: str,
) -> None:
    (path,) = whole.rglob("*.ckpt")
    assert fit(davis_root, tmp_path, f"--resume={path}", option) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
