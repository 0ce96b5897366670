"""``data verify``: every file of a dataset is decoded and compared with the others."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets_vos import StillImage, integrity
from datasets_vos.commands import CommandParser, at_least, user_path
from datasets_vos.commands.data.contents import Item, map_contents, open_contents
from datasets_vos.commands.data.mending import repair
from datasets_vos.commands.data.source import add_source_options
from datasets_vos.integrity import Counts, Finding, Inspection, Usage
from vos_core.errors import ConfigError, DatasetError, VOSError

_EXAMPLES = 3
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_DESCRIPTION = """Decode every file of a dataset and tell what is wrong or stands out: layout and
split lists, published counts, sizes, damage, and how masks are stored. The exit status is 1 if
there are errors."""


@dataclass(frozen=True)
class _Verdict:
    """What was found in a dataset."""

    counts: dict[str, int]  # of clips or images, frames and masks
    findings: Sequence[Finding]
    seconds: float

    @property
    def severities(self) -> dict[str, int]:
        counts = Counter(finding.severity for finding in self.findings)
        return {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"]}


def main(args: Sequence[str]) -> None:
    """Verify a dataset, or mend it in a copy and verify that.

    Args:
        args: The command line after ``data verify``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If there is nothing at ``--root``, or the copy cannot be written.
        SystemExit: With status 1, after everything was told, if there are errors.
    """
    options = _parse(args)
    mended = None
    if options.repair:
        options, mended = repair(options, options.repair)
    verdict = _verify(options)
    if options.json:
        print(json.dumps(_as_json(options, verdict, mended), indent=1))
    else:
        if mended is not None:
            _print_mended(options.repair, mended)
        _print(options.root or Path(), verdict)
    if verdict.severities["errors"]:
        raise SystemExit(1)


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("data verify", _DESCRIPTION)
    add_source_options(parser)
    parser.add_argument(
        "--repair",
        type=user_path,
        metavar="OUT",
        help="copy the dataset there, mend the masks of the copy, and verify that",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--workers", type=at_least(1), help="processes; default: one a CPU, or 1 for short work"
    )
    options = parser.parse(args)
    if options.repair and options.root is None:
        parser.error("--repair needs --root, the data to copy")
    for path in (options.root, options.mask):
        if path is not None and not path.exists():
            raise DatasetError(f"{path}: no such file or folder; check the path.")
    if options.root and options.root.is_file() and options.dataset != "folder":
        raise DatasetError(f"{options.root}: is a file; unpack it, and name the folder.")
    if options.mask and options.mask.is_dir():
        raise DatasetError(f"{options.mask}: is a folder; name the mask's file.")
    return options


def _verify(options: argparse.Namespace) -> _Verdict:
    began = time.monotonic()
    root, usage = options.root or Path(), integrity.usage(options.dataset)
    try:
        contents = open_contents(options)
    except ConfigError:
        raise
    except VOSError as err:
        return _Verdict({}, [integrity.refusal(err, root)], time.monotonic() - began)
    inspect = partial(_inspect, root=root, usage=usage)
    inspections = list(map_contents("checking", inspect, contents, options.workers))
    findings = [integrity.refusal(err, root) for _, err in contents.refused]
    findings += chain.from_iterable(each.findings for each in inspections)
    if other := integrity.other_edition(options.dataset, contents.items):
        findings.append(Finding("error", "edition", root, other))
    else:
        findings += integrity.check_modes(inspections, usage)
    counts = {
        each.name: Counts(each.frames, None if each.broken else each.objects)
        for each in inspections
    }
    counts |= {name: Counts(0, None) for name, _ in contents.refused}
    findings += integrity.check_edition(
        options.dataset, options.split, counts, root, chosen=bool(options.sequences)
    )
    if not options.sequences:
        findings += integrity.check_split_lists(options.dataset, root)
    totals = {f"{contents.noun}s": len(counts)}
    if contents.noun == "clip":
        totals["frames"] = sum(each.frames for each in inspections)
    totals["masks"] = sum(each.masks for each in inspections)
    return _Verdict(totals, findings, time.monotonic() - began)


def _inspect(item: Item, *, root: Path, usage: Usage) -> Inspection:
    if isinstance(item, StillImage):
        return integrity.inspect_still(item)
    return integrity.inspect_clip(item, root, usage)


def _as_json(
    options: argparse.Namespace, verdict: _Verdict, mended: Counter[str] | None
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "dataset": options.dataset,
        "root": None if options.root is None else str(options.root),
        "split": options.split,
        "ok": not verdict.severities["errors"],
        "summary": {**verdict.counts, **verdict.severities, "seconds": round(verdict.seconds, 1)},
        "findings": [
            {**finding._asdict(), "where": str(finding.where)} for finding in verdict.findings
        ],
    }
    if mended is not None:
        content["mended"] = dict(mended)
    return content


def _print_mended(out: Path, mended: Counter[str]) -> None:
    table = Table("mended", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("files", justify="right")
    for what, count in mended.items():
        table.add_row(what, str(count))
    if mended:
        Console().print(table)
    told = "the mended copy" if mended else "a copy in which nothing was mended"
    _say(f"{told} is in {out}")


def _print(root: Path, verdict: _Verdict) -> None:
    if verdict.findings:
        Console().print(_table(verdict.findings, root))
    what = _counted(verdict.counts) or "nothing"
    _say(f"{what} checked in {_duration(verdict.seconds)}: {_counted(verdict.severities)}")


def _say(text: str) -> None:
    Console().print(_printable(text), soft_wrap=True)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {nouns[:-1] if n == 1 else nouns}" for nouns, n in counts.items())


def _table(findings: Iterable[Finding], root: Path) -> Table:
    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("what, where, and what to do", overflow="fold")
    for severity, code, group in integrity.by_severity(findings):
        kind = integrity.KINDS[code]
        lines = Text(kind.what, style="bold")
        for finding in group[:_EXAMPLES]:
            lines.append_text(_printable(f"\n{_in_one_line(finding, root, kind.cure)}"))
        if len(group) > _EXAMPLES:
            lines.append(f"\nand {len(group) - _EXAMPLES} more; --json lists all")
        if kind.cure:
            lines.append(f"\n-> {kind.cure}", style="not bold dim")
        table.add_row(Text(severity, style=_STYLES[severity]), str(len(group)), lines)
    return table


def _in_one_line(finding: Finding, root: Path, cure: str) -> str:
    where = finding.where
    place = where.relative_to(root) if where.is_relative_to(root) else where
    # the cure, which ends a reader's message, is told once for all
    told = (cure and finding.message.rpartition("; ")[0]) or finding.message
    return ": ".join(part for part in (str(place).removeprefix("."), told) if part)


def _printable(text: str) -> Text:
    """Write what the terminal cannot show, such as a name that is not UTF-8, as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return Text(text.encode(encoding, "backslashreplace").decode(encoding), style="not bold")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
