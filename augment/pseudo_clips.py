"""Short clips made of one still image: the picture and its masks move smoothly together.

Methods that learn from clips are first trained on still images, of which there are more kinds: STM
(Oh et al., ICCV 2019) makes each into three frames by random affine maps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from augment.geometry import (
    BackwardMap,
    Matrix,
    Points,
    ThinPlateSpline,
    affine_matrix,
    pixel_grid,
    sampling_map,
    warp,
    warp_labels,
)
from augment.settings import require_generator
from augment.shapes import Spline
from vos_core.errors import ConfigError
from vos_core.types import VOID, Image, LabelMap


@dataclass(frozen=True)
class ClipMotion:
    """What the motion of a pseudo-clip is drawn from.

    The defaults are those of the open training reproduction of STM
    (github.com/haochenheheda/Training-Code-of-STM): 30 and 15 degrees, 15 of 384 pixels,
    0.8 to 1.2; STM itself names the kinds of maps but no ranges.

    Attributes:
        angle: Largest rotation of a frame against the still image, degrees.
        shear: Largest shear along x, degrees.
        shift: Largest translation, as a fraction of the frame's width and height.
        scale: Least and largest zoom.
        bend: Largest move of the nine control points of a thin-plate spline, as a fraction of the
            frame's width and height, reached in the last frame; 0 switches it off (ours).
    """

    angle: float = 30.0
    shear: float = 15.0
    shift: float = 15 / 384
    scale: tuple[float, float] = (0.8, 1.2)
    bend: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from.

        Raises:
            ConfigError: If a range is negative, or so wide that a frame could fold over.
        """
        least, largest = self.scale
        if not 0 < least <= largest:
            raise ConfigError(f"scale is {list(self.scale)}; give two ascending positive factors.")
        if min(self.angle, self.shift) < 0 or not 0 <= self.shear < 90:
            raise ConfigError("angle, shear and shift must not be negative, nor shear reach 90.")
        if not 0 <= self.bend <= 0.15:
            raise ConfigError(f"bend is {self.bend}; beyond 0.15 a picture may fold over.")


class _Pose(NamedTuple):
    """Where a frame stands against the still image."""

    angle: float
    shear: float
    shift: tuple[float, float]
    log_scale: float

    def towards(self, other: "_Pose", share: float) -> "_Pose":
        """Return the pose at a share in [0, 1] of the way to another one."""

        def mix(a: float, b: float) -> float:
            return a + share * (b - a)

        return _Pose(
            mix(self.angle, other.angle),
            mix(self.shear, other.shear),
            (mix(self.shift[0], other.shift[0]), mix(self.shift[1], other.shift[1])),
            mix(self.log_scale, other.log_scale),
        )

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the (3, 3) map from the still image to the frame, about their centre."""
        height, width = size
        scale = float(np.exp(self.log_scale))
        return affine_matrix(
            ((width - 1) / 2, (height - 1) / 2),
            scale=(scale, scale),
            angle=self.angle,
            shift=(self.shift[0] * width, self.shift[1] * height),
            shear=float(np.tan(np.radians(self.shear))),
        )


def pseudo_clip(
    image: Image,
    label_map: LabelMap,
    *,
    frames: int,
    rng: np.random.Generator,
    motion: ClipMotion | None = None,
) -> tuple[list[Image], list[LabelMap]]:
    """Move a still image along a smooth path.

    Two poses are drawn; the frames stand at even steps between them, so every frame keeps the
    ranges. Picture and labels are resampled once, at the same positions.

    Args:
        image: (H, W, 3) uint8 RGB.
        label_map: (H, W) uint8; 255 is void.
        frames: How many to make, at least 1.
        rng: Source of randomness.
        motion: What to draw from.

    Returns:
        The pictures and their label maps. What lies beyond the still image is mirrored in and void.

    Raises:
        ConfigError: If ``rng`` is no numpy ``Generator``.
    """
    require_generator(rng)
    motion = motion or ClipMotion()
    size = (label_map.shape[0], label_map.shape[1])
    first, last = _draw_pose(motion, rng), _draw_pose(motion, rng)
    bent = _draw_bend(motion, size, rng)
    images, label_maps = [], []
    for share in np.linspace(0, 1, frames):
        spline = bent(share)
        backward = BackwardMap.undo(first.towards(last, share).matrix(size), spline)
        positions = sampling_map(size, backward, step=64 if spline is None else 8)
        images.append(warp(image, positions))
        label_maps.append(warp_labels(label_map, positions, outside=VOID))
    return images, label_maps


def _draw_pose(motion: ClipMotion, rng: np.random.Generator) -> _Pose:
    least, largest = np.log(motion.scale)
    return _Pose(
        angle=rng.uniform(-motion.angle, motion.angle),
        shear=rng.uniform(-motion.shear, motion.shear),
        shift=(
            rng.uniform(-motion.shift, motion.shift),
            rng.uniform(-motion.shift, motion.shift),
        ),
        log_scale=rng.uniform(least, largest),
    )


def _draw_bend(
    motion: ClipMotion, size: tuple[int, int], rng: np.random.Generator
) -> Callable[[float], Spline | None]:
    """Draw a spline that grows with the share of the way; nothing is drawn where there is none."""
    if not motion.bend:
        return lambda share: None
    extent = np.array([size[1], size[0]])
    source: Points = pixel_grid((3, 3)).reshape(-1, 2) / 2 * (extent - 1)
    moves = rng.uniform(-motion.bend, motion.bend, source.shape) * extent
    return lambda share: ThinPlateSpline.fit(source + share * moves, source)
