"""What dreamt frames show beside colours: how fast their pixels move, and what is an object.

LucidTracker (Khoreva et al., DAVIS 2017 challenge) tells its networks of both. The motion of a
dream is known exactly; whether the authors trained on that or on estimated flow they do not say, so
either can be had. Semantics are looked at once for each picture that dreams are made of, and then
move with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from augment.lucid.batched import DreamBatch
from augment.lucid.dreamer import Dream, LucidDreamer
from augment.lucid.plan import NO_LIGHT, DreamPlan
from augment.lucid.scene import RIM, LucidScene
from vos_core.flow import FlowEstimator, magnitude_image
from vos_core.types import FloatArray, Image

Semantics = Callable[[Image], FloatArray]
"""(H, W, 3) uint8 RGB in, (H, W) float32 in [0, 1] out."""


@dataclass(frozen=True)
class DreamCues:
    """Makes the cues of dreams; "motion" comes before "semantics".

    Attributes:
        motion: Show how fast pixels move.
        semantics: Shows what is an object; None leaves it out.
        flow: Estimates the motion from the two dreamt frames; None takes the exact one.
    """

    motion: bool = False
    semantics: Semantics | None = None
    flow: FlowEstimator | None = None

    @property
    def on_device(self) -> bool:
        """Whether dreams can be painted where networks are trained; flow is estimated before."""
        return not (self.motion and self.flow)

    def prepare(self, dreamer: LucidDreamer) -> LucidDreamer:
        """Return a dreamer that makes what is needed."""
        exact = self.motion and self.flow is None
        return replace(dreamer, pair=self.motion and not exact, flow=exact)

    def of_dream(self, dream: Dream, semantic: Image | None) -> Image:
        """Return the (H, W, C) uint8 cues of a dream.

        Args:
            dream: By a dreamer of :meth:`prepare`.
            semantic: The same dream of a scene of :meth:`semantic_scene`.
        """
        cues = []
        if self.motion:
            cues.append(_to_grey(self._speed(dream)))
        if semantic is not None:
            cues.append(semantic[..., :1])
        return np.dstack(cues)

    def of_batch(self, dreams: DreamBatch, semantic: Tensor | None) -> list[Tensor]:
        """Return the cues, (B, 1, H, W) each, of dreams that were painted together."""
        cues = []
        if self.motion and dreams.flow:
            cues.append(magnitude_image(dreams.flow.backward, dreams.flow.forward))
        if semantic is not None:
            cues.append(semantic[:, :1])
        return cues

    def semantic_scene(self, scene: LucidScene) -> LucidScene:
        """Return a scene whose pictures are the semantics of those of another, gray.

        Raises:
            ValueError: If no semantics are asked for.
        """
        if self.semantics is None:
            raise ValueError("there are no semantics to look at")
        plates, cut_outs = [], []
        for index, plate in enumerate(scene.plates):
            own = [each for each in scene.cut_outs if each.frame == index]
            frame = plate.copy()
            for each in own:
                there, crop = each.window.within(scene.size)
                frame[there] = np.where(
                    each.solid[crop][..., None] > 0, each.rgba[crop][..., :3], frame[there]
                )
            plates.append(np.repeat(_to_grey(self.semantics(plate)), 3, axis=2))
            seen = np.pad(_to_grey(self.semantics(frame)), ((RIM, RIM), (RIM, RIM), (0, 0)), "edge")
            for each in own:
                grey = seen[each.window.shifted(RIM).part]
                rgba = np.dstack([np.repeat(grey, 3, axis=2), each.rgba[..., 3]])
                cut_outs.append(replace(each, rgba=rgba))
        return replace(scene, plates=tuple(plates), cut_outs=tuple(cut_outs))

    def _speed(self, dream: Dream) -> FloatArray:
        if self.flow is None:
            if dream.flow is None:
                raise ValueError("the dream has no flow")
            fields = (dream.flow.backward, dream.flow.forward)
        else:
            if dream.previous_image is None:
                raise ValueError("the dream has no frame before")
            fields = (
                self.flow(dream.image, dream.previous_image),
                self.flow(dream.previous_image, dream.image),
            )
        backward, forward = (torch.from_numpy(each).permute(2, 0, 1)[None] for each in fields)
        speed: FloatArray = magnitude_image(backward, forward)[0, 0].numpy()
        return speed


def unlit(plan: DreamPlan) -> DreamPlan:
    """Return a plan that changes no values, for scenes whose pictures are not colours."""
    return replace(plan, light=NO_LIGHT, plate_light=NO_LIGHT)


def _to_grey(values: FloatArray) -> Image:
    """Return (H, W) values in [0, 1] as (H, W, 1) uint8."""
    return np.asarray(np.rint(values * 255), dtype=np.uint8)[..., None]
