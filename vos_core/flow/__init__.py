"""Optical flow: estimators behind one interface, and warping with their fields."""

from vos_core.flow.estimators import DISFlow, FlowEstimator
from vos_core.flow.warp import warp_backward

__all__ = ["DISFlow", "FlowEstimator", "warp_backward"]
