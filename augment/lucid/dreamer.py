"""Draws dreams from a scene and paints them."""

from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from augment.lucid.flow import DreamFlow, dream_flow
from augment.lucid.painting import Painter, Seam
from augment.lucid.plan import DreamPlan, draw_plan
from augment.lucid.ranges import PRESETS, LucidRanges
from augment.lucid.scene import LucidScene
from augment.settings import require_generator
from vos_core.errors import ConfigError
from vos_core.types import Image, LabelMap


@dataclass(frozen=True, eq=False)
class Dream:
    """A dreamt pair of frames; the label maps hold the source's ids.

    Attributes:
        image: (H, W, 3) uint8 RGB, the dreamt frame.
        label_map: (H, W) uint8, its labels.
        previous_label_map: (H, W) uint8, the labels of the frame before.
        previous_image: (H, W, 3) uint8, the frame before; None if it was not asked for.
        flow: Exact flow and occlusion between the two; None if it was not asked for.
    """

    image: Image
    label_map: LabelMap
    previous_label_map: LabelMap
    previous_image: Image | None = None
    flow: DreamFlow | None = None


@dataclass
class LucidDreamer:
    """Draws dreams from a scene.

    Args:
        ranges: What to draw from.
        pair: Also paint the frame before (its label map is always there).
        flow: Also return the exact flow between the two frames, and what only one of them shows.
        seam: How cut-outs meet the plate: "feather" with a soft edge, "poisson" solved for, as
            published, which is rougher and slower. Blurred objects have a soft edge in any case.

    Raises:
        ConfigError: If there is no such seam, or the ranges are something else.
    """

    ranges: LucidRanges = field(default_factory=LucidRanges)
    pair: bool = False
    flow: bool = False
    seam: Seam = "feather"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from or painted."""
        if not isinstance(self.ranges, LucidRanges):
            hint = f"PRESETS[{self.ranges!r}]" if str(self.ranges) in PRESETS else "LucidRanges()"
            raise ConfigError(f"ranges is {self.ranges!r}; give LucidRanges, such as {hint}.")
        if self.seam not in get_args(Seam):
            raise ConfigError(f"seam is {self.seam!r}; choose one of {', '.join(get_args(Seam))}.")

    def __call__(self, scene: LucidScene, rng: np.random.Generator) -> Dream:
        """Draw one dream; all randomness comes from ``rng``."""
        return self.render(scene, self.draw(scene, rng))

    def draw(self, scene: LucidScene, rng: np.random.Generator) -> DreamPlan:
        """Draw where everything goes, without painting it.

        Raises:
            ConfigError: If ``rng`` is no numpy ``Generator``.
        """
        require_generator(rng)
        return draw_plan(scene, self.ranges, rng)

    def render(self, scene: LucidScene, plan: DreamPlan) -> Dream:
        """Paint a dream of the scene that it was drawn from."""
        painter = Painter(scene, plan, self.seam)
        image, label_map = painter.frame(now=True)
        previous: Image | None = None
        if self.pair:
            previous, previous_labels = painter.frame(now=False)
        else:
            previous_labels = painter.labels(now=False)
        flow: DreamFlow | None = None
        if self.flow:
            flow = dream_flow(label_map, previous_labels, plan.motions(), plan.steps())
        return Dream(image, label_map, previous_labels, previous, flow)
