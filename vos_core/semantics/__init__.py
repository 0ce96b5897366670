"""Where a frame shows something of interest: estimators behind one interface, by name."""

from vos_core.semantics.estimators import SemanticsEstimator
from vos_core.semantics.objectness import BarrierObjectness
from vos_core.semantics.registry import build_semantics, list_semantics
from vos_core.semantics.segmentation import SegmentationSemantics

__all__ = [
    "BarrierObjectness",
    "SegmentationSemantics",
    "SemanticsEstimator",
    "build_semantics",
    "list_semantics",
]
