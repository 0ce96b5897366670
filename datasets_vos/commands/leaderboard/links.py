"""Links from a written leaderboard to the files of its runs."""

import os
from pathlib import Path
from urllib.parse import quote


def link(target: Path | None, page: Path) -> str:
    """Return a relative link, percent-encoded; empty without a target.

    Args:
        target: The file to link to.
        page: The file that holds the link.
    """
    if target is None:
        return ""
    relative = os.path.relpath(target.resolve(), page.parent.resolve())
    return quote(Path(relative).as_posix())
