"""The command line: each command names the code that does it; nothing heavy is imported here."""

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence

# command -> (module, function of the remaining arguments, help)
COMMANDS = {
    "fit": ("lightning_modules.cli", "fit", "train, then do what the config's after_fit says"),
    "validate": ("lightning_modules.cli", "validate", "score the weights as they are, unadapted"),
    "test": ("lightning_modules.cli", "test", "adapt to each sequence, segment it, score it"),
    "predict": ("lightning_modules.cli", "predict", "adapt to each sequence and segment it"),
    "segment": ("lightning_modules.segment", "main", "segment your own video from its first mask"),
    "evaluate": ("datasets_vos.commands.evaluate", "main", "score stored masks"),
    "leaderboard": (
        "datasets_vos.commands.leaderboard",
        "main",
        "table of runs beside published numbers",
    ),
    "dream": ("datasets_vos.commands.dream", "main", "look at lucid dreams of a frame"),
    "data": (
        "datasets_vos.commands.data",
        "main",
        "dataset tools: verify, preview, export, ...",
    ),
}

_TERMINATED = 143  # as of a program that SIGTERM ends

USAGE = """usage: python cli.py COMMAND [options]

{commands}

Each command has --help. To begin: python cli.py fit --config lucid.yaml"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: The command and its options; the process's own command line by default.

    Returns:
        Exit status: 0 on success, 2 on a mistake in the input, 130 after Ctrl-C, 141 if what reads
        the output has stopped reading, 143 if the process was asked to end.
    """
    if args is None:
        # Lightning would make a note of it and go on; timeout, Slurm and Docker mean what they say
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    arguments = list(sys.argv[1:] if args is None else args)
    if not arguments or arguments[0] in ("-h", "--help"):
        lines = [f"  {name:11} {help_text}" for name, (_, _, help_text) in COMMANDS.items()]
        print(USAGE.format(commands="\n".join(lines)))
        return 0 if arguments else 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        # names of files may hold what the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    from vos_core.errors import VOSError, nearest

    command = arguments[0]
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(
            f"error: There is no command {command!r}; there are {known}."
            f"{nearest(command, COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    module, function, _ = COMMANDS[command]
    try:
        getattr(importlib.import_module(module), function)(arguments[1:])
        sys.stdout.flush()
    except VOSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except PermissionError as error:
        where = error.filename or "unnamed file"
        print(f"error: {where}: permission denied; check who may use it.", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError, SystemExit) as stop:
        return _status(stop)
    return 0


def _status(stop: BaseException) -> int:
    """Return the exit status of a command that was stopped; others go on to end the process."""
    # Lightning turns Ctrl-C into an exit of status 1
    interrupted = isinstance(stop, KeyboardInterrupt) or isinstance(
        stop.__context__, KeyboardInterrupt
    )
    if interrupted or (isinstance(stop, SystemExit) and stop.code == _TERMINATED):
        print("stopped; what was finished is kept", file=sys.stderr)
        return 130 if interrupted else _TERMINATED
    if not _reader_left(stop):
        raise stop
    return 141  # as of a program that SIGPIPE ends


def _reader_left(stop: BaseException) -> bool:
    """Tell whether nobody reads stdout any more, as after ``| head``; if so, drop what is left."""
    if isinstance(stop, SystemExit):
        # rich has led stdout to nowhere before it leaves with status 1
        return isinstance(stop.__context__, BrokenPipeError)
    try:
        print(flush=True)  # a flush alone does not fail again where nothing is buffered
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
