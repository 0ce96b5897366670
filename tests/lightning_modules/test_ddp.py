"""Several processes give the same masks and scores as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_three_ranks_one_of_them_idle_give_the_same_masks(davis_root: Path, tmp_path: Path) -> None:
    for devices in ("1", "3"):
        command = [
            *(sys.executable, str(ROOT / "cli.py"), "test", "--config=lucid.yaml"),
            *("--data.dataset=davis2017", f"--data.root={davis_root}"),
            *("--data.size=[48,64]", "--model.network_options={encoder: resnet10t, width: 8}"),
            *("--model.adapt_iterations=2", "--model.precision=float32"),
            *("--trainer.accelerator=cpu", f"--trainer.devices={devices}"),
            *("--trainer.strategy=ddp", f"--trainer.default_root_dir={tmp_path / devices}"),
        ]
        # one thread each, so that sums are made in the same order
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    one, three = (tmp_path / devices / "lucid" / "version_0" for devices in ("1", "3"))
    masks = sorted(path.relative_to(one) for path in one.glob("masks/*/*.png"))
    assert len(masks) == 12
    assert sorted(path.relative_to(three) for path in three.glob("masks/*/*.png")) == masks
    for mask in masks:
        assert (one / mask).read_bytes() == (three / mask).read_bytes(), mask
    scores = [json.loads((run / "scores.json").read_text()) for run in (one, three)]
    assert scores[0]["per_object"] == scores[1]["per_object"]
    assert "<dt>peak memory, rank 0</dt>" in (three / "report.html").read_text()
