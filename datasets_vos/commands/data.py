"""``data``: tools for datasets. ``data toy`` generates the embedded one."""

import time
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos.commands import CommandParser, user_path
from datasets_vos.davis import Davis
from vos_core.errors import ConfigError, nearest


def toy(args: Sequence[str]) -> None:
    """Generate the toy dataset, unless it is there, and say what it holds.

    Args:
        args: The command line after ``data toy``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If the folder holds something else or cannot be written.
    """
    parser = CommandParser("data toy", "Generate the embedded dataset; nothing is downloaded.")
    parser.add_argument("--root", type=user_path, help="folder; default: in the user's cache")
    options = parser.parse(args)

    # --help does not wait for this
    from datasets_vos.toy import ensure_toy

    began = time.monotonic()
    root = ensure_toy(options.root)
    seconds = time.monotonic() - began
    table = Table("split", box=box.SIMPLE_HEAD)
    for heading in ("clips", "frames", "objects"):
        table.add_column(heading, justify="right")
    for split in ("train", "val"):
        clips = list(Davis(root, year="2017", split=split))
        frames = sum(len(clip.frame_names) for clip in clips)
        objects = sum(len(given.object_ids) for clip in clips for given in clip.annotations)
        table.add_row(split, str(len(clips)), str(frames), str(objects))
    print(f"toy dataset in {root}, ready in {seconds:.1f} s")
    Console().print(table)


# tool -> (function of the remaining arguments, help)
_TOOLS: dict[str, tuple[Callable[[Sequence[str]], None], str]] = {
    "toy": (toy, "generate the embedded dataset and say where it lies"),
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
        lines = [f"  {name:10} {help_text}" for name, (_, help_text) in _TOOLS.items()]
        print("\n".join(["usage: cli.py data TOOL [options]", "", *lines]))
        raise SystemExit(0 if args else 2)
    tool = args[0]
    if tool not in _TOOLS:
        raise ConfigError(
            f"cli.py data has no tool {tool!r}; there is {', '.join(_TOOLS)}."
            f"{nearest(tool, _TOOLS)}"
        )
    _TOOLS[tool][0](args[1:])
