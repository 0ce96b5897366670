"""What is done to predictions after the network: temporal coherence and dense CRF."""

from vos_core.postprocess.coherence import prune_components
from vos_core.postprocess.crf import CRF_PRESETS, DenseCRF
from vos_core.postprocess.tuning import CRFTuning, HeldOut, tune_crf

__all__ = [
    "CRF_PRESETS",
    "CRFTuning",
    "DenseCRF",
    "HeldOut",
    "prune_components",
    "tune_crf",
]
