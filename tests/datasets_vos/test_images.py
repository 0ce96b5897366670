"""Frames: order, modes, sizes and damage."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_vos.images import (
    check_complete,
    image_size,
    list_images,
    natural_key,
    read_image,
)
from tests.fakes import SIZE, fake_frame, make_frames
from vos_core.errors import CorruptFileError, DatasetError

SUFFIXES = ["jpg", "png", "bmp", "webp"]


def test_natural_order(tmp_path: Path) -> None:
    for name in ["10.jpg", "2.jpg", "1.JPEG", "x1y10.png", "x1y9.png", "._2.jpg", "notes.txt"]:
        (tmp_path / name).touch()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["1.JPEG", "2.jpg", "10.jpg", "x1y9.png", "x1y10.png"]


@given(st.lists(st.integers(0, 10**6)))
def test_natural_order_of_numbers_is_numeric(numbers: list[int]) -> None:
    in_order = sorted((f"frame{n}" for n in numbers), key=natural_key)
    assert in_order == [f"frame{n}" for n in sorted(numbers)]


@given(st.lists(st.text(max_size=6)))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert sorted(reversed(names), key=natural_key) == sorted(names, key=natural_key)


def test_folders_that_hold_no_clip(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="missing: no such folder"):
        list_images(tmp_path / "missing")
    with pytest.raises(DatasetError, match="holds no image"):
        list_images(tmp_path)
    for name in ("0.jpg", "0.png"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"0\.(jpg|png) and 0\.(jpg|png) share"):
        list_images(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_read_size_and_check(tmp_path: Path, suffix: str) -> None:
    make_frames(tmp_path / "f", 1, pattern="{}." + suffix)
    path = tmp_path / "f" / f"0.{suffix}"
    check_complete(path)
    assert image_size(path) == SIZE
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    error = np.abs(image.astype(int) - fake_frame(0).astype(int))
    assert error.mean() < (4 if suffix in ("jpg", "webp") else 1e-9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    path = make_frames(tmp_path / "f", 1, pattern="{}." + suffix) / f"0.{suffix}"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(CorruptFileError, match=rf"0\.{suffix}: is truncated"):
        check_complete(path)
    with pytest.raises(CorruptFileError, match=rf"0\.{suffix}"):
        read_image(path)


def test_zero_filled_jpeg_end_is_noticed(tmp_path: Path) -> None:
    path = make_frames(tmp_path / "f", 1) / "00000.jpg"
    data = path.read_bytes()
    path.write_bytes(data[:-400] + bytes(4000))
    with pytest.raises(CorruptFileError, match=r"00000\.jpg: is truncated"):
        check_complete(path)


def test_jpeg_with_a_short_trailer_is_complete(tmp_path: Path) -> None:
    path = make_frames(tmp_path / "f", 1) / "00000.jpg"
    path.write_bytes(path.read_bytes() + b"maker's own" * 9)
    check_complete(path)


def test_flipped_png_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = make_frames(tmp_path / "f", 1, pattern="{}.png") / "0.png"
    data = path.read_bytes()
    for position in range(8, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        for reader in (check_complete, read_image):
            with pytest.raises(CorruptFileError, match=r"0\.png: is truncated or damaged"):
                reader(path)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0.jpg"
    path.write_bytes(content)
    for reader in (check_complete, image_size, read_image):
        with pytest.raises(CorruptFileError, match=r"0\.jpg"):
            reader(path)


def test_missing_file() -> None:
    for reader in (check_complete, image_size, read_image):
        with pytest.raises(DatasetError, match=r"none\.jpg: no such file"):
            reader(Path("none.jpg"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    gray = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    PIL.Image.fromarray(gray).convert(mode).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.stack([gray] * 3, axis=-1))


def test_cmyk_and_16_bit(tmp_path: Path) -> None:
    red = PIL.Image.new("RGB", (8, 8), (255, 0, 0)).convert("CMYK")
    red.save(tmp_path / "cmyk.jpg", quality=100)
    error = np.abs(read_image(tmp_path / "cmyk.jpg").astype(int) - [255, 0, 0])
    assert error.max() <= 4
    wide = np.array([[0, 256, 65535]], dtype=np.uint16)
    PIL.Image.fromarray(wide).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png")[0].tolist() == [[0] * 3, [1] * 3, [255] * 3]
    PIL.Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(CorruptFileError, match=r"float\.tiff: pixel mode F"):
        read_image(tmp_path / "float.tiff")


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (48, 64, 3)
