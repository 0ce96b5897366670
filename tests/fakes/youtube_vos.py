"""The YouTube-VOS layout. The frame named ``n`` shows the scene at time ``n``, so every fifth."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from datasets_vos.masks import write_mask
from tests.fakes.scene import LATE_FRAME, fake_frame, fake_label_map
from vos_core.types import LabelMap

# video -> object of the scene -> (id on disk, category); the last has nothing in frame 0
VIDEOS = {
    "gap": {1: (1, "cat"), 2: (4, "dog")},
    "late": {1: (1, "cat"), 2: (2, "boat"), 3: (3, "dog")},
    "only_late": {3: (2, "cat")},
}
NAMES = tuple(f"{n:05d}" for n in range(0, 25, 5))
ALL_NAMES = tuple(f"{n:05d}" for n in range(21))
LATE_NAME = next(name for name in NAMES if int(name) >= LATE_FRAME)


def youtube_labels(video: str, name: str) -> LabelMap:
    """Return the full (H, W) label map of a frame, with ids as on disk."""
    objects = VIDEOS[video]
    ids = np.zeros(256, dtype=np.uint8)
    for scene_id, (disk_id, _) in objects.items():
        ids[scene_id] = disk_id
    return ids[fake_label_map(int(name), tuple(objects))]


def make_youtube_vos(
    root: Path, *, splits: Sequence[str] = ("train", "valid"), all_frames: bool = False
) -> Path:
    """Write the same three videos into each split and return the root.

    Train has a full mask for every frame; the other splits have the objects that a frame
    introduces. With ``all_frames`` there are also the frames between.
    """
    for split in splits:
        meta: dict[str, Any] = {"videos": {}}
        for video in VIDEOS:
            _write_frames(root / split / "JPEGImages" / video, video, NAMES)
            if all_frames:
                folder = root / "all_frames" / f"{split}_all_frames" / "JPEGImages" / video
                _write_frames(folder, video, ALL_NAMES)
            _write_masks(root / split / "Annotations" / video, video, full=split == "train")
            meta["videos"][video] = {
                "objects": {
                    str(disk_id): {"category": category, "frames": _frames_of(scene_id)}
                    for scene_id, (disk_id, category) in VIDEOS[video].items()
                }
            }
        (root / split / "meta.json").write_text(json.dumps(meta))
    return root


def _frames_of(scene_id: int) -> list[str]:
    return [name for name in NAMES if scene_id != 3 or name >= LATE_NAME]


def _write_frames(folder: Path, video: str, names: Sequence[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        image = PIL.Image.fromarray(fake_frame(int(name), tuple(VIDEOS[video])))
        image.save(folder / f"{name}.jpg", quality=95)


def _write_masks(folder: Path, video: str, *, full: bool) -> None:
    for name in NAMES:
        label_map = youtube_labels(video, name)
        if not full:
            entering = [
                i for scene, (i, _) in VIDEOS[video].items() if _frames_of(scene)[0] == name
            ]
            if not entering:
                continue
            label_map[~np.isin(label_map, entering)] = 0
        write_mask(folder / f"{name}.png", label_map)
