"""Finding files of scores and naming their runs."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from vos_core.errors import DatasetError

SCORES = "scores.json"


def printable(text: object) -> str:
    r"""Return text that can be shown and stored: other characters become escapes.

    Those are control characters, and bytes of a file name that are no UTF-8.

    Example:
        >>> printable("a\nb")
        'a\\nb'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def scores_at(place: Path) -> Path | None:
    """Return the file of scores that a path names: it, or that of the run folder it is."""
    candidates = (place, place / SCORES)
    # Path.is_file raises where it may not look
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def find_scores(place: Path) -> list[Path]:
    """Return the file of scores that is given, or those in a folder.

    Folders that cannot be read are named on stderr. Links are followed, each folder once.

    Args:
        place: A file, or a folder in which hidden and temporary folders are not searched.

    Raises:
        DatasetError: If it is missing, cannot be read, or is a folder without a file of scores.
    """
    if scores_at(place) == place:
        return [place]
    found = list(_search(place))
    if not found:
        raise DatasetError(
            f"{printable(place)}: holds no {SCORES}; make a run with test or evaluate, or name the "
            "folder that holds your runs."
        )
    return found


def _search(top: Path) -> Iterator[Path]:
    def skip(err: OSError) -> None:
        if isinstance(err, FileNotFoundError):
            problem = "does not exist; make a run with test or evaluate"
        else:
            problem = f"cannot be read ({err.strerror}); check its permissions"
        if err.filename == str(top):
            raise DatasetError(
                f"{printable(top)}: {problem}, or name the folder that holds your runs."
            ) from err
        print(f"warning: left out {printable(err.filename)}: {problem}.", file=sys.stderr)

    seen = {os.path.realpath(top)}
    for parent, folders, files in os.walk(top, onerror=skip, followlinks=True):
        here = Path(parent)
        # links last, so that a run is named by its own place if that is searched too
        folders.sort(key=lambda name: ((here / name).is_symlink(), name))
        inner = {name: os.path.realpath(here / name) for name in folders}
        folders[:] = [
            name
            for name, real in inner.items()
            if not name.startswith(".") and not name.endswith(".tmp") and real not in seen
        ]
        seen.update(inner.values())
        if SCORES in files:
            yield here / SCORES


def name_runs(paths: Sequence[Path]) -> list[str]:
    """Name each run by its last two folders, or more where runs would share a name.

    Args:
        paths: Their files of scores, each once.
    """
    folders = [path.parent if path.name == SCORES else path for path in paths]
    # Path.resolve would follow links, and name a linked run by another place
    parts = [tuple(map(printable, Path(os.path.abspath(folder)).parts)) for folder in folders]  # noqa: PTH100
    names = [""] * len(parts)
    depth, unnamed = 2, list(range(len(parts)))
    while unnamed:
        shared = Counter(parts[i][-depth:] for i in unnamed)
        for i in unnamed:
            names[i] = Path(*parts[i][-depth:]).as_posix()
        unnamed = [i for i in unnamed if shared[parts[i][-depth:]] > 1 and depth < len(parts[i])]
        depth += 1
    return names
