"""The known oddities of real datasets are found and named; skipped where the data is absent."""

import json
from pathlib import Path
from typing import Any

import pytest

import cli

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def verify(capsys: pytest.CaptureFixture[str], dataset: str, folder: str) -> dict[str, Any]:
    root = DATA / folder
    if not root.is_dir():
        pytest.skip(f"{root} is not on this machine")
    assert cli.main(["data", "verify", f"--dataset={dataset}", f"--root={root}", "--json"]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_davis_2016(capsys: pytest.CaptureFixture[str]) -> None:
    content = verify(capsys, "davis2016", "davis2016_dev")
    summary = content["summary"]
    assert (summary["clips"], summary["frames"], summary["masks"]) == (10, 611, 611)
    found = {
        (each["code"], Path(each["where"]).parent.name): each["message"]
        for each in content["findings"]
    }
    assert found["empty", "bmx-bumps"] == "14 of 90 masks: 00060, 00062-00074"
    assert found["empty", "surf"] == "1 of 55 masks: 00054"
    assert "10 of the 50 sequences of DAVIS 2016" in found.values()


def test_ecssd(capsys: pytest.CaptureFixture[str]) -> None:
    content = verify(capsys, "ecssd", "ECSSD")
    assert content["summary"]["images"] == 1000
    [gray] = content["findings"]
    assert (gray["code"], Path(gray["where"]).name) == ("picture", "0557.jpg")


def test_pascal_s(capsys: pytest.CaptureFixture[str]) -> None:
    content = verify(capsys, "pascal_s", "PASCAL-S")
    assert content["summary"]["images"] == 850
    empty = [each["where"] for each in content["findings"] if each["code"] == "empty"]
    assert {Path(where).stem for where in empty} == {"359", "408", "424", "460", "622"}
    assert sum(each["code"] == "graded" for each in content["findings"]) == 514
