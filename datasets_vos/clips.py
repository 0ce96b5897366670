"""A clip stored as one image file per frame."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

from datasets_vos.base import did_you_mean, introduce
from datasets_vos.decoding import read_ahead
from datasets_vos.images import IMAGE_SUFFIXES, check_complete, image_size, list_images, read_image
from datasets_vos.mask_formats import INDEXED, MaskFormat
from datasets_vos.masks import object_ids, require_objects
from vos_core.errors import DatasetError, MaskError
from vos_core.types import Annotation, Image, LabelMap

MaskFiles = Mapping[int, tuple[Path, ...]]
"""Mask files of each frame that has some, by frame index."""


class ImageClip:
    """Frames and masks as image files; folders are listed, and files read, when first needed.

    Attributes:
        name: Sequence name.
        format: How the masks are stored.
        partial_masks: Masks label only the objects that they introduce, so they are no truth.
        late_start: Every object may enter after the first frame, as the kind of clip has it.
        fewest_frames: Shorter clips are refused, as there is nothing to propagate to.
    """

    late_start = False
    fewest_frames = 2

    def __init__(
        self,
        name: str,
        frames: Path | Sequence[Path],
        masks: Path | MaskFiles,
        *,
        format: MaskFormat = INDEXED,
        introductions: Mapping[str, Sequence[int]] | None = None,
        required: Sequence[str] | None = None,
        partial_masks: bool = False,
    ) -> None:
        """Describe a clip; nothing is opened yet.

        Args:
            name: Sequence name.
            frames: A folder of frames, or the files in order, at least one.
            masks: A folder whose files bear the names of their frames, or the files by frame.
            format: How the masks are stored.
            introductions: Frame name -> ids of the objects that enter there, where the dataset says
                so; None finds out by reading masks.
            required: Names of the frames that a submission must hold; None is every frame.
            partial_masks: Masks label only the objects that they introduce, so they are no truth.
        """
        self.name = name
        self.format = format
        self.partial_masks = partial_masks
        self._frames = frames
        self._masks = masks
        self._introductions = introductions
        self._required = required

    @cached_property
    def frame_paths(self) -> tuple[Path, ...]:
        """File of each frame, in order.

        Raises:
            DatasetError: If the folder is missing or holds no image.
        """
        frames = self._frames
        return tuple(list_images(frames) if isinstance(frames, Path) else frames)

    @cached_property
    def frame_names(self) -> tuple[str, ...]:
        """Stem of each frame's file, in order."""
        return tuple(path.stem for path in self.frame_paths)

    @cached_property
    def required_names(self) -> tuple[str, ...]:
        """Names of the frames that a submission must hold, in order."""
        return self.frame_names if self._required is None else tuple(self._required)

    @cached_property
    def mask_paths(self) -> MaskFiles:
        """Mask files of each frame that has some, ordered by frame.

        Raises:
            DatasetError: If a mask belongs to no frame.
        """
        if not isinstance(self._masks, Path):
            return dict(sorted(self._masks.items()))
        folder = self._masks
        files = list_images(folder) if folder.is_dir() else []
        index_of = {name: i for i, name in enumerate(self.frame_names)}
        stray = [path.name for path in files if path.stem not in index_of]
        if stray:
            raise DatasetError(
                f"{folder}: masks belong to no frame ({len(stray)}, the first is {stray[0]}); "
                f"compare with {self.where}."
            )
        return {index_of[path.stem]: (path,) for path in files}

    @property
    def truth_frames(self) -> tuple[int, ...]:
        """Indices of the frames that have ground truth, ascending; no mask is read."""
        return () if self.partial_masks else tuple(self.mask_paths)

    @property
    def where(self) -> Path:
        """The folder of the frames, to be named in messages."""
        return self._frames if isinstance(self._frames, Path) else self._frames[0].parent

    @cached_property
    def size(self) -> tuple[int, int]:
        """Native (height, width) in pixels, from the first frame's header."""
        return image_size(self.frame_paths[0])

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """Every object's first appearance, ordered by frame; never empty.

        An annotation holds only the objects that it introduces; void is dropped. Where the
        dataset does not say when objects enter, the first access decodes every mask once (about
        1 ms each at 480p).

        Raises:
            MaskError: If no mask holds an object, or a mask is unusable.
        """
        found = tuple(self._listed() if self._introductions is not None else self._search())
        if not found:
            raise MaskError(f"{self.where}: no mask holds an object; annotate the first frame.")
        return found

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of all objects, ascending; masks are read only where the dataset does not say."""
        entries = (
            [annotation.object_ids for annotation in self.annotations]
            if self._introductions is None
            else self._introductions.values()
        )
        return tuple(sorted(chain.from_iterable(entries)))

    def frames(self, size: tuple[int, int] | None = None, *, start: int = 0) -> Iterator[Image]:
        """Yield each frame, (H, W, 3) uint8 RGB; a few files are decoded ahead, in threads.

        Args:
            size: (height, width) to resize to, which is faster than resizing later
                (:func:`datasets_vos.images.read_image`); None is the native size.
            start: Index of the first frame to yield; those before it are not read.

        Raises:
            CorruptFileError: If a file cannot be decoded.
            DatasetError: If a frame differs in size from the first.
        """
        read = partial(read_image, size=size, stored=self.size)
        return read_ahead(read, self.frame_paths[start:])

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        """Read one frame, (H, W, 3) uint8 RGB.

        Args:
            which: Index or name of the frame. By name, a folder is not even listed.
            size: (height, width) to resize to; None is the native size.

        Raises:
            IndexError: If there is no frame of that index.
            DatasetError: If there is no frame of that name.
            CorruptFileError: If the file cannot be decoded.
        """
        path = self._find(which) if isinstance(which, str) else self.frame_paths[which]
        return read_image(path, size)

    def ground_truth(self, index: int) -> LabelMap | None:
        """Return the (H, W) uint8 label map of one frame as stored, or None where there is none.

        Raises:
            IndexError: If there is no such frame.
            MaskError: If the mask is unusable.
        """
        index = range(len(self.frame_paths))[index]
        known = index in self.mask_paths and not self.partial_masks
        return self.read_labels(index) if known else None

    def read_labels(self, index: int) -> LabelMap:
        """Read the mask of a frame that has one, truth or not, (H, W) uint8.

        Raises:
            CorruptFileError: If a file cannot be decoded.
            MaskError: If the mask is unusable.
        """
        return self.format.read(self.mask_paths[index], self.size)

    def check(self) -> None:
        """Verify all files by their headers and endings; only the first mask is decoded.

        Raises:
            DatasetError: If there are too few frames, no mask for the first, or frames of
                different sizes.
            MaskError: If the first mask is unusable or holds no object.
            CorruptFileError: If a file is cut short or damaged.
        """
        self.check_frames()
        listed = self.late_start or self._introductions is not None
        first = self.annotations[0].frame if listed else 0
        if first not in self.mask_paths:
            raise DatasetError(
                f"{self.where}: the first frame {self.frame_names[0]} has no mask; add it."
            )
        for paths in self.mask_paths.values():
            for path in paths:
                self.format.check(path, self.size)
        require_objects(self.read_labels(first), self.mask_paths[first][0])

    def check_frames(self) -> None:
        """Verify the frames alone, by their headers and endings.

        Raises:
            DatasetError: If there are too few, or they are of different sizes.
            CorruptFileError: If a file is cut short or damaged.
        """
        if len(self.frame_paths) < self.fewest_frames:
            raise DatasetError(
                f"{self.where}: has one frame, so there is nothing to propagate to; "
                "give at least two."
            )
        for path in self.frame_paths:
            check_complete(path)
            self._require_frame_size(path)

    def _search(self) -> Iterator[Annotation]:
        """Find each object's first appearance by reading the masks."""
        seen: set[int] = set()
        for index in self.mask_paths:
            label_map = self.read_labels(index)
            new = [i for i in object_ids(label_map) if i not in seen]
            if new:
                yield introduce(index, label_map, new)
                seen.update(new)
            if seen and self.format.single:
                return

    def _listed(self) -> Iterator[Annotation]:
        """Read the masks of the frames in which the dataset says that objects enter."""
        index_of = {name: i for i, name in enumerate(self.frame_names)}
        introductions = self._introductions or {}
        unknown = [name for name in introductions if index_of.get(name) not in self.mask_paths]
        if unknown:
            raise DatasetError(
                f"{self.where}: objects enter in frame {unknown[0]}, which is missing or has no "
                "mask; unpack the dataset again."
            )
        for index, name in sorted((index_of[name], name) for name in introductions):
            label_map = self.read_labels(index)
            ids = sorted(introductions[name])
            missing = set(ids) - set(object_ids(label_map))
            if missing:
                raise MaskError(
                    f"{self.mask_paths[index][0]}: lacks object {min(missing)}, which is said to "
                    "enter there; the files may be of another edition."
                )
            yield introduce(index, label_map, ids)

    def _require_frame_size(self, path: Path) -> None:
        height, width = image_size(path)
        if (height, width) != self.size:
            raise DatasetError(
                f"{path}: is {width}x{height} pixels but the first frame is "
                f"{self.size[1]}x{self.size[0]} (width x height); make all frames one size."
            )

    def _find(self, name: str) -> Path:
        if isinstance(self._frames, Path) and Path(name).name == name:
            for suffix in sorted(IMAGE_SUFFIXES):
                path = self._frames / f"{name}{suffix}"
                if path.is_file():
                    return path
        # unusual suffixes such as .JPG, and the error
        for path in self.frame_paths:
            if path.stem == name:
                return path
        raise DatasetError(
            f"{self.where}: no frame {name!r}{did_you_mean(name, self.frame_names)}."
        )
