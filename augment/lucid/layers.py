"""What is drawn for a dream: where each layer goes, and in which light."""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from augment.geometry import BackwardMap, Matrix, Points, affine_matrix
from augment.shapes import Spline

Curve = npt.NDArray[np.uint8]  # (256,), a new value for each old one


@dataclass(frozen=True)
class Move:
    """An affine map as it was drawn: about a point, then shifted.

    Attributes:
        centre: (x, y) in pixels.
        scale: Factor, the same along x and y.
        angle: Degrees, clockwise on the screen.
        shift: (x, y) in pixels.
        mirror: Flipped left-right.
        shear: What is added to x for each pixel of y.
    """

    centre: tuple[float, float]
    scale: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirror: bool = False
    shear: float = 0.0

    def matrix(self) -> Matrix:
        """Return the (3, 3) matrix."""
        scale = (self.scale, self.scale)
        return affine_matrix(self.centre, scale, self.angle, self.shift, self.mirror, self.shear)


@dataclass(frozen=True)
class Light:
    """A new value for each old one: gain * x^power + offset (arXiv:1703.09554, section 4)."""

    gain: float
    power: float
    offset: float

    def curve(self) -> Curve:
        """Return it as a (256,) uint8 table."""
        lit = self.gain * np.linspace(0, 1, 256) ** self.power + self.offset
        table: Curve = (np.clip(lit, 0, 1) * 255).round().astype(np.uint8)
        return table


@dataclass(frozen=True, eq=False)
class Layer:
    """Where the plate or an object goes.

    Attributes:
        place: From the source to the frame before, one move after the other.
        motion: From there to the dreamt frame.
        spline: What bends the source first, as a backward map; None for nothing.
        motion_spline: What bends the frame before, ahead of the motion; a backward map, too.
    """

    place: tuple[Move, ...]
    motion: Move
    spline: Spline | None = None
    motion_spline: Spline | None = None

    @cached_property
    def placed(self) -> Matrix:
        """The (3, 3) map from the source to the frame before, without the spline."""
        matrix = np.eye(3)
        for move in self.place:
            matrix = move.matrix() @ matrix
        return matrix

    @cached_property
    def stretch(self) -> float:
        """How much longer a line of the source can be in a frame, splines aside."""
        both = (self.placed, self.motion.matrix() @ self.placed)
        return max(float(np.linalg.norm(matrix[:2, :2], 2)) for matrix in both)

    @cached_property
    def before(self) -> BackwardMap[Points]:
        """Backward map from the frame before to the source."""
        return BackwardMap.undo(self.placed, self.spline)

    @cached_property
    def past(self) -> BackwardMap[Points]:
        """Backward map from the dreamt frame to the frame before."""
        return BackwardMap.undo(self.motion.matrix(), self.motion_spline)

    @cached_property
    def now(self) -> BackwardMap[Points]:
        """Backward map from the dreamt frame to the source."""
        return self.past + self.before

    @property
    def way(self) -> Points:
        """The (2,) shift between the two frames, in pixels."""
        return np.array(self.motion.shift)

    def describe(self) -> dict[str, object]:
        """Return what was drawn, as plain values for JSON."""
        drawn: dict[str, object] = {
            "place": [asdict(move) for move in self.place],
            "motion": asdict(self.motion),
        }
        splines = {"spline": self.spline, "motion_spline": self.motion_spline}
        for name, spline in splines.items():
            if spline is not None:
                # splines lead backwards, from the bent outline to the one before
                source = spline.source
                drawn[name] = {"from": spline(source).tolist(), "to": source.tolist()}
        return drawn
