"""Adapters that train few parameters against full fine-tuning, at equal seconds a sequence.

    python -m benchmarks.adapters --davis DAVIS --ckpt_path CKPT --seconds 30 --out runs/adapters
        [--config lucid.yaml] [--adapters none all lora:4] [any option of the command]

Each row is ``test`` from the same weights, which a fit of the same config has left: a network of
random weights would say nothing about adapters. All are adapted at the config's learning rate,
which suits all the parameters together; ``--model.adapt_lr`` and another folder try another. Row
"none" is not adapted. Rows whose scores are in the folder already are not run again, so an
interrupted table goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import machine, scores_of
from lightning_modules.checkpoints import read_checkpoint
from vos_core.adapters import TrainedCopy
from vos_core.networks import build_streams

ADAPTERS = ("none", "all", "decoder", "last_layers", "normalisation", "lora:1", "lora:4", "lora:16")
_STEPS = 10_000  # more than the seconds allow, so that these end it


def trained_parameters(checkpoint: Path, adapter: str) -> int:
    """Return how many parameters an adapter trains of the network of LucidTask's checkpoint."""
    if adapter == "none":
        return 0
    settings = read_checkpoint(checkpoint)["hyper_parameters"]
    network = build_streams(
        settings["network"],
        settings["inputs"] or ["image"],
        pretrained=False,
        slots=settings["slots"],
        **(settings["network_options"] or {}),
    )
    return TrainedCopy(network, adapter).size


def run(adapter: str, options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Run one row unless it has run, and return its scores."""
    if adapter == "none":
        adaptation = ["--model.adapt_iterations=0"]
    else:
        adaptation = [
            f"--model.adapter={adapter}",
            f"--model.adapt_iterations={_STEPS}",
            f"--model.time_per_sequence={options.seconds}",
        ]
    return scores_of(
        Path(options.out).resolve() / adapter.replace(":", "_"),
        "test",
        *(f"--config={name}" for name in options.config),
        "--data.dataset=davis2016",
        f"--data.root={Path(options.davis).resolve()}",
        f"--ckpt_path={options.ckpt_path.resolve()}",
        "--model.baselines=false",
        *adaptation,
        *rest,
    )


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(description="adapters at equal seconds")
    parser.add_argument("--davis", required=True, help="a DAVIS 2016 folder")
    parser.add_argument("--ckpt_path", required=True, type=Path, help="weights of LucidTask")
    parser.add_argument("--out", required=True, help="runs folder, one folder a row")
    parser.add_argument("--seconds", type=float, default=30.0, help="of adaptation, a sequence")
    parser.add_argument("--config", nargs="+", default=["lucid.yaml"])
    parser.add_argument("--adapters", nargs="+", default=list(ADAPTERS), metavar="ADAPTER")
    options, rest = parser.parse_known_args()
    columns = ("adapter", "trained parameters", "J", "F", "against all", "adapt s a sequence")
    table = Table(*columns, title=machine())
    full: float | None = None
    for adapter in options.adapters:
        trained = trained_parameters(options.ckpt_path, adapter)
        scores = run(adapter, options, rest)
        j, f = (100 * scores["global"][name]["mean"] for name in "JF")
        full = j if adapter == "all" else full
        table.add_row(
            adapter,
            f"{trained:,}",
            f"{j:.1f}",
            f"{f:.1f}",
            "" if full is None else f"{j - full:+.1f}",
            f"{scores['seconds']['adapt'] / len(scores['sequences']):.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
