"""``data verify`` as a user meets it."""

import json
import os
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from datasets_vos.masks import read_mask, write_mask
from tests.fakes import fake_label_map, make_davis, make_frames
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES
from vos_core.palette import davis_palette


def _run(*args: str | Path) -> int:
    """Return the exit status of ``cli.py data verify``."""
    try:
        return cli.main(["data", "verify", *map(str, args)])
    except SystemExit as leaving:
        return int(leaving.code or 0)


def _json(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, dict]:
    status = _run("--json", *args)
    return status, json.loads(capsys.readouterr().out)


def _snapshot(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _break_masks(root: Path) -> None:
    """Store masks as other tools do: without a palette, in colour, and cut short."""
    folder = root / "Annotations" / "480p" / "alpha"
    PIL.Image.fromarray(fake_label_map(1)).save(folder / "00001.png")
    PIL.Image.fromarray(davis_palette()[fake_label_map(2)]).save(folder / "00002.png")
    path = folder / "00003.png"
    path.write_bytes(path.read_bytes()[:80])


def test_a_sound_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--dataset", "davis2016", "--root", make_davis(tmp_path, year="2016")) == 0
    out = capsys.readouterr().out
    assert "2 of 2 sequences: alpha, beta" in out
    summary = r"2 clips, 12 frames, 12 masks checked in \d\.\d s: 0 errors, 0 warnings, 1 note\n"
    assert re.search(summary, out)


def test_the_table_is_sorted_and_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    root = make_davis(tmp_path)
    _break_masks(root)
    assert _run("--dataset", "davis2017", "--root", root) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    severities = [line.split()[0] for line in lines if re.match(r" *(error|warning|note) ", line)]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    text = "\n".join(lines)
    assert "Annotations/480p/alpha/00003.png: is truncated or damaged" in text
    assert "-> fetch it again" in text
    assert "1 error, 2 warnings" in lines[-1]


def test_json_holds_every_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_davis(tmp_path)
    _break_masks(root)
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root)
    assert (status, content["ok"], content["dataset"]) == (1, False, "davis2017")
    assert {key: content["summary"][key] for key in ("clips", "frames", "masks", "errors")} == {
        "clips": 2,
        "frames": 12,
        "masks": 12,
        "errors": 1,
    }
    [error] = [each for each in content["findings"] if each["severity"] == "error"]
    assert error["code"] == "unreadable"
    assert error["where"] == str(root / "Annotations/480p/alpha/00003.png")
    modes = {each["message"][:3] for each in content["findings"] if each["code"] == "mode"}
    assert modes == {"L: ", "RGB"}


def test_many_processes_find_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_davis(tmp_path)
    _break_masks(root)
    source = ("--dataset", "davis2017", "--root", root)
    _, alone = _json(capsys, *source, "--workers", "1")
    _, together = _json(capsys, *source, "--workers", "2")
    assert alone["findings"] == together["findings"]


def test_a_layout_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_davis(tmp_path)
    (root / "Annotations").rename(root / "annotations")
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root)
    assert status == 1
    [finding] = content["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "layout")
    assert finding["where"] == str(root / "Annotations" / "480p")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--dataset", "davis2107", "--root", "."), "Did you mean 'davis2017'"),
        (("--dataset", "davis2017"), "needs root"),
        (("--dataset", "davis2017", "--root", "nowhere"), "nowhere: no such file or folder"),
        (("--dataset", "davis2017", "--repair", "out"), "--repair needs --root"),
        (("--dataset", "davis2017", "--root", ".", "--repair", "out"), "outside of ."),
        (("--dataset", "davis2017", "--root", ".", "--jsn"), "Did you mean '--json'"),
    ],
)
def test_mistakes_in_one_sentence(
    args: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(*args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_names_that_are_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_davis(tmp_path)
    path = root / "JPEGImages" / "480p" / "alpha" / "00000.jpg"
    path.rename(path.with_name(os.fsdecode(b"\xff[red].jpg")))
    assert _run("--dataset", "davis2017", "--root", root) == 1
    assert "\\udcff" not in capsys.readouterr().err
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root)
    assert status == 1
    assert "match" in [finding["code"] for finding in content["findings"]]


def test_repair_mends_a_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = make_davis(tmp_path / "source"), tmp_path / "deep" / "out"
    _break_masks(root)
    (root / "notes.txt").write_text("mine")
    before = _snapshot(root)
    assert _run("--dataset", "davis2017", "--root", root, "--repair", out) == 1  # one is cut short
    assert _snapshot(root) == before
    copied = _snapshot(out)
    assert {path.relative_to(out) for path in copied} == {path.relative_to(root) for path in before}
    changed = {
        path.name for path, data in copied.items() if before[root / path.relative_to(out)] != data
    }
    assert changed == {"00001.png", "00002.png"}
    for frame in (1, 2):
        labels = read_mask(out / "Annotations" / "480p" / "alpha" / f"{frame:05d}.png")
        np.testing.assert_array_equal(labels, fake_label_map(frame))
    text = capsys.readouterr().out
    assert re.search(r"palettes written +2", text)
    assert f"the mended copy is in {out}" in text.replace("\n", "")
    assert "1 error, 0 warnings" in text
    assert list(out.parent.iterdir()) == [out]


def test_repair_of_a_clip_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = make_frames(tmp_path / "mine")
    rgb = davis_palette()[fake_label_map(0)]
    rgb[3, 4:16] = (100, 4, 4)  # what is left of a smoothed edge
    PIL.Image.fromarray(rgb).save(tmp_path / "first.png")
    source = ("--dataset", "folder", "--root", frames, "--mask", tmp_path / "first.png")
    status, content = _json(capsys, *source)
    assert (status, [each["code"] for each in content["findings"]]) == (1, ["mask-values"])
    status, content = _json(capsys, *source, "--repair", tmp_path / "out")
    assert (status, content["mended"]) == (0, {"colours snapped to those of the objects": 1})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["first.png", "mine"]
    expected = fake_label_map(0)
    expected[3, 4:16] = 1
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "first.png"), expected)


def test_repair_keeps_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = make_davis(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    assert _run("--dataset", "davis2017", "--root", root, "--repair", out) == 0
    before = _snapshot(out)
    assert _run("--dataset", "davis2017", "--root", root, "--repair", out) == 2
    assert "already holds something" in capsys.readouterr().err
    assert _snapshot(out) == before
    assert _run("--dataset", "davis2017", "--root", root / "JPEGImages", "--repair", tmp_path) == 2


def test_an_empty_first_mask_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path)
    write_mask(root / "Annotations/480p/alpha/00000.png", np.zeros((48, 64), np.uint8))
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root)
    assert status == 1
    assert "start" in [finding["code"] for finding in content["findings"]]


@pytest.mark.parametrize("name", sorted({**VIDEO_FAKES, **STILL_FAKES}))
def test_every_fake_survives_repair(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = {**VIDEO_FAKES, **STILL_FAKES}[name](tmp_path / "source")
    source = ["--dataset", name, "--root", fake.root]
    source += ["--split", fake.split] if fake.split else []
    source += ["--mask", fake.mask] if fake.mask else []
    _, before = _json(capsys, *source)
    status, after = _json(capsys, *source, "--repair", tmp_path / "out")
    assert status == 0
    assert after["summary"]["masks"] == before["summary"]["masks"] > 0
    assert after["mended"] == ({"soft masks cut above 127": 6} if name == "pascal_s" else {})
