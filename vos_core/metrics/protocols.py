"""The rules of each benchmark, as data: which frames and pixels count, and what is averaged."""

from dataclasses import dataclass
from typing import Literal

from vos_core.errors import ConfigError, nearest


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
        average: What the global numbers are means over.
        proposals: Ids of the prediction are the method's own, from 1 to this, and are matched to
            the true objects over the whole sequence; None: they are the ids of the truth.
    """

    name: str
    drop_first: bool
    drop_last: bool
    void_as_background: bool
    binary: bool
    average: Literal["object"] = "object"
    proposals: int | None = None


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

PROTOCOLS = {rules.name: rules for rules in (DAVIS2016, DAVIS2017, DAVIS2017_UNSUPERVISED)}


def protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        ConfigError: If there is none; the message holds the nearest name.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    known = ", ".join(PROTOCOLS)
    raise ConfigError(f"Unknown protocol {name!r}; there are {known}.{nearest(name, PROTOCOLS)}")
