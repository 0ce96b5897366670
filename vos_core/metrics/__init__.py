"""J, F, their statistics, and the protocols that turn masks into scores."""

from vos_core.metrics.attributes import per_attribute
from vos_core.metrics.boundary import boundary_map, contour_accuracy, tolerance_radius
from vos_core.metrics.comparison import Comparison, SequenceValues, bootstrap_interval, compare
from vos_core.metrics.identities import Swap
from vos_core.metrics.interactive import InteractiveScores, Round, interactive_scores
from vos_core.metrics.jaccard import jaccard
from vos_core.metrics.mots import MotsScorer, MotsScores, collect_mots
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
from vos_core.metrics.stability import StabilityScorer, temporal_instability
from vos_core.metrics.statistics import Statistics, mean_statistics, statistics

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
    "Comparison",
    "DataInfo",
    "FrameScores",
    "GlobalScores",
    "InteractiveScores",
    "MotsScorer",
    "MotsScores",
    "ObjectScores",
    "ProposalScorer",
    "Protocol",
    "Round",
    "SaliencyResult",
    "SaliencyScorer",
    "Scorer",
    "Scores",
    "Seconds",
    "SequenceResult",
    "SequenceRow",
    "SequenceScorer",
    "SequenceValues",
    "StabilityScorer",
    "Statistics",
    "Swap",
    "Truth",
    "bootstrap_interval",
    "boundary_map",
    "collect_mots",
    "collect_scores",
    "compare",
    "contour_accuracy",
    "headline_number",
    "interactive_scores",
    "jaccard",
    "make_scorer",
    "mean_statistics",
    "objects_of",
    "per_attribute",
    "per_sequence_rows",
    "protocol",
    "statistics",
    "temporal_instability",
    "tolerance_radius",
    "write_scores",
]
