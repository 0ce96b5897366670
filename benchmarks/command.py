"""Run a command of the project and measure it from outside."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Measured:
    """What a finished command cost.

    Attributes:
        seconds: Wall-clock time, imports included.
        peak_mib: Largest resident memory of the process.
    """

    seconds: float
    peak_mib: float


def measure(*args: str) -> Measured:
    """Run ``python cli.py *args`` in the project's folder, its output shown.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    command = [sys.executable, str(ROOT / "cli.py"), *args]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return Measured(seconds, usage.ru_maxrss / 1024)


def newest(folder: Path, pattern: str) -> Path | None:
    """Return the newest file below a folder that matches a pattern."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime, default=None)


def scores_of(out: Path, *args: str) -> dict[str, Any]:
    """Run a command that scores, unless its runs folder has scores already, and return these.

    Raises:
        SystemExit: If it left no scores.
        subprocess.CalledProcessError: If it fails.
    """
    if newest(out, "*/*/scores.json") is None:
        measure(*args, f"--trainer.default_root_dir={out}")
    done = newest(out, "*/*/scores.json")
    if done is None:
        raise SystemExit(f"{out}: the run left no scores.")
    scores: dict[str, Any] = json.loads(done.read_text())
    return scores


def machine() -> str:
    """Describe the machine in a few words."""
    import torch

    name = "GPU " + torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    bfloat16 = "native" if torch.cpu._is_avx512_bf16_supported() else "no"
    return f"{os.cpu_count()} cores, {bfloat16} bfloat16, {name}, torch {torch.__version__}"
