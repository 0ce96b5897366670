"""Masks stored in MATLAB files: instances of SBD, observers' outlines of SOD."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datasets_vos.masks import require_size
from datasets_vos.mat_files import MatValue, read_mat
from vos_core.errors import MaskError
from vos_core.types import VOID, LabelMap


@dataclass(frozen=True)
class SBDMasks:
    """``GTinst.Segmentation``: an array of instance ids from 1, without void."""

    single = False

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Read the file, which is small; see :class:`datasets_vos.mask_formats.MaskFormat`."""
        self.read((path,), size)

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return the ids as stored; see :class:`datasets_vos.mask_formats.MaskFormat`."""
        path = paths[0]
        ids = _array(_struct(path, "GTinst")[0], "Segmentation", path)
        require_size(_shape(ids, path), size, path)
        if ids.min() < 0 or ids.max() >= VOID or (ids != np.floor(ids)).any():
            raise MaskError(
                f"{path}: GTinst.Segmentation holds values from {ids.min()} to {ids.max()}, not "
                "instance ids from 0 to 254; fetch it again."
            )
        return np.ascontiguousarray(ids, dtype=np.uint8)


@dataclass(frozen=True)
class SODMasks:
    """``SES``: one entry an observer, with the outlines of each object that the observer chose.

    An observer's mask is the union of all objects chosen, however important, outlines included. A
    pixel is foreground where more than half of the observers have it in their masks.

    The fields are those of the dataset's page (elderlab.yorku.ca): ``SES(i).ImSize`` is (height,
    width), ``SES(i).obj(j).BND`` a cell of one outline for each separate part, an n x 2 matrix.
    Its columns are taken as MATLAB's (row, column), counted from 1.
    """

    single = True

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Read the file, which is small; see :class:`datasets_vos.mask_formats.MaskFormat`."""
        self.read((path,), size)

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return 0 and 1; see :class:`datasets_vos.mask_formats.MaskFormat`."""
        path = paths[0]
        sessions = _struct(path, "SES")
        votes = np.zeros(size, dtype=np.int64)
        for session in sessions:
            stored = _array(session, "ImSize", path).ravel()
            if len(stored) != 2:
                raise MaskError(f"{path}: SES.ImSize is no (height, width); fetch it again.")
            require_size((int(stored[0]), int(stored[1])), size, path)
            votes += _observer_mask(session, size, path)
        foreground: LabelMap = (2 * votes > len(sessions)).astype(np.uint8)
        return foreground


def sbd_categories(path: Path) -> dict[int, int]:
    """Return the category number (1..20) of each instance of an SBD file, by instance id.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it cannot be decoded.
        MaskError: If it holds no categories.
    """
    categories = _array(_struct(path, "GTinst")[0], "Categories", path).ravel()
    return {i: int(category) for i, category in enumerate(categories, start=1)}


def _observer_mask(session: dict[str, MatValue], size: tuple[int, int], path: Path) -> LabelMap:
    mask = np.zeros(size, dtype=np.uint8)
    for chosen in _rows(session.get("obj"), f"{path}: SES.obj"):
        parts = chosen.get("BND")
        for part in parts if isinstance(parts, list) else [parts]:
            # one by one: drawn together, overlapping parts would cut holes
            cv2.fillPoly(mask, [_outline(part, size, path)], 1)
    return mask


def _outline(part: object, size: tuple[int, int], path: Path) -> npt.NDArray[np.int32]:
    """Turn (n, 2) rows and columns, counted from 1, into OpenCV's (n, 2) x and y from 0."""
    if not isinstance(part, np.ndarray) or part.ndim != 2 or part.shape[1] != 2 or not len(part):
        raise MaskError(f"{path}: SES.obj.BND is no n x 2 matrix of points; fetch it again.")
    points = np.rint(part.astype(np.float64)) - 1
    # A pixel's slack, as outlines may run along the edges of pixels; false where not finite.
    if not ((points >= -1) & (points <= size)).all():
        raise MaskError(
            f"{path}: an outline leaves the picture of {size[1]}x{size[0]} pixels (width x "
            "height); fetch it again."
        )
    inside = points.clip(0, np.array(size) - 1)
    return np.ascontiguousarray(inside[:, ::-1], dtype=np.int32)


def _struct(path: Path, name: str) -> list[dict[str, MatValue]]:
    """Return the entries of a struct array, at least one."""
    variables = read_mat(path)
    rows = _rows(variables.get(name), f"{path}: {name}")
    if not rows:
        held = ", ".join(variables) or "nothing that is known"
        raise MaskError(f"{path}: holds {held} but no struct {name}; check the dataset's name.")
    return rows


def _rows(value: MatValue, what: str) -> list[dict[str, MatValue]]:
    """Return the entries of a struct array; MATLAB stores an empty one as an empty matrix."""
    if value is None or (isinstance(value, np.ndarray) and value.size == 0):
        return []
    rows = [row for row in value if isinstance(row, dict)]
    if len(rows) != len(value):
        raise MaskError(f"{what} is no struct; check the dataset's name.")
    return rows


def _array(row: dict[str, MatValue], field: str, path: Path) -> npt.NDArray[Any]:
    value = row.get(field)
    if not isinstance(value, np.ndarray):
        raise MaskError(f"{path}: its struct has no numbers in field {field!r}; fetch it again.")
    return value


def _shape(array: npt.NDArray[Any], path: Path) -> tuple[int, int]:
    if array.ndim != 2:
        raise MaskError(f"{path}: holds {array.ndim} dimensions instead of 2; fetch it again.")
    return array.shape[0], array.shape[1]


SBD_INSTANCES = SBDMasks()
SOD_OUTLINES = SODMasks()
