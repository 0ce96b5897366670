"""``data toy``: generate the embedded dataset."""

import time
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos.commands import CommandParser, user_path
from datasets_vos.davis import Davis


def main(args: Sequence[str]) -> None:
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
