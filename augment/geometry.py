"""Affine maps, thin-plate splines and the one way to apply them: a composed sampling grid.

Points are ``(..., N, 2)`` float64, x (right) first, in pixels; pixel centres lie on integers. A
warp is always described *backwards*: for each output pixel, the input position that is shown there.
Maps are composed before anything is resampled, so an image is interpolated once however many
deformations act on it.

The maps are written once for numpy arrays and torch tensors. Many maps of one shape can be stacked
into one (:func:`augment.device.stack_maps`): their arrays then have a leading dimension, as the
points have.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.types import FloatArray

if TYPE_CHECKING:  # the toy generator and the commands do not wait for torch
    from torch import Tensor

Points = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
PointMap = Callable[[Points], Points]
Array = TypeVar("Array", npt.NDArray[np.float64], "Tensor")
Value = TypeVar("Value", np.uint8, np.float32)

TOLERANCE = 0.1
"""Largest error of a sampling grid in pixels."""

STEP = 4
"""Distance of the nodes of a sampling grid in pixels."""

CURVED = TOLERANCE / 3
"""Estimated error in pixels from which on a sampling grid is evaluated for each pixel.

A third, because next to a control point the estimate can be too small by a factor of two."""

CLOSE = 1e-3
"""How exactly a spline is inverted, in pixels."""

_MOST_STEPS = 40  # a map that moves neighbours by less than 0.8 of their distance needs 30


def affine_matrix(
    centre: tuple[float, float],
    scale: tuple[float, float] = (1.0, 1.0),
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    mirror: bool = False,
    shear: float = 0.0,
) -> Matrix:
    """Return the (3, 3) matrix of an affine map about ``centre``.

    Shears along x, scales and mirrors, then rotates, then shifts.

    Args:
        centre: Fixed point (x, y) of all but the shift, in pixels.
        scale: Factors along x and y, positive.
        angle: Degrees, positive from the x axis towards the y axis (clockwise on the screen).
        shift: Translation (x, y) in pixels.
        mirror: Flip left-right about the centre.
        shear: What is added to x for each pixel of y.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x_scale, y_scale = (-scale[0] if mirror else scale[0]), scale[1]
    # rotation @ scale @ shear, column by column
    xx, yx = cos * x_scale, sin * x_scale
    xy, yy = xx * shear - sin * y_scale, yx * shear + cos * y_scale
    x, y = centre
    x_shift = x + shift[0] - (xx * x + xy * y)
    y_shift = y + shift[1] - (yx * x + yy * y)
    return np.array([[xx, xy, x_shift], [yx, yy, y_shift], [0.0, 0.0, 1.0]])


def apply_affine(matrix: Array, points: Array) -> Array:
    """Map (..., N, 2) points by a (..., 3, 3) affine matrix."""
    return points @ matrix[..., :2, :2].mT + matrix[..., None, :2, 2]


