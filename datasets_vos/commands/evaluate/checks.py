"""What is missing from stored masks, and what about them looks like a mistake."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datasets_vos import DiskClip
from datasets_vos.commands.output import some
from datasets_vos.images import natural_key
from datasets_vos.integrity.editions import edition_of
from datasets_vos.results import StoredResults
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import VOID
from vos_core.wording import counted

if TYPE_CHECKING:
    from vos_core.metrics import SequenceResult


@dataclass(frozen=True)
class Scored:
    """A sequence's scores, and what is to be known beside them.

    Attributes:
        result: The scores.
        categories: Object id -> category, where the dataset has some.
        stability: Object id -> T; empty unless asked for.
        without_truth: Number of frames that should be scored but have no true mask.
        missing: Number of scored frames that have no predicted mask.
        merged_ids: Most ids that one mask held before all became one object.
    """

    result: "SequenceResult"
    categories: dict[int, str]
    stability: dict[int, float]
    without_truth: int
    missing: int
    merged_ids: tuple[int, ...]


class Suspicion(NamedTuple):
    """Something that looks like a mistake, and the option that allows it; empty if none has to."""

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
            f"({some(absent)}){_hint(clips, stored)}; run the method on them, choose others with "
            f"--sequences{', or pass --allow-missing to leave them out' if present else ''}."
        )
    _require_no_strays(present, stored)
    gaps = []
    for clip in present:
        required = {clip.frame_names[i] for i in clip.truth_frames} & set(clip.required_names)
        if lacking := sorted(required - set(stored.frame_names(clip.name)), key=natural_key):
            counts = f"{len(lacking)} of {len(required)}, first {lacking[0]}.png"
            gaps.append(f"{clip.name} lacks {counts}")
    if not allowed:
        refuse_gaps(gaps, stored.root)
    return present, absent


def refuse_gaps(gaps: Sequence[str], root: Path) -> None:
    """Refuse sequences of which frames are missing.

    Args:
        gaps: What each of them lacks, in words.
        root: Folder of the results.

    Raises:
        DatasetError: If there are any.
    """
    if gaps:
        raise DatasetError(
            f"{root}: masks of frames are missing ({some(gaps, '; ')}); run the method again, or "
            "pass --allow-missing to take them as empty."
        )


def _require_no_strays(clips: Sequence[DiskClip], stored: StoredResults) -> None:
    """Refuse masks of frames that do not exist: frames are numbered otherwise, or mixed up."""
    strays = []
    for clip in clips:
        known = set(clip.frame_names)
        if stray := [name for name in stored.frame_names(clip.name) if name not in known]:
            strays.append(f"{clip.name}/{stray[0]}.png ({len(stray)} of that sequence)")
    if strays:
        raise DatasetError(
            f"{stored.root}: masks belong to no frame ({some(strays, '; ')}); number masks as the "
            "frames are, and keep other pictures elsewhere."
        )


def _hint(clips: Sequence[DiskClip], stored: StoredResults) -> str:
    """Say what is there in the place of the sequences."""
    if title := edition_of(stored.sequences):
        return f", the folder holds those of {title}"
    names = {clip.name for clip in clips}
    for folder in stored.sequences:
        if any((stored.root / folder / name).is_dir() for name in names):
            return f", they seem to lie one folder deeper, in {stored.root / folder}"
    return ""


def suspicions(scored: Sequence[Scored], *, one_object: bool) -> list[Suspicion]:
    """Return what looks like a mistake in masks that could be scored.

    Args:
        scored: All sequences.
        one_object: The dataset has one object in each sequence.
    """
    found = [each for sequence in scored for each in _of_ids(sequence, one_object=one_object)]
    perfect = [each.result.sequence for each in scored if _is_perfect(each)]
    if 0 < len(perfect) < len(scored):
        found.append(Suspicion("", f"prediction equals ground truth in {some(perfect)}"))
    elif perfect:
        what = "prediction equals ground truth: is the results folder the annotation folder?"
        found.append(Suspicion("--allow-perfect", what))
    return found


def _of_ids(scored: Scored, *, one_object: bool) -> Iterable[Suspicion]:
    """Yield what the ids of one sequence tell."""
    result = scored.result
    if result.extra_ids:
        ids = ", ".join(f"{i} (in {frames} frames)" for i, frames in result.extra_ids.items())
        what = f"{result.sequence}: the masks hold ids that the truth never has: {ids}"
        if set(result.extra_ids) == {VOID}:
            what += "; 255 is void, so write objects as 1, 2 and so on"
        yield Suspicion("--allow-extra-ids", what)
    if len(scored.merged_ids) > 1 and one_object:
        ids = ", ".join(map(str, scored.merged_ids))
        what = f"{result.sequence}: a mask holds ids {ids} but all count as one object; are these "
        yield Suspicion("--allow-merged-ids", what + "results of a multi-object set (DAVIS 2017)?")
    if result.merged:
        what = f"{result.sequence}: one id covers all objects, of which there are several; are "
        yield Suspicion("--allow-merged-ids", what + "these results of DAVIS 2016?")
    if swap := result.swap:
        pairs = ", ".join(f"{predicted} for {true}" for true, predicted in swap.ids.items())
        if len(swap.ids) == 2:
            pairs = " and ".join(map(str, sorted(swap.ids)))
        yield Suspicion(
            "--allow-swapped-ids",
            f"{result.sequence}: ids {pairs} look swapped: J of these objects is "
            f"{swap.jaccard:.2f} and would be {swap.swapped_jaccard:.2f}",
        )


def _is_perfect(scored: Scored) -> bool:
    return all(
        j == 1 and f == 1
        for each in scored.result.objects.values()
        for j, f in zip(each["J_frames"], each["F_frames"], strict=True)
    )


def warn(scored: Sequence[Scored], absent: Sequence[str]) -> None:
    """Tell on stderr what took no part in the scores."""
    if absent:
        _warn(f"{counted(len(absent), 'sequence')} without masks left out: {some(absent)}")
    for each in scored:
        result = each.result
        if each.missing:
            _warn(f"{result.sequence}: {counted(each.missing, 'missing mask')} taken as empty")
        if result.left_out:
            _warn(
                f"{result.sequence}: the rules score the objects of the first frame only, so "
                f"{', '.join(map(str, result.left_out))} took no part"
            )
        if each.without_truth:
            frames = f"{each.without_truth} of {counted(result.frames, 'frame')}"
            _warn(f"{result.sequence}: {frames} without true mask, not scored")


def judge(found: Sequence[Suspicion], options: argparse.Namespace) -> None:
    """Warn of what is allowed and refuse the rest.

    Raises:
        MaskError: If something looks like a mistake and is not allowed.
    """
    wrong = [each for each in found if not _is_allowed(each, options)]
    for each in found:
        if each not in wrong:
            _warn(each.what)
    if wrong:
        allowances = " ".join(dict.fromkeys(each.option for each in wrong))
        raise MaskError(
            f"the masks look wrong and nothing was written (pass {allowances} if that is how they "
            f"should be): {_sentence(some([each.what for each in wrong], '; '))}"
        )


def _is_allowed(suspicion: Suspicion, options: argparse.Namespace) -> bool:
    name = suspicion.option.strip("-").replace("-", "_")
    return not name or bool(getattr(options, name))


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


def require_tags(
    attributes: Mapping[str, Sequence[str]], clips: Sequence[DiskClip], path: Path
) -> None:
    """Refuse attributes that lack a sequence.

    Raises:
        ConfigError: If one does.
    """
    if untagged := [clip.name for clip in clips if clip.name not in attributes]:
        raise ConfigError(f"{path}: has no tags of {some(untagged)}; add them.")


def _warn(message: str) -> None:
    print(f"warning: {_sentence(message)}", file=sys.stderr)


def _sentence(text: str) -> str:
    """Return text with the stop that it lacks."""
    return text if text.endswith("?") else f"{text}."
