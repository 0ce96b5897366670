"""YouTube-Objects with the masks of Jain and Grauman (ECCV 2014).

Layout under the root, or under its folder ``youtube_masks`` or ``youtube_masks_full``::

    <class>/data/<id>/shots/<shot>/images/00001.png     or .jpg
    <class>/data/<id>/shots/<shot>/labels/00001.jpg     about every tenth frame

A shot has one object. Labels are JPEG, cut above 127, and may be smaller than the images, to whose
size they are enlarged. Label and image belong together by the number at the end of their names: the
full variant, which has the frames between, calls its images ``frame0001.jpg``.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from datasets_vos.base import VOSDataset, choose_sequences, list_folders
from datasets_vos.clips import ImageClip, MaskFiles
from datasets_vos.images import list_images
from datasets_vos.mask_formats import SCALED
from vos_core.errors import DatasetError, MaskError
from vos_core.types import Annotation

_VARIANTS = ("youtube_masks", "youtube_masks_full")
_NUMBER = re.compile(r"[0-9]+$")


class YouTubeObjectsClip(ImageClip):
    """A shot, annotated in the first frame whose label shows the object, which may be a late one.

    Where only the labelled images are packed, two shots consist of a single one.

    Attributes:
        category: Class of the object, e.g. ``aeroplane``.
    """

    late_start = True
    fewest_frames = 1

    def __init__(self, name: str, category: str, folder: Path) -> None:
        """Describe a clip; nothing is opened yet.

        Args:
            name: Name of the clip.
            category: Class of its object.
            folder: The shot, with ``images`` and ``labels``.
        """
        super().__init__(name, folder / "images", folder / "labels", format=SCALED)
        self.category = category
        self._labels = folder / "labels"

    @cached_property
    def required_names(self) -> tuple[str, ...]:
        """Names of the labelled frames after the given one: the benchmark scores only these.

        Empty for the two shots of which a single frame is labelled; there is nothing to score.
        """
        given = self.annotations[0].frame
        return tuple(self.frame_names[index] for index in self.mask_paths if index > given)

    @cached_property
    def mask_paths(self) -> MaskFiles:
        """Label of each frame that has one, ordered by frame.

        Raises:
            DatasetError: If a label belongs to no frame, or numbers are missing or not unique.
        """
        if not self._labels.is_dir():
            return {}
        index_of = {number: i for i, number in enumerate(_by_number(self.frame_paths))}
        labels = _by_number(list_images(self._labels))
        stray = [path for number, path in labels.items() if number not in index_of]
        if stray:
            raise DatasetError(
                f"{stray[0]}: belongs to no frame ({len(stray)} such labels); compare with "
                f"{self.where}."
            )
        files = {index_of[number]: (path,) for number, path in labels.items()}
        return dict(sorted(files.items()))

    def _search(self) -> Iterator[Annotation]:
        if not self.mask_paths:
            raise MaskError(f"{self._labels}: no such folder; unpack the labels of this shot.")
        return super()._search()


class YouTubeObjects(VOSDataset):
    """YouTube-Objects; clips are :class:`YouTubeObjectsClip` named ``<class>_<id>_<shot>``."""

    def __init__(self, root: str | Path, *, sequences: Sequence[str] | None = None) -> None:
        """Find the shots; no image is opened yet.

        Args:
            root: The folder of the classes, or one that holds it. Where both ``youtube_masks`` and
                ``youtube_masks_full`` are in it, the first is taken; name the other to have it.
            sequences: Restrict to these names, in this order.

        Raises:
            DatasetError: If no shot is found, a sequence is missing, or a name is not UTF-8.
        """
        root = Path(root)
        if not root.is_dir():
            raise DatasetError(f"{root}: no such folder; check the path.")
        folder = next((root / name for name in _VARIANTS if (root / name).is_dir()), root)
        shots = {
            f"{category}_{video}_{shot.name}": (category, shot)
            for category, video, shot in _shots(folder)
        }
        if not shots:
            raise DatasetError(
                f"{folder}: holds no <class>/data/<id>/shots/<shot>; unpack YouTube-Objects there."
            )
        names = list(shots)
        if sequences is not None:
            names = choose_sequences(names, sequences, folder)
        self._shots = {name: shots[name] for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the clips by class, video and shot, or in the order asked for."""
        return tuple(self._shots)

    def _open(self, name: str) -> YouTubeObjectsClip:
        return YouTubeObjectsClip(name, *self._shots[name])


def _shots(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield class, video and folder of every shot."""
    for category in list_folders(folder):
        videos = folder / category / "data"
        if not videos.is_dir():
            continue  # no class, such as a folder of notes
        for video in list_folders(videos):
            shots = videos / video / "shots"
            if not shots.is_dir():
                raise DatasetError(f"{shots}: no such folder; unpack the dataset again.")
            for shot in list_folders(shots):
                yield category, video, shots / shot


def _by_number(paths: Sequence[Path]) -> dict[int, Path]:
    """Return the files by the number at the end of their names.

    Raises:
        DatasetError: If a name has none, or two have the same.
    """
    numbered: dict[int, Path] = {}
    for path in paths:
        match = _NUMBER.search(path.stem)
        if match is None:
            raise DatasetError(f"{path}: has no number at the end of its name; rename it.")
        number = int(match.group())
        if number in numbered:
            raise DatasetError(
                f"{path}: has the number of {numbered[number].name}; remove one of them."
            )
        numbered[number] = path
    return numbered
