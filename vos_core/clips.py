"""Reading what a method is given from a clip."""

from vos_core.resize import resize_image, resize_labels
from vos_core.types import Clip, Image, LabelMap


def annotated_frames(clip: Clip, size: tuple[int, int] | None) -> list[tuple[Image, LabelMap]]:
    """Return the annotated frames of a clip with their label maps.

    Args:
        clip: Read only up to its last annotated frame.
        size: (height, width) to resize to; ``None`` is the native size.

    Returns:
        Pairs of (H, W, 3) frame and (H, W) label map, in time order. An object too thin to
        survive the resizing is missing from its label map.
    """
    wanted = {annotation.frame: annotation.label_map for annotation in clip.annotations}
    pairs = []
    for index, image in enumerate(clip.frames()):
        if index in wanted:
            pairs.append((resize_image(image, size), resize_labels(wanted[index], size)))
        if index >= max(wanted):
            break
    return pairs
