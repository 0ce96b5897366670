"""From annotated frames to a whole clip."""

from vos_core.propagation.adaptation import AdaptationSettings, Score, adapt
from vos_core.propagation.adapted_cache import AdaptedCache, adaptation_key
from vos_core.propagation.baselines import FirstMaskCopier
from vos_core.propagation.both_ways import run_both_ways
from vos_core.propagation.boxes import masks_from_boxes
from vos_core.propagation.fusion import merge_logits
from vos_core.propagation.mask_propagation import (
    Guidance,
    MaskPropagator,
    MotionStream,
    Networks,
    require_propagation,
)
from vos_core.propagation.run import Propagator, Refinement, run_sequence

__all__ = [
    "AdaptationSettings",
    "AdaptedCache",
    "FirstMaskCopier",
    "Guidance",
    "MaskPropagator",
    "MotionStream",
    "Networks",
    "Propagator",
    "Refinement",
    "Score",
    "adapt",
    "adaptation_key",
    "masks_from_boxes",
    "merge_logits",
    "require_propagation",
    "run_both_ways",
    "run_sequence",
]
