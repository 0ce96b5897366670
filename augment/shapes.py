"""What deformations need to know of a mask: its outline, its box, its size; and bending it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from augment.geometry import STEP, TOLERANCE, BackwardMap, Points, ThinPlateSpline
from vos_core.errors import MaskError
from vos_core.morphology import disc
from vos_core.types import BinaryMask, LabelMap

Spline = ThinPlateSpline[npt.NDArray[np.float64]]

_OUTLINE_POINTS = 200
_SMALL = 20  # pixels; a bend of something smaller could lie between two nodes of a grid
_LARGEST_GAP = 0.2  # of control points, as a fraction of width and height
_INSIDE_POINTS = 32
# A map that moves neighbours by less than their distance is one to one. At half of it nothing gets
# more than twice as long, which is as much as looks like the same object.
_STEEPEST = 0.5
# where steepness is looked at, in widths and heights of the box from its centre
_PROBES = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 9)), -1)


def bounding_box(mask: BinaryMask) -> tuple[int, int, int, int]:
    """Return the tight (x, y, width, height) of a (H, W) mask; all zero if it is empty."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return x, y, width, height


def dilate(mask: LabelMap, radius: int) -> LabelMap:
    """Dilate by a true disc of ``radius`` pixels; in a label map the larger id wins."""
    if radius < 1:
        return mask
    return np.asarray(cv2.dilate(mask, disc(radius)), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class MaskShape:
    """A mask by some of its points, so that it can be moved without being painted.

    Attributes:
        outline: (K, 2) points along its outer outlines, K >= 1.
        inside: (M, 2) points spread over its area, M >= 1.
        size: Square root of its area, in pixels.
    """

    outline: Points
    inside: Points
    size: float

    @classmethod
    def of(cls, mask: BinaryMask) -> "MaskShape":
        """Describe a (H, W) mask.

        Raises:
            MaskError: If it is empty.
        """
        x, y, width, height = bounding_box(mask)
        if not width:
            raise MaskError("an empty mask has no shape; ask for one that shows an object.")
        cropped = mask[y : y + height, x : x + width].astype(np.uint8)
        contours, _ = cv2.findContours(cropped, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = np.concatenate(contours)[:, 0, :]
        # the corners of the hull bound whatever an affine map makes of it
        corners = cv2.convexHull(outline, returnPoints=False)[:, 0]
        rows, columns = np.nonzero(cropped)
        inside = np.stack([columns, rows], axis=-1)
        corner = np.array([x, y], dtype=np.float64)
        return cls(
            outline[np.union1d(_evenly(len(outline), _OUTLINE_POINTS), corners)] + corner,
            inside[_evenly(len(inside), _INSIDE_POINTS)] + corner,
            len(inside) ** 0.5,
        )

    @classmethod
    def joint(cls, shapes: Sequence["MaskShape"]) -> "MaskShape":
        """Return the shape of several masks together."""
        return cls(
            np.concatenate([shape.outline for shape in shapes]),
            np.concatenate([shape.inside for shape in shapes]),
            sum(shape.size**2 for shape in shapes) ** 0.5,
        )

    @cached_property
    def extent(self) -> Points:
        """Width and height in pixels, (2,)."""
        extent: Points = np.ptp(self.outline, axis=0) + 1
        return extent

    @property
    def step(self) -> int:
        """Distance of the nodes, in pixels, of sampling grids that show it."""
        return 1 if self.extent.max() <= _SMALL else STEP

    @cached_property
    def centre(self) -> Points:
        """Centre (x, y) of the bounding box, (2,)."""
        centre: Points = (self.outline.min(axis=0) + self.outline.max(axis=0)) / 2
        return centre

    def shifted(self, way: tuple[int, int]) -> "MaskShape":
        """Return the shape of the mask shifted by (x, y) pixels."""
        return MaskShape(self.outline + np.array(way), self.inside + np.array(way), self.size)

    def moved(self, backward: BackwardMap[Points]) -> "MaskShape":
        """Return the shape of the mask moved by a map, to a tenth of a pixel."""
        points = backward.inverse(np.concatenate([self.outline, self.inside]), TOLERANCE)
        outline, inside = np.split(points, [len(self.outline)])
        spread, was = outline.std(axis=0), self.outline.std(axis=0)
        grown = float(np.linalg.norm(spread) / (np.linalg.norm(was) or 1)) or 1.0
        return MaskShape(outline, inside, self.size * grown)


def _evenly(count: int, most: int) -> npt.NDArray[np.int_]:
    """Return at most ``most`` of ``count`` indices, evenly taken."""
    return np.arange(0, count, -(-count // most))


class Window(NamedTuple):
    """A rectangle of a frame: its first pixel and the one after its last."""

    x: int
    y: int
    right: int
    bottom: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of a (H, W) array."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.y, self.right - self.x

    @property
    def corner(self) -> tuple[int, int]:
        """The first pixel (x, y)."""
        return self.x, self.y

    def shifted(self, way: int) -> "Window":
        """Return the window that many pixels to the right and down."""
        return Window(self.x + way, self.y + way, self.right + way, self.bottom + way)

    def within(self, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return what lies in a frame of ``size`` (H, W): index of the frame, and of the window."""
        x, y, right, bottom = max(self.x, 0), max(self.y, 0), self.right, self.bottom
        right, bottom = min(right, size[1]), min(bottom, size[0])
        rows, columns = slice(y - self.y, bottom - self.y), slice(x - self.x, right - self.x)
        return (slice(y, bottom), slice(x, right)), (rows, columns)


def window_of(
    points: Points, size: tuple[int, int], margin: float, beyond: int = 0
) -> Window | None:
    """Return the part of a frame that holds some points.

    Args:
        points: (N, 2) points; outlines are known by some of theirs, so leave a margin.
        size: (H, W) of the frame.
        margin: Pixels added on each side.
        beyond: How many pixels the window may reach beyond the frame.

    Returns:
        The window; None if it is outside of the frame.
    """
    frame = np.array([size[1], size[0]])
    x, y = np.clip(np.floor(points.min(axis=0) - margin), -beyond, frame + beyond).astype(int)
    right, bottom = np.clip(
        np.ceil(points.max(axis=0) + margin) + 1, -beyond, frame + beyond
    ).astype(int)
    if right <= max(x, 0) or bottom <= max(y, 0) or x >= size[1] or y >= size[0]:
        return None
    return Window(int(x), int(y), int(right), int(bottom))


def outline_points(shape: MaskShape, count: int, gap: float, rng: np.random.Generator) -> Points:
    """Draw points spread along the outlines of a mask.

    One point is drawn from each of ``count`` equal stretches of the outline; one that comes too
    close to an earlier one, across a thin part or a tiny object, is left out.

    Args:
        shape: Of the mask.
        count: Number of points wanted.
        gap: Least distance of two points, as a fraction of the mask's width (x) and height (y).
        rng: Source of randomness.

    Returns:
        (K, 2) float64 with 1 <= K <= ``count``.
    """
    stretch = len(shape.outline) / count
    picks = shape.outline[((np.arange(count) + rng.uniform(0, 1, count)) * stretch).astype(int)]
    shares = picks / shape.extent
    close = ((shares[:, None] - shares) ** 2).sum(axis=-1) <= gap**2
    kept = [0]
    for k in range(1, count):
        if not close[k, kept].any():
            kept.append(k)
    chosen: Points = picks[kept]
    return chosen


def draw_spline(
    shape: MaskShape, count: int, shift: float, rng: np.random.Generator
) -> Spline | None:
    """Draw a backward thin-plate map that moves up to ``count`` outline points of a mask.

    Points that lie close to each other, or nearly in line, are left out. Moves that would fold the
    plane, or nearly so, are made smaller, all alike, so the map has an inverse.

    Args:
        shape: Of the mask.
        count: Most control points; 0 bends nothing.
        shift: Largest move as a fraction of the mask's width (x) and height (y).
        rng: Source of randomness.
    """
    if count == 0 or shift == 0:
        return None
    source = outline_points(shape, count, min(2 * shift, _LARGEST_GAP), rng)
    # points nearly in line say little of what lies beside the line, so two that are far apart do
    spread = np.linalg.svd((source - source.mean(axis=0)) / shape.extent, compute_uv=False)[-1]
    if len(source) > 2 and spread < shift * len(source) ** 0.5:
        apart = np.linalg.norm((source[:, None] - source) / shape.extent, axis=-1)
        source = source[list(np.unravel_index(apart.argmax(), apart.shape))]
    moves = rng.uniform(-shift, shift, source.shape) * shape.extent
    spline = ThinPlateSpline.fit(source + moves, source)
    while (steepest := _steepest(spline, shape)) > _STEEPEST:
        moves *= 0.9 * _STEEPEST / steepest
        spline = ThinPlateSpline.fit(source + moves, source)
    return spline


def _steepest(spline: Spline, shape: MaskShape) -> float:
    """Return the largest steepness on the box of a mask, at its control points and between."""
    box = _PROBES.reshape(-1, 2) * shape.extent
    control = spline.source
    between = (control[:, None] + control).reshape(-1, 2) / 2  # the points themselves, too
    points = np.concatenate([shape.centre + box, between])
    return float(spline.steepness(points).max())
