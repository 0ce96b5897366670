"""Simulated previous masks: what a mask looks like one frame earlier, drawn from the true one.

MaskTrack (Perazzi et al., CVPR 2017, section 4) deforms the true mask by an affine map and a
thin-plate spline and then dilates it; Lucid dreaming (Khoreva et al., section 3) does the same to
the mask of the previous dreamt frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from augment.geometry import (
    PointMap,
    Points,
    ThinPlateSpline,
    affine_matrix,
    identity,
    inverse_affine,
    sampling_map,
    warp_labels,
)
from vos_core.morphology import disc
from vos_core.types import BinaryMask, LabelMap


@dataclass(frozen=True)
class MaskDeformation:
    """Ranges of a mask deformation; defaults are MaskTrack's (CVPR 2017, section 4).

    Attributes:
        scale: Largest relative change of size.
        shift: Largest translation, as a fraction of the object's width and height.
        spline_points: Control points on the outline; 0 switches the spline off.
        spline_shift: Largest move of a control point, as a fraction of width and height.
        dilation: Radius of the final dilation in pixels (published for 480p frames).
        empty: Probability of an empty mask, as after an occlusion (ours; 0 in the paper).
    """

    scale: float = 0.05
    shift: float = 0.10
    spline_points: int = 5
    spline_shift: float = 0.10
    dilation: int = 5
    empty: float = 0.0


def bounding_box(mask: BinaryMask) -> tuple[int, int, int, int]:
    """Return the tight (x, y, width, height) of a non-empty (H, W) mask."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, width, height


def dilate(mask: LabelMap, radius: int) -> LabelMap:
    """Dilate by a true disc of ``radius`` pixels; in a label map the larger id wins."""
    if radius < 1:
        return mask
    return np.asarray(cv2.dilate(mask, disc(radius)), dtype=np.uint8)


def outline_points(mask: BinaryMask, count: int, gap: float, rng: np.random.Generator) -> Points:
    """Draw points spread along the outlines of a mask.

    One point is drawn from each of ``count`` equal stretches of the outline; one that comes too
    close to an earlier one, across a thin part or a tiny object, is left out.

    Args:
        mask: (H, W) bool, not empty.
        count: Number of points wanted.
        gap: Least distance of two points, as a fraction of the mask's width (x) and height (y).
        rng: Source of randomness.

    Returns:
        (K, 2) float64 with 1 <= K <= ``count``.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate(contours)[:, 0, :].astype(np.float64)
    edges = np.linspace(0, len(outline), count + 1)
    picks = outline[(edges[:-1] + rng.uniform(0, 1, count) * np.diff(edges)).astype(int)]
    *_, width, height = bounding_box(mask)
    kept: Points = picks[:1]
    for pick in picks[1:]:
        if np.linalg.norm((kept - pick) / (width, height), axis=1).min() > gap:
            kept = np.vstack([kept, pick])
    return kept


def draw_spline(mask: BinaryMask, count: int, shift: float, rng: np.random.Generator) -> PointMap:
    """Draw a backward thin-plate map that moves ``count`` outline points of a mask.

    Args:
        mask: (H, W) bool, not empty.
        count: Control points; 0 gives the identity.
        shift: Largest move as a fraction of the mask's width (x) and height (y).
        rng: Source of randomness.
    """
    if count == 0 or shift == 0:
        return identity
    *_, width, height = bounding_box(mask)
    extent = np.array([width, height])
    # neighbours that could move past each other (2 sqrt(2) shifts apart or less) tear the plane
    source = outline_points(mask, count, 3 * shift, rng)
    # so do points nearly in line that could change sides; two points never do
    spread = np.linalg.svd((source - source.mean(axis=0)) / extent, compute_uv=False)[-1]
    if spread < 2 * shift * len(source) ** 0.5:
        source = source[:2]
    moved = source + rng.uniform(-shift, shift, source.shape) * extent
    return ThinPlateSpline(moved, source)


def deform_mask(mask: BinaryMask, ranges: MaskDeformation, rng: np.random.Generator) -> BinaryMask:
    """Return a rough version of a mask, as if predicted for the frame before.

    Affine map about the object's centre, spline, then dilation, in one resampling.

    Args:
        mask: (H, W) bool; an empty mask stays empty.
        ranges: What to draw from.
        rng: Source of randomness.

    Returns:
        (H, W) bool.
    """
    if not mask.any() or rng.random() < ranges.empty:
        return np.zeros_like(mask)
    x, y, width, height = bounding_box(mask)
    scale = 1 + rng.uniform(-ranges.scale, ranges.scale)
    matrix = affine_matrix(
        centre=(x + (width - 1) / 2, y + (height - 1) / 2),
        scale=(scale, scale),
        shift=tuple(rng.uniform(-ranges.shift, ranges.shift, 2) * (width, height)),
    )
    backward = inverse_affine(matrix)
    spline = draw_spline(mask, ranges.spline_points, ranges.spline_shift, rng)
    positions = sampling_map(mask.shape, lambda points: spline(backward(points)))
    deformed = warp_labels(mask.astype(np.uint8), positions)
    return dilate(deformed, ranges.dilation).astype(bool)
