"""Optical flow: estimators behind one interface, and warping with their fields."""

from vos_core.flow.estimators import DISFlow, FarnebackFlow, FlowEstimator
from vos_core.flow.raft import RAFTFlow
from vos_core.flow.registry import build_flow, list_flows
from vos_core.flow.warp import warp_backward, warp_with_cover

__all__ = [
    "DISFlow",
    "FarnebackFlow",
    "FlowEstimator",
    "RAFTFlow",
    "build_flow",
    "list_flows",
    "warp_backward",
    "warp_with_cover",
]
