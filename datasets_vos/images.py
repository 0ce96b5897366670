"""Frames on disk: finding, ordering, reading and checking image files.

EXIF orientation is ignored on purpose: masks are drawn on, and stored for, the pixel grid of the
file, so turning a frame would part it from its mask.
"""

import io
import os
import re
import struct
import zlib
from collections.abc import Set
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image

from datasets_vos.decoding import decode_jpeg, jpeg_header
from vos_core.errors import CorruptFileError, DatasetError
from vos_core.resize import resize_image
from vos_core.types import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_DIGITS = re.compile(r"(\d+)")
# Everything Pillow raises on bytes it cannot decode; FileNotFoundError (an OSError) is told apart.
_UNDECODABLE = (OSError, SyntaxError, ValueError, struct.error, PIL.Image.DecompressionBombError)
# The end marker is the last thing a camera writes, but some append a short trailer of their own.
_JPEG_TAIL = 1024


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers, so ``2`` comes before ``10``."""
    # Splitting on a group puts text at even and digits at odd positions: types never mix.
    parts = _DIGITS.split(name)
    key: list[str | int] = [int(part) if i % 2 else part for i, part in enumerate(parts)]
    return key, name  # "01" and "1" differ in text only


def list_images(folder: Path, suffixes: Set[str] = IMAGE_SUFFIXES) -> list[Path]:
    """List the image files of one folder in numeric-aware order of their names.

    Hidden files (``._00000.jpg`` of macOS archives) and other suffixes are passed over.

    Args:
        folder: Its files are listed, not its sub-folders'.
        suffixes: In lower case, with the dot.

    Raises:
        DatasetError: If the folder is missing or holds no image, or if two images share a stem,
            because results are stored under the stem.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; check the path.")
    # Names, not paths: a folder of ten thousand frames is listed in a third of the time.
    names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208
    split = [(*os.path.splitext(name), name) for name in names]  # noqa: PTH122
    images = [(stem, name) for stem, suffix, name in split if suffix.lower() in suffixes]
    if not images:
        allowed = ", ".join(sorted(suffixes))
        raise DatasetError(f"{folder}: holds no image file; put frames in it ({allowed}).")
    images.sort(key=lambda image: natural_key(image[0]))
    for (stem, name), (next_stem, next_name) in pairwise(images):
        if stem == next_stem:
            raise DatasetError(
                f"{folder}: {name} and {next_name} share one frame name; remove one."
            )
    return [folder / name for _, name in images]


def load_pillow(path: Path) -> PIL.Image.Image:
    """Open and fully decode an image file, in whatever mode it is stored.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is truncated or not an image.
    """
    return _decode(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as err:
        raise DatasetError(f"{path}: no such file; check the path.") from err
    except OSError as err:
        raise _corrupt(path, err) from err


def _decode(path: Path, data: bytes) -> PIL.Image.Image:
    try:
        # Pillow decodes some damaged PNGs without a word, with thousands of wrong pixels.
        if data.startswith(PNG_SIGNATURE) and not _png_is_intact(data):
            raise CorruptFileError(f"{path}: is truncated or damaged; fetch it again.")
        with PIL.Image.open(io.BytesIO(data)) as image:
            image.load()
            return image
    except _UNDECODABLE as err:
        raise _corrupt(path, err) from err


def read_image(
    path: Path, size: tuple[int, int] | None = None, *, stored: tuple[int, int] | None = None
) -> Image:
    """Read one frame.

    Gray, palette, CMYK and 1-bit files are converted to RGB; alpha is dropped; 16-bit gray keeps
    its high byte.

    Args:
        path: The image file.
        size: (height, width) to resize to. JPEGs that are at least twice as large are decoded at a
            fraction of their size, which is several times faster; None is the stored size.
        stored: Refuse a file that is not stored at this (height, width); None takes any.

    Returns:
        (H, W, 3) uint8 RGB, writable.

    Raises:
        DatasetError: If there is no such file, or it is not of the ``stored`` size.
        CorruptFileError: If it is truncated, not an image, or not of integer pixels.
    """
    data = _read(path)
    header = jpeg_header(data) if JPEG_END in data[-_JPEG_TAIL:] else None
    if header is not None:
        _require_stored(path, header.size, stored)
        decoded = decode_jpeg(data, header, size)
        if decoded is not None:
            return resize_image(decoded, size)
    image = _decode(path, data)
    _require_stored(path, (image.height, image.width), stored)
    return resize_image(_to_rgb(path, image), size)


def _require_stored(path: Path, size: tuple[int, int], stored: tuple[int, int] | None) -> None:
    if stored is not None and size != stored:
        raise DatasetError(
            f"{path}: is {size[1]}x{size[0]} pixels but the first frame is "
            f"{stored[1]}x{stored[0]} (width x height); make all frames one size."
        )


def _to_rgb(path: Path, image: PIL.Image.Image) -> Image:
    if image.mode in ("I", "F"):
        raise CorruptFileError(f"{path}: pixel mode {image.mode} is no picture; save it as RGB.")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 instead of scaling.
        gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode == "LA":
        image = image.getchannel("L")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) in pixels from the header, without decoding.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If the header is not an image's.
    """
    image = _header(path)
    return image.height, image.width


def image_mode(path: Path) -> str:
    """Read Pillow's name of the pixel mode from the header, without decoding.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If the header is not an image's.
    """
    return _header(path).mode


def _header(path: Path) -> PIL.Image.Image:
    try:
        with PIL.Image.open(path) as image:
            return image
    except FileNotFoundError as err:
        raise DatasetError(f"{path}: no such file; check the path.") from err
    except _UNDECODABLE as err:
        raise _corrupt(path, err) from err


def check_complete(path: Path) -> None:
    """Check cheaply, without decoding pixels, that an image file was written to its end.

    JPEG: the end marker stands near the end. PNG: every chunk up to the last matches its checksum.
    WebP and BMP: the file is as long as its header says.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is empty, cut short, damaged, or of another format.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; check the path.")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(max(0, size - _JPEG_TAIL))
        tail = file.read()
    if head.startswith(JPEG_START):
        complete = JPEG_END in tail
    elif head.startswith(PNG_SIGNATURE):
        complete = _png_is_intact(path.read_bytes())
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        complete = size >= int.from_bytes(head[4:8], "little") + 8
    elif head.startswith(b"BM"):
        complete = size >= int.from_bytes(head[2:6], "little")
    else:
        raise CorruptFileError(
            f"{path}: is no JPEG, PNG, WebP or BMP file ({size} bytes); fetch it again."
        )
    if not complete:
        raise CorruptFileError(f"{path}: is truncated or damaged ({size} bytes); fetch it again.")


def _corrupt(path: Path, err: Exception) -> CorruptFileError:
    if isinstance(err, PIL.UnidentifiedImageError):  # its text repeats the path, or an address
        return CorruptFileError(f"{path}: is not an image; fetch it again.")
    return CorruptFileError(f"{path}: cannot be decoded ({err}); fetch it again.")


def _png_is_intact(data: bytes) -> bool:
    """Tell whether every chunk up to the end chunk matches its checksum."""
    start = len(PNG_SIGNATURE)
    while start + 12 <= len(data):  # a chunk: length, kind, content, checksum
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if data[start + 4 : start + 8] == b"IEND":
            return True
        start = end + 4
    return False
