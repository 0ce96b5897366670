"""Peak memory of ``segment`` does not depend on the clip's length.

    python -m benchmarks.segment_memory

Writes clips of 50 and 500 frames (854x480, a photograph that drifts), segments both and compares.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from rich.console import Console
from rich.table import Table

from benchmarks.command import machine, measure
from datasets_vos.masks import write_mask
from vos_core.visual import Mp4Writer

SIZE = (480, 854)


def write_clip(path: Path, frames: int) -> None:
    """Write an mp4 in which a disc drifts over a photograph, and the disc's first mask."""
    plate = cv2.resize(skimage.data.coffee(), SIZE[::-1])
    with Mp4Writer(path, fps=24) as film:
        for t in range(frames):
            frame = plate.copy()
            centre = (200 + int(150 * np.sin(t / 30)), 240)
            cv2.circle(frame, centre, 60, (30, 160, 60), -1)
            film.write(frame)
    mask = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(mask, (200, 240), 60, 1, -1)
    write_mask(path.with_suffix(".png"), mask)


def main() -> None:
    """Segment a short and a long clip."""
    table = Table("frames", "peak MiB", "seconds", title=machine())
    with tempfile.TemporaryDirectory() as folder:
        for frames in (50, 500):
            clip = Path(folder) / f"clip{frames}.mp4"
            write_clip(clip, frames)
            cost = measure(
                "segment",
                "--config=lucid.yaml",
                f"--video={clip}",
                f"--mask={clip.with_suffix('.png')}",
                f"--out={folder}/out{frames}",
                "--model.adapt_iterations=10",
            )
            table.add_row(str(frames), f"{cost.peak_mib:.0f}", f"{cost.seconds:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
