"""``data list``: the known datasets, and which of them are on this disk."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from datasets_vos.catalogue import CATALOGUE, DatasetInfo
from datasets_vos.commands import CommandParser, user_path
from datasets_vos.commands.output import FULL_WIDTH
from datasets_vos.transfer.locate import Found, find_sets
from vos_core.errors import ConfigError, DatasetError, nearest

_VARIABLE = "VOS_DATA"
_DESCRIPTION = f"""List the known datasets: contents, licence, how to get them, and where they are
on this disk. It is searched two levels deep below --roots, else below the folder that the
environment variable {_VARIABLE} names, else below ./data. With NAME, tell all about one dataset."""

_Places = Mapping[str, Sequence[Found]]


def main(args: Sequence[str]) -> None:
    """Print a table of all datasets, or a page about one.

    Args:
        args: The command line after ``data list``.

    Raises:
        ConfigError: If an option is wrong or the dataset is unknown.
        DatasetError: If a folder to search does not exist.
    """
    options = _parse(args)
    folders = _folders_to_search(options.roots)
    chosen = {options.name: CATALOGUE[options.name]} if options.name else CATALOGUE
    places = find_sets(folders)
    if options.json:
        print(json.dumps([_record(name, info, places) for name, info in chosen.items()], indent=2))
    elif options.name:
        print("\n".join(_page(options.name, CATALOGUE[options.name], places)))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = FULL_WIDTH  # a line for each dataset, for grep and the like
        console.print(_table())
        print("\n".join(_summary(places, folders)))


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("data list", _DESCRIPTION)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a dataset")
    parser.add_argument(
        "--roots", nargs="+", type=user_path, metavar="DIR", help="folders that hold datasets"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse(args)
    if options.name is not None and options.name not in CATALOGUE:
        raise ConfigError(
            f"unknown dataset {options.name!r}.{nearest(options.name, CATALOGUE)} See data list."
        )
    return options


def _folders_to_search(roots: Sequence[Path] | None) -> list[Path]:
    if roots is None:
        return [user_path(os.environ.get(_VARIABLE) or "data")]
    for root in roots:
        if not root.is_dir():
            raise DatasetError(f"--roots {root}: no such folder; check the path.")
    return list(roots)


def _record(name: str, info: DatasetInfo, places: _Places) -> dict[str, Any]:
    return {
        "name": name,
        "title": info.title,
        "paper": info.paper,
        "kind": info.kind,
        "contents": info.contents,
        "licence": info.licence,
        "homepage": info.homepage,
        "splits": list(info.splits),
        "obtained": info.obtained,
        "download_bytes": info.size,
        "archives": [list(archive.urls) for archive in info.archives],
        "steps": list(info.steps),
        "found": [
            {"root": str(found.root), "items": found.items} for found in places.get(name, ())
        ],
    }


def _table() -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("kind", "contents", "licence", "download"):
        table.add_column(heading, overflow="fold")
    for name, info in CATALOGUE.items():
        contents = info.contents.partition(" (")[0]
        table.add_row(name, info.kind, contents, info.licence, _download(info))
    return table


def _summary(places: _Places, folders: Sequence[Path]) -> list[str]:
    lines = [
        f"  {name:22} {_place(CATALOGUE[name], place)}"
        for name, found in places.items()
        for place in found
    ]
    where = f"this disk (searched: {', '.join(map(str, folders))})"
    return [
        f"On {where}:" if lines else f"None is on {where}; search elsewhere with --roots DIR.",
        *lines,
        "More about one of them: python cli.py data list NAME",
    ]


def _page(name: str, info: DatasetInfo, places: _Places) -> list[str]:
    rows = [
        ("paper", [info.paper]),
        ("contents", [info.contents]),
        ("licence", [info.licence]),
        ("homepage", [info.homepage or "none"]),
        ("splits", [", ".join(info.splits) or "none"]),
        ("layout", [f"ROOT/{line}" if info.homepage else line for line in info.tree]),
        ("download", [_download(info), *_how(name, info)]),
        ("on this disk", [_place(info, place) for place in places.get(name, ())] or ["not found"]),
    ]
    lines = [f"{name}: {info.title}"]
    for label, values in rows:
        lines += [f"  {label if not i else '':13} {value}" for i, value in enumerate(values)]
    return lines


def _how(name: str, info: DatasetInfo) -> list[str]:
    if not info.archives:
        return [f"{number}. {step}" for number, step in enumerate(info.steps, start=1)]
    lines = [f"python cli.py data download --dataset {name} --root ROOT"]
    for archive in info.archives:
        splits = f"    ({', '.join(archive.splits)})" if archive.splits else ""
        lines += [url + splits for url in archive.urls]
    return lines


def _download(info: DatasetInfo) -> str:
    if not info.archives:
        return info.obtained
    if info.size is None:
        return "size unknown"
    return f"about {decimal(info.size, precision=int(info.size >= 1e9))}"


def _place(info: DatasetInfo, found: Found) -> str:
    return f"{found.root} ({info.count(found.items)})"
