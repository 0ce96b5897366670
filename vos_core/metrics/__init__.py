"""J, F, their statistics, and the protocols that turn masks into scores."""

from vos_core.metrics.boundary import boundary_map, contour_accuracy, tolerance_radius
from vos_core.metrics.jaccard import jaccard
from vos_core.metrics.proposals import ProposalScorer, make_scorer
from vos_core.metrics.protocols import (
    DAVIS2016,
    DAVIS2017,
    DAVIS2017_UNSUPERVISED,
    PROTOCOLS,
    Protocol,
    protocol,
)
from vos_core.metrics.saliency import SaliencyResult, SaliencyScorer
from vos_core.metrics.scores import (
    Scores,
    Seconds,
    SequenceRow,
    collect_scores,
    objects_of,
    per_sequence_rows,
    write_scores,
)
from vos_core.metrics.sequence import (
    FrameScores,
    ObjectScores,
    Scorer,
    SequenceResult,
    SequenceScorer,
)
from vos_core.metrics.statistics import Statistics, mean_statistics, statistics

__all__ = [
    "DAVIS2016",
    "DAVIS2017",
    "DAVIS2017_UNSUPERVISED",
    "PROTOCOLS",
    "FrameScores",
    "ObjectScores",
    "ProposalScorer",
    "Protocol",
    "SaliencyResult",
    "SaliencyScorer",
    "Scorer",
    "Scores",
    "Seconds",
    "SequenceResult",
    "SequenceRow",
    "SequenceScorer",
    "Statistics",
    "boundary_map",
    "collect_scores",
    "contour_accuracy",
    "jaccard",
    "make_scorer",
    "mean_statistics",
    "objects_of",
    "per_sequence_rows",
    "protocol",
    "statistics",
    "tolerance_radius",
    "write_scores",
]
