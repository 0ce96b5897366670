"""A clip stored as one video file, read through PyAV."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from datasets_vos.base import did_you_mean, introduce
from datasets_vos.images import check_complete, image_size
from datasets_vos.masks import object_ids, read_mask, require_objects, require_size
from vos_core.errors import CorruptFileError, DatasetError
from vos_core.resize import resize_image
from vos_core.types import Annotation, Image, LabelMap

_TIMED = ("mov", "matroska")  # names of FFmpeg's demuxers, which begin with these


class _Packets(NamedTuple):
    """What a file's packets tell without being decoded."""

    shown: int  # frames
    missing: int  # frames that the header announces but the file does not hold
    times: list[int] | None  # of the shown frames, in order, where the container keeps them


class VideoClip:
    """A video file and the mask of its first frame; frames are decoded once and dropped.

    Attributes:
        name: Stem of the video file.
        mask_path: The mask of the first frame.
    """

    def __init__(self, path: Path, mask_path: Path) -> None:
        """Describe a clip; no file is opened yet."""
        self.name = path.stem
        self._path = path
        self.mask_path = mask_path

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels as shown, that is after the stored rotation."""
        with self._opened() as (container, stream):
            # The rotation belongs to the frame, so one is decoded.
            for frame in container.decode(stream):
                height, width = _upright(frame).shape[:2]
                return height, width
        raise CorruptFileError(f"{self._path}: holds no frame; export the video again.")

    @cached_property
    def frame_names(self) -> tuple[str, ...]:
        """``"00000"``, ``"00001"``, ...: one name for each frame that will be shown.

        Packets are counted without decoding. The count in the header is not used: it is often
        absent, and includes frames that an edit list hides.
        """
        return tuple(f"{i:05d}" for i in range(self._packets.shown))

    @property
    def required_names(self) -> tuple[str, ...]:
        """Every frame."""
        return self.frame_names

    @property
    def truth_frames(self) -> tuple[int, ...]:
        """The first frame alone."""
        return (0,)

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """One annotation, of frame 0, without void.

        Raises:
            MaskError: If the mask holds no object or differs from the frames in size.
        """
        label_map = self._read_mask()
        require_objects(label_map, self.mask_path)
        return (introduce(0, label_map, object_ids(label_map)),)

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Image]:
        """Yield each frame, (H, W, 3) uint8 RGB, decoding the file once from start to end.

        Args:
            size: (height, width) to resize to; None is the native size.

        Raises:
            CorruptFileError: If decoding fails, a frame changes size, or there are not as many
                frames as :attr:`frame_names` promises.
        """
        expected = len(self.frame_names)
        count = 0
        with self._opened() as (container, stream):
            for frame in container.decode(stream):
                image = _upright(frame)
                if image.shape[:2] != self.size or count == expected:
                    break
                yield resize_image(image, size)
                count += 1
            else:
                if count == expected:
                    return
        raise CorruptFileError(
            f"{self._path}: frame {count} of {expected} is damaged, superfluous or of another "
            "size; re-encode the video."
        )

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        """Read one frame, (H, W, 3) uint8 RGB, decoding from the key frame before it.

        Only mp4, mov, mkv and webm allow that; other containers are decoded from their start.

        Args:
            which: Index or name of the frame.
            size: (height, width) to resize to; None is the native size.

        Raises:
            IndexError: If there is no frame of that index.
            DatasetError: If there is no frame of that name.
            CorruptFileError: If decoding fails.
        """
        names = self.frame_names
        if isinstance(which, str):
            if which not in names:
                msg = f"{self._path}: no frame {which!r}{did_you_mean(which, names)}."
                raise DatasetError(msg)
            which = names.index(which)
        which = range(len(names))[which]
        if self._packets.times is None:
            return next(islice(self.frames(size), which, None))
        time = self._packets.times[which]
        with self._opened() as (container, stream):
            container.seek(time, stream=stream)
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts >= time:
                    return resize_image(_upright(frame), size)
        raise CorruptFileError(
            f"{self._path}: frame {names[which]} cannot be found; re-encode the video."
        )

    def ground_truth(self, index: int) -> LabelMap | None:
        """Return the given mask, (H, W) uint8 as stored, for frame 0 and None for the others.

        Raises:
            IndexError: If there is no such frame.
            MaskError: If the mask differs from the frames in size.
        """
        return self._read_mask() if range(len(self.frame_names))[index] == 0 else None

    def check(self) -> None:
        """Verify the video's packets and its mask; one frame is decoded.

        Raises:
            DatasetError: If there are fewer than two frames.
            MaskError: If the mask holds no object or differs from the frames in size.
            CorruptFileError: If a file is cut short or undecodable.
        """
        count, missing = len(self.frame_names), self._packets.missing
        if count < 2:
            raise DatasetError(
                f"{self._path}: has {count} frame, so there is nothing to propagate to; "
                "give at least two."
            )
        if missing:
            raise CorruptFileError(
                f"{self._path}: {missing} of its frames are missing, the file is truncated; "
                "copy it again."
            )
        check_complete(self.mask_path)
        require_size(image_size(self.mask_path), self.size, self.mask_path)
        require_objects(self._read_mask(), self.mask_path)

    @cached_property
    def _packets(self) -> _Packets:
        """The file's packets, read without decoding them."""
        shown, stored = [], 0
        with self._opened() as (container, stream):
            for packet in container.demux(stream):
                if packet.size:  # the last packet is an empty flush
                    stored += 1
                    if not packet.is_discard:
                        shown.append(packet.pts)
            # Other containers announce estimates, or count repeated frames that are not stored.
            exact = container.format.name.startswith("mov")
            missing = max(0, stream.frames - stored) if exact else 0
            # AVI and raw streams keep no times; what stands there for them is made up.
            timed = container.format.name.startswith(_TIMED) and None not in shown
            times = sorted(shown) if timed else None
            return _Packets(len(shown), missing, times)

    def _read_mask(self) -> LabelMap:
        label_map = read_mask(self.mask_path)
        require_size((label_map.shape[0], label_map.shape[1]), self.size, self.mask_path)
        return label_map

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and its video stream; decoding errors inside name the file."""
        if not self._path.is_file():
            raise DatasetError(f"{self._path}: no such file; check the path.")
        try:
            with av.open(str(self._path), metadata_errors="replace") as container:
                stream = _video_stream(container)
                if stream is None:
                    raise CorruptFileError(f"{self._path}: is not a video; give an mp4 or similar.")
                stream.thread_type = "AUTO"
                yield container, stream
        except av.error.FFmpegError as err:
            raise CorruptFileError(
                f"{self._path}: is not a readable video ({err.strerror}); export it again."
            ) from err


def _video_stream(container: Any) -> Any | None:  # noqa: ANN401
    """Return the stream to read; still pictures, plain text and cover art are no videos."""
    if container.format.name in ("tty", "image2") or container.format.name.endswith("_pipe"):
        return None
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def _upright(frame: Any) -> Image:  # noqa: ANN401
    """Convert to (H, W, 3) uint8 RGB and turn by the stored angle, counter-clockwise."""
    image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, k=round(frame.rotation / 90)))
