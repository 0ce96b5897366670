"""Running the ``data`` tools on fakes, as typed."""

from pathlib import Path

import pytest

import cli
from tests.fakes.registry import Fake

Capture = pytest.CaptureFixture[str]


def data(tool: str, fake: Fake, *options: str | Path) -> int:
    command = ["data", tool, f"--dataset={fake.dataset}", f"--root={fake.root}"]
    if fake.split:
        command.append(f"--split={fake.split}")
    if fake.mask:
        command.append(f"--mask={fake.mask}")
    return cli.main([*command, *map(str, options)])


def refusal(capsys: Capture, tool: str, fake: Fake, *options: str | Path) -> list[str]:
    """Run a tool that must fail, and return the lines it prints."""
    capsys.readouterr()
    assert data(tool, fake, *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    return err.splitlines()
