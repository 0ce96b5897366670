"""Files and folders that appear complete or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, which takes its place when the block ends well.

    An older file is replaced. After an exception nothing is left behind.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a folder that the block makes, as :func:`whole_file` does.

    An empty folder is replaced; one that holds something is an ``OSError``.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        if path.exists():
            path.rmdir()
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    # processes of several machines may share the folder, so a process id is not enough
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
