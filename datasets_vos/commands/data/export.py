"""``data export``: an archive of results, checked by the rules of the benchmark's server."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.filesize import decimal

from datasets_vos import DiskClip, StillDataset, StillImage
from datasets_vos.commands import CommandParser, at_least, make_folder, progress_bar, user_path
from datasets_vos.commands.data.source import add_source_options, open_source
from datasets_vos.commands.output import require_file_name, whole_file
from datasets_vos.commands.parallel import work_through
from datasets_vos.results import StoredResults
from datasets_vos.submission import (
    STILL_RULES,
    ArchiveRules,
    CheckedResults,
    Problem,
    check_clip,
    check_still,
    clip_rules,
    describe,
    servers,
    write_archive,
)
from vos_core.errors import ConfigError, DatasetError, MaskError

_STILLS_PER_JOB = 50
_SHOWN_PROBLEMS = 50
_DESCRIPTION = """Pack stored masks into a zip after checking every file of it: nothing is missing,
sizes and object ids are right. For {servers} the archive is what the server takes; for other
datasets of videos it holds <sequence>/<frame>.png, for still images <image>.png (0 and 255)."""


def main(args: Sequence[str]) -> None:
    """Check stored results and pack them into a zip.

    Args:
        args: The command line after ``data export``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If data or results are missing.
        MaskError: If results break the rules; all problems are printed first.
    """
    parser = CommandParser("data export", _DESCRIPTION.format(servers=", ".join(servers())))
    add_source_options(parser)
    parser.add_argument(
        "--results",
        type=user_path,
        required=True,
        help="folder with <sequence>/<frame>.png, or a run folder with that under masks/",
    )
    parser.add_argument(
        "--out", type=user_path, default=Path("submission.zip"), help="default: submission.zip"
    )
    parser.add_argument(
        "--workers", type=at_least(1), help="processes; default: one a CPU, or 1 for short work"
    )
    options = parser.parse(args)
    require_file_name(options.out, ".zip")
    dataset = open_source(options)
    make_folder(options.out.parent)  # before the long work, not after
    inner = options.results / "masks"
    folder = inner if inner.is_dir() else options.results
    if isinstance(dataset, StillDataset):
        rules, checked = STILL_RULES, _check_stills(dataset, folder, options.workers)
        extra: list[Problem] = []
    else:
        rules = clip_rules(options.dataset)
        if rules.server and options.sequences:
            raise ConfigError(
                f"--sequences: the server of {rules.server} takes whole splits only; leave it out."
            )
        extra = _extra_sequences(dataset.names, folder, options)
        checked = _check_clips(list(dataset), folder, rules, options.workers)
    _refuse([*extra, *(problem for part in checked for problem in part.problems)], folder)
    _write(options.out, checked, rules)
    _print(options, checked, rules)


def _extra_sequences(
    names: Sequence[str], folder: Path, options: argparse.Namespace
) -> list[Problem]:
    """Name stored sequences that the dataset lacks, unless only some were asked for."""
    stored = StoredResults(folder).sequences
    if options.sequences:
        return []
    what = f"is no sequence of {' '.join(filter(None, (options.dataset, options.split)))}"
    return [Problem(name, "", what) for name in stored if name not in set(names)]


def _check_clips(
    clips: Sequence[DiskClip], folder: Path, rules: ArchiveRules, workers: int | None
) -> list[CheckedResults]:
    return work_through(
        "checking sequences",
        partial(check_clip, results=folder, rules=rules),
        clips,
        files=sum(len(clip.required_names) for clip in clips),
        workers=workers,
    )


def _check_stills(dataset: StillDataset, folder: Path, workers: int | None) -> list[CheckedResults]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; check the path of the results.")
    starts = range(0, len(dataset), _STILLS_PER_JOB)
    checked = work_through(
        "checking images",
        partial(_check_batch, folder=folder),
        [dataset[start : start + _STILLS_PER_JOB] for start in starts],
        files=len(dataset),
        workers=workers,
    )
    return [each for batch in checked for each in batch]


def _check_batch(stills: Sequence[StillImage], folder: Path) -> list[CheckedResults]:
    return [check_still(still, folder, STILL_RULES) for still in stills]


def _refuse(problems: Sequence[Problem], folder: Path) -> None:
    """Print all problems and give up, if there are any."""
    if not problems:
        return
    lines = describe(problems)
    for line in lines[:_SHOWN_PROBLEMS]:
        print(line, file=sys.stderr)
    if len(lines) > _SHOWN_PROBLEMS:
        print(f"... and {len(lines) - _SHOWN_PROBLEMS} more such lines", file=sys.stderr)
    raise MaskError(
        f"{folder}: {len(problems)} problem{'s' * (len(problems) != 1)}, named above; nothing was "
        "written; run the method again, or correct the files."
    )


def _write(out: Path, checked: Sequence[CheckedResults], rules: ArchiveRules) -> None:
    members = [member for part in checked for member in part.members]
    with (
        whole_file(out) as temporary,
        progress_bar(f"writing {out.name}", len(members)) as advance,
    ):
        write_archive(temporary, members, rules, advance)


def _print(
    options: argparse.Namespace, checked: Sequence[CheckedResults], rules: ArchiveRules
) -> None:
    members = [member for part in checked for member in part.members]
    encoded = sum(1 for member in members if not member.ready)
    left_out = [name for part in checked for name in part.left_out]
    if rules.server:
        print(f"checked by the rules of {rules.server}")
    else:
        layout = "<image>.png" if rules.gray else "<sequence>/<frame>.png"
        print(f"{options.dataset} has no server; the archive holds {layout}")
    if left_out:
        print(f"left out, because not asked for: {len(left_out)} (first {left_out[0]})")
    print(
        f"{options.out}: {len(members)} mask{'s' * (len(members) != 1)} ({encoded} encoded anew), "
        f"{decimal(options.out.stat().st_size)}"
    )
