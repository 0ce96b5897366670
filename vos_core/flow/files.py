"""Flow fields on disk and as pictures: ``.flo`` files and the colours of the Middlebury benchmark.

Both are those of Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV
2011). A file holds the tag 202021.25 (float32), width and height (int32), then x and y of each
pixel (float32), row by row, all little endian. Values beyond 1e9 mean that the flow is unknown.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vos_core.errors import CorruptFileError, MaskError
from vos_core.files import whole_file
from vos_core.types import FloatArray, Image

UNKNOWN = 1e10
"""What is written where the flow is not known."""

_TAG = 202021.25
_KNOWN_BELOW = 1e9
_HEADER = 12  # bytes
# steps of the colour wheel: red, yellow, green, cyan, blue, magenta and back
_ARCS = (15, 6, 4, 11, 13, 6)


def encode_flo(flow: FloatArray) -> bytes:
    """Return a flow field as the content of a ``.flo`` file.

    Args:
        flow: (H, W, 2) float32 in pixels, x first; NaN where it is not known.

    Raises:
        MaskError: If the shape is another one.
    """
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise MaskError(f"a flow field must be (H, W, 2), got {flow.shape}.")
    height, width = flow.shape[:2]
    header = np.array([_TAG], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    known = np.where(np.isnan(flow), UNKNOWN, flow).astype("<f4")
    return header + known.tobytes()


def write_flo(path: Path, flow: FloatArray) -> None:
    """Write a flow field; the file appears complete or not at all.

    Args:
        path: Where to; an older file is replaced.
        flow: (H, W, 2) float32 in pixels, x first; NaN where it is not known.

    Raises:
        MaskError: If the shape is another one.
    """
    content = encode_flo(flow)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def read_flo(path: Path) -> FloatArray:
    """Read a flow field.

    Returns:
        (H, W, 2) float32 in pixels, x first; NaN where it is not known.

    Raises:
        CorruptFileError: If the file is missing, no ``.flo`` file, or of another length than its
            header says.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise CorruptFileError(f"{path}: cannot be read ({err.strerror}).") from err
    if len(data) < _HEADER or np.frombuffer(data, "<f4", 1)[0] != np.float32(_TAG):
        raise CorruptFileError(f"{path}: is no .flo file; compute the flow again.")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if min(width, height) < 1 or len(data) != _HEADER + 8 * width * height:
        raise CorruptFileError(
            f"{path}: holds {len(data)} bytes, not those of {width}x{height} pixels; compute the "
            "flow again."
        )
    flow = np.frombuffer(data, "<f4", offset=_HEADER).reshape(height, width, 2).astype(np.float32)
    flow[np.abs(flow) > _KNOWN_BELOW] = np.nan
    return flow


def flow_to_colour(flow: FloatArray, largest: float | None = None) -> Image:
    """Paint a flow field: the hue is its direction, the saturation its length.

    Args:
        flow: (H, W, 2) float32 in pixels, x first; NaN is painted black.
        largest: Length in pixels that is fully saturated; longer flow is darkened. None takes the
            longest there is.

    Returns:
        (H, W, 3) uint8 RGB; white where nothing moves.
    """
    known = ~np.isnan(flow).any(axis=-1, keepdims=True)
    x, y = np.moveaxis(np.where(known, flow, 0).astype(np.float64), -1, 0)
    length = np.hypot(x, y)[..., None]
    length /= largest or float(length.max()) or 1.0
    wheel = _colour_wheel()
    # direction -pi..pi to places on the wheel, between two of its colours
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    before = np.floor(place).astype(int)
    weight = (place - before)[..., None]
    colour = (1 - weight) * wheel[before] + weight * wheel[(before + 1) % len(wheel)]
    colour = np.where(length <= 1, 1 - length * (1 - colour), 0.75 * colour)
    painted: Image = (np.where(known, colour, 0) * 255).astype(np.uint8)
    return painted


def _colour_wheel() -> npt.NDArray[np.float64]:
    """Return the (55, 3) colours in [0, 1], in arcs that each change one channel evenly."""
    corners = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.float64
    )
    arcs = [
        start + (end - start) * np.arange(steps)[:, None] / steps
        for start, end, steps in zip(corners[:-1], corners[1:], _ARCS, strict=True)
    ]
    return np.concatenate(arcs)
