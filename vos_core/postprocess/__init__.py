"""What is done to predictions after the network: temporal coherence and dense CRF."""

from vos_core.postprocess.coherence import prune_components
from vos_core.postprocess.crf import CRF_PRESETS, DenseCRF

__all__ = ["CRF_PRESETS", "DenseCRF", "prune_components"]
