"""A clip of which several frames are annotated: each frame from the nearest of them.

MaskTrack (Perazzi et al., CVPR 2017, section 5.4) runs through the clip forwards and backwards, and
keeps for each frame the result whose annotation is nearer in time. Here each pass begins at an
annotated frame and ends where the next one becomes nearer, so no frame is segmented twice.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import torch

from vos_core.propagation.run import Propagator, Refinement, run_sequence
from vos_core.types import Annotation, Clip, LabelMap


def run_both_ways(
    propagator: Propagator,
    clip: Clip,
    annotations: Sequence[Annotation],
    size: tuple[int, int] | None = None,
    device: torch.device | None = None,
    refine: Refinement | None = None,
) -> Iterator[LabelMap]:
    """Segment each frame from the nearest annotated one, one label map per frame, in order.

    What is segmented backwards waits, compressed, until the frames before it are through; a clip
    that is annotated at its end alone waits as a whole.

    Args:
        propagator: The method; it begins anew at each annotation.
        clip: Its frames are read by index where they are gone through backwards.
        annotations: Ordered by frame, not empty, each with all objects that it shows. An object
            that the nearest annotation does not show is not found.
        size: (height, width) at which the method works; ``None`` is the native size.
        device: Where the method works; the CPU by default.
        refine: Post-processing of the answers; not fed back to the method.

    Yields:
        (H, W) uint8 label map at native size, with the ids of the annotations.
    """

    def answers(indices: Iterable[int], given: Annotation) -> Iterator[LabelMap]:
        images = (clip.frame(index) for index in indices)
        return run_sequence(propagator, images, [replace(given, frame=0)], size, device, refine)

    spans = nearest_spans(len(clip.frame_names), [each.frame for each in annotations])
    for annotation, span in zip(annotations, spans, strict=True):
        earlier = answers(range(annotation.frame, span.start - 1, -1), annotation)
        waiting = [zlib.compress(each.tobytes(), 1) for each in islice(earlier, 1, None)]
        for packed in reversed(waiting):
            unpacked = np.frombuffer(zlib.decompress(packed), dtype=np.uint8)
            yield unpacked.reshape(annotation.label_map.shape).copy()
        yield from answers(range(annotation.frame, span.stop), annotation)


def nearest_spans(length: int, annotated: Sequence[int]) -> list[range]:
    """Return for each annotated frame the frames to which it is nearest, the earlier one of two.

    Args:
        length: Number of frames.
        annotated: Indices of the annotated frames, ascending.

    Example:
        >>> nearest_spans(9, [2, 5])
        [range(0, 4), range(4, 9)]
    """
    ends = [(a + b) // 2 + 1 for a, b in pairwise(annotated)]
    return [range(a, b) for a, b in zip([0, *ends], [*ends, length], strict=True)]
