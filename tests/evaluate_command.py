"""Running ``evaluate`` as typed, and the masks that its tests score."""

from pathlib import Path

import pytest

import cli
from datasets_vos.masks import write_mask
from tests.fakes import fake_label_map
from vos_core.types import LabelMap

Capture = pytest.CaptureFixture[str]

OBJECTS = {"alpha": (1, 2), "beta": (1, 2, 3)}
FRAMES = 6
LATE_J = 10 / 14  # a square of 12 px that is 2 px late shares 10 columns of 14


def write_results(folder: Path) -> Path:
    """Write perfect masks of ``make_davis``, but for object 1 of alpha, which is a frame late."""
    for name, objects in OBJECTS.items():
        for t in range(FRAMES):
            label_map = fake_label_map(t, objects)
            if name == "alpha" and t:
                label_map[label_map == 1] = 0
                label_map[fake_label_map(t - 1, (1,)) == 1] = 1
            write_result(folder, name, t, label_map)
    return folder


def write_result(folder: Path, sequence: str, t: int, label_map: LabelMap) -> None:
    write_mask(folder / sequence / f"{t:05d}.png", label_map)


def evaluate(root: Path, results: Path, *options: str, dataset: str = "davis2017") -> int:
    command = ["evaluate", f"--dataset={dataset}", f"--root={root}", f"--results={results}"]
    return cli.main([*command, *options])


def refusal(
    capsys: Capture, root: Path, results: Path, *options: str, dataset: str = "davis2017"
) -> str:
    """Score what must be refused, and return the one sentence."""
    capsys.readouterr()
    assert evaluate(root, results, *options, dataset=dataset) == 2
    out, err = capsys.readouterr()
    assert out == ""  # no numbers that are not to be used
    error = err.splitlines()[-1]
    assert error.startswith("error: ")
    return error
