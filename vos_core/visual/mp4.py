"""H.264 videos that browsers play, written frame by frame."""

import math
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.codec.codec import UnknownCodecError

from vos_core.errors import ConfigError, DatasetError, DependencyNotFoundError
from vos_core.files import whole_file
from vos_core.types import Image

_ENCODERS = ("libx264", "libopenh264", "h264")
_X264_OPTIONS = {"crf": "20", "preset": "veryfast"}


def h264_encoder() -> str:
    """Return the name of the best H.264 encoder that the installed PyAV offers.

    Raises:
        DependencyNotFoundError: If there is none.
    """
    for name in _ENCODERS:
        try:
            av.Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise DependencyNotFoundError(
        "the installed PyAV has no H.264 encoder; run: pip install --force-reinstall av"
    )


class Mp4Writer:
    """Context manager that writes frames to an mp4 as they come, in constant memory.

    The file appears under its name only when the block ends well; after an exception nothing is
    left behind. Odd sizes are padded by repeating the last row or column, since yuv420p needs even
    ones. The index stands at the front of the file, so browsers start before all is loaded.
    """

    def __init__(self, path: str | Path, fps: float | Fraction) -> None:
        """Choose the encoder; nothing is written before the block is entered.

        Args:
            path: File to write; its folder must exist.
            fps: Frames per second, e.g. 24, 29.97 or ``Fraction(30000, 1001)``.

        Raises:
            ConfigError: If ``fps`` is not positive and finite.
            DependencyNotFoundError: If PyAV has no H.264 encoder.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise ConfigError(f"cannot write {path} at {fps} frames per second; fps must be > 0")
        self._path = Path(path)
        self._rate = Fraction(fps).limit_denominator(1001)
        self._encoder = h264_encoder()
        self._size: tuple[int, int] | None = None
        self._frames = 0

    def __enter__(self) -> Self:
        """Open the temporary file."""
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self._path))
            self._container = stack.enter_context(
                av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
            )
            self._open = stack.pop_all()
        options = _X264_OPTIONS if self._encoder == "libx264" else {}
        self._stream = self._container.add_stream(self._encoder, rate=self._rate, options=options)
        self._stream.pix_fmt = "yuv420p"
        return self

    def write(self, frame: Image) -> None:
        """Append one frame.

        Args:
            frame: (H, W, 3) uint8 RGB, of the first frame's size.

        Raises:
            DatasetError: If the size differs from the first frame's.
        """
        height, width = frame.shape[:2]
        if self._size is None:
            self._size = (height, width)
            self._stream.height = height + height % 2
            self._stream.width = width + width % 2
        if self._size != (height, width):
            raise DatasetError(
                f"{self._path}: frame {self._frames} is {height}x{width}, the first one was "
                f"{self._size[0]}x{self._size[1]}; give all frames one size"
            )
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
            self._container.mux(packet)
        self._frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file and give it its name, or remove it after an exception.

        Raises:
            DatasetError: If no frame was written.
        """
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            self._finish()

    def _finish(self) -> None:
        if self._frames == 0:
            raise DatasetError(f"{self._path}: there was no frame to write")
        for packet in self._stream.encode():
            self._container.mux(packet)
