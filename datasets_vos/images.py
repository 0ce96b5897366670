"""Frames on disk: finding, ordering, reading and checking image files.

EXIF orientation is ignored on purpose: masks are drawn on, and stored for, the pixel grid of the
file, so turning a frame would part it from its mask.
"""

import io
import re
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image

from vos_core.errors import CorruptFileError, DatasetError
from vos_core.types import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Everything Pillow raises on bytes it cannot decode; FileNotFoundError (an OSError) is told apart.
_UNDECODABLE = (OSError, SyntaxError, ValueError, struct.error, PIL.Image.DecompressionBombError)
# The end marker is the last thing a camera writes, but some append a short trailer of their own.
_JPEG_TAIL = 1024


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers, so ``2`` comes before ``10``."""
    # Splitting on a group puts text at even and digits at odd positions: types never mix.
    parts = re.split(r"(\d+)", name)
    key: list[str | int] = [int(part) if i % 2 else part for i, part in enumerate(parts)]
    return key, name  # "01" and "1" differ in text only


def list_images(folder: Path) -> list[Path]:
    """List the image files of one folder in numeric-aware order of their names.

    Hidden files (``._00000.jpg`` of macOS archives) and other suffixes are passed over.

    Raises:
        DatasetError: If the folder is missing or holds no image, or if two images share a stem,
            because results are stored under the stem.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; check the path.")
    paths = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not paths:
        allowed = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError(f"{folder}: holds no image file; put frames in it ({allowed}).")
    paths.sort(key=lambda path: natural_key(path.stem))
    for before, after in pairwise(paths):
        if before.stem == after.stem:
            raise DatasetError(
                f"{folder}: {before.name} and {after.name} share one frame name; remove one."
            )
    return paths


def load_pillow(path: Path) -> PIL.Image.Image:
    """Open and fully decode an image file, in whatever mode it is stored.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is truncated or not an image.
    """
    try:
        data = path.read_bytes()
        # Pillow decodes some damaged PNGs without a word, with thousands of wrong pixels.
        if data.startswith(PNG_SIGNATURE) and not _png_is_intact(data):
            raise CorruptFileError(f"{path}: is truncated or damaged; fetch it again.")
        with PIL.Image.open(io.BytesIO(data)) as image:
            image.load()
            return image
    except FileNotFoundError as err:
        raise DatasetError(f"{path}: no such file; check the path.") from err
    except _UNDECODABLE as err:
        raise _corrupt(path, err) from err


def read_image(path: Path) -> Image:
    """Read one frame.

    Gray, palette, CMYK and 1-bit files are converted to RGB; alpha is dropped; 16-bit gray keeps
    its high byte.

    Returns:
        (H, W, 3) uint8 RGB, writable.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is truncated, not an image, or not of integer pixels.
    """
    image = load_pillow(path)
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
    try:
        with PIL.Image.open(path) as image:
            return image.height, image.width
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
    if head.startswith(b"\xff\xd8"):
        complete = b"\xff\xd9" in tail
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
