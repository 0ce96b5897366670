"""Optical flow: estimators behind one interface, kept on disk, and what is made of their fields."""

from vos_core.flow.cache import CachedFlow, cache_flow
from vos_core.flow.consistency import is_consistent
from vos_core.flow.estimators import DISFlow, FarnebackFlow, FlowEstimator
from vos_core.flow.magnitude import magnitude_image
from vos_core.flow.raft import RAFTFlow
from vos_core.flow.registry import build_flow, list_flows
from vos_core.flow.source import FlowSource, flow_source
from vos_core.flow.warp import warp_backward, warp_with_cover

__all__ = [
    "CachedFlow",
    "DISFlow",
    "FarnebackFlow",
    "FlowEstimator",
    "FlowSource",
    "RAFTFlow",
    "build_flow",
    "cache_flow",
    "flow_source",
    "is_consistent",
    "list_flows",
    "magnitude_image",
    "warp_backward",
    "warp_with_cover",
]
