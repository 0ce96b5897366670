"""Reading what a method is given from a clip."""

from collections.abc import Sequence

from vos_core.errors import MaskError
from vos_core.resize import resize_annotation, resize_image
from vos_core.types import Annotation, Clip, Image, LabelMap


def annotated_frames(
    clip: Clip, size: tuple[int, int] | None, annotations: Sequence[Annotation] | None = None
) -> list[tuple[Image, LabelMap]]:
    """Return the annotated frames of a clip with their label maps.

    Args:
        clip: Only its annotated frames are read.
        annotations: What is given of it, if not its own annotations.
        size: (height, width) to resize to; ``None`` is the native size.

    Returns:
        Pairs of (H, W, 3) frame and (H, W) label map, in time order.

    Raises:
        MaskError: If two objects are so small that only one survives the resizing.
    """
    pairs = []
    for annotation in clip.annotations if annotations is None else annotations:
        labels = resize_annotation(annotation, size)
        for object_id in annotation.object_ids:
            if not (labels == object_id).any():
                raise MaskError(
                    f"Clip {clip.name!r}, frame {clip.frame_names[annotation.frame]}: object "
                    f"{object_id} vanishes at the size {labels.shape}; give a larger --data.size."
                )
        pairs.append((resize_image(clip.frame(annotation.frame), size), labels))
    return pairs
