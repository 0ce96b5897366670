"""Finding and reading the scores of runs."""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vos_core.errors import DatasetError, MaskError

if TYPE_CHECKING:
    from vos_core.metrics.comparison import SequenceValues
    from vos_core.metrics.protocols import Average

_FILE = "scores.json"


@dataclass(frozen=True)
class Run:
    """The scores of one run and where they come from; None or empty where that is not known.

    Attributes:
        name: Experiment and version, as much of the path as makes it unique.
        path: The file of scores.
        protocol: Name of the rules.
        dataset: What was scored.
        split: Of the dataset; None also where every sequence found was taken.
        rule: What the numbers are, in words.
        headline: The number by which the benchmark ranks.
        average: What the headline number is a mean over.
        numbers: Every global number by its name, e.g. ``J``, ``J recall``; NaN if it is missing.
        values: Sequence -> headline number of its objects; empty for kinds of scores without.
        unit: What ``scored`` names: sequence or image.
        scored: Every sequence or image that took part.
        objects: Number of scored objects.
        frames: Number of frames in all sequences, scored or not.
        seconds: ``adapt`` and ``propagate``, summed over the sequences.
        info: What made the run: see :class:`vos_core.provenance.RunInfo`.
    """

    name: str
    path: Path
    protocol: str
    dataset: str | None
    split: str | None
    rule: str | None
    headline: str
    average: "Average"
    numbers: Mapping[str, float]
    values: "Mapping[str, SequenceValues]"
    unit: str
    scored: frozenset[str]
    objects: int | None
    frames: int | None
    seconds: Mapping[str, float]
    info: Mapping[str, Any]

    @property
    def config(self) -> Path | None:
        """The run's config, if the file is still there."""
        beside, recorded = self._beside("config.yaml"), self.info.get("config")
        if beside or not recorded:
            return beside
        return Path(recorded) if Path(recorded).is_file() else None

    @property
    def report(self) -> Path | None:
        """The run's report, if there is one."""
        return self._beside("report.html")

    def _beside(self, name: str) -> Path | None:
        """Return a file of the run folder; scores under another name are in no run folder."""
        path = self.path.with_name(name)
        return path if self.path.name == _FILE and path.is_file() else None


def find_runs(places: Sequence[Path]) -> list[Run]:
    """Read the scores of runs; those in several places count once.

    Args:
        places: Files of scores, and folders that are searched for ``scores.json``, but for hidden
            and temporary folders in them. Of what is found by searching, unreadable files and
            those without scores are named on stderr and left out.

    Raises:
        DatasetError: If a place is missing or holds no scores.
    """
    given = {path.resolve() for place in places if (path := _scores_at(place)) is not None}
    found: dict[Path, None] = {}
    for place in places:
        here = [place] if place.is_file() else list(_search(place))
        if not here:
            raise DatasetError(
                f"{place}: {'holds no scores.json' if place.is_dir() else 'does not exist'}; "
                "make a run with test or evaluate, or name the folder that holds your runs."
            )
        found |= dict.fromkeys(path.resolve() for path in here)
    runs = []
    for path, name in _names(list(found)).items():
        try:
            runs.append(_read(path, name))
        except DatasetError as err:
            if path in given:
                raise
            print(f"warning: left out {err}", file=sys.stderr)
    if not runs:
        raise DatasetError(
            f"{', '.join(map(str, places))}: no file there holds scores; make a run with test or "
            "evaluate, or name the folder that holds your runs."
        )
    return runs


def _scores_at(place: Path) -> Path | None:
    """Return the file of scores that a path names: it, or that of the run folder it is."""
    candidates = (place, place / _FILE)
    return next((path for path in candidates if path.is_file()), None)


def find_run(runs: Sequence[Run], text: str) -> Run | None:
    """Return the run of this name or path; None if there is none."""
    for run in runs:
        if run.name == text:
            return run
    path = scores_path(text)
    return next((run for run in runs if path and run.path == path.resolve()), None)


def scores_path(text: str) -> Path | None:
    """Return the file of scores that a path names, in a run folder or itself, if it is there."""
    return _scores_at(Path(text))