@dataclass(frozen=True, eq=False)
class ThinPlateSpline(Generic[Array]):
    """The smoothest map of the plane that sends some points to given places.

    Minimises bending energy (Bookstein, PAMI 1989) with kernel r^2 log r. Coordinates are
    normalised, so results do not depend on the image size. Made by :meth:`fit`.

    Attributes:
        control: (..., K, 2) control points, normalised.
        weights: (..., K + 3, 2) in pixels, of the kernels, the constant, and x and y.
        origin: (..., 1, 2) pixels, the origin of normalised coordinates.
        unit: (..., 1, 1) pixels, their unit.
    """

    control: Array
    weights: Array
    origin: Array
    unit: Array

    @staticmethod
    def fit(
        source: Points, target: Points, smoothing: float = 0.0
    ) -> "ThinPlateSpline[npt.NDArray[np.float64]]":
        """Find the spline that sends ``source`` to ``target``.

        Args:
            source: (K, 2) control points, K >= 1; may be collinear or repeat if consistent.
            target: (K, 2) where they go.
            smoothing: 0 hits the control points exactly; larger values bend less.
        """
        source = np.asarray(source, dtype=np.float64)
        origin = source.mean(axis=0, keepdims=True)
        unit = np.abs(source - origin).max(keepdims=True)
        unit[unit == 0] = 1.0
        control = (source - origin) / unit
        count = len(source)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(*_offsets(control, control)) + smoothing * np.eye(count)
        system[:count, count:] = np.c_[np.ones(count), control]
        system[count:, :count] = system[:count, count:].T
        moves = np.zeros((count + 3, 2))
        moves[:count] = np.asarray(target, dtype=np.float64) - source
        # least squares: collinear control points make the system singular but still consistent
        weights, *_ = np.linalg.lstsq(system, moves, rcond=None)
        return ThinPlateSpline(control, weights.astype(np.float64), origin, unit)

    @property
    def source(self) -> Array:
        """The (..., K, 2) control points in pixels."""
        return self.control * self.unit + self.origin

    def __call__(self, points: Array) -> Array:
        """Map (..., N, 2) points."""
        normal = (points - self.origin) / self.unit
        bent = _kernel(*_offsets(normal, self.control)) @ self.weights[..., :-3, :]
        linear = normal @ self.weights[..., -2:, :]
        return points + bent + linear + self.weights[..., -3:-2, :]

    def inverse(self, points: Array, tolerance: float = CLOSE) -> Array:
        """Return what is mapped to the (..., N, 2) points, by fixed-point iteration.

        It is right to ``tolerance`` pixels. Where the map folds the plane over it has no inverse,
        and the answer means nothing; :func:`augment.shapes.draw_spline` draws none that does.
        """
        guess = points
        for _ in range(_MOST_STEPS):
            error = self(guess) - points
            guess = guess - error
            if float(abs(error).max()) < tolerance:
                break
        return guess

    def steepness(self, points: Array) -> Array:
        """Return how fast the displacement changes at (..., N, 2) points, as (..., N, 1).

        It is the Frobenius norm of the displacement's Jacobian. Where it stays below 1 the map is
        one to one.
        """
        x, y = _offsets((points - self.origin) / self.unit, self.control)
        slope = _log(x * x + y * y) + 1  # of the kernel, divided by the offset
        weights = self.weights[..., :-3, :]
        along_x = (slope * x) @ weights + self.weights[..., -2:-1, :]
        along_y = (slope * y) @ weights + self.weights[..., -1:, :]
        steepness: Array = (along_x * along_x + along_y * along_y).sum(-1)[..., None] ** 0.5
        return steepness / self.unit


def _offsets(points: Array, control: Array) -> tuple[Array, Array]:
    """Return the (..., N, K) x and y from each control point to each point."""
    x = points[..., :, None, 0] - control[..., None, :, 0]
    return x, points[..., :, None, 1] - control[..., None, :, 1]


def _kernel(x: Array, y: Array) -> Array:
    squared = x * x + y * y
    return 0.5 * squared * _log(squared)


def _log(squared: Array) -> Array:
    positive: Any = squared + 1e-30  # the logarithm is multiplied by zero where this matters
    return cast(Array, np.log(positive) if isinstance(positive, np.ndarray) else positive.log())


class Step(NamedTuple, Generic[Array]):
    """A part of a backward map: an affine map, then a spline or none."""

    matrix: Array
    spline: ThinPlateSpline[Array] | None = None


@dataclass(frozen=True, eq=False)
class BackwardMap(Generic[Array]):
    """Where each output position is shown from: some steps, one after the other.

    Attributes:
        steps: From the output to the input.
    """

    steps: tuple[Step[Array], ...]

    @staticmethod
    def undo(
        matrix: Matrix, spline: ThinPlateSpline[npt.NDArray[np.float64]] | None = None
    ) -> "BackwardMap[npt.NDArray[np.float64]]":
        """Return the backward map of a (3, 3) forward matrix, then a spline."""
        return BackwardMap((Step(np.linalg.inv(matrix).astype(np.float64), spline),))

    def __call__(self, points: Array) -> Array:
        """Map (..., N, 2) output positions to input positions."""
        for matrix, spline in self.steps:
            points = apply_affine(matrix, points)
            points = points if spline is None else spline(points)
        return points

    def __add__(self, other: "BackwardMap[Array]") -> "BackwardMap[Array]":
        """Return the map that goes on with ``other``."""
        return BackwardMap(self.steps + other.steps)

    def inverse(self, points: Array, tolerance: float = CLOSE) -> Array:
        """Map (..., N, 2) input positions forward, to where they are shown.

        Each spline is inverted to ``tolerance`` pixels.
        """
        for matrix, spline in reversed(self.steps):
            points = points if spline is None else spline.inverse(points, tolerance)
            points = apply_affine(_inverted(matrix), points)
        return points


def _inverted(matrix: Array) -> Array:
    if isinstance(matrix, np.ndarray):
        return np.linalg.inv(matrix).astype(np.float64)
    return matrix.inverse()


def pixel_grid(size: tuple[int, int]) -> Points:
    """Return the (H, W, 2) coordinates of every pixel centre of a frame of ``size`` (H, W)."""
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float64)
    return np.stack([xs, ys], axis=-1)


