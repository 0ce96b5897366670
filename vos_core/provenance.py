"""Where a result comes from: command, config, commit, seed, machine, memory."""

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict


class RunInfo(TypedDict):
    """What makes a run's numbers traceable; None where it is not known or does not apply."""

    command: str
    config: str | None  # path of the full config
    commit: str | None  # of this project; "+" at the end if files differ from it
    seed: int | None
    hardware: str
    peak_memory_mib: float  # of this process
    peak_gpu_memory_mib: float | None
    finished: str  # ISO 8601, UTC


def describe_run(seed: int | None = None, config: Path | None = None) -> RunInfo:
    """Describe this process, at the end of its work.

    Args:
        seed: Of all random numbers.
        config: Where the full config is stored.
    """
    return RunInfo(
        command=" ".join(["python", *sys.argv]),
        config=str(config) if config else None,
        commit=_commit(Path(__file__).parent),
        seed=seed,
        hardware=_hardware(),
        peak_memory_mib=_peak_memory(),
        peak_gpu_memory_mib=_peak_gpu_memory(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _commit(folder: Path) -> str | None:
    raise NotImplementedError


def _hardware() -> str:
    raise NotImplementedError


def _peak_memory() -> float:
    raise NotImplementedError


def _peak_gpu_memory() -> float | None:
    raise NotImplementedError
