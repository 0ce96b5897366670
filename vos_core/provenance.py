"""Where a result comes from: command, config, commit, seed, machine, memory."""

import math
import os
import platform
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from vos_core.cores import usable_cores

_SECONDS = 5.0
"""How long another program may take to answer."""


class RunInfo(TypedDict):
    """What makes a run's numbers traceable; None where it is not known or does not apply."""

    command: str
    config: str | None  # path of the full config
    commit: str | None  # of this project; "+" at the end if files differ from it
    seed: int | None
    hardware: str
    peak_memory_mib: float  # of this process without its children; NaN where it is not known
    peak_gpu_memory_mib: float | None  # that PyTorch allocated, on the fullest GPU
    finished: str  # ISO 8601, UTC


def describe_run(seed: int | None = None, config: Path | None = None) -> RunInfo:
    """Describe this process, at the end of its work.

    Args:
        seed: Of all random numbers.
        config: Where the full config is stored.
    """
    gpu_memory = _peak_gpu_memory()  # before the GPUs are named, which initialises CUDA
    return RunInfo(
        command=shlex.join(["python", *sys.argv]),
        config=str(config.resolve()) if config else None,
        commit=_commit(Path(__file__).parent),
        seed=seed,
        hardware=_hardware(),
        peak_memory_mib=_peak_memory(),
        peak_gpu_memory_mib=gpu_memory,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _commit(package: Path) -> str | None:
    """Return the commit of the repository whose folder ``vos_core`` is the given one.

    An installed package may lie inside somebody else's repository, whose commit would mislead.
    """
    found = _answer(["git", "rev-parse", "--show-toplevel", "HEAD"], package)
    if found is None:
        return None
    top, _, commit = found.rpartition("\n")
    ours = Path(top, package.name)
    if not Path(top, "cli.py").is_file() or not ours.is_dir() or not ours.samefile(package):
        return None
    # without locks, as others may work in the repository at the same time
    status = ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]
    changes = _answer(status, package)
    return None if changes is None else commit + "+" * bool(changes)


def _hardware() -> str:
    """Return e.g. ``AMD EPYC 7B13, 16 CPUs, 126 GiB, 2 x NVIDIA H200``."""
    cpus = usable_cores()
    parts = [_cpu_model(), f"{cpus} CPU{'s' * (cpus != 1)}"]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory / 2**30:.0f} GiB")
    except (AttributeError, ValueError):  # Windows has no sysconf
        pass
    torch = sys.modules.get("torch")  # what did not need it has used no GPU
    if torch is not None and torch.cuda.is_available():
        names = Counter(map(torch.cuda.get_device_name, range(torch.cuda.device_count())))
        parts += [f"{n} x {name}" if n > 1 else name for name, n in names.items()]
    return ", ".join(parts)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        name = _answer(["sysctl", "-n", "machdep.cpu.brand_string"])
        if name:
            return name
    return platform.processor() or platform.machine()


def _peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    # Linux hands ru_maxrss on from the parent to the program that it starts; VmHWM begins anew
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _peak_gpu_memory() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    peaks = map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))
    return max(int(peak) for peak in peaks) / 2**20


def _answer(command: Sequence[str], folder: Path | None = None) -> str | None:
    """Return what a program prints, or None if it is absent, fails or does not come back."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