def grid_nodes(
    size: tuple[int, int], step: int, corner: tuple[int, int] = (0, 0)
) -> tuple[Points, tuple[slice, slice]]:
    """Return where a map is evaluated to be known on every pixel of a frame or a window of it.

    Nodes lie at the same places of the frame whatever the window, with two beyond each side: the
    interpolation and its error are two-sided at the border.

    Args:
        size: (H, W) of the output.
        step: Distance of the nodes in pixels.
        corner: (x, y) of the first pixel.

    Returns:
        The (R, C, 2) nodes, and the rows and columns that the output takes of the (R step, C step)
        pixels around them.
    """
    lengths = (size[1], size[0])
    first = [start // step - 2 for start in corner]
    skip = [start - begin * step for start, begin in zip(corner, first, strict=True)]
    counts = [-(-(s + length) // step) + 2 for s, length in zip(skip, lengths, strict=True)]
    nodes = np.empty((counts[1], counts[0], 2))
    nodes[..., 0] = (np.arange(counts[0]) + first[0]) * step + (step - 1) / 2
    nodes[..., 1] = ((np.arange(counts[1]) + first[1]) * step + (step - 1) / 2)[:, None]
    rows, columns = (slice(s, s + n) for s, n in zip(skip[::-1], size, strict=True))
    return nodes, (rows, columns)


def is_curved(reached: Array) -> Array:
    """Tell around which inner nodes bilinear interpolation is not good enough.

    It is off by an eighth of the second differences.

    Args:
        reached: (..., R, C, 2) where the nodes are mapped to.

    Returns:
        (..., R - 2, C - 2) bool.
    """
    across = reached[..., 1:-1, 2:, :] - 2 * reached[..., 1:-1, 1:-1, :]
    along = reached[..., 2:, 1:-1, :] - 2 * reached[..., 1:-1, 1:-1, :]
    error = abs(across + reached[..., 1:-1, :-2, :]) + abs(along + reached[..., :-2, 1:-1, :])
    curved: Any = (error > 8 * CURVED).any(-1)
    return cast(Array, curved)


def sampling_map(
    size: tuple[int, int],
    backward: PointMap,
    step: int = STEP,
    corner: tuple[int, int] = (0, 0),
) -> FloatArray:
    """Evaluate a smooth backward map on every pixel of a frame, or of a window of it.

    The map is evaluated on a grid of one node per ``step`` pixels and interpolated bilinearly;
    where the second differences of the nodes say that this is off by a third of ``TOLERANCE``, as
    it is around the control points of a spline, each pixel is evaluated. So it is exact for affine
    maps whatever the step, and many times cheaper than evaluating each pixel. Image and mask that
    are resampled at the same positions agree exactly.

    Args:
        size: (H, W) of the output.
        backward: Output position to input position.
        step: Distance of the nodes in pixels. 1 evaluates each pixel, as is needed for what is so
            small that a bend could lie between two nodes.
        corner: (x, y) of the first pixel, where the output is a window of a larger frame.

    Returns:
        (H, W, 2) float32 input positions, ready for :func:`warp`.
    """
    nodes, inside = grid_nodes(size, step, corner)
    reached = backward(nodes)
    fine = cv2.resize(reached.astype(np.float32), None, fx=step, fy=step)
    positions: FloatArray = np.asarray(fine[inside], dtype=np.float32)
    curved = is_curved(reached)
    if step > 1 and curved.any():
        around = cv2.dilate(np.pad(curved.view(np.uint8), 1), np.ones((3, 3), np.uint8)) > 0
        exact = around.repeat(step, axis=0).repeat(step, axis=1)[inside]
        ys, xs = np.nonzero(exact)
        positions[exact] = backward(np.stack([xs, ys], axis=-1) + np.array(corner))
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


def warp_affine(image: npt.NDArray[Value], backward: BackwardMap[Points]) -> npt.NDArray[Value]:
    """Resample an image by a map without splines; as :func:`warp` does, but without a grid."""
    matrix = np.eye(3)
    for step in backward.steps:
        matrix = step.matrix @ matrix
    size = (image.shape[1], image.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT_101
    warped = cv2.warpAffine(image, matrix[:2], size, flags=flags, borderMode=border)
    return np.asarray(warped, dtype=image.dtype)


def warp_labels(
    labels: npt.NDArray[np.uint8],
    positions: FloatArray,
    outside: int = 0,
    border: int = cv2.BORDER_CONSTANT,
) -> npt.NDArray[np.uint8]:
    """Resample a (H, W) uint8 label map without mixing ids; ``outside`` fills beyond its border."""
    # OpenCV's own nearest mode floors some exact halves; rounding first makes it unambiguous
    nearest = np.rint(positions)
    warped = cv2.remap(labels, nearest, None, cv2.INTER_NEAREST, None, border, outside)
    return np.asarray(warped, dtype=np.uint8)
