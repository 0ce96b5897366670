"""Every shipped config runs through the real command line."""

import json
from pathlib import Path

import pytest

from cli import main
from lightning_modules.parser import CONFIGS

EXPERIMENTS = sorted(CONFIGS.glob("*.yaml"))


def test_there_are_configs() -> None:
    assert "lucid" in [path.stem for path in EXPERIMENTS]


@pytest.mark.parametrize("config", EXPERIMENTS, ids=lambda path: path.stem)
def test_config_fits_and_tests_on_the_toy_set(config: Path, tiny_toy: Path, tmp_path: Path) -> None:
    options = [
        f"--data.root={tiny_toy}",
        "--data.size=[48,80]",
        "--data.samples_per_epoch=2",
        "--data.batch_size=2",
        "--model.adapt_iterations=1",
        "--model.adapt_batch_size=2",
        "--model.pretrained=false",
        "--trainer.max_epochs=1",
        "--trainer.accelerator=cpu",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert main(["fit", f"--config={config}", *options]) == 0
    scores = json.loads((tmp_path / config.stem / "version_0" / "scores.json").read_text())
    assert 0 <= scores["global"]["J&F_mean"] <= 1
