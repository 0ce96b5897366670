"""Lucid data dreaming: new training frames from annotated frames.

Khoreva, Benenson, Ilg, Brox, Schiele: "Lucid Data Dreaming for Video Object Segmentation"
(arXiv:1703.09554) and the DAVIS 2017 challenge report. The objects are cut out, the background is
inpainted once (the clean plate), and both are put together again at new places, in new shapes and
in another light. A dream is a pair of frames with a small motion between them, whose exact flow is
known; the earlier one's mask, made rough, is what a tracker would know when it meets the later one.

Differs from the released MATLAB code: every layer is resampled once however many maps act on it,
each object can move on its own with a random depth order, the plate is computed once per annotated
frame, splines go through their control points, and flow and occlusion are exact.
"""

from augment.lucid.dreamer import Dream, LucidDreamer
from augment.lucid.flow import DreamFlow, dream_flow
from augment.lucid.plan import DreamPlan
from augment.lucid.ranges import PRESETS, LucidRanges
from augment.lucid.scene import CutOut, LucidScene

__all__ = [
    "PRESETS",
    "CutOut",
    "Dream",
    "DreamFlow",
    "DreamPlan",
    "LucidDreamer",
    "LucidRanges",
    "LucidScene",
    "dream_flow",
]
