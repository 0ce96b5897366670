"""Scores of the sequences that share a difficulty, such as fast motion or occlusion."""

from collections.abc import Mapping, Sequence

from vos_core.metrics.scores import GlobalScores, Scores, mean_scores, objects_of


def per_attribute(
    scores: Scores, attributes: Mapping[str, Sequence[str]]
) -> dict[str, GlobalScores]:
    """Return the mean over all sequences that bear a tag, for every tag.

    A sequence counts in each of its tags, with the mean over its objects (Perazzi et al., CVPR
    2016, section 5.2; figure 5 of MaskTrack).

    Args:
        scores: Of a whole run.
        attributes: Sequence -> its tags.

    Example:
        >>> from vos_core.metrics import DAVIS2017, SequenceResult, collect_scores
        >>> from vos_core.metrics.sequence import object_scores
        >>> numbers = {"bear": 0.25, "cow": 0.75}
        >>> results = [
        ...     SequenceResult(name, 3, {1: object_scores([j], [j])}, {1: [1]}, {})
        ...     for name, j in numbers.items()
        ... ]
        >>> tags = {"bear": ["fast motion"], "cow": ["fast motion", "occlusion"]}
        >>> tagged = per_attribute(collect_scores(DAVIS2017, results), tags)
        >>> {tag: means["J"]["mean"] for tag, means in tagged.items()}
        {'fast motion': 0.5, 'occlusion': 0.75}
    """
    tags = sorted({tag for name in scores["sequences"] for tag in attributes.get(name, ())})
    return {
        tag: mean_scores(
            mean_scores(objects_of(scores, name).values())
            for name in scores["sequences"]
            if tag in attributes.get(name, ())
        )
        for tag in tags
    }
