"""Small datasets and videos, generated where a test needs them, whose content is known exactly.

One file per dataset layout; ``tests.fakes.registry`` knows them all.
"""

from tests.fakes.scene import (
    AREAS,
    COLOURS,
    LATE_FRAME,
    SIZE,
    fake_frame,
    fake_label_map,
    make_davis,
    make_frames,
    make_video,
)

__all__ = [
    "AREAS",
    "COLOURS",
    "LATE_FRAME",
    "SIZE",
    "fake_frame",
    "fake_label_map",
    "make_davis",
    "make_frames",
    "make_video",
]
