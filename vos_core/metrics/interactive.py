"""Scores of interactive segmentation: quality against time, as in the DAVIS challenges since 2019.

A sample is a sequence with one of its sets of scribbles. It is played in rounds: a method gets
scribbles and returns masks of all frames, and is then shown where it is worst. Quality and time of
a round are averaged over the samples, and the curve that this gives is summarised by its area and
by its height after a minute (Caelles et al., The 2018 DAVIS Challenge on Video Object Segmentation,
there with J alone; J&F since 2019).
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt

from vos_core.errors import ConfigError, MaskError

SECONDS_PER_OBJECT = 30.0
"""Time of the challenge for each object in each round."""
ROUNDS_ALLOWED = 8
"""Rounds of the challenge."""

_AT_SECONDS = 60.0

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """One round of one sample.

    Attributes:
        sequence: Name of the sequence.
        scribble: Number of its set of scribbles.
        number: Number of the round, from 1.
        seconds: Wall-clock time from the scribbles to the masks, not cumulated.
        objects: Object id -> mean over all frames, the annotated ones too, of (J + F) / 2, in
            [0, 1].
    """

    sequence: str
    scribble: int
    number: int
    seconds: float
    objects: Mapping[int, float]


class RoundScores(TypedDict):
    """A round over all samples."""

    played: int  # samples that have this round; the others repeat their last result in no time
    seconds: float  # since the start, mean over samples
    quality: float  # mean J&F over the objects of all samples


class Curve(TypedDict):
    """Quality against time: points to be joined by straight lines, from 0 to the budget."""

    seconds: list[float]
    quality: list[float]


InteractiveScores = TypedDict(
    "InteractiveScores",
    {
        "protocol": Literal["interactive"],
        "rule": str,  # what the numbers are, in words
        "AUC": float,  # area under the curve / budget, in [0, 1]
        "J&F@60s": float,  # height of the curve at 60 s, in [0, 1]
        "curve": Curve,
        "rounds": list[RoundScores],
        "budget_seconds": float,
        "samples": int,
        "objects": int,  # summed over sequences, however many sets of scribbles they have
    },
)


def interactive_scores(
    rounds: Sequence[Round],
    seconds_per_object: float = SECONDS_PER_OBJECT,
    rounds_allowed: int = ROUNDS_ALLOWED,
) -> InteractiveScores:
    """Score the rounds of all samples.

    A sample that ends early repeats its last result in 0 s. The curve begins at (0, 0), has a
    point for each round, and is flat after the last one up to the budget: mean number of objects
    of a sequence x rounds allowed x seconds per object (488 s for the 61 objects of the 30
    validation sequences of DAVIS 2017). What lies beyond the budget is cut off. J&F@60s is read
    off this curve, which is a mean over samples, and not a mean of what each sample has at 60 s.

    The benchmark drops a round that ends after its own sample's budget; such rounds must not be
    passed.

    Args:
        rounds: Of all samples, in any order.
        seconds_per_object: Time allowed for each object in each round.
        rounds_allowed: Rounds allowed for each sample.

    Raises:
        MaskError: If there is no round, one comes twice, is missing before a later one or is not
            allowed, the objects of a sequence differ between rounds, or a number is out of range.
        ConfigError: If the time or the rounds allowed are not positive.

    Example:
        >>> scores = interactive_scores([Round("bear", 1, 1, 60.0, {1: 0.8})])
        >>> scores["budget_seconds"], scores["AUC"], scores["J&F@60s"]
        (240.0, 0.7, 0.8)
    """
    if not (seconds_per_object > 0 and rounds_allowed > 0):
        raise ConfigError(
            f"{seconds_per_object} s per object and {rounds_allowed} rounds leave no time; both "
            "must be positive"
        )
    samples = _by_sample(rounds, rounds_allowed)
    objects = _objects(rounds)
    count = sum(map(len, objects.values()))
    budget = count / len(objects) * rounds_allowed * seconds_per_object
    averaged = _average_rounds(samples)
    seconds, quality = _curve(averaged, budget)
    weights = sum(len(objects[each[0].sequence]) for each in samples)
    return {
        "protocol": "interactive",
        "rule": (
            f"J&F is the mean over {weights} object{'s' * (weights != 1)} of {len(samples)} "
            f"sample{'s' * (len(samples) != 1)} (sequence x scribbles), seconds the mean over "
            "samples; samples that end early repeat their last result in 0 s; curve from (0, 0), "
            f"flat to {budget:g} s = {count}/{len(objects)} objects x {rounds_allowed} "
            f"round{'s' * (rounds_allowed != 1)} x {seconds_per_object:g} s"
        ),
        "AUC": float(np.trapezoid(quality, seconds)) / budget,
        "J&F@60s": float(np.interp(_AT_SECONDS, seconds, quality)),
        "curve": {"seconds": seconds.tolist(), "quality": quality.tolist()},
        "rounds": averaged,
        "budget_seconds": budget,
        "samples": len(samples),
        "objects": count,
    }


def _by_sample(rounds: Sequence[Round], allowed: int) -> list[list[Round]]:
    """Return the rounds of each sample, the first one first."""
    if not rounds:
        raise MaskError("there is no round to score; pass those of every sample")
    samples: defaultdict[tuple[str, int], list[Round]] = defaultdict(list)
    for each in rounds:
        _check(each, allowed)
        samples[each.sequence, each.scribble].append(each)
    for (sequence, scribble), played in samples.items():
        played.sort(key=lambda each: each.number)
        numbers = [each.number for each in played]
        if numbers != list(range(1, len(numbers) + 1)):
            raise MaskError(
                f"sequence {sequence!r}, scribbles {scribble}: the rounds are "
                f"{', '.join(map(str, numbers))}; there must be one of each number, from 1 on"
            )
    return list(samples.values())


def _check(each: Round, allowed: int) -> None:
    where = f"sequence {each.sequence!r}, scribbles {each.scribble}, round {each.number}"
    if each.number > allowed:
        raise MaskError(f"{where}: only {allowed} rounds are allowed; leave out the later ones")
    if not 0 <= each.seconds < math.inf:
        raise MaskError(f"{where}: {each.seconds} s is no time; give seconds from 0 on")
    if not each.objects:
        raise MaskError(f"{where}: has no object; give the J&F of every object")
    for object_id, value in each.objects.items():
        if not 0 <= value <= 1:
            raise MaskError(f"{where}: J&F of object {object_id} is {value}, not in 0..1")


def _objects(rounds: Sequence[Round]) -> dict[str, set[int]]:
    """Return the object ids of each sequence."""
    objects: dict[str, set[int]] = {}
    for each in rounds:
        ids = objects.setdefault(each.sequence, set(each.objects))
        if ids != set(each.objects):
            raise MaskError(
                f"sequence {each.sequence!r}: scribbles {each.scribble}, round {each.number} has "
                f"objects {sorted(each.objects)}, another round {sorted(ids)}; every round needs "
                "a score of every object"
            )
    return objects


def _average_rounds(samples: Sequence[Sequence[Round]]) -> list[RoundScores]:
    averaged = []
    elapsed = 0.0
    for number in range(1, max(map(len, samples)) + 1):
        playing = [sample[number - 1] for sample in samples if len(sample) >= number]
        latest = [sample[min(number, len(sample)) - 1] for sample in samples]
        elapsed += sum(each.seconds for each in playing) / len(samples)
        quality = np.mean([value for each in latest for value in each.objects.values()])
        averaged.append(RoundScores(played=len(playing), seconds=elapsed, quality=float(quality)))
    return averaged


def _curve(averaged: Sequence[RoundScores], budget: float) -> tuple[Array, Array]:
    """Return seconds and quality of the curve's points, the last one at the budget."""
    seconds = np.array([0.0, *(each["seconds"] for each in averaged)])
    quality = np.array([0.0, *(each["quality"] for each in averaged)])
    inside = seconds < budget
    # interp is flat behind the last round, and cuts where rounds go on after the budget
    at_budget = np.interp(budget, seconds, quality)
    return np.append(seconds[inside], budget), np.append(quality[inside], at_budget)
