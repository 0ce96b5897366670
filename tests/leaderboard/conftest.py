"""What the tests of ``leaderboard`` share: made-up published numbers, and two runs."""

from pathlib import Path

import pytest

from tests.leaderboard.command import NUMBERS, make_two_runs, publish


@pytest.fixture(autouse=True)
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, *NUMBERS)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs under ``runs``, which lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_two_runs(tmp_path / "runs")
