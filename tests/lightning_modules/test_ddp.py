"""Several processes give the same masks and scores as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lightning_modules.tasks import LucidTask

ROOT = Path(__file__).resolve().parents[2]


def adapt_to(root: Path, out: Path, *options: str) -> None:
    """Adapt to a davis_root and segment it, on the CPU."""
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "cli.py"), "test", "--config=lucid.yaml"),
            *("--data.dataset=davis2017", f"--data.root={root}", "--data.size=[48,64]"),
            *("--model.network_options={encoder: resnet10t, width: 8}", "--trainer.strategy=ddp"),
            *("--model.precision=float32", "--trainer.accelerator=cpu"),
            *(f"--trainer.default_root_dir={out}", *options),
        ],
        # one thread each, so that sums are made in the same order
        env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_three_ranks_one_of_them_idle_give_the_same_masks(davis_root: Path, tmp_path: Path) -> None:
    for devices in ("1", "3"):
        options = ("--model.adapt_iterations=2", f"--trainer.devices={devices}")
        adapt_to(davis_root, tmp_path / devices, *options)
    one, three = (tmp_path / devices / "lucid" / "version_0" for devices in ("1", "3"))
    masks = sorted(path.relative_to(one) for path in one.glob("masks/*/*.png"))
    assert len(masks) == 12
    assert sorted(path.relative_to(three) for path in three.glob("masks/*/*.png")) == masks
    for mask in masks:
        assert (one / mask).read_bytes() == (three / mask).read_bytes(), mask
    scores = [json.loads((run / "scores.json").read_text()) for run in (one, three)]
    assert scores[0]["per_object"] == scores[1]["per_object"]
    assert "<dt>peak memory, rank 0</dt>" in (three / "report.html").read_text()


def _train_apart(rank: int, store: str, hook: str) -> None:
    """On one of two ranks: have statistics of its own, then end training, or validate."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(0)
    task = LucidTask(network_options={"encoder": "resnet10t", "width": 8})
    statistics = [each for each in task.network.buffers() if each.is_floating_point()]
    for each in statistics:
        each += rank
    own = [each.clone() for each in statistics]
    getattr(task, hook)()
    assert len(statistics) > 10
    for each, before in zip(statistics, own, strict=True):
        assert torch.equal(each, before - rank)


@pytest.mark.parametrize("hook", ["on_train_end", "on_validation_start"])
def test_all_ranks_have_the_statistics_of_the_first(hook: str, tmp_path: Path) -> None:
    """Each trains on other samples, but the checkpoint is the first's, and all test with it."""
    mp.spawn(_train_apart, (str(tmp_path / "store"), hook), nprocs=2)
