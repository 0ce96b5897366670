"""Still images with masks: saliency and instance segmentation sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

from datasets_vos.base import did_you_mean
from datasets_vos.images import check_complete, image_size, read_image
from datasets_vos.mask_formats import MaskFormat
from vos_core.errors import DatasetError
from vos_core.types import VOID, Image, LabelMap


@dataclass(frozen=True)
class StillImage:
    """One picture and the masks of its objects; nothing is read before it is asked for.

    Attributes:
        name: Unique in its dataset; may hold slashes where the set has folders.
        image_path: The picture.
        mask_paths: Files that hold its masks; empty where the set withholds them.
        format: How the masks are stored.
    """

    name: str
    image_path: Path
    mask_paths: tuple[Path, ...]
    format: MaskFormat

    @cached_property
    def size(self) -> tuple[int, int]:
        """Native (height, width) in pixels, from the picture's header."""
        return image_size(self.image_path)

    def image(self, size: tuple[int, int] | None = None) -> Image:
        """Read the picture, (H, W, 3) uint8 RGB, at ``size`` (height, width) or its native size.

        Raises:
            DatasetError: If there is no such file.
            CorruptFileError: If it cannot be decoded.
        """
        return read_image(self.image_path, size)

    def instances(self) -> LabelMap:
        """Read the objects, (H, W) uint8; 0 background, 1..254 one id each, 255 void.

        A saliency set has at most one object. There may be none.

        Raises:
            DatasetError: If a file is missing.
            CorruptFileError: If a file cannot be decoded.
            MaskError: If a mask is unusable.
        """
        if not self.mask_paths:
            raise DatasetError(f"{self.image_path}: has no mask; choose another split.")
        return self.format.read(self.mask_paths, self.size)

    def mask(self) -> LabelMap:
        """Read what is foreground, (H, W) uint8; 0 background, 1 any object, 255 void."""
        instances = self.instances()
        merged: LabelMap = (instances > 0).astype("uint8")
        merged[instances == VOID] = VOID
        return merged

    def categories(self) -> dict[int, str]:
        """Return the category of each object by its id; empty where the set names none."""
        return {}

    def check(self) -> None:
        """Verify the files by their headers and endings.

        Raises:
            DatasetError: If a file is missing.
            CorruptFileError: If a file is cut short or damaged.
            MaskError: If a mask's size is not the picture's.
        """
        check_complete(self.image_path)
        for path in self.mask_paths:
            self.format.check(path, self.size)


class StillDataset(Sequence[StillImage]):
    """Still images by position or by name."""

    def __init__(self, stills: Iterable[StillImage]) -> None:
        """Hold the descriptions of images, in order and each of another name."""
        self._stills = {still.name: still for still in stills}
        self._names = tuple(self._stills)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images, in order; each is unique."""
        return self._names

    def still(self, name: str) -> StillImage:
        """Return one image by name.

        Raises:
            DatasetError: If there is no such image; the message names the nearest.
        """
        if name not in self._stills:
            msg = f"no image {name!r} in this dataset{did_you_mean(name, self.names)}."
            raise DatasetError(msg)
        return self._stills[name]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> StillImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[StillImage]: ...
    def __getitem__(self, index: int | slice) -> StillImage | list[StillImage]:
        """Return one image, or a list of them."""
        if isinstance(index, slice):
            return [self._stills[name] for name in self.names[index]]
        return self._stills[self.names[index]]
