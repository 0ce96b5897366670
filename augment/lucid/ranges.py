"""What dreams are drawn from: every range by its name, and the sets of ranges in use."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from augment.geometry import Points
from vos_core.errors import ConfigError

Spread = float | tuple[float, ...]
"""A limit x stands for any value from -x to x, a tuple for one of its values."""


def draw(spread: Spread, rng: np.random.Generator) -> float:
    """Draw a value."""
    if isinstance(spread, tuple):
        return spread[int(rng.integers(len(spread)))]
    return rng.uniform(-spread, spread)


def draw_pair(spread: Spread, rng: np.random.Generator) -> Points:
    """Draw (2,) values, for x and y."""
    return np.array([draw(spread, rng), draw(spread, rng)])


@dataclass(frozen=True)
class LucidRanges:
    """What a dream is drawn from; the defaults are the published ranges.

    A number x means any value from -x to x, all equally likely; a tuple means one of its values.
    Published means Khoreva et al., arXiv:1703.09554, section 4; "ours" marks what it leaves open.

    Attributes:
        object_scale: Relative change of an object's size.
        object_angle: Rotation of an object, degrees.
        object_shear: Shear of an object along x.
        object_mirror: Probability of mirroring an object.
        object_placement: Largest move of an object from its place, as a fraction of the frame; its
            centre stays in the frame. "anywhere" places its box anywhere within the frame.
        least_side: Objects are enlarged until the shorter side of their box is this fraction of
            the frame's height, as far as ``most_side`` lets them.
        most_side: Objects are shrunk until their box is at most this fraction of the frame; 0 sets
            no limit.
        spline_points: Most control points of the deformation on each object's outline.
        spline_shift: Their largest move, as a fraction of the object's width and height; smaller
            where a spline would fold, see :func:`augment.shapes.draw_spline`.
        bent: Probability that an object is deformed at all.
        background_scale: Relative zoom of the plate.
        background_angle: Rotation of the plate, degrees.
        background_shift: Move of the plate, as a fraction of the frame.
        background_mirror: Probability of mirroring the plate.
        frame_angle: Rotation of the whole picture, degrees.
        frame_mirror: Probability of mirroring the whole picture.
        motion_shift: Move of an object between the two frames, as a fraction of its size.
        motion_scale: Relative change of its size between the two frames.
        motion_angle: Its rotation between the two frames, degrees.
        motion_spline: Largest move of the control points between the two frames.
        camera_shift: Move of the plate between the two frames, as a fraction of the frame.
        camera_scale: Its relative zoom between the two frames.
        camera_angle: Its rotation between the two frames, degrees.
        only_objects: Probability that the plate does not move between the two frames.
        only_camera: Probability that no object does.
        group: A random part of the objects is placed and moves as one; the others stay on the plate
            or, one time in two, are left out. Otherwise each object goes its own way.
        missing: Probability that an object is left out, while another one is there.
        leaving: Probability that an object is at the border of the frame, half out or more.
        light: Probability of another light on the whole picture.
        plate_light: Probability of one more on the plate alone.
        illumination_gain: Relative change of saturation and value.
        illumination_power: Deviation of their exponent from 1.
        illumination_offset: Offset added to them, in [0, 1].
        object_blur: Standard deviation of an object's defocus in pixels; its sign is ignored.
        background_blur: The same for the plate.
        shutter: Largest exposure as a part of the time between two frames: blurs what moves.
    """

    object_scale: Spread = 0.15
    object_angle: Spread = 30.0
    object_shear: Spread = 0.0
    object_mirror: float = 0.5
    object_placement: float | Literal["anywhere"] = "anywhere"
    least_side: float = 0.0
    most_side: float = 0.0
    spline_points: int = 5
    spline_shift: float = 0.10
    bent: float = 1.0
    background_scale: Spread = 0.15
    background_angle: Spread = 30.0
    background_shift: Spread = 0.10
    background_mirror: float = 0.5
    frame_angle: Spread = 0.0
    frame_mirror: float = 0.0
    motion_shift: Spread = 0.10
    motion_scale: Spread = 0.05  # ours
    motion_angle: Spread = 5.0  # ours
    motion_spline: float = 0.05  # ours
    camera_shift: Spread = 0.03  # ours
    camera_scale: Spread = 0.02  # ours
    camera_angle: Spread = 1.0  # ours
    only_objects: float = 0.0
    only_camera: float = 0.0
    group: bool = False
    missing: float = 0.0
    leaving: float = 0.0
    light: float = 1.0
    plate_light: float = 0.0
    illumination_gain: Spread = 0.05
    illumination_power: Spread = 0.3
    illumination_offset: Spread = 0.07
    object_blur: Spread = 0.0
    background_blur: Spread = 0.0
    shutter: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from.

        Raises:
            ConfigError: If a range is negative, endless or empty, a probability or the exposure is
                not in [0, 1], or a size could become zero.
        """
        for name in (*_PROBABILITIES, "shutter"):
            if not 0 <= getattr(self, name) <= 1:
                what = "an exposure" if name == "shutter" else "a probability"
                raise ConfigError(f"{name} is {getattr(self, name)}; {what} is 0 to 1.")
        for field in fields(self):
            value, most = getattr(self, field.name), _MOST.get(field.name, 10.0)
            choices = value if isinstance(value, tuple) else (value,)
            numbers = all(isinstance(each, int | float) for each in choices)
            least = -most if isinstance(value, tuple) else 0.0
            if value == "anywhere" and field.name == "object_placement":
                continue
            if not choices or not numbers or not all(least <= each <= most for each in choices):
                raise ConfigError(
                    f"{field.name} is {value!r}; give a number from 0 to {most:g}, or, where it is "
                    f"drawn from both sides of 0, a tuple of values from {-most:g} to {most:g}."
                )
        for name in _GROWTHS:
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (-value,)) < -0.99:
                raise ConfigError(f"{name} is {value}; below -0.99 nothing would be left.")
        if self.only_objects + self.only_camera > 1:
            raise ConfigError("only_objects and only_camera are probabilities of one choice.")


