"""Simulated previous masks: what a mask looks like one frame earlier, drawn from the true one.

MaskTrack (Perazzi et al., CVPR 2017, section 4) deforms the true mask by an affine map and a
thin-plate spline and then dilates it, or shows its bounding box; Lucid dreaming (Khoreva et al.,
section 3) bends and dilates the mask of the previous dreamt frame; ROI propagation ("Mask
propagation and interactive VOS", DAVIS 2019 challenge, section 2) moves it by an affine map and
adds and removes ellipses.

What is random is drawn once from the shape of a mask and painted afterwards, by
:meth:`Deformation.apply` or, many at once on a GPU, by :mod:`augment.device`.
"""

from dataclasses import dataclass

import numpy as np

from augment.geometry import (
    BackwardMap,
    Matrix,
    Points,
    affine_matrix,
    apply_affine,
    pixel_grid,
    sampling_map,
    warp_labels,
)
from augment.settings import require_generator
from augment.shapes import MaskShape, Window, bounding_box, dilate, draw_spline, window_of
from vos_core.errors import ConfigError
from vos_core.types import BinaryMask, LabelMap

_MARGIN = 6  # pixels; outlines are known by some of their points


@dataclass(frozen=True)
class MaskDeformation:
    """What a mask deformation is drawn from; the defaults are MaskTrack's (section 4).

    All is drawn for each object on its own and, but for the dilation, relative to its size.

    Attributes:
        scale: Largest relative change of size.
        angle: Largest rotation, degrees.
        shear: Largest shear along x.
        shift: Largest translation, as a fraction of the object's width and height.
        spline_points: Most control points on the outline; 0 switches the spline off.
        spline_shift: Largest move of a control point, as a fraction of width and height; smaller
            where a spline would fold, see :func:`augment.shapes.draw_spline`.
        dilation: Radius of the final dilation in pixels (published for 480p frames).
        growth: More of it, as a fraction of the square root of the object's area.
        removed: Most ellipses cut out, centred on the object.
        added: Most ellipses added, centred in a box of 1.5 times the object's.
        ellipse_axes: Least and largest semi-axis of an ellipse, as a fraction of the square root
            of the object's area.
        clean: Probability of no ellipses at all.
        box: Show the filled bounding box instead of the mask.
        partial: Probability that a part is missing, beyond a line through the object.
        empty: Probability of an empty mask, as after an occlusion.
    """

    scale: float = 0.05
    angle: float = 0.0
    shear: float = 0.0
    shift: float = 0.10
    spline_points: int = 5
    spline_shift: float = 0.10
    dilation: int = 5
    growth: float = 0.0
    removed: int = 0
    added: int = 0
    ellipse_axes: tuple[float, float] = (0.03, 0.20)
    clean: float = 0.0
    box: bool = False
    partial: float = 0.0
    empty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from.

        Raises:
            ConfigError: If a range is negative or too wide, or a probability not in [0, 1].
        """
        for name in ("scale", "angle", "shear", "shift", "spline_shift", "growth"):
            most = 360 if name == "angle" else 10
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 0 to {most}.")
        for name in ("spline_points", "dilation", "removed", "added"):
            if not 0 <= getattr(self, name) <= 100:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 0 to 100.")
        for name in ("clean", "partial", "empty"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; a probability is 0 to 1.")
        if self.scale >= 1:
            raise ConfigError(f"scale is {self.scale}; from 1 on an object could vanish.")
        axes = self.ellipse_axes
        if len(axes) != 2 or not 0 < axes[0] <= axes[1] < np.inf:
            raise ConfigError(f"ellipse_axes are {list(axes)}; give two ascending sizes.")

    def draw(self, shape: MaskShape, rng: np.random.Generator) -> "Deformation":
        """Draw one deformation of a mask of this shape.

        Raises:
            ConfigError: If ``rng`` is no numpy ``Generator``.
        """
        require_generator(rng)
        extent, centre = shape.extent, shape.centre
        scale = 1 + rng.uniform(-self.scale, self.scale)
        shift = rng.uniform(-self.shift, self.shift, 2) * extent
        matrix = affine_matrix(
            (centre[0], centre[1]),
            scale=(scale, scale),
            angle=rng.uniform(-self.angle, self.angle),
            shift=(shift[0], shift[1]),
            shear=rng.uniform(-self.shear, self.shear),
        )
        spline = draw_spline(shape, self.spline_points, self.spline_shift, rng)
        backward = BackwardMap.undo(matrix, spline)
        moved = shape.moved(backward)
        noisy = bool(rng.random() >= self.clean)
        return Deformation(
            backward,
            moved,
            dilation=self.dilation + round(self.growth * shape.size),
            removed=self._draw_ellipses(moved, noisy * self.removed, on_object=True, rng=rng),
            added=self._draw_ellipses(moved, noisy * self.added, on_object=False, rng=rng),
            box=self.box,
            missing=_draw_half_plane(moved, rng) if rng.random() < self.partial else None,
            empty=bool(rng.random() < self.empty),
        )

    def _draw_ellipses(
        self, shape: MaskShape, most: int, *, on_object: bool, rng: np.random.Generator
    ) -> tuple[Matrix, ...]:
        """Draw up to ``most`` ellipses, each as the map that makes it the unit disc."""
        ellipses = []
        for _ in range(int(rng.integers(most + 1)) if most else 0):
            centre = shape.centre + rng.uniform(-0.75, 0.75, 2) * shape.extent
            if on_object:
                centre = rng.choice(shape.inside)
            axes = rng.uniform(*self.ellipse_axes, 2) * shape.size
            unit_disc = affine_matrix((0, 0), (axes[0], axes[1]), shift=(centre[0], centre[1]))
            turned = affine_matrix((centre[0], centre[1]), angle=rng.uniform(0, 180)) @ unit_disc
            ellipses.append(np.linalg.inv(turned).astype(np.float64))
        return tuple(ellipses)


def _draw_half_plane(shape: MaskShape, rng: np.random.Generator) -> Points:
    """Draw the (3,) a, b, c of what lies at a x + b y > c, bounded by a line through the mask."""
    angle, point = rng.uniform(0, 2 * np.pi), rng.choice(shape.inside)
    normal = np.array([np.cos(angle), np.sin(angle)])
    return np.array([*normal, normal @ point])


PREVIOUS_MASKS = {
    "masktrack": MaskDeformation(),
    # arXiv:1703.09554, section 4
    "lucid": MaskDeformation(scale=0, shift=0),
    "official_code": MaskDeformation(scale=0, shift=0, spline_shift=0.05),
    # the ranges of the ROI paper are ours: it gives none
    "roi": MaskDeformation(
        scale=0.10,
        angle=10.0,
        shear=0.1,
        spline_points=0,
        dilation=0,
        removed=4,
        added=4,
        clean=0.2,
    ),
    # MaskTrack's network that is guided by boxes, as given and as a rough tracker gives them
    "box": MaskDeformation(scale=0, shift=0, spline_points=0, dilation=0, box=True),
    "jittered_box": MaskDeformation(scale=0.10, spline_points=0, dilation=0, box=True),
    # ours, for a few hundred iterations at 240 x 432: so rough that the network learns to see
    "adaptation": MaskDeformation(scale=0.10, shift=0.15, spline_shift=0.15, dilation=2, empty=0.1),
}
"""Simulated previous masks by name."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """One drawn deformation of a mask.

    Attributes:
        backward: From the deformed mask to the true one.
        shape: What the deformed mask looks like, before anything below.
        dilation: Radius in pixels.
        removed: Ellipses cut out, as (3, 3) maps that make each the unit disc.
        added: Ellipses added; they win over those cut out.
        box: The filled bounding box instead of the mask.
        missing: (3,) a, b, c: all at a x + b y > c is missing.
        empty: Nothing is left.
    """

    backward: BackwardMap[Points]
    shape: MaskShape
    dilation: int
    removed: tuple[Matrix, ...] = ()
    added: tuple[Matrix, ...] = ()
    box: bool = False
    missing: Points | None = None
    empty: bool = False

    def describe(self) -> dict[str, object]:
        """Return what was drawn, as plain values for JSON."""
        ((matrix, spline),) = self.backward.steps
        drawn: dict[str, object] = {
            "matrix": np.linalg.inv(matrix).tolist(),
            "dilation": self.dilation,
            "removed": [np.linalg.inv(ellipse).tolist() for ellipse in self.removed],
            "added": [np.linalg.inv(ellipse).tolist() for ellipse in self.added],
            "box": self.box,
            "missing": None if self.missing is None else self.missing.tolist(),
            "empty": self.empty,
        }
        if spline is not None:
            source = spline.source
            drawn["spline"] = {"from": spline(source).tolist(), "to": source.tolist()}
        return drawn

    def apply(self, mask: BinaryMask) -> BinaryMask:
        """Deform a (H, W) mask; an empty one stays empty."""
        deformed = np.zeros(mask.shape, dtype=bool)
        if self.empty or not mask.any():
            return deformed
        if self.box:
            mask = _filled_box(mask)
        window = self.window((mask.shape[0], mask.shape[1]))
        if window is None:
            return deformed
        positions = sampling_map(window.size, self.backward, self.shape.step, window.corner)
        part = warp_labels(np.ascontiguousarray(mask).view(np.uint8), positions)
        for ellipses, value in ((self.removed, 0), (self.added, 1)):
            for ellipse in ellipses:
                _paint_ellipse(part, ellipse, window.corner, value)
        if self.missing is not None:
            points = pixel_grid(window.size) + np.array(window.corner)
            part[points @ self.missing[:2] > self.missing[2]] = 0
        deformed[window.part] = dilate(part, self.dilation) > 0
        return deformed

    def window(self, size: tuple[int, int]) -> Window | None:
        """Return the part of a frame of ``size`` (H, W) that can hold anything, if there is one."""
        ends = [self.shape.outline]
        if self.box:  # corners reach farther than the outline
            low, high = self.shape.outline.min(axis=0), self.shape.outline.max(axis=0)
            ends += [2 * low - high, 2 * high - low]
        ends += [_box_of(ellipse) for ellipse in self.added]
        return window_of(np.vstack(ends), size, self.dilation + _MARGIN)


def _box_of(ellipse: Matrix) -> Points:
    """Return the (2, 2) first and last (x, y) of an ellipse."""
    disc_to_ellipse = np.linalg.inv(ellipse)
    reach = np.linalg.norm(disc_to_ellipse[:2, :2], axis=1)
    ends: Points = disc_to_ellipse[:2, 2] + np.stack([-reach, reach])
    return ends


def _paint_ellipse(part: LabelMap, ellipse: Matrix, corner: tuple[int, int], value: int) -> None:
    """Set the pixels within an ellipse; ``part`` begins at ``corner`` (x, y) of the frame."""
    first, last = _box_of(ellipse) - corner
    x, y = np.maximum(np.ceil(first), 0).astype(int)
    right, bottom = np.minimum(last, (part.shape[1] - 1, part.shape[0] - 1)).astype(int) + 1
    if right > x and bottom > y:
        points = pixel_grid((bottom - y, right - x)) + np.array([x + corner[0], y + corner[1]])
        inside = (apply_affine(ellipse, points) ** 2).sum(axis=-1) <= 1
        part[y:bottom, x:right][inside] = value


def _filled_box(mask: BinaryMask) -> BinaryMask:
    x, y, width, height = bounding_box(mask)
    filled = np.zeros_like(mask)
    filled[y : y + height, x : x + width] = True
    return filled


def deform_mask(mask: BinaryMask, ranges: MaskDeformation, rng: np.random.Generator) -> BinaryMask:
    """Return a rough version of a mask, as if predicted for the frame before.

    Args:
        mask: (H, W) bool; an empty mask stays empty.
        ranges: What to draw from.
        rng: Source of randomness.

    Returns:
        (H, W) bool.
    """
    if not mask.any():
        return np.zeros_like(mask)
    return ranges.draw(MaskShape.of(mask), rng).apply(mask)
