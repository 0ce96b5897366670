"""What ``scores.json`` says about where the scored masks come from."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from datasets_vos.commands.evaluate import results_folder
from vos_core.errors import ConfigError

if TYPE_CHECKING:
    from vos_core.metrics import DataInfo, Seconds
    from vos_core.provenance import RunInfo


class Origin(TypedDict):
    """Entries of ``scores.json``; see :class:`vos_core.metrics.Scores`."""

    data: NotRequired["DataInfo"]
    scored_by: "RunInfo"
    run: NotRequired["RunInfo"]
    seconds: NotRequired["Seconds"]
    baseline: NotRequired[str]


def origin(options: argparse.Namespace) -> Origin:
    """Return where the masks come from, as far as it is known.

    Args:
        options: As parsed by ``evaluate``.
    """
    from vos_core.metrics import DataInfo
    from vos_core.provenance import describe_run

    known = Origin(scored_by=describe_run())
    if options.dataset:
        root = str(options.root.resolve()) if options.root else ""
        known["data"] = DataInfo(dataset=options.dataset, split=options.split, root=root)
    if options.results:
        run = _scores_of_run(results_folder(options.results))
        if "run" in run:
            known["run"] = run["run"]
        if "seconds" in run:
            known["seconds"] = run["seconds"]
    elif options.baseline:
        every = f", every {options.annotate_every}" if options.annotate_every else ""
        known["baseline"] = f"{options.baseline}{every}"
    return known


def require_same_dataset(options: argparse.Namespace) -> None:
    """Refuse masks of a run that has recorded another dataset than the one to score them on.

    Raises:
        ConfigError: If it is another, and that is not allowed.
    """
    masks = results_folder(options.results)
    data = _scores_of_run(masks).get("data")
    recorded = data.get("dataset") if isinstance(data, dict) else None
    if recorded in (None, options.dataset):
        return
    what = f"{masks.parent / 'scores.json'}: says that these are results on {recorded!r}, not "
    what += f"{options.dataset!r}"
    if not options.allow_other_dataset:
        raise ConfigError(f"{what}; give --dataset {recorded}, or pass --allow-other-dataset.")
    print(f"warning: {what}.", file=sys.stderr)


def _scores_of_run(masks: Path) -> dict[str, Any]:
    """Read the scores that the run itself has written beside its masks, if it has."""
    path = masks.parent / "scores.json"
    try:
        content = json.loads(path.read_bytes()) if masks.name == "masks" else {}
    except (OSError, ValueError):  # none, or not ours
        content = {}
    return content if isinstance(content, dict) else {}