def _search(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not f.endswith(".tmp"))
        if _FILE in files:
            yield Path(parent) / _FILE


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name each run by its last two folders, or more where runs would share a name."""
    parts = {path: (path.parent if path.name == _FILE else path).parts for path in paths}
    names = {}
    for path, own in parts.items():
        others = [other for each, other in parts.items() if each != path]
        depth = 2
        while depth < len(own) and any(own[-depth:] == other[-depth:] for other in others):
            depth += 1
        names[path] = Path(*own[-depth:]).as_posix()
    return names


def _read(path: Path, name: str) -> Run:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise DatasetError(f"{path}: cannot be read ({err.strerror}); check the file.") from err
    except ValueError as err:
        raise DatasetError(f"{path}: is no JSON; make the scores again.") from err
    try:
        run = _parse(content, path, name)
    except (AttributeError, KeyError, TypeError, ValueError, MaskError) as err:
        raise _no_scores(path) from err
    if not run.numbers:
        raise _no_scores(path)
    return run


def _no_scores(path: Path) -> DatasetError:
    return DatasetError(
        f"{path}: holds no scores as test and evaluate write them; make them again, or name "
        "another file."
    )


def _parse(content: dict[str, Any], path: Path, name: str) -> Run:
    """Read what is there; any key that is missing or of another type raises."""
    from vos_core.metrics import PROTOCOLS

    if not isinstance(content["protocol"], str):
        raise TypeError("protocol")
    rules = PROTOCOLS.get(content["protocol"])
    headline = content.get("headline") or (rules.headline if rules else "J&F")
    sequences = content.get("sequences") or {}
    values = _values(content, headline) if "per_object" in content else {}
    images = content.get("per_image")
    objects = sum(not math.isnan(v) for each in values.values() for v in each.values)
    return Run(
        name=name,
        path=path,
        protocol=content["protocol"],
        dataset=content.get("data", {}).get("dataset"),
        split=content.get("data", {}).get("split"),
        rule=content.get("rule"),
        headline=headline,
        # before there were several averages, all means were over objects
        average=next(iter(content.get("averages", {})), "object"),
        numbers=_numbers(content),
        values=values,
        unit="sequence" if images is None else "image",
        scored=frozenset(sequences if images is None else images),
        objects=objects or content.get("objects"),
        frames=sum(each["frames"] for each in sequences.values()) if values else None,
        seconds=content.get("seconds") or {},
        info=content.get("run") or {},
    )


def _values(content: dict[str, Any], headline: str) -> "dict[str, SequenceValues]":
    from vos_core.metrics.comparison import SequenceValues

    values = {}
    for sequence, each in content["sequences"].items():
        objects = [content["per_object"][f"{sequence}_{i}"] for i in each["scored"]]
        categories = each.get("categories", {})
        means = [(_number(o["J"]["mean"]), _number(o["F"]["mean"])) for o in objects]
        values[sequence] = SequenceValues(
            tuple(j if headline == "J" else (j + f) / 2 for j, f in means),
            tuple(categories[i] for i in each["scored"]) if categories else (),
        )
    return values


def _numbers(content: dict[str, Any]) -> dict[str, float]:
    """Gather the global numbers, of whatever kind of scores."""
    if "global" not in content and "per_class" not in content:
        return _flat({key: value for key, value in content.items() if _is_number(value)})
    numbers = _flat(content.get("global", {}))
    for average, each in list(content.get("averages", {}).items())[1:]:
        means = {key: value for key, value in each.items() if key not in ("units", "rule")}
        numbers |= {f"{key} per {average}": value for key, value in _flat(means).items()}
    for name, each in content.get("per_class", {}).items():
        numbers |= {f"{name} {key}": value for key, value in _flat(each).items()}
    for name, each in content.get("per_category", {}).items():
        numbers |= {f"{metric}_{name}": _number(each[metric]["mean"]) for metric in "JF"}
    return numbers


def _flat(scores: Mapping[str, Any]) -> dict[str, float]:
    """Name the numbers in a tree: the mean by its metric, other statistics after it."""
    numbers: dict[str, float] = {}
    for key, value in scores.items():
        if isinstance(value, dict):
            inner = _flat(value)
            numbers |= {key if k == "mean" else f"{key} {k}": v for k, v in inner.items()}
        elif value is None or _is_number(value):
            numbers[key.removesuffix("_mean")] = _number(value)
    return numbers


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float | None) -> float:
    """Return a number of a JSON file, where NaN is null."""
    return math.nan if value is None else value
