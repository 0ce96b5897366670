"""Affine maps, thin-plate splines and the one way to apply them: a composed sampling grid.

Points are ``(..., 2)`` float64, x (right) first, in pixels; pixel centres lie on integers. A warp
is always described *backwards*: for each output pixel, the input position that is shown there.
Several maps are composed as functions before anything is resampled, so an image is interpolated
once however many deformations act on it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.types import FloatArray

Points = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
PointMap = Callable[[Points], Points]
Value = TypeVar("Value", np.uint8, np.float32)


def affine_matrix(
    centre: tuple[float, float],
    scale: tuple[float, float] = (1.0, 1.0),
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    mirror: bool = False,
) -> Matrix:
    """Return the (3, 3) matrix that scales and mirrors, then rotates about ``centre``, then shifts.

    Args:
        centre: Fixed point (x, y) of the scaling and rotation, in pixels.
        scale: Factors along x and y, positive.
        angle: Degrees, positive from the x axis towards the y axis (clockwise on the screen).
        shift: Translation (x, y) in pixels.
        mirror: Flip left-right about the centre.
    """
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    x_scale = -scale[0] if mirror else scale[0]
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([x_scale, scale[1]])
    pivot = np.asarray(centre, dtype=np.float64)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = pivot + np.asarray(shift) - linear @ pivot
    return matrix


def apply_affine(matrix: Matrix, points: Points) -> Points:
    """Map (..., 2) points by a (3, 3) affine matrix."""
    mapped: Points = points @ matrix[:2, :2].T + matrix[:2, 2]
    return mapped


def identity(points: Points) -> Points:
    """Leave points where they are."""
    return points


def compose(first: PointMap, second: PointMap, points: Points) -> Points:
    """Map points by one map after the other; partial application makes a (picklable) map of it."""
    return second(first(points))


def inverse_affine(matrix: Matrix) -> PointMap:
    """Return the backward map of a (3, 3) affine matrix: where each output position came from."""
    return partial(apply_affine, np.linalg.inv(matrix).astype(np.float64))


class ThinPlateSpline:
    """The smoothest map of the plane that sends some points to given places.

    Minimises bending energy (Bookstein, PAMI 1989) with kernel r^2 log r. Coordinates are
    normalised before the fit, so results do not depend on the image size.

    Args:
        source: (K, 2) control points, K >= 1; may be collinear or repeat if consistent.
        target: (K, 2) where they go.
        smoothing: 0 hits the control points exactly; larger values bend less.

    Attributes:
        source: As given.
        target: As given.
    """

    def __init__(self, source: Points, target: Points, smoothing: float = 0.0) -> None:
        source = np.asarray(source, dtype=np.float64)
        self.source, self.target = source, np.asarray(target, dtype=np.float64)
        self._origin = source.mean(axis=0)
        self._unit = float(np.abs(source - self._origin).max()) or 1.0
        self._control = (source - self._origin) / self._unit
        count = len(source)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = self._kernel(self._control) + smoothing * np.eye(count)
        system[:count, count:] = np.c_[np.ones(count), self._control]
        system[count:, :count] = system[:count, count:].T
        offsets = np.zeros((count + 3, 2))
        offsets[:count] = self.target - source
        # least squares: collinear control points make the system singular but still consistent
        weights, *_ = np.linalg.lstsq(system, offsets, rcond=None)
        self._weights = weights.astype(np.float64)

    def _kernel(self, points: Points) -> Points:
        squared: Points = ((points[..., None, :] - self._control) ** 2).sum(axis=-1)
        kernel: Points = 0.5 * squared * np.log(np.maximum(squared, 1e-300))
        return kernel

    def __call__(self, points: Points) -> Points:
        """Map (..., 2) points."""
        normal = (points - self._origin) / self._unit
        bent = self._kernel(normal) @ self._weights[:-3]
        mapped: Points = points + bent + self._weights[-3] + normal @ self._weights[-2:]
        return mapped


def pixel_grid(size: tuple[int, int]) -> Points:
    """Return the (H, W, 2) coordinates of every pixel centre of a frame of ``size`` (H, W)."""
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float64)
    return np.stack([xs, ys], axis=-1)


def sampling_map(size: tuple[int, int], backward: PointMap, step: int = 8) -> FloatArray:
    """Evaluate a smooth backward map on every pixel of a frame.

    The map is evaluated on a grid of one node per ``step`` pixels and interpolated bilinearly:
    exact for affine maps, within a pixel for splines that move points of an outline by a tenth
    of its size, and many times cheaper than evaluating each pixel. Image and mask that are
    resampled at the same positions agree exactly.

    Args:
        size: Output (H, W).
        backward: Output position to input position.
        step: Distance of the nodes in pixels.

    Returns:
        (H, W, 2) float32 input positions, ready for :func:`warp`.
    """
    # a margin of nodes on each side keeps the interpolation two-sided at the border
    rows, columns = (-(-side // step) + 2 for side in size)
    nodes = (pixel_grid((rows, columns)) - 1) * step + (step - 1) / 2
    coarse = (backward(nodes) - nodes).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    fine = fine[step : step + size[0], step : step + size[1]]
    positions: FloatArray = np.empty((*size, 2), dtype=np.float32)
    np.add(fine[..., 0], np.arange(size[1], dtype=np.float32), out=positions[..., 0])
    np.add(fine[..., 1], np.arange(size[0], dtype=np.float32)[:, None], out=positions[..., 1])
    return positions


def warp(
    image: npt.NDArray[Value],
    positions: FloatArray,
    interpolation: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_REFLECT_101,
) -> npt.NDArray[Value]:
    """Resample an image at the given input positions.

    Args:
        image: (H, W) or (H, W, C), uint8 or float32.
        positions: (H', W', 2) float32 from :func:`sampling_map`.
        interpolation: An OpenCV flag; use :func:`warp_labels` for masks.
        border: An OpenCV flag; what lies outside the input. ``BORDER_CONSTANT`` means zero.

    Returns:
        (H', W') or (H', W', C), same dtype.
    """
    warped = cv2.remap(image, positions, None, interpolation, borderMode=border)
    return np.asarray(warped, dtype=image.dtype)


def warp_labels(
    labels: npt.NDArray[np.uint8], positions: FloatArray, outside: int = 0
) -> npt.NDArray[np.uint8]:
    """Resample a (H, W) uint8 label map without mixing ids; ``outside`` fills beyond its border."""
    # OpenCV's own nearest mode floors some exact halves; rounding first makes it unambiguous
    nearest = np.rint(positions)
    border = cv2.BORDER_CONSTANT
    warped = cv2.remap(labels, nearest, None, cv2.INTER_NEAREST, None, border, outside)
    return np.asarray(warped, dtype=np.uint8)
