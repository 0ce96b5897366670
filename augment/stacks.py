"""What was drawn for many samples, stacked into arrays.

Whatever process draws the samples stacks them, so that a device is fed arrays and nothing is done
for each sample between its steps. Painted from them in :mod:`augment.device`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from augment.deformation import Deformation
from augment.geometry import BackwardMap, Matrix, Points, Step, ThinPlateSpline
from augment.shapes import Spline, Window

_NOWHERE: Matrix = np.array([[0, 0, 2], [0, 0, 0], [0, 0, 1]], dtype=np.float64)
_NOTHING: Points = np.array([0.0, 0.0, 1.0])  # no point is beyond this line


def stack_maps(maps: Sequence[BackwardMap[Points]]) -> BackwardMap[Points]:
    """Stack maps of equally many steps into one that maps (B, h, w, 2) points, each by its own.

    A spline with fewer control points gets some more that bend nothing.
    """
    steps = []
    for same in zip(*(each.steps for each in maps), strict=True):
        matrix = np.stack([step.matrix for step in same])[:, None]
        splines = [step.spline for step in same]
        steps.append(Step(matrix, _stack_splines(splines) if any(splines) else None))
    return BackwardMap(tuple(steps))


def _stack_splines(splines: Sequence[Spline | None]) -> ThinPlateSpline[Points]:
    count = max(len(spline.control) for spline in splines if spline)
    control = np.zeros((len(splines), 1, count, 2))
    weights = np.zeros((len(splines), 1, count + 3, 2))
    origin, unit = np.zeros((len(splines), 1, 1, 2)), np.ones((len(splines), 1, 1, 1))
    for k, spline in enumerate(splines):
        if spline:
            kernels = len(spline.control)
            control[k, 0, :kernels] = spline.control
            weights[k, 0, :kernels], weights[k, 0, -3:] = spline.weights[:-3], spline.weights[-3:]
            origin[k], unit[k] = spline.origin, spline.unit
    return ThinPlateSpline(control, weights, origin, unit)


@dataclass(frozen=True, eq=False)
class DeformationStack:
    """Deformations of B masks, see :class:`augment.deformation.Deformation`.

    Attributes:
        backward: From the deformed masks to the true ones.
        fine: For each, the part of the frame in which each pixel is evaluated, or None.
        dilations: (B,) int64 radii in pixels.
        removed: (K, B, 3, 3) ellipses, of which some are nowhere.
        added: (K, B, 3, 3) likewise.
        boxes: (B,) bool.
        missing: (B, 3) lines; None if nothing is missing of any.
        empty: (B,) bool.
    """

    backward: BackwardMap[Points]
    fine: tuple[Window | None, ...]
    dilations: npt.NDArray[np.int64]
    removed: npt.NDArray[np.float64]
    added: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.float64] | None
    empty: npt.NDArray[np.bool_]


def stack_deformations(
    deformations: Sequence[Deformation], size: tuple[int, int]
) -> DeformationStack:
    """Stack deformations of masks of ``size`` (H, W)."""
    missing = None
    if any(each.missing is not None for each in deformations):
        missing = np.stack([_NOTHING if d.missing is None else d.missing for d in deformations])
    return DeformationStack(
        stack_maps([each.backward for each in deformations]),
        tuple(each.window(size) if each.shape.step == 1 else None for each in deformations),
        np.array([each.dilation for each in deformations]),
        _stack_ellipses([each.removed for each in deformations]),
        _stack_ellipses([each.added for each in deformations]),
        np.array([each.box for each in deformations]),
        missing,
        np.array([each.empty for each in deformations]),
    )


def _stack_ellipses(ellipses: Sequence[tuple[Matrix, ...]]) -> npt.NDArray[np.float64]:
    stacked = np.empty((max(map(len, ellipses)), len(ellipses), 3, 3))
    stacked[:] = _NOWHERE
    for k, own in enumerate(ellipses):
        for n, ellipse in enumerate(own):
            stacked[n, k] = ellipse
    return stacked
