"""The scene of the fakes, and clips and DAVIS folders that show it.

The scene: on a gray ramp, object 1 is a 12 px red square with its top left corner at
(4, 4 + 2t), object 2 an 8 px green square at (30, 50 - 2t), and object 3, where present, a 6 px
blue square at (20, 28) from a late frame on. They never touch in the first nine frames.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import PIL.Image

from datasets_vos.masks import write_mask
from vos_core.types import Image, LabelMap

SIZE = (48, 64)  # (height, width) in pixels
LATE_FRAME = 3
AREAS = {1: 12 * 12, 2: 8 * 8, 3: 6 * 6}
COLOURS = {1: (200, 40, 40), 2: (40, 200, 40), 3: (40, 40, 220)}


def fake_label_map(
    t: int, objects: Sequence[int] = (1, 2), size: tuple[int, int] = SIZE
) -> LabelMap:
    """Return the (H, W) label map of frame ``t``; object 3 is absent before ``LATE_FRAME``."""
    corners = {1: (4, 4 + 2 * t), 2: (30, 50 - 2 * t), 3: (20, 28)}
    label_map = np.zeros(size, dtype=np.uint8)
    for i in objects:
        if i == 3 and t < LATE_FRAME:
            continue
        (y, x), side = corners[i], int(AREAS[i] ** 0.5)
        label_map[y : y + side, x : x + side] = i
    return label_map


def fake_frame(t: int, objects: Sequence[int] = (1, 2), size: tuple[int, int] = SIZE) -> Image:
    """Return the (H, W, 3) RGB frame that belongs to :func:`fake_label_map`."""
    ramp = np.linspace(60, 120, size[1]).astype(np.uint8)
    frame = np.empty((*size, 3), dtype=np.uint8)
    frame[:] = ramp[:, None]
    label_map = fake_label_map(t, objects, size)
    for i, colour in COLOURS.items():
        frame[label_map == i] = colour
    return frame


def make_frames(
    folder: Path,
    frames: int = 6,
    *,
    objects: Sequence[int] = (1, 2),
    size: tuple[int, int] = SIZE,
    pattern: str = "{:05d}.jpg",
) -> Path:
    """Write the frames of one clip into a folder and return it."""
    folder.mkdir(parents=True)
    for t in range(frames):
        image = PIL.Image.fromarray(fake_frame(t, objects, size))
        image.save(folder / pattern.format(t), quality=95)
    return folder


def make_davis(
    root: Path,
    *,
    year: Literal["2016", "2017"] = "2017",
    sequences: Sequence[str] = ("alpha", "beta"),
    frames: int = 6,
    size: tuple[int, int] = SIZE,
    annotate: Literal["all", "first"] = "all",
    task: Literal["semi-supervised", "unsupervised"] = "semi-supervised",
) -> Path:
    """Write a dataset in the DAVIS layout with its split lists, and return its root.

    The last sequence is the split ``val``, the others are ``train``. In 2017 masks are palette
    PNGs of objects 1 and 2, and the last sequence has object 3 too; in 2016 they are gray 0 / 255
    PNGs of object 1, and the lists hold pairs of paths. The task says into which folder masks go.
    """
    masks = root / ("Annotations" if task == "semi-supervised" else "Annotations_unsupervised")
    for sequence in sequences:
        objects = (1,) if year == "2016" else (1, 2)
        if year == "2017" and sequence == sequences[-1]:
            objects = (1, 2, 3)
        images = root / "JPEGImages" / "480p" / sequence
        make_frames(images, frames, objects=objects, size=size)
        for t in range(frames if annotate == "all" else 1):
            path = masks / "480p" / sequence / f"{t:05d}.png"
            label_map = fake_label_map(t, objects, size)
            if year == "2017":
                write_mask(path, label_map)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(label_map * 255).save(path)
    lists = root / "ImageSets" / ("480p" if year == "2016" else "2017")
    lists.mkdir(parents=True)
    for split, names in {"train": sequences[:-1], "val": sequences[-1:]}.items():
        lines = list(names)
        if year == "2016":
            lines = [
                f"/JPEGImages/480p/{name}/{t:05d}.jpg /Annotations/480p/{name}/{t:05d}.png"
                for name in names
                for t in range(frames)
            ]
        (lists / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def make_video(
    path: Path,
    frames: int = 6,
    *,
    objects: Sequence[int] = (1, 2),
    size: tuple[int, int] = SIZE,
    rotation: int = 0,
) -> Path:
    """Write the clip as a video file (the suffix chooses the container) and return its path.

    Args:
        path: File to write; its folder exists.
        frames: Number of frames.
        objects: Which squares to draw.
        size: Stored (height, width), both even.
        rotation: Counter-clockwise angle in degrees by which players turn the picture.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "4"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for t in range(frames):
            frame = av.VideoFrame.from_ndarray(fake_frame(t, objects, size), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
