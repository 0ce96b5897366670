"""A clip stored as one image file per frame."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from datasets_vos.base import introduce
from datasets_vos.images import check_complete, image_size, read_image
from datasets_vos.masks import object_ids, read_mask, require_objects, require_size
from vos_core.errors import DatasetError, MaskError
from vos_core.types import Annotation, Image, LabelMap


class ImageClip:
    """Frames and masks as image files; only annotated label maps are ever kept.

    Attributes:
        name: Sequence name.
        frame_names: Stem of each frame's file, in order.
    """

    def __init__(
        self,
        name: str,
        frame_paths: Sequence[Path],
        mask_paths: Mapping[int, Path],
        *,
        binary: bool = False,
    ) -> None:
        """Describe a clip; no file is opened yet.

        Args:
            name: Sequence name.
            frame_paths: Image files in order, at least one.
            mask_paths: Mask file of each frame that has one, by frame index.
            binary: Merge all objects into object 1.
        """
        self.name = name
        self.frame_names = tuple(path.stem for path in frame_paths)
        self._frame_paths = tuple(frame_paths)
        self._mask_paths = dict(sorted(mask_paths.items()))
        self._binary = binary

    @cached_property
    def size(self) -> tuple[int, int]:
        """Native (height, width) in pixels, from the first frame's header."""
        return image_size(self._frame_paths[0])

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """Every object's first appearance, ordered by frame; never empty.

        An annotation holds only the objects that it introduces; void is dropped. To find objects
        that enter late, the first access decodes every mask once (about 1 ms each at 480p); a
        binary clip stops at its first object.

        Raises:
            MaskError: If no mask holds an object, or a mask is unusable.
        """
        seen: set[int] = set()
        found = []
        for frame in self._mask_paths:
            label_map = self._read_mask(frame)
            new = [i for i in object_ids(label_map) if i not in seen]
            if new:
                found.append(introduce(frame, label_map, new))
                seen.update(new)
            if seen and self._binary:
                break
        if not found:
            raise MaskError(f"{self._where()}: no mask holds an object; annotate the first frame.")
        return tuple(found)

    def frames(self) -> Iterator[Image]:
        """Yield each frame, (H, W, 3) uint8 RGB, reading its file only when asked for.

        Raises:
            CorruptFileError: If a file cannot be decoded.
            DatasetError: If a frame differs in size from the first.
        """
        for path in self._frame_paths:
            image = read_image(path)
            self._require_frame_size((image.shape[0], image.shape[1]), path)
            yield image

    def ground_truth(self, index: int) -> LabelMap | None:
        """Return the (H, W) uint8 label map of one frame as stored, or None where there is none.

        Raises:
            IndexError: If there is no such frame.
            MaskError: If the mask is unusable.
        """
        index = range(len(self._frame_paths))[index]
        return self._read_mask(index) if index in self._mask_paths else None

    def check(self) -> None:
        """Verify all files by their headers and endings; only the first mask is decoded.

        Raises:
            DatasetError: If there are fewer than two frames, no mask for the first, or frames of
                different sizes.
            MaskError: If a mask's size is not the frames', or the first holds no object.
            CorruptFileError: If a file is cut short or damaged.
        """
        if len(self._frame_paths) < 2:
            raise DatasetError(
                f"{self._where()}: has one frame, so there is nothing to propagate to; "
                "give at least two."
            )
        if 0 not in self._mask_paths:
            raise DatasetError(
                f"{self._where()}: the first frame {self.frame_names[0]} has no mask; add it."
            )
        for path in self._frame_paths:
            check_complete(path)
            self._require_frame_size(image_size(path), path)
        for path in self._mask_paths.values():
            check_complete(path)
            require_size(image_size(path), self.size, path)
        require_objects(self._read_mask(0), self._mask_paths[0])

    def _read_mask(self, frame: int) -> LabelMap:
        path = self._mask_paths[frame]
        label_map = read_mask(path, binary=self._binary)
        require_size((label_map.shape[0], label_map.shape[1]), self.size, path)
        return label_map

    def _require_frame_size(self, size: tuple[int, int], path: Path) -> None:
        if size != self.size:
            raise DatasetError(
                f"{path}: is {size[1]}x{size[0]} pixels but the first frame is "
                f"{self.size[1]}x{self.size[0]} (width x height); make all frames one size."
            )

    def _where(self) -> Path:
        return self._frame_paths[0].parent
