"""``data``: tools for datasets, one module each."""

import importlib
from collections.abc import Sequence

from vos_core.errors import ConfigError, nearest

# tool, which is also the name of its module here -> help
_TOOLS = {
    "list": "the known datasets: splits, licences, sizes, what is on this disk",
    "download": "fetch a dataset, or say where to get it and where to put it",
    "verify": "check every file of a dataset, and mend masks into a copy",
    "stats": "sizes, motion and lengths of a dataset, as a table and a picture",
    "preview": "a contact sheet, and overlay videos",
    "export": "a submission archive for a benchmark's server",
    "toy": "generate the embedded dataset and say where it lies",
}


def main(args: Sequence[str]) -> None:
    """Run one tool; without one, print the list and exit with status 2.

    Args:
        args: The command line after ``data``.

    Raises:
        ConfigError: If there is no such tool.
        VOSError: Whatever the tool raises.
    """
    if not args or args[0] in ("-h", "--help"):
        lines = [f"  {name:10} {help_text}" for name, help_text in _TOOLS.items()]
        print("\n".join(["usage: cli.py data TOOL [options]", "", *lines]))
        raise SystemExit(0 if args else 2)
    tool = args[0]
    if tool not in _TOOLS:
        raise ConfigError(
            f"cli.py data has no tool {tool!r}; there is {', '.join(_TOOLS)}."
            f"{nearest(tool, _TOOLS)}"
        )
    importlib.import_module(f"datasets_vos.commands.data.{tool}").main(args[1:])
