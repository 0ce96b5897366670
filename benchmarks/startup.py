"""How long ``python cli.py --help`` takes, beside an interpreter that does nothing.

python -m benchmarks.startup
"""

import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks.command import ROOT, machine


def seconds(*command: str, runs: int = 7) -> float:
    """Return the median wall-clock time of a command."""
    times = []
    for _ in range(runs):
        began = time.monotonic()
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times)


def main() -> None:
    """Time the commands that only print help."""
    table = Table("command", "median s", title=machine())
    for command in (["-c", "pass"], ["cli.py", "--help"], ["cli.py", "evaluate", "--help"]):
        table.add_row("python " + " ".join(command), f"{seconds(*command):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
