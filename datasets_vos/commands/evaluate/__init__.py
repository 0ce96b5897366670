"""``evaluate``: the official scores of stored masks; no GPU is used."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from datasets_vos import PROTOCOLS, list_still_datasets
from datasets_vos.commands import CommandParser, at_least, user_path
from datasets_vos.commands.output import require_file_name
from vos_core.errors import ConfigError, nearest

_MOTS = ("kitti_mots", "mots20")
_BASELINES = ("box_oracle", "grabcut_oracle", "nearest_annotation")
_DESCRIPTION = """Score stored masks by the rules of their benchmark, and say by which. What is
missing or looks like a mistake is named, and nothing is written (exit status 2), unless it is
allowed by its option. An object that enters late is scored from the frame after its first."""


def main(args: Sequence[str]) -> None:
    """Score stored masks, print tables, and write ``scores.json`` if asked to.

    Args:
        args: The command line after ``evaluate``.

    Raises:
        ConfigError: If an option is wrong, or a run was made on another dataset.
        DatasetError: If data, sequences or frames are missing; the message names them.
        CorruptFileError: If a mask cannot be decoded.
        MaskError: If a mask is unusable, e.g. of another size than the truth, or the masks as a
            whole look like a mistake.
    """
    options = _parse(args)
    if options.results:
        from datasets_vos.commands.evaluate.origin import require_same_dataset

        require_same_dataset(options)
    if options.interactions:
        from datasets_vos.commands.evaluate import interactions

        interactions.main(options)
    elif options.dataset in list_still_datasets():
        from datasets_vos.commands.evaluate import stills

        stills.main(options)
    elif options.dataset in _MOTS:
        from datasets_vos.commands.evaluate import mots

        mots.main(options)
    else:
        from datasets_vos.commands.evaluate import clips

        clips.main(options)


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("evaluate", _DESCRIPTION)
    _add_what(parser)
    _add_how(parser)
    _add_allowances(parser)
    options = parser.parse(args)
    if options.out:
        require_file_name(options.out, ".json")
        _require_other_file(options.out, [options.attributes, options.seen, options.interactions])
        _require_no_other_run(options.out, options.results)
    if options.interactions:
        _refuse(
            options,
            vars(options).keys() - {"interactions", "dataset", "split", "out"},
            "--interactions",
        )
        return options
    known = [*PROTOCOLS, *_MOTS, *list_still_datasets()]
    if options.dataset is None:
        raise ConfigError(f"evaluate needs --dataset (or --interactions); there are {_some(known)}")
    if options.dataset not in known:
        raise ConfigError(
            f"--dataset {options.dataset!r} cannot be scored; there are {_some(known)}"
            f"{nearest(options.dataset, known)}"
        )
    _require_one_source(options)
    _refuse_unused(options)
    return options


def _add_what(parser: argparse.ArgumentParser) -> None:
    videos, stills = ", ".join([*PROTOCOLS, *_MOTS]), ", ".join(list_still_datasets())
    parser.add_argument("--dataset", help=f"videos: {videos}; stills: {stills}")
    parser.add_argument("--root", type=user_path, help="the dataset's folder")
    parser.add_argument("--split", help="split list; default: every sequence found")
    parser.add_argument("--sequences", nargs="+", help="score only these; videos only")
    parser.add_argument(
        "--results",
        type=user_path,
        help="folder with <sequence>/<frame>.png (of still images: <image>.png), or a run folder "
        "with that under masks/",
    )
    parser.add_argument(
        "--baseline", choices=_BASELINES, help="score this in the place of --results; videos only"
    )
    parser.add_argument(
        "--annotate-every",
        type=at_least(1),
        metavar="K",
        help="nearest_annotation: every K-th frame is given; default: the first alone",
    )
    parser.add_argument(
        "--interactions",
        type=user_path,
        metavar="CSV",
        help="score the report of an interactive session (AUC, J&F@60s); --dataset and --split "
        "only say of what",
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", help="other rules than the dataset's own; videos only")
    parser.add_argument(
        "--seen",
        type=user_path,
        metavar="FILE",
        help="YouTube-VOS: categories seen in training, as its train/meta.json or a list",
    )
    parser.add_argument(
        "--attributes",
        type=user_path,
        metavar="FILE",
        help="YAML or JSON of each sequence's tags (such as DAVIS's db_info.yaml): score each tag",
    )
    parser.add_argument(
        "--stability", action="store_true", help="also T, temporal stability (DAVIS 2016); slow"
    )
    parser.add_argument(
        "--official-decay",
        action="store_true",
        help="decay of davis2017-evaluation, wrong from 256 frames on",
    )
    parser.add_argument(
        "--out",
        type=user_path,
        help="scores.json to write; a line per sequence or image goes beside it, into a .csv "
        "(of --interactions: the curve, into a .png)",
    )
    parser.add_argument(
        "--workers", type=at_least(1), help="processes; default: one a CPU, or 1 for short work"
    )


def _add_allowances(parser: argparse.ArgumentParser) -> None:
    allowances = {
        "missing": "leave out missing sequences, take missing frames as empty",
        "extra-ids": "score masks with ids that the truth never has",
        "swapped-ids": "score masks whose ids look permuted",
        "merged-ids": "score several objects that look merged into one",
        "other-dataset": "score the masks of a run on another dataset",
        "perfect": "score masks that equal the truth",
    }
    for name, help_text in allowances.items():
        parser.add_argument(f"--allow-{name}", action="store_true", help=help_text)


def _require_other_file(out: Path, inputs: Sequence[Path | None]) -> None:
    written = {out.with_suffix(suffix).resolve() for suffix in (".json", ".csv", ".png")}
    for path in inputs:
        if path and path.resolve() in written:
            raise ConfigError(f"--out {out}: would replace the input {path}; give another name.")


def _require_no_other_run(out: Path, results: Path | None) -> None:
    folder = out.parent.resolve()
    own = results is not None and results.resolve() in (folder, folder / "masks")
    if out.exists() and (folder / "config.yaml").exists() and not own:
        raise ConfigError(f"--out {out}: holds the scores of a run; give another name.")


def _require_one_source(options: argparse.Namespace) -> None:
    if options.results is None and options.baseline is None:
        raise ConfigError("evaluate needs --results, a folder of masks, or --baseline.")
    if options.results and options.baseline:
        raise ConfigError("--results and --baseline are two things to score; give one.")
    if options.annotate_every and options.baseline != "nearest_annotation":
        raise ConfigError("--annotate-every goes with --baseline nearest_annotation only.")


def _refuse_unused(options: argparse.Namespace) -> None:
    of_ids = {"allow_extra_ids", "allow_swapped_ids", "allow_merged_ids"}
    of_results = {"allow_missing", "allow_other_dataset", "allow_perfect"}
    if options.baseline:
        _refuse(options, of_ids | of_results, "--baseline")
    if not options.dataset.startswith("youtube_vos"):
        _refuse(options, {"seen"}, repr(options.dataset))
    if options.dataset not in PROTOCOLS:
        of_videos = {"baseline", "protocol", "attributes", "stability", "official_decay"}
        _refuse(options, of_videos | of_ids, repr(options.dataset))


def _refuse(options: argparse.Namespace, names: Collection[str], beside: str) -> None:
    """Refuse options that would change nothing; what is typed is meant."""
    if typed := [name for name in vars(options) if name in names and getattr(options, name)]:
        option = f"--{typed[0].replace('_', '-')}"
        raise ConfigError(f"{option} does not go with {beside}; leave it out.")


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names)}."


def results_folder(results: Path) -> Path:
    """Return the folder of the masks: of a run folder, what is under ``masks/``."""
    inner = results / "masks"
    # a sequence may be called masks, too
    beside = (path for path in results.glob("[!.]*/*.png") if path.parent != inner)
    return inner if inner.is_dir() and next(beside, None) is None else results
