"""Flow kept on disk, so that it is estimated once per pair of frames.

``<cache>/<clip>/`` holds ``fingerprint.json``, which says in plain text what its fields are of,
and a file ``<key>.flow.npz`` per field: ``flow``, (H, W, 2) int16, and ``step``, the pixels that
one unit stands for. The key is a digest of the estimator and the pixels of both frames, so a file
can answer for nothing else, whoever wrote it and in whatever order frames are asked for; the
fingerprint serves to remove what is out of date, and to say so.

A step of 1/64 px makes fields half as large as ``.flo`` files with an error of at most 1/128 px
whatever the motion; float16, as large, errs by 1/32 px at 64 px. Compression makes them a third as
large again, but reading them then takes as long as estimating them by DIS (7 ms at 854x480).
"""

import hashlib
import json
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vos_core.errors import ConfigError, CorruptFileError
from vos_core.files import whole_file
from vos_core.flow.estimators import FlowEstimator
from vos_core.types import Clip, FloatArray, Image

STEP = 1 / 64
"""Pixels between stored values; the error is half of it. Doubled as often as a field whose motion
is 512 px or more needs."""

_FINGERPRINT = "fingerprint.json"
_SUFFIX = ".flow.npz"
_LARGEST = np.iinfo(np.int16).max
# what zipfile and numpy raise, depending on which byte is wrong
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def cache_flow(
    estimator: FlowEstimator,
    cache: str | Path | None,
    clip: Clip,
    size: tuple[int, int] | None = None,
) -> FlowEstimator:
    """Keep the flow of a clip on disk.

    What is there already of another estimator, size or clip is removed, with a warning.

    Args:
        estimator: Asked for the fields that are not there yet.
        cache: Folder of all clips; made where it is missing. ``None`` keeps nothing.
        clip: Its name is the name of its folder. Its first frame is read.
        size: (height, width) of the frames that will be given; ``None`` is the native size.

    Returns:
        An estimator whose fields are the same on each run, whether estimated or read.

    Raises:
        ConfigError: If the folder cannot be used.
    """
    if cache is None:
        return estimator
    first = np.ascontiguousarray(clip.frame(0))
    digest = hashlib.sha256("\n".join(clip.frame_names).encode())
    digest.update(first.data)
    height, width = size or first.shape[:2]
    fingerprint = {
        "estimator": estimator.description,
        "size": f"{width}x{height}",
        "frames": f"{len(clip.frame_names)} of {clip.name}, {digest.hexdigest()[:16]}",
        "step": f"{STEP} px",
    }
    return CachedFlow(estimator, Path(cache) / clip.name, fingerprint)


class CachedFlow:
    """An estimator that keeps its fields in a folder, which several processes may share.

    Args:
        estimator: Asked for the fields that are not there yet.
        folder: Where they are kept; made where it is missing.
        fingerprint: What they are of, in words; a folder of another fingerprint is emptied.

    Raises:
        ConfigError: If the folder cannot be used.
    """

    def __init__(self, estimator: FlowEstimator, folder: Path, fingerprint: dict[str, str]) -> None:
        self.description = estimator.description
        self._estimator = estimator
        self._folder = folder
        self._writable = True
        try:
            _claim(folder, fingerprint)
        except OSError as err:
            raise ConfigError(
                f"{folder}: flow cannot be kept there ({err.strerror}); give another folder."
            ) from err

    def __call__(self, source: Image, target: Image) -> FloatArray:
        """Return the flow from ``source`` to ``target``, to the nearest 1/64 px.

        Flow that holds values which are no finite numbers is returned as it is and not kept.
        """
        path = self._folder / f"{self._key(source, target)}{_SUFFIX}"
        try:
            return decode(read_field(path, source.shape[:2]))
        except FileNotFoundError:
            pass
        except CorruptFileError as err:
            warnings.warn(f"{err} The flow is estimated again.", stacklevel=2)
        flow = self._estimator(source, target)
        if not np.isfinite(flow).all():
            return flow  # whoever asked for it is to tell, and it may be mended by the next run
        field = encode(flow)
        if self._writable:
            self._write(path, field)
        return decode(field)  # not the field itself: the next run reads this one

    def _key(self, source: Image, target: Image) -> str:
        digest = hashlib.sha256(f"{self.description} {source.shape} {STEP}".encode())
        for frame in (source, target):
            digest.update(np.ascontiguousarray(frame).data)
        return digest.hexdigest()[:32]

    def _write(self, path: Path, field: "Quantised") -> None:
        values, step = field
        try:
            with whole_file(path) as temporary, temporary.open("wb") as file:
                np.savez(file, flow=values, step=np.float32(step))
        except OSError as err:
            self._writable = False  # said once
            warnings.warn(
                f"{self._folder}: flow cannot be kept there ({err.strerror}); from here on it is "
                "estimated each time.",
                stacklevel=3,
            )


Quantised = tuple[npt.NDArray[np.int16], float]
"""(H, W, 2) values, and the pixels that one unit stands for."""


def encode(flow: FloatArray) -> Quantised:
    """Round a (H, W, 2) float32 field of finite numbers to int16; see :data:`STEP`."""
    largest = float(np.abs(flow).max(initial=0))
    step = STEP
    while largest / step > _LARGEST:
        step *= 2
    return np.rint(flow * np.float32(1 / step)).astype(np.int16), step


def decode(field: Quantised) -> FloatArray:
    """Return the (H, W, 2) float32 field in pixels."""
    values, step = field
    return np.multiply(values, np.float32(step), dtype=np.float32)


def read_field(path: Path, size: tuple[int, ...]) -> Quantised:
    """Read a stored field.

    Args:
        path: Of the file.
        size: (height, width) that it must have.

    Raises:
        FileNotFoundError: If it is missing.
        CorruptFileError: If it is damaged; the archive holds a checksum of its content.
    """
    try:
        # numpy leaves a file open that it opened and could not read
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            values, step = stored["flow"], float(stored["step"])
    except FileNotFoundError:
        raise
    except _DAMAGED as err:
        raise CorruptFileError(f"{path}: is damaged.") from err
    if values.dtype != np.int16 or values.shape != (*size, 2):
        raise CorruptFileError(f"{path}: is no field of {size[1]}x{size[0]} pixels.")
    return values, step


def _claim(folder: Path, fingerprint: dict[str, str]) -> None:
    """Make a folder ready for fields of a fingerprint: empty, unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FINGERPRINT
    found = _read_fingerprint(path)
    if found == fingerprint:
        return
    stale = list(folder.glob(f"*{_SUFFIX}"))
    if stale:
        warnings.warn(_difference(folder, found, fingerprint), stacklevel=4)
    for each in stale:
        each.unlink(missing_ok=True)  # another process may be at it too
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(fingerprint, indent=2) + "\n", encoding="utf-8")


def _read_fingerprint(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _difference(folder: Path, found: dict[str, str], fingerprint: dict[str, str]) -> str:
    """Say what the fields in a folder are of instead."""
    changed = {key: each for key, each in fingerprint.items() if found.get(key) != each}
    # in the same words for all clips where it concerns all, so that Python says it once
    where = folder if "frames" in changed else folder.parent
    told = "; ".join(
        f"{key} {found.get(key, 'unknown')} instead of {each}" for key, each in changed.items()
    )
    return f"{where}: the flow kept there is of another origin ({told}); it is estimated again."
