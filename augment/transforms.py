"""The project's augmentations as albumentations transforms, for anybody's ``A.Compose``.

All randomness comes from albumentations' own generators, so a seeded ``Compose`` repeats itself.
``A.save`` and ``A.load`` keep it with its ranges; who loads it has to import this module first.
Needs uint8 images; masks are (H, W) uint8 label maps: 0 background, 255 void.
"""

import hashlib
import os
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from augment.clean_plate import Filling
from augment.deformation import PREVIOUS_MASKS, MaskDeformation, deform_mask
from augment.lucid import PRESETS, Dream, LucidDreamer, LucidRanges, LucidScene
from augment.lucid.painting import Painter
from augment.settings import configured
from vos_core.errors import ConfigError
from vos_core.types import VOID, Image, LabelMap

# albumentations asks a server for newer versions while it is imported, unless told not to
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

_TARGETS = (A.core.type_definitions.Targets.IMAGE, A.core.type_definitions.Targets.MASK)


class DeformMask(A.DualTransform):  # type: ignore[misc]  # albumentations ships no types
    """Image unchanged, each object of the mask deformed on its own; void stays in place.

    Where deformed objects overlap, the larger id wins. Equal masks are deformed equally.

    Args:
        ranges: What to draw from; MaskTrack's published ranges unless told otherwise. Also as plain
            values by name, see :func:`augment.settings.configured`.
        p: Probability of applying it.

    Raises:
        ConfigError: If the ranges are none.
    """

    _targets = _TARGETS

    def __init__(
        self, ranges: MaskDeformation | Mapping[str, object] | None = None, p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        if ranges is None or isinstance(ranges, Mapping):
            named = {"preset": "masktrack", **(ranges or {})}
            ranges = configured(PREVIOUS_MASKS, named, "previous masks")
        if not isinstance(ranges, MaskDeformation):
            raise ConfigError(f"ranges is {ranges!r}; give MaskDeformation().")
        self.ranges = ranges

    def get_transform_init_args(self) -> dict[str, object]:
        """Return the arguments as plain values, which can be stored."""
        return {"ranges": asdict(self.ranges)}

    def get_params(self) -> dict[str, int]:
        """Draw the seed that all masks of one call are deformed with."""
        return {"seed": int(self.random_generator.integers(2**63))}

    def apply(self, img: Image, **params: object) -> Image:
        """Return the image as it is."""
        return img

    def apply_to_mask(self, mask: LabelMap, seed: int, **params: object) -> LabelMap:
        """Deform a (H, W) uint8 label map."""
        rng = np.random.default_rng(seed)
        rough = np.zeros_like(mask)
        for object_id in np.setdiff1d(mask, [0, VOID]):
            rough[deform_mask(mask == object_id, self.ranges, rng)] = object_id
        rough[mask == VOID] = VOID
        return rough


class LucidDream(A.DualTransform):  # type: ignore[misc]  # albumentations ships no types
    """Replace a frame and its mask by a lucid dream of them; needs the targets image and mask.

    Other masks of the same frame move as the picture does: on an object with the object, beside
    the objects with the background, void too. A frame without objects stays as it is; if its mask
    holds void, with a warning.

    Args:
        ranges: What to draw from; the defaults of ``LucidRanges`` unless told otherwise. Also as
            plain values by name, see :func:`augment.settings.configured`.
        cache_size: How many frames to remember taken apart; a remembered frame takes a little more
            than its own memory, and that of its objects again.
        filling: How objects' places are filled. "patches" look best, and are for frames that are
            dreamt of many times: taking one apart then takes a hundred times as long as dreaming.
        p: Probability of applying it.

    Raises:
        ConfigError: If ``cache_size`` is negative or the ranges are none.
    """

    _targets = _TARGETS

    def __init__(
        self,
        ranges: LucidRanges | Mapping[str, object] | None = None,
        cache_size: int = 8,
        filling: Filling = "navier_stokes",
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        if cache_size < 0:
            raise ConfigError(f"cache_size is {cache_size}; give 0 or more.")
        if ranges is None or isinstance(ranges, Mapping):
            ranges = configured(PRESETS, {"preset": "paper", **(ranges or {})}, "dreams")
        self.ranges = ranges
        self.cache_size = cache_size
        self.filling = filling
        self._dreamer = LucidDreamer(self.ranges)
        self._scenes: OrderedDict[bytes, LucidScene] = OrderedDict()  # least recently used first

    def get_transform_init_args(self) -> dict[str, object]:
        """Return the arguments as plain values, which can be stored."""
        args = {"cache_size": self.cache_size, "filling": self.filling}
        return {"ranges": asdict(self.ranges), **args}

    @property
    def targets_as_params(self) -> list[str]:
        """What a dream is made of."""
        return ["image", "mask"]

    def get_params_dependent_on_data(
        self, params: dict[str, object], data: dict[str, npt.NDArray[np.uint8]]
    ) -> dict[str, object]:
        """Draw one dream of the frame.

        Raises:
            MaskError: If the mask has another size than the image.
            ConfigError: If the image is not RGB with 8 bits, or there is another picture, which
                would have to be dreamt of, too.
        """
        others = [name for name, kind in self._additional_targets.items() if kind == "image"]
        if others := [name for name in [*others, "images"] if name in data]:
            raise ConfigError(f"LucidDream dreams of one image; leave out {', '.join(others)}.")
        image, mask = data["image"], data["mask"]
        if not np.setdiff1d(mask, [0, VOID]).size:
            if mask.any():  # more often a mistake than a crop that shows void alone
                warnings.warn(
                    "a mask holds no object, but void (255), so LucidDream leaves the frame as it "
                    "is; write objects as 1, 2 and so on",
                    stacklevel=2,
                )
            return {"dream": None, "painter": None, "main_mask": mask}
        scene = self._scene(image, mask)
        plan = self._dreamer.draw(scene, self.random_generator)
        dream = self._dreamer.render(scene, plan)
        return {"dream": dream, "painter": Painter(scene, plan), "main_mask": mask}

    def apply(self, img: Image, dream: Dream | None, **params: object) -> Image:
        """Return the dreamt (H, W, 3) picture."""
        return img if dream is None else dream.image

    def apply_to_mask(
        self,
        mask: LabelMap,
        dream: Dream | None,
        painter: Painter | None,
        main_mask: LabelMap,
        **params: object,
    ) -> LabelMap:
        """Return the dreamt (H, W) label map, or another mask moved along."""
        if dream is None or painter is None:
            return mask
        if np.array_equal(mask, main_mask):
            return dream.label_map
        return painter.carry(mask)

    def _scene(self, image: Image, mask: LabelMap) -> LucidScene:
        digest = hashlib.blake2b(np.ascontiguousarray(image).data)
        digest.update(repr((image.shape, mask.shape)).encode())
        digest.update(np.ascontiguousarray(mask).data)
        key = digest.digest()
        scene = self._scenes.pop(key, None) or LucidScene.from_frame(image, mask, self.filling)
        self._scenes[key] = scene
        while len(self._scenes) > self.cache_size:
            self._scenes.popitem(last=False)
        return scene
