"""The rules of each benchmark, as data: which frames and pixels count, and what is averaged."""

from dataclasses import dataclass, replace
from typing import Literal

from vos_core.errors import ConfigError, nearest

Average = Literal["object", "sequence", "category"]
"""What every unit counts the same in: objects; sequences, each the mean over its objects; or
categories, each the mean over its objects."""

Headline = Literal["J&F", "J"]


@dataclass(frozen=True)
class Protocol:
    """How the masks of a sequence become scores.

    Attributes:
        name: The name under which the protocol is chosen and reported.
        drop_first: Do not score the frame in which an object first appears: its mask is given.
        drop_last: Do not score the last frame of the sequence.
        void_as_background: Count label 255 of the truth as background, so that a prediction there
            is a false positive; otherwise those pixels do not count at all.
        binary: Score one object, id 1: every object of truth and prediction together.
        averages: What the global numbers are means over; the first is the headline, the others are
            reported beside it.
        headline: The number by which the benchmark ranks methods; both are always computed.
        proposals: Ids of the prediction are the method's own, from 1 to this, and are matched to
            the true objects over the whole sequence; None: they are the ids of the truth.
        quantiles: Percentages; below its quantile lies that share of all scored J.
        wrap_decay: Compute decay as davis2017-evaluation does under NumPy 2, whose frame numbers
            wrap at 256; a mistake in sequences of 256 scored frames and more.
    """

    name: str
    drop_first: bool
    drop_last: bool
    void_as_background: bool
    binary: bool
    averages: tuple[Average, ...] = ("object",)
    headline: Headline = "J&F"
    proposals: int | None = None
    quantiles: tuple[int, ...] = ()
    wrap_decay: bool = False

    def rule(self, average: Average, units: int) -> str:
        """Say in words what a number of this protocol is.

        Args:
            average: What it is a mean over.
            units: How many of them were scored.

        Example:
            >>> DAVIS2017.rule("object", 61)
            'mean over 61 objects, frames 1..T-2, void as background'
        """
        noun = {"object": "object", "sequence": "sequence", "category": "categor"}[average]
        plural = {"category": ("y", "ies")}.get(average, ("", "s"))
        parts = [f"mean over {units} {noun}{plural[units != 1]}"]
        if average == "category" or (average == "sequence" and not self.binary):
            parts[0] += ", each the mean over its objects"
        if self.proposals is not None:
            parts.append("one proposal for each")
        if self.drop_first and not self.drop_last:
            parts.append("frames after each object's first")
        else:
            first = "1" if self.drop_first else "0"
            parts.append(f"frames {first}..{'T-2' if self.drop_last else 'T-1'}")
        parts.append("void as background" if self.void_as_background else "void left out")
        if self.binary:
            parts.append("all labels as one object")
        if self.wrap_decay:
            parts.append("decay wraps at 256 frames")
        return ", ".join(parts)


# With one object in every sequence, the mean over objects is the benchmark's mean over sequences.
DAVIS2016 = Protocol(
    "davis2016", drop_first=True, drop_last=True, void_as_background=True, binary=True
)
DAVIS2017 = Protocol(
    "davis2017", drop_first=True, drop_last=True, void_as_background=True, binary=False
)
DAVIS2017_UNSUPERVISED = Protocol(
    "davis2017_unsupervised",
    drop_first=False,
    drop_last=False,
    void_as_background=False,
    binary=False,
    proposals=20,
)
# Categories are "seen" and "unseen", so the headline J&F is the mean of four numbers, G.
YOUTUBE_VOS = Protocol(
    "youtube_vos",
    drop_first=True,
    drop_last=False,
    void_as_background=False,
    binary=False,
    averages=("category", "object"),
)
SEGTRACK_V2 = Protocol(
    "segtrack_v2",
    drop_first=True,
    drop_last=False,
    void_as_background=False,
    binary=False,
    averages=("object", "sequence"),
    headline="J",
)
YOUTUBE_OBJECTS = Protocol(
    "youtube_objects",
    drop_first=True,
    drop_last=False,
    void_as_background=False,
    binary=True,
    averages=("category", "sequence"),
    headline="J",
)
# MaskTrack (Khoreva et al., CVPR 2017, sections 5.1 and 5.4): mean IoU over videos. Where several
# frames are annotated they count (only the first and last of DAVIS are dropped); the quantiles are
# those of its figure 4.
_FIGURE_4 = (5, 10, 20, 30, 70, 80, 90, 95)
MASKTRACK_DAVIS2016 = replace(
    DAVIS2016,
    name="masktrack_davis2016",
    averages=("sequence",),
    headline="J",
    quantiles=_FIGURE_4,
)
MASKTRACK_YOUTUBE_OBJECTS = replace(
    YOUTUBE_OBJECTS,
    name="masktrack_youtube_objects",
    averages=("sequence", "category"),
    quantiles=_FIGURE_4,
)
MASKTRACK_SEGTRACK_V2 = replace(SEGTRACK_V2, name="masktrack_segtrack_v2", quantiles=_FIGURE_4)

PROTOCOLS = {
    rules.name: rules
    for rules in (
        DAVIS2016,
        DAVIS2017,
        DAVIS2017_UNSUPERVISED,
        YOUTUBE_VOS,
        SEGTRACK_V2,
        YOUTUBE_OBJECTS,
        MASKTRACK_DAVIS2016,
        MASKTRACK_YOUTUBE_OBJECTS,
        MASKTRACK_SEGTRACK_V2,
    )
}


def protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        ConfigError: If there is none; the message holds the nearest name.

    Example:
        >>> rules = protocol("segtrack_v2")
        >>> rules.averages, rules.headline
        (('object', 'sequence'), 'J')
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    known = ", ".join(PROTOCOLS)
    raise ConfigError(f"Unknown protocol {name!r}; there are {known}.{nearest(name, PROTOCOLS)}")