# beyond these a picture shows nothing any more, and takes long to paint
_MOST = {
    "object_angle": 360.0,
    "background_angle": 360.0,
    "frame_angle": 360.0,
    "motion_angle": 360.0,
    "camera_angle": 360.0,
    "spline_points": 50.0,
    "object_blur": 50.0,
    "background_blur": 50.0,
}
_PROBABILITIES = (
    "object_mirror",
    "bent",
    "background_mirror",
    "frame_mirror",
    "only_objects",
    "only_camera",
    "missing",
    "leaving",
    "light",
    "plate_light",
)
_GROWTHS = (
    "object_scale",
    "background_scale",
    "motion_scale",
    "camera_scale",
    "illumination_gain",
    "illumination_power",
)


def _grid(limit: float, step: float) -> tuple[float, ...]:
    """Return -limit, ..., limit at even steps."""
    count = round(limit / step)
    return tuple(k * step for k in range(-count, count + 1))


PRESETS = {
    "paper": LucidRanges(),
    # The released MATLAB code: about half of the published ranges, most of them on grids. Left out
    # are its cropping and stretching after a rotation, another subset of objects for the second
    # frame, and frames in which objects only shift or only bend; shifts are drawn from all values.
    # Its errors are not repeated.
    "official_code": LucidRanges(
        object_scale=_grid(0.15, 0.05),
        object_angle=0.0,
        object_mirror=0.0,
        least_side=100 / 480,
        most_side=1 - 50 / 480,
        spline_shift=0.05,
        bent=0.5,
        background_scale=0.0,
        background_angle=0.0,
        background_shift=0.0,
        frame_angle=(*_grid(30, 2), *31 * (0.0,)),
        frame_mirror=0.5,
        motion_shift=0.05,
        motion_scale=0.0,
        motion_angle=0.0,
        camera_shift=0.05,
        camera_scale=_grid(0.05, 0.005),
        camera_angle=_grid(3, 1),
        only_objects=1 / 3,
        only_camera=1 / 3,
        group=True,
        light=0.5,
        plate_light=0.5,
        illumination_gain=_grid(0.03, 0.001),
        illumination_power=_grid(0.2, 0.005),
        illumination_offset=_grid(0.05, 0.001),
    ),
    # First-frame augmentation of FRTM (Robinson et al., CVPR 2020, section 3.1) as released; it
    # makes single frames, and places them on a jittered lattice.
    "frtm": LucidRanges(
        object_scale=(-0.5, -0.3, 0.0, 0.5, 1.0, 1.5),
        object_angle=(-45, -30, -20, -10, -5, 5, 10, 20, 30, 45),
        object_shear=(0.1, 0.0, 0.0),
        object_mirror=0.2,
        least_side=10 / 480,
        most_side=1.0,
        spline_points=0,
        background_scale=(0.0, 0.0, 0.2),
        background_angle=0.0,
        background_shift=0.0,
        background_mirror=0.0,
        motion_shift=0.0,
        motion_scale=0.0,
        motion_angle=0.0,
        motion_spline=0.0,
        camera_shift=0.0,
        camera_scale=0.0,
        camera_angle=0.0,
        light=0.0,
        object_blur=(2**0.5, 0.0, 0.0, 0.0),
        background_blur=(0.0, 0.0, 1.0, 2**0.5, 5**0.5),
    ),
    # Ours, for a few hundred iterations from random weights: objects stay nearer to their place
    "adaptation": LucidRanges(object_placement=0.2, background_angle=10.0),
}
"""Sets of ranges by name."""
