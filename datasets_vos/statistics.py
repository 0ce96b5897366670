"""What a dataset is like: object sizes, motion, absence, lengths; masks are read, frames are not.

Only frames that have truth are counted. Where a dataset gives objects but no truth (the test
splits of benchmarks), each object counts in the frame in which it is given.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from datasets_vos.stills import StillImage
from vos_core.types import VOID, Clip, LabelMap


class Region(NamedTuple):
    """Where an object is in one frame, in pixels."""

    area: int
    y: float  # of the centroid, downwards
    x: float  # of the centroid, to the right


class Summary(NamedTuple):
    """Some numbers in short; all NaN where there are none."""

    mean: float
    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class ObjectStatistics:
    """One object of a clip.

    Attributes:
        object_id: As stored.
        area: Share of the frame that it covers, in (0, 1], over the frames in which it is visible.
        motion_pixels: Mean displacement of its centroid in pixels a frame, between frames with
            truth that follow one another and both show it; NaN where there are none. Over a gap of
            g frames (sparse truth) the displacement is divided by g.
        motion: ``motion_pixels`` by the square root of its mean area in pixels, that is, in object
            sizes a frame.
        absent: Share of the frames with truth, from its first appearance on, that do not show it;
            NaN where only one is known.
    """

    object_id: int
    area: Summary
    motion_pixels: float
    motion: float
    absent: float


@dataclass(frozen=True)
class ClipStatistics:
    """One clip.

    Attributes:
        name: Its name.
        size: (height, width) in pixels.
        frames: Number of frames.
        annotated: Number of frames with truth, or in which objects are given.
        objects: Its objects, by ascending id.
    """

    name: str
    size: tuple[int, int]
    frames: int
    annotated: int
    objects: tuple[ObjectStatistics, ...]


@dataclass(frozen=True)
class StillStatistics:
    """One still image.

    Attributes:
        name: Its name.
        size: (height, width) in pixels.
        areas: Share of the image, in (0, 1], of each instance; None where the mask is withheld.
    """

    name: str
    size: tuple[int, int]
    areas: tuple[float, ...] | None


def measure(label_map: LabelMap) -> dict[int, Region]:
    """Return area and centroid of each object in a (H, W) label map; void is no object."""
    rows, columns = np.nonzero(label_map)
    ids = label_map[rows, columns]
    areas = np.bincount(ids, minlength=VOID)
    y = np.bincount(ids, rows, minlength=VOID)
    x = np.bincount(ids, columns, minlength=VOID)
    present = np.flatnonzero(areas[:VOID])
    return {int(i): Region(int(areas[i]), y[i] / areas[i], x[i] / areas[i]) for i in present}


def summarise(values: Iterable[float]) -> Summary:
    """Return mean, minimum, median and maximum; NaNs are passed over."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Summary(math.nan, math.nan, math.nan, math.nan)
    return Summary(float(np.mean(known)), min(known), float(np.median(known)), max(known))


def object_statistics(
    object_id: int, track: Mapping[int, Region], known: Sequence[int], pixels: int
) -> ObjectStatistics:
    """Describe one object.

    Args:
        object_id: Its id.
        track: Frame index -> its region, where it is visible; at least one, in order.
        known: Indices of all frames in which it would be seen if it were there, in order.
        pixels: Number of pixels of a frame.
    """
    areas = [region.area for region in track.values()]
    steps = []
    for before, after in pairwise(known):
        if before in track and after in track:
            a, b = track[before], track[after]
            steps.append(math.hypot(b.y - a.y, b.x - a.x) / (after - before))
    motion_pixels = summarise(steps).mean
    since = sum(1 for frame in known if frame >= min(track))
    return ObjectStatistics(
        object_id=object_id,
        area=summarise(area / pixels for area in areas),
        motion_pixels=motion_pixels,
        motion=motion_pixels / math.sqrt(np.mean(areas)),
        absent=1 - len(track) / since if since > 1 else math.nan,
    )


def clip_statistics(clip: Clip) -> ClipStatistics:
    """Describe a clip; every true mask is read once.

    Raises:
        VOSError: If a file is missing, damaged or unusable.
    """
    regions = {}
    for index in range(len(clip.frame_names)):
        truth = clip.ground_truth(index)
        if truth is not None:
            regions[index] = measure(truth)
    full = bool(regions)
    if not full:
        regions = {given.frame: measure(given.label_map) for given in clip.annotations}
    tracks: dict[int, dict[int, Region]] = {}
    for index, found in regions.items():
        for object_id, region in found.items():
            tracks.setdefault(object_id, {})[index] = region
    pixels = clip.size[0] * clip.size[1]
    objects = (
        object_statistics(i, track, list(regions) if full else list(track), pixels)
        for i, track in sorted(tracks.items())
    )
    return ClipStatistics(clip.name, clip.size, len(clip.frame_names), len(regions), tuple(objects))


def still_statistics(still: StillImage) -> StillStatistics:
    """Describe a still image; its mask is read, where there is one.

    Raises:
        VOSError: If a file is missing, damaged or unusable.
    """
    areas = None
    if still.mask_paths:
        pixels = still.size[0] * still.size[1]
        areas = tuple(region.area / pixels for region in measure(still.instances()).values())
    return StillStatistics(still.name, still.size, areas)
