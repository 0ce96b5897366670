"""Stored tracks: PNG and text say the same; what cannot be scored is named with file and line."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_vos.mots_results import MotsResults, PngFrames, TxtFrames, decode_runs
from tests.fakes.mots import write_codes
from tests.fakes.registry import litter
from vos_core.errors import CorruptFileError, DatasetError, MaskError
from vos_core.metrics.mots import Codes
from vos_core.types import BinaryMask

# An annotation of KITTI-MOTS that the authors print to explain the format.
PUBLISHED = (
    "52 1005 1 375 1242 WSV:2d;1O10000O10000O1O100O100O1O100O1000000000000000O100O102N5K00O1O1N2O"
    "110OO2O001O1NTga3"
)
SIZE = (3, 4)


def encode_number(value: int) -> str:
    """Write a number in characters of five bits and one that says that more follow."""
    characters = ""
    while True:
        low, value = value & 31, value >> 5
        done = value == (-1 if low & 16 else 0)
        characters += chr(48 + low + (0 if done else 32))
        if done:
            return characters


def encode_runs(runs: list[int]) -> str:
    differences = [run - runs[i - 2] if i > 2 else run for i, run in enumerate(runs)]
    return "".join(map(encode_number, differences))


def encode(mask: BinaryMask) -> str:
    runs, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            runs.append(0)
        runs[-1] += 1
        last = pixel
    return encode_runs(runs)


def line(frame: int, code: int, mask: BinaryMask, class_number: int | None = None) -> str:
    height, width = mask.shape
    number = code // 1000 if class_number is None else class_number
    return f"{frame} {code} {number} {height} {width} {encode(mask)}"


def lines(frame: int, codes: Codes) -> list[str]:
    return [line(frame, int(c), codes == c) for c in np.unique(codes) if c]


def box(*columns: int) -> BinaryMask:
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[:, columns] = True
    return mask


def write_text(folder: Path, *content: str) -> MotsResults:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0002.txt").write_text("\n".join(content))
    return MotsResults(folder)


@given(st.lists(st.integers(0, 2**30), min_size=1, max_size=40))
def test_runs_come_back(runs: list[int]) -> None:
    assert decode_runs(encode_runs(runs).encode()).tolist() == runs


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(rle: bytes) -> None:
    try:
        runs = decode_runs(rle)
    except CorruptFileError:
        return
    assert (runs >= 0).all()


def test_published_line(tmp_path: Path) -> None:
    """The runs of the printed car fill the image to the last pixel, and the car is in one piece."""
    assert decode_runs(PUBLISHED.split()[5].encode()).sum() == 375 * 1242
    codes = write_text(tmp_path, PUBLISHED).open("0002").read("000052", (375, 1242))
    assert codes.dtype == np.uint16
    assert codes.shape == (375, 1242)
    assert sorted(np.unique(codes)) == [0, 1005]
    rows, columns = np.nonzero(codes)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (168, 178, 890, 930)
    assert len(rows) == 283
    for column in range(890, 931):
        within = rows[columns == column]
        assert (np.diff(within) == 1).all()


@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(1, 9), st.integers(1, 70)))
@settings(max_examples=60, deadline=None)
def test_text_and_png_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    frames = {3 * t: rng.choice([0, 1001, 1999, 2000, 10000], size) for t in range(3)}
    folder = tmp_path_factory.mktemp("round_trip")
    content = [each for t, codes in frames.items() for each in lines(t, codes)]
    text = write_text(folder / "text", *rng.permutation(content)).open("0002")
    for t, codes in frames.items():
        write_codes(folder / "png" / "0002" / f"{t:06d}.png", codes.astype(np.uint16))
    png = MotsResults(folder / "png").open("0002")
    for t, codes in frames.items():
        for stored in (text, png):
            got = stored.read(f"{t:06d}", size)
            assert got.dtype == np.uint16
            assert got.flags.c_contiguous
            np.testing.assert_array_equal(got, codes)


def test_which_sequences_there_are(tmp_path: Path) -> None:
    write_text(tmp_path, "")
    (tmp_path / "0010").mkdir()
    (tmp_path / ".0011").mkdir()
    results = MotsResults(tmp_path)
    assert results.sequences == ("0002", "0010")
    assert isinstance(results.open("0002"), TxtFrames)
    assert isinstance(results.open("0010"), PngFrames)
    with pytest.raises(DatasetError, match="no sequence '0003'"):
        results.open("0003")
    (tmp_path / "0010.txt").touch()
    with pytest.raises(DatasetError, match=r"both 0010/ and 0010\.txt"):
        MotsResults(tmp_path)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        MotsResults(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no sequence"):
        MotsResults(tmp_path)


def test_a_text_frame_without_lines_is_empty(tmp_path: Path) -> None:
    frames = write_text(tmp_path, "", line(7, 1001, box(0)), "").open("0002")
    assert not frames.read("000000", SIZE).any()
    assert frames.read("000007", SIZE).any()
    assert frames.compare(["000000", "000007"]) == ([], [])
    assert frames.compare(["000000", "000006"]) == ([], ["7"])
    assert not write_text(tmp_path, "").open("0002").read("000000", (5, 6)).any()


def test_a_missing_png_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "0002"
    for t in (0, 2, 10):
        write_codes(folder / f"{t:06d}.png", np.zeros(SIZE, dtype=np.uint16))
    litter(folder)
    frames = MotsResults(tmp_path).open("0002")
    assert frames.compare(["000000", "000001", "000002"]) == (["000001"], ["000010"])
    with pytest.raises(DatasetError, match=r"000001\.png: frame 000001 is missing \(3 frames"):
        frames.read("000001", SIZE)


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        (np.full(SIZE, 5, np.uint8), "pixel mode L is not 16-bit gray, so the codes .* were lost"),
        (np.full((4, 3), 1001, np.uint16), "3x4 pixels but the frames are 4x3"),
        (np.full(SIZE, 5, np.uint16), "class 0 of object 5 is unknown; 1xxx is a car"),
        (np.full(SIZE, 3001, np.uint16), "class 3 of object 3001"),
    ],
)
def test_unusable_pngs(codes: Codes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "0002" / "000000.png"
    write_codes(path, codes)
    with pytest.raises(MaskError, match=f"{path}: .*{complaint}"):
        MotsResults(tmp_path).open("0002").read("000000", SIZE)


def test_a_damaged_png(tmp_path: Path) -> None:
    path = tmp_path / "0002" / "000000.png"
    path.parent.mkdir()
    PIL.Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CorruptFileError, match=r"000000\.png"):
        MotsResults(tmp_path).open("0002").read("000000", SIZE)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (line(4, 1001, box(3)), "frame 4 has object 1001 twice"),
        (line(4, 3001, box(3)), "class 3 of object 3001 is unknown"),
        (line(4, 2001, box(3), 1), "id 2001 does not belong to class 1"),
        (line(4, 7, box(3), 2), "id 7 does not belong to class 2"),
    ],
)
def test_unusable_objects(content: str, complaint: str, tmp_path: Path) -> None:
    results = write_text(tmp_path, line(4, 1001, box(0)), "", content)
    with pytest.raises(MaskError, match=rf"0002\.txt, line 3: {complaint}"):
        results.open("0002")


@pytest.mark.parametrize(
    "content",
    ["4 1001 1 3 4", "4 1001 1 3 4 abc d", "4 1001.0 1 3 4 abc", "-4 1001 1 3 4 abc", "x y"],
)
def test_lines_of_another_form(content: str, tmp_path: Path) -> None:
    results = write_text(tmp_path, line(4, 1001, box(0)), content)
    with pytest.raises(CorruptFileError, match=r"0002\.txt, line 2: is not of the form 'frame id"):
        results.open("0002")


@pytest.mark.parametrize(
    ("rle", "complaint"),
    [
        ("", "not of the form"),
        ("0P", "cut short"),  # P says that more follow
        ("0<\x7f", "cut short or holds characters"),
        ("0;", "covers 11 pixels, but 4x3 has 12"),
        (encode_runs([0, 6, 2, 5]), "covers 13 pixels"),
        ("0" + encode_number(-1) + encode_number(13), "less than no pixel"),
        ("0" + "o" * 7 + "0", "longer than any image"),
    ],
)
def test_malformed_masks(rle: str, complaint: str, tmp_path: Path) -> None:
    results = write_text(tmp_path, line(4, 1001, box(0)), f"5 1001 1 3 4 {rle}")
    with pytest.raises(CorruptFileError, match=rf"0002\.txt, line 2: .*{complaint}"):
        results.open("0002").read("000005", SIZE)


def test_overlaps_empty_masks_and_sizes(tmp_path: Path) -> None:
    content = [
        line(0, 1001, box(0, 1)),
        line(0, 2003, box(1, 2)),
        line(1, 1001, box()),
        line(2, 1001, box(0).T),
        line(3, 1001, box(0)),
    ]
    frames = write_text(tmp_path, *content).open("0002")
    with pytest.raises(MaskError, match="line 2: the masks of objects 1001 and 2003 overlap"):
        frames.read("000000", SIZE)
    with pytest.raises(MaskError, match="line 3: the mask of object 1001 is empty"):
        frames.read("000001", SIZE)
    with pytest.raises(MaskError, match="line 4: the mask is 3x4 pixels but the frames are 4x3"):
        frames.read("000002", SIZE)
    # an unusable frame does no harm to others
    assert np.count_nonzero(frames.read("000003", SIZE)) == 3


def test_a_text_that_cannot_be_read(tmp_path: Path) -> None:
    results = write_text(tmp_path, "")
    (tmp_path / "0002.txt").unlink()
    with pytest.raises(CorruptFileError, match=r"0002\.txt: cannot be read"):
        results.open("0002")
