"""What is drawn for a dream: where each layer goes, and in which light."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from augment.geometry import (
    Matrix,
    PointMap,
    ThinPlateSpline,
    affine_matrix,
    compose,
    inverse_affine,
)

Curve = npt.NDArray[np.uint8]  # (256,), a new value for each old one


@dataclass(frozen=True)
class Move:
    """An affine map as it was drawn: scaled, mirrored and turned about a point, then shifted.

    Attributes:
        centre: (x, y) in pixels.
        scale: Factor, the same along x and y.
        angle: Degrees, clockwise on the screen.
        shift: (x, y) in pixels.
        mirror: Flipped left-right.
    """

    centre: tuple[float, float]
    scale: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirror: bool = False

    def matrix(self) -> Matrix:
        """Return the (3, 3) matrix."""
        return affine_matrix(self.centre, (self.scale,) * 2, self.angle, self.shift, self.mirror)


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


@dataclass(frozen=True)
class Layer:
    """Where the plate or an object goes.

    Attributes:
        place: From the source to the frame before.
        motion: From there to the dreamt frame.
        spline: What bends the source first; None for nothing. It is a backward map.
    """

    place: Move
    motion: Move
    spline: PointMap | None = None

    @property
    def now(self) -> PointMap:
        """Backward map from the dreamt frame to the source."""
        return self._backward(self.motion.matrix() @ self.place.matrix())

    @property
    def before(self) -> PointMap:
        """Backward map from the frame before to the source."""
        return self._backward(self.place.matrix())

    def describe(self) -> dict[str, object]:
        """Return what was drawn, as plain values for JSON."""
        drawn: dict[str, object] = {"place": asdict(self.place), "motion": asdict(self.motion)}
        if isinstance(self.spline, ThinPlateSpline):
            # the spline leads backwards, from the bent outline to the source's
            drawn["spline"] = {
                "from": self.spline.target.tolist(),
                "to": self.spline.source.tolist(),
            }
        return drawn

    def _backward(self, matrix: Matrix) -> PointMap:
        inverse = inverse_affine(matrix)
        return inverse if self.spline is None else partial(compose, inverse, self.spline)
