"""What the dataset tools say of DAVIS 2016 where 2017 is asked for, also of one sequence."""

import json
from pathlib import Path

import pytest

import cli
from tests.fakes import make_davis

WHAT = "masks of surf are black and white: this is DAVIS 2016, not DAVIS 2017"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "data", year="2016", sequences=("surf", "train"))


def _data(tool: str, root: Path, *options: str) -> int:
    where = [f"--root={root}", "--dataset=davis2017", "--sequences", "surf"]
    return cli.main(["data", tool, *where, *options])


def test_verify(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        _data("verify", root, "--json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    told = {each["code"]: (each["severity"], each["message"]) for each in findings}
    assert told["edition"] == ("error", WHAT)
    assert "mode" not in told  # there is nothing for --repair to even out


def test_repair_copies_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mended"
    assert _data("verify", root, f"--repair={out}") == 2
    assert f"error: {root}: {WHAT}; open it under its own name" in capsys.readouterr().err
    assert not out.exists()


def test_stats(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _data("stats", root, f"--out={tmp_path / 'stats.png'}") == 0
    assert capsys.readouterr().err == f"warning: {root}: {WHAT}.\n"
