"""Runs through the real command line that take seconds: a small network, few steps."""

from pathlib import Path

from cli import main

SMALL = [
    "--model.network_options={encoder: resnet10t, width: 8}",
    "--model.adapt_iterations=2",
    "--model.precision=float32",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
]


def run(command: str, *options: str, config: str = "lucid.yaml") -> None:
    assert main([command, f"--config={config}", *SMALL, *options]) == 0


def on(root: Path, dataset: str = "davis2017") -> list[str]:
    return [f"--data.dataset={dataset}", f"--data.root={root}"]


def small(size: str = "[48,64]") -> list[str]:
    return [f"--data.size={size}", "--data.samples_per_epoch=8", "--data.batch_size=2"]
