"""Any folder of frames or video file with one mask: a user's own clip."""

from pathlib import Path

from datasets_vos.base import DiskClip, VOSDataset
from datasets_vos.clips import ImageClip
from datasets_vos.images import list_images
from datasets_vos.video import VideoClip
from vos_core.errors import DatasetError


class FolderClip(ImageClip):
    """A folder of image files, in numeric-aware order, and the mask of the first."""

    def __init__(self, frames_dir: Path, mask_path: Path) -> None:
        """List the frames; no image is opened yet.

        Raises:
            DatasetError: If the folder is missing or holds no image.
        """
        # "." and ".." have no name of their own.
        super().__init__(frames_dir.resolve().name, list_images(frames_dir), {0: (mask_path,)})


def open_clip(video: Path, mask: Path) -> DiskClip:
    """Open and check a user's own clip.

    Args:
        video: A folder of frames, or a video file.
        mask: The mask of the first frame, of the frames' size.

    Raises:
        DatasetError: If a path is missing or the clip has fewer than two frames.
        CorruptFileError: If a file cannot be read.
        MaskError: If the mask differs from the frames in size, or holds no object.
    """
    for path in (video, mask):
        if not path.exists():
            raise DatasetError(f"{path}: no such file or folder; check the path.")
    clip: DiskClip = FolderClip(video, mask) if video.is_dir() else VideoClip(video, mask)
    clip.check()
    return clip


class OwnVideo(VOSDataset):
    """A dataset of exactly one clip, checked when opened."""

    def __init__(self, video: str | Path, mask: str | Path) -> None:
        """Open the clip; arguments and errors are those of :func:`open_clip`."""
        self._clip = open_clip(Path(video), Path(mask))

    @property
    def names(self) -> tuple[str, ...]:
        """The one clip's name."""
        return (self._clip.name,)

    def _open(self, name: str) -> DiskClip:
        return self._clip
