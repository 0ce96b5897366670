"""Training samples of mask refinement from lucid dreams."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from augment.deformation import Deformation, MaskDeformation
from augment.device import deform_masks, upload
from augment.lucid.batched import BatchPainter
from augment.lucid.cues import DreamCues, unlit
from augment.lucid.dreamer import LucidDreamer
from augment.lucid.plan import DreamPlan
from augment.lucid.scene import LucidScene
from augment.lucid.stack import DreamStack, stack_dreams
from augment.refinement import (
    FREE_SLOT,
    Drawn,
    Gathered,
    RefinementSampler,
    packed,
    require_frames,
)
from augment.stacks import DeformationStack, stack_deformations
from vos_core.errors import ConfigError
from vos_core.networks.normalise import FREE
from vos_core.types import VOID, LabelMap, RefinementSample


class Asked(NamedTuple):
    """One object that a sample asks for.

    Attributes:
        slot: Its place among the masks, from 0.
        object_id: Its id.
        deformation: Makes its mask in the frame before rough.
    """

    slot: int
    object_id: int
    deformation: Deformation


class DrawnSample(NamedTuple):
    """What is random about a sample of a dream.

    Attributes:
        scene: Index of the scene.
        plan: The dream.
        asked: What is asked for.
    """

    scene: int
    plan: DreamPlan
    asked: tuple[Asked, ...]


class SampleStack(NamedTuple):
    """What is random about B samples of dreams, N objects asked for.

    Attributes:
        dreams: The dreams.
        asked: (3, N) int64: rows, slots and ids.
        deformations: Of the N masks.
        targets: (B, 256) uint8: what a sample calls each id of its dream.
    """

    dreams: DreamStack
    asked: npt.NDArray[np.int64]
    deformations: DeformationStack
    targets: npt.NDArray[np.uint8]


class LucidSampler(RefinementSampler):
    """Samples from lucid dreams.

    Args:
        scenes: The annotated frames, taken apart.
        dreamer: Draws dreams.
        deformation: Makes the masks of a dream's earlier frame rough.
        slots: 1 asks for one object, any or the one of ``objects``; more ask for all at once.
        objects: The ids that the slots are for, in this order. None draws for each sample where
            the objects of its scene go (LucidTracker's network for many objects must not learn
            that the first slot is a dog).
        cues: What samples show beside colours.
        semantic: What :meth:`DreamCues.semantic_scene` makes of the scenes, if that is known.

    Raises:
        MaskError: If there is no scene.
        ConfigError: If there are fewer slots than objects.
    """

    def __init__(
        self,
        scenes: Sequence[LucidScene],
        dreamer: LucidDreamer,
        deformation: MaskDeformation,
        slots: int = 1,
        objects: Sequence[int] | None = None,
        cues: DreamCues | None = None,
        semantic: Sequence[LucidScene] | None = None,
    ) -> None:
        wanted = "an object" if objects is None else f"object {', '.join(map(str, objects))}"
        require_frames(scenes, wanted)
        self.slots = slots
        self.scenes = scenes
        self.dreamer = dreamer if cues is None else cues.prepare(dreamer)
        self.deformation = deformation
        self._objects = objects
        self._cues = cues
        most = len(objects) if objects else max(len(scene.object_ids) for scene in scenes)
        if 1 < slots < most:
            raise ConfigError(
                f"there are {most} objects, but the network has {slots} slots; give more slots, or "
                "1 for a network an object."
            )
        if semantic is None and cues is not None and cues.semantics is not None:
            semantic = [cues.semantic_scene(scene) for scene in scenes]
        self._semantic = semantic or []
        self._painters: list[BatchPainter] = []

    def draw(self, rng: np.random.Generator, device: torch.device) -> Drawn:
        """Draw a dream of a random frame and ask for its objects.

        Returns:
            A packed sample for the CPU, a plan for other devices, which paint faster.
        """
        drawn = self.plan(rng)
        on_cpu = device.type == "cpu" or (self._cues is not None and not self._cues.on_device)
        return self._paint(drawn) if on_cpu else drawn

    def gather(self, drawn: Sequence[Drawn]) -> Gathered:
        """Stack packed samples, or plans."""
        if isinstance(drawn[0], Tensor):
            return super().gather(drawn)
        plans = cast("Sequence[DrawnSample]", drawn)
        size = self.scenes[0].size
        asked = [(row, each) for row, sample in enumerate(plans) for each in sample.asked]
        return SampleStack(
            stack_dreams([(each.scene, each.plan) for each in plans], size),
            np.array([(row, each.slot, each.object_id) for row, each in asked]).T,
            stack_deformations([each.deformation for _, each in asked], size),
            np.stack([_targets(each) for each in plans]),
        )

    def join(self, gathered: Gathered, device: torch.device) -> RefinementSample:
        """Unpack samples, or paint those whose plans were stacked.

        Raises:
            ConfigError: If seams are to be solved for, which is done on the CPU only.
        """
        if isinstance(gathered, Tensor):
            return super().join(gathered, device)
        return self._paint_together(cast("SampleStack", gathered), device)

    def only(self, object_id: int) -> "LucidSampler":
        """Return a sampler that asks for this object alone, in the scenes that hold it.

        Raises:
            MaskError: If none does.
        """
        kept = [k for k, scene in enumerate(self.scenes) if object_id in scene.object_ids]
        return LucidSampler(
            [self.scenes[k] for k in kept],
            self.dreamer,
            self.deformation,
            objects=[object_id],
            cues=self._cues,
            semantic=[self._semantic[k] for k in kept] if self._semantic else None,
        )

    def all_of(self, object_ids: Sequence[int]) -> "LucidSampler":
        """Return a sampler whose first slots are for these objects, in this order.

        A frame that marks only what enters in it still shows what was there before. So its objects
        are dreamt in the places of other frames, those that mark all they show.

        Raises:
            ConfigError: If there are fewer slots than objects.
        """
        semantic = [joint_scene(self._semantic)] if self._semantic else None
        return LucidSampler(
            [joint_scene(self.scenes)],
            self.dreamer,
            self.deformation,
            self.slots,
            object_ids,
            self._cues,
            semantic,
        )

    def plan(self, rng: np.random.Generator) -> DrawnSample:
        """Draw all that is random about a sample, without painting it."""
        index = int(rng.integers(len(self.scenes)))
        scene = self.scenes[index]
        places = self._places(scene, rng)
        plan = self.dreamer.draw(scene, rng)
        asked = []
        for slot, object_id in places:
            dreamt = plan.find(object_id)
            # a dream that leaves the object out has no mask to deform
            shape = dreamt.shape if dreamt else scene.cut_outs[0].shape
            asked.append(Asked(slot, object_id, self.deformation.draw(shape, rng)))
        return DrawnSample(index, plan, tuple(asked))

    def _places(self, scene: LucidScene, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Return the slots and ids of the objects to ask for."""
        ids = scene.object_ids
        if self._objects is not None:
            return list(enumerate(self._objects))
        if self.slots == 1:
            return [(0, int(rng.choice(ids)))]
        return list(zip(rng.permutation(self.slots).tolist(), ids, strict=False))

    def _paint(self, drawn: DrawnSample) -> Tensor:
        dream = self.dreamer.render(self.scenes[drawn.scene], drawn.plan)
        image, labels = dream.image, dream.label_map
        if self._cues is not None:
            semantic = None
            if self._semantic:
                plain = LucidDreamer(self.dreamer.ranges)
                semantic = plain.render(self._semantic[drawn.scene], unlit(drawn.plan)).image
            image = np.dstack([image, self._cues.of_dream(dream, semantic)])
        masks = np.full((*labels.shape, self.slots), FREE_SLOT, dtype=np.uint8)
        for slot, object_id, deformation in drawn.asked:
            masks[..., slot] = deformation.apply(dream.previous_label_map == object_id)
        return packed(image, masks, _targets(drawn)[labels])

    def _paint_together(self, drawn: SampleStack, device: torch.device) -> RefinementSample:
        if self.dreamer.seam != "feather":
            raise ConfigError(f"seam {self.dreamer.seam!r} is for the CPU only; choose 'feather'.")
        if not self._painters or self._painters[0].device != device:
            self._painters = [BatchPainter(self.scenes, device)]
            if self._semantic:
                self._painters.append(BatchPainter(self._semantic, device, lit=False))
        dreams = self._painters[0].paint(drawn.dreams, flow=self.dreamer.flow)
        image = dreams.image
        if self._cues is not None:
            semantic = None
            if self._semantic:
                semantic = self._painters[1].paint(drawn.dreams).image
            image = torch.cat([image, *self._cues.of_batch(dreams, semantic)], dim=1)
        tables = upload(drawn.targets, device)
        target = tables.gather(1, dreams.label_map.flatten(1).long()).view(dreams.label_map.shape)
        return {
            "image": image,
            "previous_mask": self._masks_on(drawn, dreams.previous_label_map),
            "target": target.long(),
        }

    def _masks_on(self, drawn: SampleStack, labels: Tensor) -> Tensor:
        """Return the (B, S, H, W) rough masks of samples whose earlier labels are (B, H, W)."""
        rows, slots, ids = upload(drawn.asked, labels.device)
        rough = deform_masks(labels[rows] == ids[:, None, None], drawn.deformations)
        empty = 0.0 if self.slots == 1 else FREE
        masks = torch.full(
            (len(labels), self.slots, *labels.shape[1:]), empty, device=labels.device
        )
        masks[rows, slots] = rough.float()
        return masks


def joint_scene(scenes: Sequence[LucidScene]) -> LucidScene:
    """Put the objects of some scenes of one clip, in time order, on the plates that show none."""
    seen: set[int] = set()
    complete: list[LucidScene] = []
    for scene in scenes:
        if seen <= set(scene.object_ids):
            complete.append(scene)
        seen |= set(scene.object_ids)
    return LucidScene(
        tuple(plate for scene in complete for plate in scene.plates),
        tuple(cut_out for scene in scenes for cut_out in scene.cut_outs),
        tuple(void for scene in complete for void in scene.voids),
    )


def _targets(drawn: DrawnSample) -> LabelMap:
    """Return (256,) uint8: what a sample calls each id of its dream."""
    table = np.zeros(256, dtype=np.uint8)
    for slot, object_id, _ in drawn.asked:
        table[object_id] = slot + 1
    table[VOID] = VOID
    return table
