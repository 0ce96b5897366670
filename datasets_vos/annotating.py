"""Giving more of a clip's true masks than its first: MaskTrack's experiment with several of them.

Perazzi et al. (CVPR 2017, section 5.4) annotate every k-th frame.
"""

import numpy as np

from datasets_vos.base import DiskClip, introduce
from vos_core.errors import ConfigError
from vos_core.types import VOID, Annotation

Annotate = int | list[int]
"""Every K-th frame, or the frames of these indices; negative ones count from the end."""


def annotate_frames(clip: DiskClip, annotate: Annotate) -> list[Annotation]:
    """Return true masks as annotations, each with all objects that its frame shows.

    Args:
        clip: The clip.
        annotate: Which frames; those that show no object are passed over.

    Raises:
        ConfigError: If a frame is not there or has no truth, or none of them shows an object.
    """
    annotations = []
    for index in frames_to_annotate(clip, annotate):
        truth = clip.ground_truth(index)
        ids = [] if truth is None else [int(i) for i in np.unique(truth) if 0 < i < VOID]
        if truth is not None and ids:
            annotations.append(introduce(index, truth, ids))
    if not annotations:
        raise ConfigError(f"{clip.name}: the frames to annotate show no object; choose others.")
    return annotations


def frames_to_annotate(clip: DiskClip, annotate: Annotate) -> list[int]:
    """Return the indices of the frames to annotate, ascending; no mask is read.

    Every K-th frame is counted from the first that has truth; of these, frames without truth are
    passed over.

    Raises:
        ConfigError: If a frame is not there or has no truth.
    """
    known, length = set(clip.truth_frames), len(clip.frame_names)
    if not known:
        raise ConfigError(f"{clip.name}: has no true masks to give, so leave out data.annotate.")
    if isinstance(annotate, int):
        if annotate < 1:
            raise ConfigError(f"every {annotate}th frame cannot be annotated; give 1 or more.")
        return [index for index in range(min(known), length, annotate) if index in known]
    for index in annotate:
        if not -length <= index < length:
            raise ConfigError(f"{clip.name}: has no frame {index}, only {length} frames.")
        if index % length not in known:
            raise ConfigError(f"{clip.name}: frame {index} has no true mask; annotate another.")
    if not annotate:
        raise ConfigError("data.annotate is empty; give at least one frame.")
    return sorted({index % length for index in annotate})
