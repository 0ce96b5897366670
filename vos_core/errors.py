"""The errors a user can cause; each message says what is wrong, where, and what to do.

The command line prints any :class:`VOSError` as one sentence and exits with status 2.
"""

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class VOSError(Exception):
    """Base of every error that better input can cure."""


class DatasetError(VOSError):
    """A dataset folder, split list or sequence is missing, empty or laid out wrongly."""


class CorruptFileError(VOSError):
    """A file exists but cannot be read: truncated, wrong format, undecodable."""


class MaskError(VOSError):
    """A mask is readable but unusable: wrong size, wrong mode, no object, unknown ids."""


class ConfigError(VOSError):
    """A config file, key or value is unknown or contradictory."""


class CheckpointError(VOSError):
    """A checkpoint is unreadable or belongs to another network."""


class DependencyNotFoundError(VOSError):
    """An optional package is not installed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean '...'?`` with the known name nearest to a misspelt one.

    Capitals do not count. Empty where nothing is near; meant to be put behind the sentence that
    names the mistake.
    """
    folded = {each.casefold(): each for each in known}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" Did you mean {folded[matches[0]]!r}?" if matches else ""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: Import name, e.g. ``pydensecrf.densecrf``.
        extra: The extra in ``pyproject.toml`` that installs it.

    Raises:
        DependencyNotFoundError: If it is not installed; the message holds the command to run.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        msg = f'{module!r} is not installed; run: pip install ".[{extra}]"'
        raise DependencyNotFoundError(msg) from err
