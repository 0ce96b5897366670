"""One of our runs: its scores and where they come from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_vos.commands.leaderboard.search import SCORES
from vos_core.metrics import Average, SequenceValues

Values = Mapping[str, SequenceValues]
"""Sequence -> scores of its objects."""


@dataclass(frozen=True)
class Run:
    """The scores of one run and where they come from; None or empty where that is not known.

    Attributes:
        name: Experiment and version, as much of the path as makes it unique.
        path: The file of scores, as it was found.
        protocol: Name of the rules.
        dataset: What was scored.
        split: Of the dataset; None also where every sequence found was taken.
        rule: What the numbers are, in words.
        headline: The number by which the benchmark ranks.
        average: What the global numbers are means over.
        numbers: Every global number by its name, e.g. ``J``, ``J recall``; NaN if it is missing.
        values: J, F and J&F -> sequence -> that of its objects; empty for kinds of scores without.
        scored_frames: Sequence -> object id -> frames that were scored.
        unit: What ``scored`` names: sequence or image.
        scored: Every sequence or image that took part.
        objects: Number of scored objects.
        frames: Number of frames in all sequences, scored or not.
        seconds: ``adapt`` and ``propagate``, summed over the sequences.
        info: What made the masks: see :class:`vos_core.provenance.RunInfo`.
        baseline: What was scored in place of a method.
    """

    name: str
    path: Path
    protocol: str
    dataset: str | None
    split: str | None
    rule: str | None
    headline: str
    average: Average
    numbers: Mapping[str, float]
    values: Mapping[str, Values]
    scored_frames: Mapping[str, Mapping[str, list[int]]]
    unit: str
    scored: frozenset[str]
    objects: int | None
    frames: int | None
    seconds: Mapping[str, float]
    info: Mapping[str, Any]
    baseline: str | None

    @property
    def config(self) -> Path | None:
        """The run's config, if the file is still there."""
        beside, recorded = self._beside("config.yaml"), self.info.get("config")
        if beside or not recorded:
            return beside
        # Path.is_file raises where it may not look
        return Path(recorded) if os.path.isfile(recorded) else None  # noqa: PTH113

    @property
    def report(self) -> Path | None:
        """The run's report, if there is one."""
        return self._beside("report.html")

    @property
    def fps(self) -> float | None:
        """Frames a second of propagation."""
        propagate = self.seconds.get("propagate")
        return self.frames / propagate if propagate and self.frames else None

    @property
    def seconds_per_frame(self) -> float | None:
        """Time of propagation per frame."""
        propagate = self.seconds.get("propagate")
        return None if propagate is None or not self.frames else propagate / self.frames

    @property
    def seconds_to_adapt(self) -> float | None:
        """Time of adaptation per sequence."""
        adapt = self.seconds.get("adapt")
        return None if adapt is None or not self.scored else adapt / len(self.scored)

    def _beside(self, name: str) -> Path | None:
        """Return a file of the run folder; scores under another name are in no run folder."""
        path = self.path.with_name(name)
        return path if self.path.name == SCORES and path.is_file() else None
