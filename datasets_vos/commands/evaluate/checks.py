"""What is missing from stored masks, and what about them looks like a mistake."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datasets_vos import DiskClip
from datasets_vos.images import natural_key
from datasets_vos.integrity.editions import edition_of
from datasets_vos.results import StoredResults
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import VOID

if TYPE_CHECKING:
    from datasets_vos.commands.evaluate.clips import Scored
    from vos_core.metrics import GlobalScores, Scores

_NAMED = 5


class Suspicion(NamedTuple):
    """Something that looks like a mistake, and the option that allows it."""

    option: str
    what: str


def require_complete(
    clips: Sequence[DiskClip], stored: StoredResults, *, allowed: bool
) -> tuple[list[DiskClip], list[str]]:
    """Return the clips to score and the names of those left out.

    Args:
        clips: All clips of the dataset.
        stored: The predicted masks.
        allowed: Leave out clips without masks, and say nothing of missing frames.

    Raises:
        DatasetError: If sequences or frames are missing and that is not allowed, or nothing is
            there; an official score is that of the whole split.
    """
    absent = [clip.name for clip in clips if clip.name not in stored.sequences]
    present = [clip for clip in clips if clip.name in stored.sequences]
    if not present or (absent and not allowed):
        raise DatasetError(
            f"{stored.root}: {len(absent)} of {len(clips)} sequences have no masks "
            f"({_some(absent)}){_edition_hint(stored)}; run the method on them, choose others with "
            f"--sequences{', or pass --allow-missing to leave them out' if present else ''}."
        )
    if allowed:
        return present, absent
    gaps = []
    for clip in present:
        required = {clip.frame_names[i] for i in clip.truth_frames} & set(clip.required_names)
        if lacking := sorted(required - set(stored.frame_names(clip.name)), key=natural_key):
            counts = f"{len(lacking)} of {len(required)}, first {lacking[0]}.png"
            gaps.append(f"{clip.name} lacks {counts}")
    if gaps:
        raise DatasetError(
            f"{stored.root}: masks of frames are missing ({_some(gaps, '; ')}); run the method "
            "again, or pass --allow-missing to take them as empty."
        )
    return present, absent


def _edition_hint(stored: StoredResults) -> str:
    title = edition_of(stored.sequences)
    return f", the folder holds those of {title}" if title else ""


def suspicions(scored: Sequence["Scored"], scores: "Scores", *, baseline: bool) -> list[Suspicion]:
    """Return what looks like a mistake in masks that could be scored."""
    found = [each for sequence in scored for each in _of_ids(sequence)]
    found += _of_one_object(scored)
    perfect = all(
        j == 1 and f == 1
        for each in scores["per_object"].values()
        for j, f in zip(each["J_frames"], each["F_frames"], strict=True)
    )
    if perfect and not baseline:
        what = "prediction equals ground truth: is the results folder the annotation folder?"
        found.append(Suspicion("--allow-perfect", what))
    return found


def _of_ids(scored: "Scored") -> Iterable[Suspicion]:
    """Yield what the ids of one sequence tell."""
    result = scored.result
    if result.extra_ids:
        ids = ", ".join(
            f"{i} (in {frames} of {result.frames} frames)" for i, frames in result.extra_ids.items()
        )
        what = f"{result.sequence}: the masks hold ids that the truth never has: {ids}"
        if result.predicted_ids == (VOID,):
            what += "; they are masks of 0 and 255, so write the object as 1"
        yield Suspicion("--allow-extra-ids", what)
    if len(scored.merged_ids) > 1:
        ids = ", ".join(map(str, scored.merged_ids))
        what = f"{result.sequence}: a mask holds ids {ids} but all count as one object; are these "
        yield Suspicion("--allow-extra-ids", what + "results of a multi-object set (DAVIS 2017)?")
    if swap := result.swap:
        pairs = ", ".join(f"{predicted} for {true}" for true, predicted in swap.ids.items())
        if len(swap.ids) == 2:
            pairs = " and ".join(map(str, sorted(swap.ids)))
        yield Suspicion(
            "--allow-swapped-ids",
            f"{result.sequence}: ids {pairs} look swapped: J of these objects is "
            f"{swap.jaccard:.2f} and would be {swap.swapped_jaccard:.2f}",
        )


def _of_one_object(scored: Sequence["Scored"]) -> list[Suspicion]:
    """Tell that of many objects only one is ever predicted."""
    several = [each.result for each in scored if len(each.result.objects) > 1]
    proposals = any("proposal" in o for result in several for o in result.objects.values())
    if not several or proposals or any(len(result.predicted_ids) > 1 for result in several):
        return []
    what = f"never more than one object is predicted, though {len(several)} sequences have several"
    return [Suspicion("--allow-missing", f"{what}; are these results of DAVIS 2016?")]


def warn(scored: Sequence["Scored"], absent: Sequence[str]) -> None:
    """Tell on stderr what took no part in the scores."""
    if absent:
        _warn(f"{len(absent)} sequences have no masks and are left out: {_some(absent)}")
    for each in scored:
        result = each.result
        if each.missing:
            _warn(f"{result.sequence}: {each.missing} masks are missing and taken as empty")
        if result.left_out:
            _warn(
                f"{result.sequence}: the rules score the objects of the first frame only, so "
                f"{', '.join(map(str, result.left_out))} took no part"
            )
        if each.without_truth:
            _warn(
                f"{result.sequence}: {each.without_truth} of {result.frames} frames have no true "
                "mask and are not scored"
            )


def judge(found: Sequence[Suspicion], options: argparse.Namespace) -> None:
    """Warn of what is allowed and refuse the rest.

    Raises:
        MaskError: If something looks like a mistake and is not allowed.
    """
    for each in found:
        if _is_allowed(each, options):
            _warn(each.what)
    refused = [each for each in found if not _is_allowed(each, options)]
    if refused:
        named = _some([each.what for each in refused], "; ")
        allowances = " ".join(dict.fromkeys(each.option for each in refused))
        raise MaskError(
            f"the masks look wrong: {named}; nothing was written, so mend the masks, or pass "
            f"{allowances} if that is how they should be."
        )


def _is_allowed(suspicion: Suspicion, options: argparse.Namespace) -> bool:
    return bool(getattr(options, suspicion.option.strip("-").replace("-", "_")))


def read_attributes(path: Path) -> dict[str, list[str]]:
    """Read which tags each sequence bears.

    Args:
        path: YAML or JSON: sequence -> list of tags, or DAVIS's ``db_info.yaml``, whose
            ``sequences`` have a ``name`` and ``attributes``.

    Raises:
        ConfigError: If it cannot be read as that.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}).") from err
    except (yaml.YAMLError, ValueError) as err:
        raise ConfigError(f"{path}: is no YAML or JSON; see --attributes in --help.") from err
    listed = content.get("sequences") if isinstance(content, dict) else None
    if isinstance(listed, list) and all(isinstance(each, dict) for each in listed):
        content = {each.get("name"): each.get("attributes") for each in listed}
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tags, list) and all(isinstance(t, str) for t in tags)
        for name, tags in content.items()
    ):
        raise ConfigError(f"{path}: must map each sequence to its list of tags.")
    return content


def score_attributes(
    scores: "Scores", attributes: Mapping[str, Sequence[str]], path: Path
) -> dict[str, "GlobalScores"]:
    """Return tag -> mean over the sequences that bear it.

    Raises:
        ConfigError: If no tag is known of a scored sequence.
    """
    from vos_core.metrics.attributes import per_attribute

    untagged = [name for name in scores["sequences"] if name not in attributes]
    if untagged:
        raise ConfigError(f"{path}: has no tags of {_some(untagged)}; add them.")
    return per_attribute(scores, attributes)


def _warn(message: str) -> None:
    print(f"warning: {message}.", file=sys.stderr)


def _some(items: Sequence[str], separator: str = ", ") -> str:
    shown = separator.join(items[:_NAMED])
    return shown if len(items) <= _NAMED else f"{shown} and {len(items) - _NAMED} more"
