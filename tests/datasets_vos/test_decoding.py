"""Fast JPEG decoding against Pillow, and the order and limits of reading ahead."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_vos import decoding
from datasets_vos.decoding import decode_jpeg, jpeg_header, read_ahead
from datasets_vos.images import read_image
from tests.fakes import fake_frame
from vos_core.errors import DatasetError
from vos_core.types import Image


def encode(image: Image, **options: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


def picture(height: int, width: int, seed: int = 0) -> Image:
    """Return a smooth picture, as photographs are."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    resized = PIL.Image.fromarray(noise).resize((width, height), PIL.Image.Resampling.BICUBIC)
    return np.asarray(resized)


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    quality=st.integers(30, 95),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
)
def test_same_pixels_as_pillow(
    size: tuple[int, int], quality: int, subsampling: int, progressive: bool
) -> None:
    options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
    data = encode(picture(*size), **options)
    header = jpeg_header(data)
    assert header is not None
    assert header == (size, 3)
    decoded = decode_jpeg(data, header)
    assert decoded is not None
    np.testing.assert_array_equal(decoded, np.asarray(PIL.Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    ("wanted", "decoded_size"),
    [
        ((480, 854), (480, 854)),
        ((241, 427), (480, 854)),
        ((240, 427), (240, 427)),
        ((120, 200), (120, 214)),
        ((120, 214), (120, 214)),  # a quarter of 854, rounded up
        ((1, 1), (60, 107)),
        ((700, 100), (480, 854)),
    ],
)
def test_smallest_scale_that_holds_the_wanted_size(
    wanted: tuple[int, int], decoded_size: tuple[int, int]
) -> None:
    data = encode(picture(480, 854))
    header = jpeg_header(data)
    assert header is not None
    decoded = decode_jpeg(data, header, wanted)
    assert decoded is not None
    assert decoded.shape == (*decoded_size, 3)


def test_scaled_decoding_is_the_shrunk_picture_in_the_right_colours(tmp_path: Path) -> None:
    image = picture(480, 854)
    image = np.where(np.arange(854)[None, :, None] < 300, np.uint8([200, 30, 90]), image)
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(image, quality=95))
    small = read_image(path, (120, 200))
    assert small.shape == (120, 200, 3)
    want = np.asarray(PIL.Image.fromarray(image).resize((200, 120), PIL.Image.Resampling.BOX))
    assert np.abs(small.astype(int) - want).mean() < 1.5
    np.testing.assert_allclose(small[60, 20], [200, 30, 90], atol=3)


def test_stored_size_is_checked_whatever_is_asked_for(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        PIL.Image.fromarray(fake_frame(0)).save(tmp_path / name)
        assert read_image(tmp_path / name, (12, 16), stored=(48, 64)).shape == (12, 16, 3)
        with pytest.raises(DatasetError, match=rf"{name}: is 64x48 pixels but the first frame"):
            read_image(tmp_path / name, (12, 16), stored=(48, 65))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_other_channels_as_pillow_reads_them(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(fake_frame(0)).convert(mode).save(path)
    want = np.asarray(PIL.Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), want)


def test_orientation_is_ignored(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(fake_frame(0)).save(path, exif=exif)
    assert read_image(path).shape == fake_frame(0).shape


@given(st.binary(max_size=64), st.booleans())
def test_no_header_in_noise_is_an_error(noise: bytes, start: bool) -> None:
    header = jpeg_header(b"\xff\xd8" + noise if start else noise)
    assert header is None or start


def test_reading_ahead_keeps_order_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_THREADS", 2)
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item * item

    results = read_ahead(work, range(100))
    assert next(results) == 0
    assert max(begun) <= 5  # the four first, and one more for the one that was taken
    assert list(results) == [i * i for i in range(1, 100)]


def test_reading_ahead_stops_when_the_reader_does() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = read_ahead(str, source())
    assert [next(results), next(results)] == ["0", "1"]
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_an_error_comes_at_its_turn() -> None:
    results = read_ahead(lambda i: 6 // (3 - i), range(5))
    assert [next(results), next(results), next(results)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
