"""What stands out in the files of one clip or image."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL.Image
import pytest

from datasets_vos import Davis, FolderClip, StillImage
from datasets_vos.integrity import (
    Finding,
    Inspection,
    Usage,
    check_modes,
    inspect_clip,
    inspect_still,
)
from datasets_vos.integrity.complaints import decoder_complaints
from datasets_vos.integrity.findings import from_error, spans
from datasets_vos.integrity.mask_files import has_davis_palette, softness
from datasets_vos.mask_formats import BINARY
from datasets_vos.masks import write_mask
from tests.fakes import fake_label_map, make_davis, make_frames
from vos_core.errors import DatasetError
from vos_core.palette import davis_palette
from vos_core.types import LabelMap


def _only(inspection: Inspection, code: str) -> Finding:
    found = [finding for finding in inspection.findings if finding.code == code]
    assert len(found) == 1, inspection.findings
    return found[0]


def _inspect(root: Path, year: str = "2017", usage: Usage | None = None) -> Inspection:
    clip = Davis(root, year=year, sequences=["alpha"])[0]
    return inspect_clip(clip, root, usage or Usage())


@pytest.fixture
def davis2017(tmp_path: Path) -> Path:
    return make_davis(tmp_path)


@pytest.fixture
def davis2016(tmp_path: Path) -> Path:
    return make_davis(tmp_path, year="2016")


def _mask(root: Path, frame: int) -> Path:
    return root / "Annotations" / "480p" / "alpha" / f"{frame:05d}.png"


def _frame(root: Path, frame: int) -> Path:
    return root / "JPEGImages" / "480p" / "alpha" / f"{frame:05d}.jpg"


def _soft(label_map: LabelMap) -> LabelMap:
    white = (label_map > 0).astype(np.uint8) * 255
    return np.asarray(cv2.GaussianBlur(white, (3, 3), 0.5))


def test_a_sound_clip_is_counted(davis2017: Path) -> None:
    found = _inspect(davis2017)
    assert found.findings == []
    assert (found.frames, found.masks, found.objects) == (6, 6, 2)
    assert {mode: use.count for mode, use in found.modes.items()} == {"P": 6}


def test_every_damaged_file_is_named(davis2017: Path) -> None:
    for path in (_frame(davis2017, 1), _frame(davis2017, 4), _mask(davis2017, 2)):
        path.write_bytes(path.read_bytes()[:100])
    found = _inspect(davis2017)
    assert [finding.code for finding in found.findings] == ["unreadable"] * 3
    assert {finding.where for finding in found.findings} == {
        _frame(davis2017, 1),
        _frame(davis2017, 4),
        _mask(davis2017, 2),
    }


def test_an_unreadable_first_frame_hides_no_other(davis2017: Path) -> None:
    for frame in (0, 4):
        _frame(davis2017, frame).write_bytes(b"")
    found = _inspect(davis2017)
    assert [finding.where for finding in found.findings] == [
        _frame(davis2017, 0),
        _frame(davis2017, 4),
    ]


def test_damaged_parts_of_a_picture_are_noticed(tmp_path: Path) -> None:
    root = make_davis(tmp_path, size=(240, 320))
    path = _frame(root, 3)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8] = b"\x00\x11\x22\x33" * 2
    path.write_bytes(data)
    finding = _only(_inspect(root), "damaged")
    assert finding.severity == "warning"
    assert finding.where == path


def test_what_others_write_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with decoder_complaints() as complaints:
        os.write(2, b"mine\nCorrupt JPEG data: bad code\n")
        assert complaints() == "Corrupt JPEG data: bad code"
        assert complaints() == ""
    assert capfd.readouterr().err == "mine\n"


def test_sizes_that_differ_in_a_clip(davis2017: Path) -> None:
    PIL.Image.new("RGB", (60, 40)).save(_frame(davis2017, 2))
    write_mask(_mask(davis2017, 3), fake_label_map(3, size=(48, 60)))
    found = _inspect(davis2017)
    frame, mask = _only(found, "frame-size"), _only(found, "mask-size")
    assert frame.where == _frame(davis2017, 2)
    assert frame.message == "is 60x40 pixels, the first frame 64x48"
    assert mask.where == _mask(davis2017, 3)
    assert mask.message == "is 60x48 pixels, its frame 64x48"


def test_a_gap_in_the_numbers(davis2017: Path) -> None:
    for path in (_frame(davis2017, 3), _mask(davis2017, 3)):
        path.unlink()
    finding = _only(_inspect(davis2017), "gap")
    assert finding.message == "the numbers go up by 1, but 00002 to 00004"


def test_names_that_text_sorts_otherwise(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "own", 12, pattern="{}.jpg")
    write_mask(tmp_path / "m.png", fake_label_map(0))
    found = inspect_clip(FolderClip(frames, tmp_path / "m.png"), frames, Usage(sparse=True))
    assert [finding.code for finding in found.findings] == ["order"]
    assert "10 would come before" in found.findings[0].message


def test_a_mask_among_the_frames(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "own", pattern="{:05d}.png")
    write_mask(frames / "00006.png", fake_label_map(0))
    for mask, codes in ((frames / "00006.png", ["among"]), (tmp_path / "00006.png", [])):
        write_mask(mask, fake_label_map(0))
        found = inspect_clip(FolderClip(frames / ".." / "own", mask), frames, Usage(sparse=True))
        assert [each.code for each in found.findings if each.code != "picture"] == codes


def test_frames_without_masks_and_masks_without_frames(davis2017: Path) -> None:
    _mask(davis2017, 2).unlink()
    _mask(davis2017, 3).unlink()
    finding = _only(_inspect(davis2017), "unmasked")
    assert (finding.severity, finding.message) == ("warning", "2 of 6 frames: 00002-00003")
    _frame(davis2017, 5).unlink()
    finding = _only(_inspect(davis2017), "match")
    assert finding.severity == "error"
    assert "masks belong to no frame (1, the first is 00005.png)" in finding.message


def test_only_the_first_mask(tmp_path: Path) -> None:
    found = _inspect(make_davis(tmp_path, annotate="first"))
    assert [(each.severity, each.code) for each in found.findings] == [("note", "first-only")]


def test_empty_masks(davis2016: Path) -> None:
    blank = PIL.Image.fromarray(np.zeros((48, 64), np.uint8))
    for frame in (3, 4, 5):
        blank.save(_mask(davis2016, frame))
    finding = _only(_inspect(davis2016, "2016"), "empty")
    assert (finding.severity, finding.message) == ("note", "3 of 6 masks: 00003-00005")
    blank.save(_mask(davis2016, 0))
    finding = _only(_inspect(davis2016, "2016"), "start")
    assert (finding.severity, finding.where) == ("error", _mask(davis2016, 0))


def test_soft_edges_are_warned_of_with_their_share(davis2016: Path) -> None:
    soft = _soft(fake_label_map(1, (1,)))
    PIL.Image.fromarray(soft).save(_mask(davis2016, 1))
    finding = _only(_inspect(davis2016, "2016"), "soft")
    share = 100 * ((soft > 0) & (soft < 255)).sum() / (soft > 0).sum()
    assert finding.severity == "warning"
    assert finding.message == (
        f"1 of 6 masks: 00001; {share:.0f} % of the object is neither 0 nor 255"
    )


def test_colours_outside_the_palette(davis2017: Path) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[5:20, 5:20] = (200, 10, 10)
    PIL.Image.fromarray(rgb).save(_mask(davis2017, 1))
    finding = _only(_inspect(davis2017), "mask-values")
    assert (finding.severity, finding.where) == ("error", _mask(davis2017, 1))
    assert "(200, 10, 10)" in finding.message


def test_another_palette(davis2017: Path) -> None:
    path = _mask(davis2017, 2)
    with PIL.Image.open(path) as image:
        image.load()
    colours = image.getpalette()
    assert colours
    image.putpalette([*colours[:3], 1, 2, 3, *colours[6:]])
    image.save(path)
    assert _only(_inspect(davis2017), "palette").message == "1 of 6 masks: 00002"


def test_a_short_palette_is_read_as_far_as_it_goes(davis2017: Path) -> None:
    with PIL.Image.open(_mask(davis2017, 2)) as image:
        image.load()
    colours = image.getpalette()
    assert colours
    image.putpalette(colours[:9])  # ids 0, 1 and 2
    image.save(_mask(davis2017, 2))
    assert _inspect(davis2017).findings == []


def test_a_palette_in_another_order(davis2017: Path) -> None:
    colours = davis_palette()[fake_label_map(2)]
    PIL.Image.fromarray(colours).quantize(3).save(_mask(davis2017, 2))  # the commonest is no first
    with PIL.Image.open(_mask(davis2017, 2)) as image:
        assert image.getpixel((0, 0)) > 0
    finding = _only(_inspect(davis2017), "moved")
    assert finding.severity == "error"
    assert finding.message == "1 of 6 masks: 00002; black is not at index 0"


@pytest.mark.parametrize("year", ["2016", "2017"])
def test_ids_stored_as_grays(tmp_path: Path, year: Literal["2016", "2017"]) -> None:
    root = make_davis(tmp_path, year=year)
    PIL.Image.fromarray(fake_label_map(2)).save(_mask(root, 2))
    [finding] = _inspect(root, year).findings
    assert (finding.severity, finding.code) == ("warning", "dark")
    assert finding.message == "1 of 6 masks: 00002"


@pytest.mark.parametrize("colours", [1, 2])
def test_ids_beyond_the_end_of_the_palette(colours: int) -> None:
    image = PIL.Image.fromarray(fake_label_map(0))  # ids 0, 1 and 2
    image.putpalette(davis_palette()[:colours].tobytes())
    assert not has_davis_palette(image)


@pytest.mark.parametrize(("ids_skip", "severity"), [(False, "warning"), (True, "note")])
def test_ids_that_skip_a_number(davis2017: Path, ids_skip: bool, severity: str) -> None:
    for frame in range(6):
        labels = fake_label_map(frame)
        labels[labels == 2] = 4
        write_mask(_mask(davis2017, frame), labels)
    finding = _only(_inspect(davis2017, usage=Usage(ids_skip=ids_skip)), "ids")
    assert (finding.severity, finding.message) == (severity, "ids 1, 4")


def test_ids_that_are_only_lines(davis2017: Path) -> None:
    labels = fake_label_map(0)
    labels[30, 2:40][labels[30, 2:40] == 0] = 3  # what half-transparent paint leaves of an edge
    write_mask(_mask(davis2017, 0), labels)
    assert _only(_inspect(davis2017), "lines").message == "ids 3"


def test_tiny_and_late_objects(davis2017: Path) -> None:
    labels = fake_label_map(4)
    labels[40:43, 2:5] = 3
    write_mask(_mask(davis2017, 4), labels)
    found = _inspect(davis2017)
    assert _only(found, "tiny").message == "1 of 6 masks: 00004; object 3 has 9 pixels"
    assert _only(found, "late").message == "object 3 in 00004"
    assert found.objects == 3


def test_one_mode_among_others_is_named(davis2016: Path) -> None:
    path = _mask(davis2016, 4)
    with PIL.Image.open(path) as image:
        image.convert("LA").save(path)
    found = _inspect(davis2016, "2016")
    assert found.findings == []
    for usage in (Usage(), Usage(frozenset({"L"}))):
        [finding] = check_modes([found], usage)
        assert (finding.severity, finding.code, finding.where) == ("warning", "mode", path)
        assert finding.message == "LA: 1 of 6 masks; usual is L"


def test_the_usual_mode_counts_not_the_commonest(davis2017: Path) -> None:
    [finding] = check_modes([_inspect(davis2017)], Usage(frozenset({"L"})))
    assert (finding.code, finding.message) == ("mode", "P: 6 of 6 masks; usual is L")


def test_soft_edges_at_the_border_are_no_grades() -> None:
    gray = np.zeros((20, 20), np.uint8)
    gray[:, :10] = 255
    gray[:, :3] = 100
    assert softness(gray) == (0.3, False)
    gray[:, :6] = 100
    assert softness(gray) == (0.6, True)


def test_deep_masks_are_errors(davis2017: Path) -> None:
    PIL.Image.fromarray(fake_label_map(1).astype(np.uint16)).save(_mask(davis2017, 1))
    finding = _only(_inspect(davis2017), "mask-values")
    assert "more than 8 bits" in finding.message


def _graded(label_map: LabelMap) -> LabelMap:
    return label_map * 85


@pytest.mark.parametrize(("make", "code"), [(_soft, "soft"), (_graded, "graded")])
def test_stills(tmp_path: Path, make: Callable[[LabelMap], LabelMap], code: str) -> None:
    make_frames(tmp_path / "images", 1)
    mask = tmp_path / "mask.png"
    PIL.Image.fromarray(make(fake_label_map(0))).save(mask)
    still = StillImage("a", tmp_path / "images" / "00000.jpg", (mask,), BINARY)
    found = inspect_still(still)
    assert [(finding.severity, finding.code) for finding in found.findings] == [("note", code)]
    assert (found.frames, found.masks, found.objects) == (1, 1, 1)


def test_a_still_without_an_object_or_colours(tmp_path: Path) -> None:
    image, mask = tmp_path / "a.jpg", tmp_path / "a.png"
    PIL.Image.fromarray(np.zeros((48, 64), np.uint8)).save(image)
    PIL.Image.fromarray(np.full((48, 64), 100, np.uint8)).save(mask)
    found = inspect_still(StillImage("a", image, (mask,), BINARY))
    assert _only(found, "empty").where == mask
    assert _only(found, "picture").message == "pixel mode L"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: b/x.png: is cut: short", "a: b/x.png", "is cut: short"),
        ("y/z.png: is cut", "y/z.png", "is cut"),
        ("no list: look", "root", "no list: look"),
    ],
)
def test_the_culprit_is_taken_from_the_message(text: str, where: str, message: str) -> None:
    known = Path(where if where.endswith("x.png") else "root")
    finding = from_error("layout", DatasetError(text), known)
    assert finding == Finding("error", "layout", Path(where), message)


def test_spans() -> None:
    names = [f"{i:02d}" for i in range(40)]
    assert spans(names, [0, 2, 3, 4, 9]) == "00, 02-04, 09"
    assert spans(names, range(0, 40, 2), limit=2) == "00, 02 and 18 more"
    assert spans(names, [0, 2, 5, 6, 8, 9], limit=2) == "00, 02 and 4 more"
