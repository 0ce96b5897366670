"""Scores of reports of interactive sessions, through the command line's options."""

import argparse
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos.commands.evaluate import interactions
from vos_core.errors import CorruptFileError, DatasetError, MaskError
from vos_core.metrics.interactive import Round

HEADER = "sequence,scribble,round,object,J,F,seconds\n"
GOOD = """\
dogs,1,1,1,0.5,0.7,20
dogs,1,1,2,0.3,0.5,20
dogs,1,2,1,0.9,0.7,10
dogs,1,2,2,0.7,0.9,10
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.csv"
    path.write_text(HEADER + GOOD)
    return path


def evaluate(report: Path, out: Path | None = None) -> None:
    unused = {"dataset": None, "split": None, "root": None, "results": None, "baseline": None}
    interactions.main(argparse.Namespace(interactions=report, out=out, **unused))


def test_scores_are_printed_and_written(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """J&F 0.5 after 20 s and 0.8 after 30 s, of 480 s."""
    out = tmp_path / "new" / "scores.json"
    evaluate(report, out)
    auc = (20 * 0.25 + 10 * 0.65 + 450 * 0.8) / 480
    scores = json.loads(out.read_text())
    assert scores["AUC"] == pytest.approx(auc)
    assert scores["J&F@60s"] == pytest.approx(0.8)
    assert (scores["protocol"], scores["budget_seconds"]) == ("interactive", 480)
    assert sorted(path.name for path in out.parent.iterdir()) == ["scores.json", "scores.png"]

    printed, warnings = capsys.readouterr()
    cells = [line.split() for line in printed.splitlines()]
    assert ["1", "1", "20.0", "0.500"] in cells
    assert ["2", "1", "30.0", "0.800"] in cells
    last = printed.strip().splitlines()[-1]
    assert last.startswith(f"AUC {auc:.3f}, J&F@60s 0.800 (interactive: J&F is the mean over 2 ")
    assert warnings == ""


def test_one_is_singular(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.write_text(f"{HEADER}bear,1,1,1,0.5,0.5,300\n")
    evaluate(report)
    printed, warnings = capsys.readouterr()
    assert "mean over 1 object of 1 sample (sequence x scribbles)" in printed
    assert "1 of 1 sample took longer" in warnings


def test_picture_shows_the_curve(report: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    evaluate(report, out)
    picture = np.asarray(PIL.Image.open(out.with_suffix(".png")).convert("RGB")).astype(int)
    assert picture.shape == (440, 704, 3)
    blue = np.all(np.abs(picture - (0x3B, 0x6E, 0xA5)) < 40, axis=2)
    rows, columns = np.nonzero(blue)
    assert columns.max() - columns.min() > 560  # from 0 s to the end of the budget
    # the flat part at 0.8 is the longest row, and a quarter of the axis below the top
    flat = np.bincount(rows).argmax()
    assert np.ptp(np.flatnonzero(blue[flat])) > 500
    assert 0.15 < (flat - 30) / (440 - 75) < 0.27


def test_out_is_not_needed(report: Path, tmp_path: Path) -> None:
    evaluate(report)
    assert list(tmp_path.iterdir()) == [report]


def test_columns_and_lines_come_in_any_order(tmp_path: Path) -> None:
    """With the mark that spreadsheets put in front, columns that are not read, and quotes."""
    path = tmp_path / "report.csv"
    lines = ["F,seconds,note,object,round,scribble,sequence,J"]
    lines += ['1,2.5,"a, b",2,1,3,"left, right",0', '0.5,2.5,,1,1,3,"left, right",0']
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert interactions.read_report(path) == [Round("left, right", 3, 1, 2.5, {1: 0.25, 2: 0.5})]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("dogs,1,3,1,0.5,0.5", "another number of values than the header"),
        ("dogs,1,3,1,0,5,0,5,10", "another number of values than the header"),
        (",1,3,1,0.5,0.5,10", "has no sequence"),
        ("dogs,one,3,1,0.5,0.5,10", "scribble is 'one', but must be a whole number from 0 on"),
        ("dogs,1,0,1,0.5,0.5,10", "round is '0', but must be a whole number from 1 on"),
        ("dogs,1,3,0,0.5,0.5,10", "object is '0', but must be a whole number from 1 on"),
        ("dogs,1,3,1,,0.5,10", "J is '', but must be a number from 0 to 1"),
        ("dogs,1,3,1,0.5,nan,10", "F is 'nan', but must be a number from 0 to 1"),
        ("dogs,1,3,1,0.5,50,10", "F is '50', but must be a number from 0 to 1"),
        ("dogs,1,3,1,0.5,0.5,-1", "seconds is '-1', but must be a number of seconds from 0 on"),
        ("dogs,1,3,1,0.5,0.5,inf", "seconds is 'inf', but must be a number of seconds"),
        ("dogs,1,2,3,0.5,0.5,11", "seconds are 11, but 10 before in this round"),
        ("dogs,1,2,2,0.5,0.5,10", "object 2 comes twice in this round"),
        ('dogs,1,3,"1"x,0.5,0.5,10', "object is '1x', but must be a whole number from 1 on"),
        ('"dogs,1,3,1,0.5,0.5,10', "another number of values than the header"),
    ],
)
def test_malformed_lines_are_named(report: Path, line: str, problem: str) -> None:
    report.write_text(f"{HEADER}{GOOD}{line}\n")
    with pytest.raises(CorruptFileError, match=r"report\.csv, line 6: ") as caught:
        evaluate(report)
    assert problem in str(caught.value)


@pytest.mark.parametrize("header", ["", "sequence;scribble;round;object;J;F;seconds\n"])
def test_wrong_header_says_what_it_must_be(report: Path, header: str) -> None:
    report.write_text(header)
    with pytest.raises(CorruptFileError, match=r"line 1: the header lacks .*seconds") as caught:
        evaluate(report)
    assert "there must be sequence,scribble,round,object,J,F,seconds" in str(caught.value)


def test_header_alone_and_lost_lines(report: Path) -> None:
    report.write_text(HEADER)
    with pytest.raises(MaskError, match=r"report.csv: there is no round"):
        evaluate(report)
    report.write_text(HEADER + GOOD.replace("dogs,1,2,2,0.7,0.9,10\n", ""))
    with pytest.raises(MaskError, match=r"report.csv: .*round 2 has objects \[1\]"):
        evaluate(report)


def test_report_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none.csv: cannot be read \(No such file"):
        evaluate(tmp_path / "none.csv")
    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(CorruptFileError, match="is no text"):
        evaluate(picture)


def test_nothing_is_written_after_a_mistake(report: Path, tmp_path: Path) -> None:
    report.write_text(HEADER)
    with pytest.raises(MaskError):
        evaluate(report, tmp_path / "new" / "scores.json")
    assert list(tmp_path.iterdir()) == [report]


def test_samples_over_their_own_budget_are_named(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write_text(f"{HEADER}{GOOD}bear,2,1,1,0.5,0.5,241\n")
    evaluate(report)
    warning = capsys.readouterr().err
    assert "1 of 2 samples took longer than the benchmark allows" in warning
    assert "first bear, scribbles 2: 241 s of 240 s" in warning
