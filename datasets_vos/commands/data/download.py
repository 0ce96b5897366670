"""``data download``: fetch a dataset, or say where to get it and where to put it."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from datasets_vos.catalogue import CATALOGUE, Archive, DatasetInfo
from datasets_vos.commands import CommandParser, make_folder, user_path
from datasets_vos.transfer import ProgressCallback
from datasets_vos.transfer.archive import extract, merge
from datasets_vos.transfer.download import DownloadError, digest_path, download
from datasets_vos.transfer.locate import count_items, find_root
from vos_core.errors import ConfigError, CorruptFileError, DatasetError, VOSError, nearest

_WORK = ".downloads"
_DESCRIPTION = f"""Download a dataset, verify it, unpack it into ROOT and open it. What breaks off
goes on where it stopped when run again. Nothing in ROOT is overwritten. Archives lie in
ROOT/{_WORK} until all is unpacked; their digests stay there and are compared the next time. For a
dataset behind a login or a form the steps by hand are printed instead, and the exit status is 2
unless the data is in ROOT already."""


def main(args: Sequence[str]) -> None:
    """Download a dataset into a folder, unless it is there.

    Args:
        args: The command line after ``data download``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If an archive cannot be fetched, is not what it should be, or does not fit.
        CorruptFileError: If an archive is damaged.
        SystemExit: With status 2 if the dataset has to be fetched by hand.
    """
    options = _parse(args)
    name, root, info = options.dataset, options.root, CATALOGUE[options.dataset]
    if info.homepage and _is_there(options, info):
        return
    archives = _archives(options, info)
    if not archives:
        print("\n".join(_instructions(name, root, info)))
        raise SystemExit(2)
    make_folder(root)
    _require_space(root, archives)
    work = root / _WORK
    try:
        files = _fetch(archives, work)
    except DownloadError as err:
        with suppress(OSError):  # unless something is kept there
            work.rmdir()
        if options.url:
            raise
        msg = f"{err} If it has moved, see {info.homepage} and give its new address with --url."
        raise DownloadError(msg) from err
    kept = _unpack(options, files, work)
    if kept:
        print(
            f"warning: existing files that differ from those of the archive: {len(kept)}, first "
            f"{kept[0]}; they were left as they are.",
            file=sys.stderr,
        )
    _report(options, info, count_items(name, root, options.split))
    if not options.keep:
        for file in files:
            file.unlink()


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("data download", _DESCRIPTION)
    parser.add_argument("--dataset", required=True, help="a name that data list shows")
    parser.add_argument("--root", type=user_path, required=True, help="folder for the dataset")
    parser.add_argument("--split", help="fetch only what this split needs; default: everything")
    parser.add_argument(
        "--url",
        nargs="+",
        type=_address,
        default=(),
        help="fetch these archives instead, e.g. from a mirror; also a file on this disk",
    )
    parser.add_argument(
        "--sha256",
        nargs="+",
        default=(),
        metavar="HEX",
        help="digests that the archives must have, one for each",
    )
    parser.add_argument("--keep", action="store_true", help="keep the archives")
    options = parser.parse(args)
    if options.dataset not in CATALOGUE:
        hint = nearest(options.dataset, CATALOGUE)
        raise ConfigError(f"unknown --dataset {options.dataset!r}.{hint} See data list.")
    splits = CATALOGUE[options.dataset].splits
    if options.split is not None and options.split not in splits:
        known = f"there are {', '.join(splits)}" if splits else "it has no splits"
        raise ConfigError(f"--split {options.split!r} is none of {options.dataset}; {known}.")
    return options


def _address(text: str) -> str:
    """Return an address as it is, and that of a file on this disk."""
    path = user_path(text)
    if path.is_file():
        return path.absolute().as_uri()
    if "://" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is neither an address nor a file here")
    return text


def _is_there(options: argparse.Namespace, info: DatasetInfo) -> bool:
    try:
        items = count_items(options.dataset, options.root, options.split)
    except (VOSError, OSError):
        return False
    print("Nothing to download: it is there already.")
    _report(options, info, items)
    if any(archive.splits for archive in info.archives) and not options.split:
        print(f"A part that is missing is fetched with --split ({', '.join(info.splits)}).")
    return True


def _report(options: argparse.Namespace, info: DatasetInfo, items: int) -> None:
    split = f" --split {options.split}" if options.split else ""
    root = shlex.quote(str(options.root))
    print(f"{info.title}: {info.count(items)} in {options.root}. Licence: {info.licence}.")
    print(f"Next: python cli.py data verify --dataset {options.dataset} --root {root}{split}")


def _archives(options: argparse.Namespace, info: DatasetInfo) -> list[Archive]:
    """Return what to fetch; nothing if it has to be fetched by hand."""
    archives = [Archive((url,)) for url in options.url]
    if not archives:
        wanted = options.split
        archives = [a for a in info.archives if wanted in (None, *a.splits) or not a.splits]
    if options.sha256:
        if len(options.sha256) != len(archives):
            raise ConfigError(
                f"--sha256 gives {len(options.sha256)} digests, but there are {len(archives)} "
                f"archives; give one for each, in the order of data list {options.dataset}."
            )
        pairs = zip(archives, options.sha256, strict=True)
        archives = [Archive(a.urls, a.splits, a.size, digest) for a, digest in pairs]
    return archives


def _instructions(name: str, root: Path, info: DatasetInfo) -> list[str]:
    steps = [step.replace("ROOT", str(root)) for step in info.steps]
    if info.obtained != "by hand":
        return [f"{info.title}.", *steps]
    return [
        f"{info.title} has to be fetched by hand ({info.homepage}):",
        *(f"  {number}. {step}" for number, step in enumerate(steps, start=1)),
        "Its layout:",
        *(f"  {root}/{line}" for line in info.tree),
        f"Licence: {info.licence}. Archives that you have are unpacked with --url FILE ...",
        f"Then: python cli.py data verify --dataset {name} --root {shlex.quote(str(root))}",
    ]


def _require_space(root: Path, archives: Sequence[Archive]) -> None:
    # pictures unpack to about what their archive takes, and both are there for a while
    needed = 2 * sum(archive.size or 0 for archive in archives)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DatasetError(
            f"{root}: about {decimal(needed)} are needed to download and unpack, but "
            f"{decimal(free)} are free; make room, or choose another disk."
        )


def _fetch(archives: Sequence[Archive], work: Path) -> list[Path]:
    names = [Path(urlsplit(archive.urls[0]).path).name or "archive" for archive in archives]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, start=1)]
    files = []
    for archive, name in zip(archives, names, strict=True):
        file = work / name
        with _bar(f"downloading {name}") as progress:
            digest = download(
                archive.urls, file, sha256=archive.sha256, progress=progress, announce=_announce
            )
        print(f"{name}: {decimal(file.stat().st_size)}, SHA-256 {digest}")
        files.append(file)
    return files


def _announce(message: str) -> None:
    print(message, file=sys.stderr)


def _unpack(options: argparse.Namespace, files: Sequence[Path], work: Path) -> list[Path]:
    """Unpack all archives aside, find the dataset in them, and move it into its root.

    What an archive holds beside the dataset's folder is left out.
    """
    site = work / "unpacked"
    shutil.rmtree(site, ignore_errors=True)
    try:
        for file in files:
            with _bar(f"unpacking {file.name}") as progress:
                _extract(file, site, progress)
        found = find_root(options.dataset, site, options.split)
        if found is None:
            held = ", ".join(sorted(path.name for path in site.iterdir())[:8])
            raise DatasetError(
                f"{work}: the archives hold no folder that opens as {options.dataset}, but {held}; "
                f"compare with data list {options.dataset}. They are kept there; "
                "remove them to fetch others of the same name."
            )
        try:
            return merge(found, options.root)
        except OSError as err:
            msg = f"{options.root}: cannot be written ({err.strerror}); make room and run again."
            raise DatasetError(msg) from err
    finally:
        shutil.rmtree(site, ignore_errors=True)


def _extract(file: Path, site: Path, progress: ProgressCallback) -> None:
    """Unpack an archive; a damaged one is removed, or it would never be downloaded again."""
    try:
        extract(file, site, progress=progress)
    except CorruptFileError as err:
        for path in (file, digest_path(file)):
            path.unlink()
        raise CorruptFileError(f"{err} It was removed.") from err


@contextmanager
def _bar(label: str) -> Iterator[ProgressCallback]:
    """Show bytes, speed and time left on a terminal's stderr."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
