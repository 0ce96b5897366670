"""J, F, their statistics, and the protocols that turn masks into scores."""

from vos_core.metrics.boundary import boundary_map, contour_accuracy, tolerance_radius
from vos_core.metrics.jaccard import jaccard
from vos_core.metrics.proposals import ProposalScorer, make_scorer
from vos_core.metrics.protocols import (
    DAVIS2016,
    DAVIS2017,
    DAVIS2017_UNSUPERVISED,
    PROTOCOLS,
    SEGTRACK_V2,
    YOUTUBE_OBJECTS,
    YOUTUBE_VOS,
    Average,
    Protocol,
    protocol,
)
from vos_core.metrics.saliency import SaliencyResult, SaliencyScorer
from vos_core.metrics.scores import (
    Categories,
    DataInfo,
    GlobalScores,
    Scores,
    Seconds,
    SequenceRow,
    collect_scores,
    headline_number,
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
    Truth,
)
from vos_core.metrics.statistics import Statistics, mean_statistics, statistics
from vos_core.metrics.swaps import Swap
from vos_core.metrics.swaps import Swap

__all__ = [
    "DAVIS2016",
    "DAVIS2017",
    "DAVIS2017_UNSUPERVISED",
    "PROTOCOLS",
    "SEGTRACK_V2",
    "YOUTUBE_OBJECTS",
    "YOUTUBE_VOS",
    "Average",
    "Categories",
    "DataInfo",
    "FrameScores",
    "GlobalScores",
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
    "Swap",
    "Truth",
    "boundary_map",
    "collect_scores",
    "contour_accuracy",
    "headline_number",
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
