"""What a clip gives to be scored by: its truth, whole where objects overlap, and categories."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_vos.base import read_lines
from vos_core.errors import CorruptFileError, DatasetError
from vos_core.types import Clip

if TYPE_CHECKING:  # the metrics take half a second to import
    from vos_core.metrics import Truth


def truth_to_score(clip: Clip, index: int) -> "Truth | None":
    """Return the truth of one frame as it is to be scored.

    Args:
        clip: The clip.
        index: Index of the frame, from 0.

    Returns:
        (H, W) uint8 label map; of SegTrack-v2, whose objects may overlap, object id -> (H, W) bool
        whole mask; None where there is no truth.

    Raises:
        CorruptFileError: If a file cannot be decoded.
        MaskError: If a mask is unusable.
    """
    from datasets_vos.segtrack import SegTrackClip

    if not isinstance(clip, SegTrackClip):
        return clip.ground_truth(index)
    ids = range(1, len(clip.mask_paths.get(index, ())) + 1)
    masks = {i: mask for i in ids if (mask := clip.object_truth(index, i)) is not None}
    return masks or None


def categories_of(clip: Clip, seen: Collection[str] | None = None) -> dict[int, str]:
    """Return the category of each object, for scores that are averaged over categories.

    Of YouTube-VOS it is ``seen`` or ``unseen`` (Xu et al., arXiv:1809.03327): whether objects of
    its class are in the training set. Objects whose class is withheld are left out.

    Args:
        clip: The clip.
        seen: The classes in the training set of YouTube-VOS (:func:`seen_categories`); None takes
            every known class as seen, which is true of its training set itself.

    Returns:
        Object id -> category; empty where the dataset has none.

    Raises:
        VOSError: If the objects of a MOTS clip are found by reading masks, and one is unusable.
    """
    from datasets_vos.mots import MotsClip
    from datasets_vos.youtube_objects import YouTubeObjectsClip
    from datasets_vos.youtube_vos import YouTubeVOSClip

    if isinstance(clip, YouTubeVOSClip):
        return {
            object_id: "seen" if seen is None or name in seen else "unseen"
            for object_id, name in clip.categories.items()
        }
    if isinstance(clip, YouTubeObjectsClip):
        return {1: clip.category}
    return clip.categories if isinstance(clip, MotsClip) else {}


def seen_categories(path: Path) -> frozenset[str]:
    """Read the classes that the training set of YouTube-VOS has.

    Args:
        path: Its ``train/meta.json``, or a text file with one name a line.

    Raises:
        DatasetError: If the file is missing or names no class.
        CorruptFileError: If it ends in ``.json`` but is no ``meta.json``.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; give train/meta.json, or a list of categories.")
    names = _in_meta(path) if path.suffix == ".json" else map(str.strip, read_lines(path))
    categories = frozenset(name for name in names if name)
    if not categories:
        raise DatasetError(f"{path}: names no category; give the meta.json of the training set.")
    return categories


def _in_meta(path: Path) -> set[str]:
    try:
        videos = json.loads(path.read_bytes())["videos"].values()
        return {str(o.get("category") or "") for v in videos for o in v["objects"].values()}
    except (ValueError, LookupError, TypeError, AttributeError) as err:
        raise CorruptFileError(
            f"{path}: is no meta.json of YouTube-VOS; fetch it again, or give a list of names."
        ) from err
