"""Files that a command writes: whole or not at all."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import PIL.Image

from datasets_vos.commands import make_folder
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import Image

FULL_WIDTH = 1000
"""Width in columns of a console whose tables are as wide as they need to be."""


def require_file_name(path: Path, suffix: str, option: str = "--out") -> None:
    """Refuse a path that cannot be a file of the given kind.

    Raises:
        ConfigError: If it has another suffix, or is a folder.
    """
    if path.suffix != suffix or path.is_dir():
        raise ConfigError(f"{option} {path}: give a file that ends in {suffix}.")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, which takes its place when the block ends well.

    Missing parent folders are made. After an exception nothing is left behind.

    Raises:
        DatasetError: If the file cannot be written.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as err:
        msg = f"{path}: cannot be written ({err.strerror}); choose another place."
        raise DatasetError(msg) from err
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole.

    Raises:
        DatasetError: If it cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def write_png(path: Path, image: Image) -> None:
    """Write a (H, W, 3) uint8 RGB picture as PNG, whole.

    Raises:
        DatasetError: If it cannot be written.
    """
    encoded = io.BytesIO()
    PIL.Image.fromarray(image).save(encoded, "PNG")
    write_bytes(path, encoded.getvalue())
