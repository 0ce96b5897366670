"""Plans of many dreams, stacked into arrays; painted from them in :mod:`augment.lucid.batched`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from augment.geometry import BackwardMap, Points
from augment.lucid.flow import PLATE
from augment.lucid.layers import Curve, Layer
from augment.lucid.painting import blur_kernel
from augment.lucid.plan import DreamPlan
from augment.shapes import Window
from augment.stacks import stack_maps
from vos_core.errors import ConfigError
from vos_core.types import FloatArray


@dataclass(frozen=True, eq=False)
class LayerStack:
    """The plates of some dreams, or the k-th objects from the back of those that have so many.

    Attributes:
        rows: (b,) int64, which dreams.
        pictures: For each the index of the scene, and that of its plate or cut-out.
        object_ids: (b,) uint8.
        curves: (b, 2, 256) uint8 tables of saturation and value.
        kernels: (b, k, k) float32, of odd k, that blur; None if none does.
        now: From the dreamt frames to the pictures.
        before: From the frames before to the pictures.
        past: From the dreamt frames to the frames before.
        fine_now: For each, the part of the dreamt frame, and beyond it as far as it is blurred, in
            which each pixel is evaluated, or None.
        fine_before: Likewise for the frame before.
    """

    rows: npt.NDArray[np.int64]
    pictures: tuple[tuple[int, int], ...]
    object_ids: npt.NDArray[np.uint8]
    curves: npt.NDArray[np.uint8]
    kernels: npt.NDArray[np.float32] | None
    now: BackwardMap[Points]
    before: BackwardMap[Points]
    past: BackwardMap[Points]
    fine_now: tuple[Window | None, ...]
    fine_before: tuple[Window | None, ...]

    @property
    def reach(self) -> int:
        """How far the largest kernel reaches, in pixels."""
        return 0 if self.kernels is None else self.kernels.shape[-1] // 2


@dataclass(frozen=True, eq=False)
class DreamStack:
    """B dreams.

    Attributes:
        plates: Of all.
        objects: Back to front.
    """

    plates: LayerStack
    objects: tuple[LayerStack, ...]


class _Single(NamedTuple):
    """A layer of one dream."""

    row: int
    picture: tuple[int, int]
    object_id: int
    curves: tuple[Curve, Curve]
    kernel: FloatArray | None
    layer: Layer
    fine_now: Window | None = None
    fine_before: Window | None = None


def stack_dreams(dreams: Sequence[tuple[int, DreamPlan]], size: tuple[int, int]) -> DreamStack:
    """Stack dreams, each given by the index of its scene and what was drawn.

    Args:
        dreams: Of scenes of one size.
        size: (H, W) of these.

    Raises:
        ConfigError: If there is none.
    """
    if not dreams:
        raise ConfigError("there is no dream to paint; give at least one.")
    plates = [_plate(row, scene, plan) for row, (scene, plan) in enumerate(dreams)]
    objects = [
        [
            _object(row, scene, plan, k, size)
            for row, (scene, plan) in enumerate(dreams)
            if len(plan.objects) > k
        ]
        for k in range(max(len(plan.objects) for _, plan in dreams))
    ]
    return DreamStack(_stacked(plates), tuple(map(_stacked, objects)))


def _plate(row: int, scene: int, plan: DreamPlan) -> _Single:
    kernel = blur_kernel(plan.plate_blur, plan.shutter * plan.plate.way)
    picture = (scene, plan.plate_index)
    return _Single(row, picture, PLATE, plan.curves(plate=True), kernel, plan.plate)


def _object(row: int, scene: int, plan: DreamPlan, k: int, size: tuple[int, int]) -> _Single:
    own = plan.objects[k]
    kernel = blur_kernel(own.blur, plan.shutter * own.layer.way)
    reach = 0 if kernel is None else len(kernel) // 2
    fine = [
        own.window(size, now=now, beyond=reach) if own.shape.step == 1 else None
        for now in (True, False)
    ]
    curves = plan.curves(plate=own.on_plate)
    return _Single(row, (scene, own.source), own.object_id, curves, kernel, own.layer, *fine)


def _stacked(singles: Sequence[_Single]) -> LayerStack:
    layers = [each.layer for each in singles]
    return LayerStack(
        np.array([each.row for each in singles]),
        tuple(each.picture for each in singles),
        np.array([each.object_id for each in singles], dtype=np.uint8),
        np.array([each.curves for each in singles]),
        _stack_kernels([each.kernel for each in singles]),
        stack_maps([layer.now for layer in layers]),
        stack_maps([layer.before for layer in layers]),
        stack_maps([layer.past for layer in layers]),
        tuple(each.fine_now for each in singles),
        tuple(each.fine_before for each in singles),
    )


def _stack_kernels(kernels: Sequence[FloatArray | None]) -> npt.NDArray[np.float32] | None:
    """Return kernels of one size, some of which blur nothing, or None if none blurs."""
    radius = max((len(kernel) // 2 for kernel in kernels if kernel is not None), default=0)
    if not radius:
        return None
    stacked = np.zeros((len(kernels), 2 * radius + 1, 2 * radius + 1), dtype=np.float32)
    for own, kernel in zip(stacked, kernels, strict=True):
        inner = 0 if kernel is None else len(kernel) // 2
        part = slice(radius - inner, radius + inner + 1)
        own[part, part] = 1.0 if kernel is None else kernel
    return stacked
