"""Commands of the toolkit that need no training: each module has ``main(args)``, run by ``cli.py``.

What they share: a parser that answers mistakes in one sentence, and a progress bar.
"""

import argparse
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vos_core.errors import ConfigError, DatasetError, nearest

_SILENT_SECONDS = 2.0


class CommandParser(argparse.ArgumentParser):
    """Options of one command; mistakes are raised, in one sentence, instead of printed."""

    def __init__(self, command: str, description: str) -> None:
        """Start without options.

        Args:
            command: What is typed after ``cli.py``.
            description: Shown by ``--help``.
        """
        super().__init__(prog=f"cli.py {command}", description=description, allow_abbrev=False)

    def parse(self, args: Sequence[str]) -> argparse.Namespace:
        """Parse the command's options.

        Raises:
            ConfigError: If an option is unknown (the message holds the nearest), missing, or has
                an unusable value.
        """
        # argparse names missing options first, though a misspelt one is often why they are missing
        for option in self._unknown(args):
            raise self._no_option(option, nearest(option, self._option_string_actions))
        return self.parse_args(args)

    def parse_known(self, args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Parse the command's options; what else is typed comes back, for another parser.

        Raises:
            ConfigError: If an option is missing (the message holds what may be meant for it), or
                has an unusable value.
        """
        try:
            return self.parse_known_args(args)
        except ConfigError:
            typed = [arg.split("=")[0] for arg in args]
            required = [
                name for each in self._actions if each.required for name in each.option_strings
            ]
            missing = [name for name in required if name not in typed]
            for option in self._unknown(args):
                if hint := nearest(option, missing):
                    raise self._no_option(option, hint) from None
            raise

    def _unknown(self, args: Sequence[str]) -> Iterator[str]:
        """Yield what is typed like an option, but is none of this command's."""
        for arg in args:
            option = arg.split("=")[0]
            if re.match("-+[a-zA-Z]", option) and option not in self._option_string_actions:
                yield option

    def _no_option(self, option: str, hint: str) -> ConfigError:
        return ConfigError(f"{self.prog} has no option {option!r}.{hint}")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print, and the nearest of the choices."""
        choice = re.fullmatch(r".*invalid choice: '(.*)' \(choose from (.*)\)", message)
        known = re.findall(r"[^', ]+", choice[2]) if choice else []
        hint = nearest(choice[1], known) if choice else ""
        raise ConfigError(f"{self.prog}: {message}; see {self.prog} --help.{hint}")


def at_least(lowest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from ``lowest`` on, for ``type=`` of an option."""

    def parse(text: str) -> int:
        # isdecimal also accepts digits of other scripts, and so does int
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {lowest} on")
        return int(text)

    return parse


def user_path(text: str) -> Path:
    """Return a path as typed, with ``~`` expanded even where the shell did not.

    Raises:
        ConfigError: If it begins with ``~`` and the name of an unknown user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise ConfigError(f"{text}: there is no such user; write the path without ~.") from err


def make_folder(folder: Path) -> None:
    """Make a folder for output, unless it is there.

    Raises:
        DatasetError: If it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        msg = f"{folder}: cannot be made ({err.strerror}); choose another place."
        raise DatasetError(msg) from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DatasetError(f"{folder}: nothing can be written there; choose another place.")


@contextmanager
def progress_bar(label: str, total: int, *, plain: bool = False) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal's stderr once the block has run for two seconds.

    Args:
        label: What is being done.
        total: Number of steps.
        plain: Where stderr is no terminal, say in one line what is being done.

    Yields:
        A function to call after each step.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task(label, total=total)
    # a timer, because the first step alone may take long
    begin: Callable[[], None] = progress.start
    if plain and not console.is_terminal:
        begin = partial(print, f"{label}: {total} to do", file=sys.stderr)
    timer = threading.Timer(_SILENT_SECONDS, begin)
    timer.start()
    try:
        yield lambda: progress.advance(task)
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
