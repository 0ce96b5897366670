"""What an inspection can find: kinds of findings, what to do about each, and their gathering."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from vos_core.errors import CorruptFileError, MaskError, VOSError

Severity = Literal["error", "warning", "note"]
"""An error stops a reader or makes results wrong; a warning may, or trips other tools; a note is
good to know."""

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Finding(NamedTuple):
    """One thing that was found.

    Attributes:
        severity: How bad it is.
        code: Key of :data:`KINDS`.
        where: The file or folder it is about.
        message: What is wrong there.
    """

    severity: Severity
    code: str
    where: Path
    message: str


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        what: Its name in a table.
        cure: What a user can do; empty where nothing need be done, or each message tells it.
    """

    what: str
    cure: str


KINDS = {
    "layout": Kind("layout", ""),
    "edition": Kind("another edition", "open it under its own name, or fetch the right archive"),
    "count": Kind("wrong number of frames", "unpack the sequence again"),
    "list": Kind("split list and folders differ", "unpack what is missing, or restore the list"),
    "unreadable": Kind("missing or damaged file", "fetch it again"),
    "damaged": Kind("picture with damaged parts", "fetch it again"),
    "frame-size": Kind("frames of different sizes", "bring the clip to one size"),
    "mask-size": Kind("mask of another size", "draw it at the frame's size"),
    "mask-values": Kind("mask values that are no ids", "try --repair, or save it unsmoothed"),
    "match": Kind("masks without frames", "restore the frames, or remove the masks"),
    "among": Kind("a mask among the frames", "it is read as a frame too: move it elsewhere"),
    "start": Kind("no start, or nothing after it", "annotate the first frame; use longer clips"),
    "moved": Kind("colours in another order", "--repair takes the ids from the colours"),
    "mode": Kind("unusual pixel mode of masks", "other tools stumble; --repair evens it out"),
    "palette": Kind("not the DAVIS colours", "only looks; --repair writes the palette"),
    "dark": Kind("masks that look black", "ids stored as grays; --repair makes them visible"),
    "ids": Kind("ids are not 1..N", "harmless here, but some tools count the highest"),
    "unlisted": Kind("ids that are introduced nowhere", "check the edition of lists and masks"),
    "unmasked": Kind("frames without a mask", "restore the masks, if there should be any"),
    "first-only": Kind("only the first frame has a mask", ""),
    "gap": Kind("gaps in the numbering", "unpack the sequence again, if frames are missing"),
    "order": Kind("names sort otherwise as text", "read by number here; pad with zeros for others"),
    "lines": Kind("ids seen only as thin lines", "look at them: smoothed edges look like objects"),
    "soft": Kind("soft mask edges", "cut above 127 here; --repair does it on disk"),
    "graded": Kind("graded masks", "cut above 127 here; --repair does it on disk"),
    "empty": Kind("masks without an object", ""),
    "late": Kind("objects that enter late", ""),
    "tiny": Kind("objects of a few pixels", "look at them: so do stray pixels look"),
    "short": Kind("clips of two frames", "leave out: official scores drop first and last frames"),
    "picture": Kind("pictures not stored as RGB", "converted here"),
    "foreign": Kind("not in the published set", ""),
    "subset": Kind("part of the dataset", ""),
    "no-list": Kind("no split lists", "needed only to open one split"),
    "withheld": Kind("masks withheld", ""),
}
"""Code -> kind, from layout over files and masks to what merely stands out."""


@dataclass
class ModeUse:
    """How many mask files have a pixel mode, and the first that has it."""

    count: int
    first: Path


@dataclass
class Inspection:
    """What was found in one clip or still image.

    Attributes:
        name: Its name in the dataset.
        frames: Number of frames (1 for a still).
        masks: Number of frames that have a mask.
        objects: Number of objects.
        modes: Pixel mode -> the mask files that have it.
        findings: What stands out.
    """

    name: str
    frames: int = 0
    masks: int = 0
    objects: int = 0
    modes: dict[str, ModeUse] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, code: str, where: Path, message: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(severity, code, where, message))

    @property
    def broken(self) -> bool:
        """Whether an error was found."""
        return any(finding.severity == "error" for finding in self.findings)


def from_error(code: str, error: VOSError, where: Path) -> Finding:
    """Turn what a reader raises into a finding.

    Args:
        code: Key of :data:`KINDS`.
        error: What was raised; its message usually begins with the path of the culprit.
        where: The file or folder that was read, in case it does not.
    """
    text = str(error)
    if text.startswith(f"{where}: "):
        return Finding("error", code, where, text.removeprefix(f"{where}: "))
    path, _, message = text.partition(": ")
    if os.sep in path and message:
        return Finding("error", code, Path(path), message)
    return Finding("error", code, where, text)


def refusal(error: VOSError, where: Path) -> Finding:
    """Turn what opening a dataset or a clip raises into a finding; see :func:`from_error`."""
    codes = {CorruptFileError: "unreadable", MaskError: "mask-values"}
    return from_error(codes.get(type(error), "layout"), error, where)


def by_severity(findings: Iterable[Finding]) -> Iterator[tuple[Severity, str, list[Finding]]]:
    """Yield (severity, code, findings), the worst first and then in the order of the kinds."""
    order = {code: i for i, code in enumerate(KINDS)}

    def rank(finding: Finding) -> tuple[int, int]:
        return _SEVERITIES.index(finding.severity), order[finding.code]

    for (severity, code), group in groupby(sorted(findings, key=rank), key=rank):
        yield _SEVERITIES[severity], list(KINDS)[code], list(group)


def spans(names: Sequence[str], indices: Iterable[int], limit: int = 6) -> str:
    """Write indices of names briefly: ``00076-00089, 00101``.

    Args:
        names: All names, in order.
        indices: Which of them, ascending.
        limit: How many runs to write out.
    """
    runs: list[list[int]] = []
    for i in indices:
        if runs and runs[-1][1] == i - 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    shown = [names[a] if a == b else f"{names[a]}-{names[b]}" for a, b in runs[:limit]]
    rest = sum(b - a + 1 for a, b in runs[limit:])
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
