"""``data verify`` as a user meets it."""

import json
import os
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from datasets_vos import Davis, DiskClip, integrity
from datasets_vos.commands.data import mending
from datasets_vos.integrity import Counts
from datasets_vos.masks import read_mask, write_mask
from tests.fakes import fake_label_map, make_davis, make_frames, make_video
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES
from tests.fakes.youtube_vos import make_youtube_vos
from vos_core.errors import DatasetError
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
    assert "1 error, 3 warnings" in lines[-1]


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
        (
            ("--dataset", "folder", "--root", "../x/in", "--mask", "m", "--repair", "."),
            "is the working",
        ),
        (("--dataset", "davis2017", "--root", ".", "--repair", ".."), "outside of ."),
        (("--dataset", "davis2017", "--root", "m"), "m: is a file; unpack it"),
        (
            ("--dataset", "folder", "--root", "../x/in", "--mask", "."),
            ".: is a folder; name the mask",
        ),
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
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "m").touch()
    (tmp_path / "x" / "in").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
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


def test_a_layout_is_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path)
    assert _run("--dataset", "davis2017", "--root", root, "--sequences", "alhpa") == 1
    assert "the nearest is 'alpha'" in capsys.readouterr().out
    assert _run("--dataset", "davis2017", "--root", root, "--split", "vall") == 1
    assert "2017/train.txt" in capsys.readouterr().out


def test_repair_into_a_linked_folder(tmp_path: Path) -> None:
    root, out = make_davis(tmp_path / "source"), tmp_path / "link"
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to(tmp_path / "elsewhere")
    assert _run("--dataset", "davis2017", "--root", root, "--repair", out) == 0
    assert out.is_symlink()
    assert len(_snapshot(tmp_path / "elsewhere")) == len(_snapshot(root)) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "link", "source"]


def test_the_mask_of_a_video_is_looked_at_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, mask = make_video(tmp_path / "v.mp4"), tmp_path / "m.png"
    source = ("--dataset", "folder", "--root", video, "--mask", mask)
    rgb = davis_palette()[fake_label_map(0)]
    rgb[3, 4:16] = (100, 4, 4)  # what is left of a smoothed edge
    PIL.Image.fromarray(rgb).save(mask)
    status, content = _json(capsys, *source, "--repair", tmp_path / "out")
    assert (status, content["mended"]) == (0, {"colours snapped to those of the objects": 1})
    expected = fake_label_map(0)
    expected[3, 4:16] = 1
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "m.png"), expected)
    expected[:] = 0
    expected[30, 2:40] = 3
    write_mask(mask, expected)
    status, content = _json(capsys, *source)
    assert [(each["code"], each["message"]) for each in content["findings"]] == [("lines", "ids 3")]
    for label_map, code in (
        (np.zeros((48, 64), np.uint8), "start"),
        (np.ones((50, 64), np.uint8), "mask-size"),
    ):
        write_mask(mask, label_map)
        status, content = _json(capsys, *source)
        assert status == 1
        assert [each["code"] for each in content["findings"] if each["severity"] == "error"] == [
            code
        ]


@pytest.mark.parametrize("frames", [1, 2])
def test_very_short_clips(frames: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_davis(tmp_path, frames=frames)
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root)
    assert status == (1 if frames == 1 else 0)
    codes = [each["code"] for each in content["findings"] if each["where"].endswith("alpha")]
    assert codes == ["start" if frames == 1 else "short"]


def test_masks_of_entering_objects_alone_are_usual_in_youtube_vos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_youtube_vos(tmp_path)
    source = ("--dataset", "youtube_vos2019", "--root", root, "--split", "valid")
    _, content = _json(capsys, *source)
    assert {each["code"] for each in content["findings"]} == {"ids", "subset"}


def test_chosen_sequences_alone_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ("--root", make_youtube_vos(tmp_path / "y"), "--split", "valid", "--sequences", "gap")
    _, content = _json(capsys, "--dataset", "youtube_vos2019", *source)
    assert [each["code"] for each in content["findings"]] == ["ids"]
    root = make_davis(tmp_path / "d")
    (root / "ImageSets/2017/extra.txt").write_text("gamma\n")
    source = ("--dataset", "davis2017", "--root", root)
    status, content = _json(capsys, *source)
    assert "list" in [each["code"] for each in content["findings"]]
    status, content = _json(capsys, *source, "--sequences", "alpha")
    assert (status, [each["code"] for each in content["findings"]]) == (0, ["foreign"])


def test_what_cannot_be_opened_or_read_has_no_known_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_davis(tmp_path, sequences=("alpha", "beta", "gamma"))
    _break_masks(root)
    opened, counted = Davis._open, []

    def open_all_but_beta(self: Davis, name: str) -> DiskClip:
        if name == "beta":
            raise DatasetError(f"{root / 'beta'}: is bad.")
        return opened(self, name)

    def check_edition(*args: object, **_: object) -> tuple[()]:
        counted.append(args[2])
        return ()

    monkeypatch.setattr(Davis, "_open", open_all_but_beta)
    monkeypatch.setattr(integrity, "check_edition", check_edition)
    status, content = _json(capsys, "--dataset", "davis2017", "--root", root, "--workers", "1")
    assert counted == [{"alpha": Counts(6, None), "beta": Counts(0, None), "gamma": Counts(6, 3)}]
    assert (status, content["summary"]["clips"]) == (1, 3)
    [finding] = [each for each in content["findings"] if each["code"] == "layout"]
    assert (finding["where"], finding["message"]) == (str(root / "beta"), "is bad.")


def test_a_stopped_repair_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    root = make_davis(tmp_path / "source")
    monkeypatch.setattr(mending, "map_contents", stop)
    assert _run("--dataset", "davis2017", "--root", root, "--repair", tmp_path / "out") == 130
    assert list(tmp_path.iterdir()) == [root]


def test_wrong_options_are_told_before_anything_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object) -> None:
        pytest.fail("copies")

    root = make_davis(tmp_path / "source")
    monkeypatch.setattr(integrity, "copy_tree", copy)
    assert _run("--dataset", "davis2107", "--root", root, "--repair", tmp_path / "out") == 2
    assert list(tmp_path.iterdir()) == [root]


def test_repair_of_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_frames(tmp_path / "mine"))
    write_mask(tmp_path / "m.png", fake_label_map(0))
    source = ("--dataset", "folder", "--root", ".", "--mask", "../m.png")
    assert _run(*source, "--repair", "../out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.png", "mine"]


def test_a_damaged_video_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = make_video(tmp_path / "v.mp4")
    write_mask(tmp_path / "m.png", fake_label_map(0))
    data = video.read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    later = start + 3 * (end - start) // 4  # the packets can still be counted
    video.write_bytes(data[:later] + bytes(end - later) + data[end:])
    source = ("--dataset", "folder", "--root", video, "--mask", tmp_path / "m.png")
    status, content = _json(capsys, *source)
    assert (status, [each["code"] for each in content["findings"]]) == (1, ["unreadable"])


def test_the_classes_of_instances_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = STILL_FAKES["voc2012"](tmp_path)
    path = sorted(fake.root.rglob("SegmentationClass/*.png"))[0]
    path.write_bytes(path.read_bytes()[:60])
    status, content = _json(capsys, "--dataset", "voc2012", "--root", fake.root)
    assert status == 1
    assert str(path) in [each["where"] for each in content["findings"]]


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
