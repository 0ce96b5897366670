"""What a command puts out: files, whole or not at all; tables and sentences on the terminal."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import PIL.Image
from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos.commands import make_folder
from vos_core import files
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
    try:
        with files.whole_file(path) as temporary:
            yield temporary
    except OSError as err:
        msg = f"{path}: cannot be written ({err.strerror}); choose another place."
        raise DatasetError(msg) from err


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


def plain_console() -> Console:
    """Return a console for scores: names are printed as they are, and no number is ever cut.

    Square brackets and colons in a name are no markup. A table is as wide as it needs to be; a
    narrower terminal folds its lines.
    """
    return Console(width=FULL_WIDTH, markup=False, emoji=False, highlight=False)


def number_table(first: str, *others: str) -> Table:
    """Return an empty table: a column of names, then columns of numbers.

    Args:
        first: Heading of the names.
        others: Headings of the numbers.
    """
    table = Table(first, box=box.SIMPLE_HEAD)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def some(items: Sequence[str], separator: str = ", ", shown: int = 5) -> str:
    """Name the first few of many.

    Example:
        >>> some(["a", "b", "c"], shown=2)
        'a, b and 1 more'
    """
    named = separator.join(items[:shown])
    return named if len(items) <= shown else f"{named} and {len(items) - shown} more"
