"""Reading a file of scores as ``test`` and ``evaluate`` write it, now or in the past.

All of it is checked here, so that what comes later needs not expect anything else.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml

from datasets_vos.commands.leaderboard.run import Run, Values
from datasets_vos.commands.leaderboard.search import SCORES, printable
from vos_core.errors import DatasetError, MaskError
from vos_core.metrics import PROTOCOLS, Average, SequenceValues

T = TypeVar("T")

# Metrics that are shares of 1; their statistics are named after them, as in "J recall".
_SHARES = {"J", "F", "J&F", "G", "AUC", "J&F@60s", "MOTSP", "MAE"}
_SHARES |= {"max_F", "mean_F", "adaptive_F"}
_OF_CATEGORY = re.compile("[JF]_")
_INFO = {"command": str, "config": str, "commit": str, "hardware": str, "finished": str}
_AMOUNTS = ("peak_memory_mib", "peak_gpu_memory_mib", "seed")


def read_run(path: Path, name: str) -> Run:
    """Read a file of scores.

    Where it does not say which dataset was scored, the config of its run does.

    Args:
        path: The file.
        name: Of the run.

    Raises:
        DatasetError: If it cannot be read, or anything in it is not as it should be.
    """
    where = printable(path)
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=_with_printable_text,
            parse_constant=_refuse,
        )
    except OSError as err:
        raise DatasetError(f"{where}: cannot be read ({err.strerror}); check the file.") from err
    except (ValueError, RecursionError) as err:
        raise DatasetError(f"{where}: is no JSON; make the scores again.") from err
    try:
        return _parse(content, path, name)
    except (KeyError, TypeError, ValueError, OverflowError, MaskError) as err:
        reason = f"{err} is missing" if isinstance(err, KeyError) else str(err)
        raise DatasetError(
            f"{where}: holds no scores as test and evaluate write them ({reason}); make them "
            "again, or name another file."
        ) from err


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _with_printable_text(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        printable(key): printable(value) if isinstance(value, str) else value
        for key, value in pairs
    }


def _parse(content: Any, path: Path, name: str) -> Run:  # noqa: ANN401
    _require(content, dict, "the file")
    protocol = _require(content["protocol"], str, "protocol")
    rules = PROTOCOLS.get(protocol)
    headline = _get(content, "headline", str) or (rules.headline if rules else "J&F")
    # before there were several averages, all means were over objects
    average: Any = next(iter(_table(content, "averages")), "object")
    if headline not in ("J&F", "J") or average not in get_args(Average):
        raise ValueError(f"{headline} as a mean over each {average} is unknown")
    sequences = _tables(content, "sequences")
    of_objects = "per_object" in content
    values = _values(content, sequences) if of_objects else {}
    images = _get(content, "per_image", dict)
    data = _table(content, "data")
    dataset, split = _get(data, "dataset", str), _get(data, "split", str)
    if dataset is None:
        dataset, split = _data_of_config(path)
    counted = [value for each in values.get("J", {}).values() for value in each.values]
    return Run(
        name=name,
        path=path,
        protocol=protocol,
        dataset=dataset,
        split=split,
        rule=_get(content, "rule", str),
        headline=headline,
        average=average,
        numbers=_numbers(content),
        values=values,
        scored_frames={name: each["scored"] for name, each in sequences.items() if of_objects},
        unit="sequence" if images is None else "image",
        scored=frozenset(sequences if images is None else images),
        objects=sum(not math.isnan(value) for value in counted) or _get(content, "objects", int),
        frames=sum(_require(each["frames"], int, "frames") for each in sequences.values())
        if of_objects
        else None,
        seconds=_amounts(_table(content, "seconds"), ("adapt", "propagate")),
        info=_info(_table(content, "run")),
        baseline=_get(content, "baseline", str),
    )


def _require(value: Any, kind: type[T], what: str) -> T:  # noqa: ANN401
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{what} is of a wrong kind")
    return value


def _get(content: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    value = content.get(key)
    return None if value is None else _require(value, kind, key)


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    return _get(content, key, dict) or {}


def _tables(content: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {name: _require(each, dict, name) for name, each in _table(content, key).items()}


def _number(value: object, what: str) -> float:
    """Return a number of a JSON file, where NaN is null; counts stay whole."""
    if value is None:
        return math.nan
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{what} is no number")
    if not math.isfinite(value):
        raise ValueError(f"{what} is {value}")
    return value


def _share(value: object, what: str) -> float:
    share = _number(value, what)
    _require_share(share, what)
    return share


def _require_share(value: float, what: str) -> None:
    if abs(value) > 1:
        raise ValueError(f"{what} is {value:g}, which is no share of 1")


def _data_of_config(path: Path) -> tuple[str | None, str | None]:
    """Return dataset and split of a run whose scores are older than that record."""
    if path.name != SCORES:  # then it lies in no run folder
        return None, None
    try:
        config = yaml.safe_load(path.with_name("config.yaml").read_bytes())
        args = config["data"]["init_args"]
        dataset, split = _get(args, "dataset", str), _get(args, "split", str)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None, None
    except (AttributeError, LookupError, TypeError):  # a config of something else
        return None, None
    # the toy dataset has no other scored split
    return dataset, "val" if dataset == "toy" and split is None else split


def _values(content: Mapping[str, Any], sequences: Mapping[str, Any]) -> dict[str, Values]:
    per_object = _tables(content, "per_object")
    values: dict[str, dict[str, SequenceValues]] = {"J": {}, "F": {}, "J&F": {}}
    for sequence, each in sequences.items():
        scored = _require(each["scored"], dict, "scored")
        for object_id, frames in scored.items():
            _require(frames, list, f"scored frames of {sequence}_{object_id}")
        names = [f"{sequence}_{object_id}" for object_id in scored]
        j, f = (
            [_share(_table(per_object[name], m)["mean"], f"{m} of {name}") for name in names]
            for m in "JF"
        )
        known = _table(each, "categories")
        categories = tuple(_require(known[i], str, "category") for i in scored) if known else ()
        mean = [(a + b) / 2 for a, b in zip(j, f, strict=True)]
        for metric, numbers in {"J": j, "F": f, "J&F": mean}.items():
            values[metric][sequence] = SequenceValues(tuple(numbers), categories)
    return dict(values)


def _numbers(content: Mapping[str, Any]) -> dict[str, float]:
    """Gather the global numbers, of whatever kind of scores."""
    if "global" in content or "per_class" in content:
        numbers = _flat(_table(content, "global"))
        for average, each in list(_tables(content, "averages").items())[1:]:
            means = {key: value for key, value in each.items() if key not in ("units", "rule")}
            numbers |= {f"{key} per {average}": value for key, value in _flat(means).items()}
        for name, each in _tables(content, "per_class").items():
            numbers |= {f"{name} {key}": value for key, value in _flat(each).items()}
        for name, each in _tables(content, "per_category").items():
            means = {metric: {"mean": _table(each, metric)["mean"]} for metric in "JF"}
            numbers |= {f"{metric}_{name}": value for metric, value in _flat(means).items()}
    else:
        known = ("AUC", "J&F@60s", "budget_seconds", "samples")
        numbers = _flat({key: content[key] for key in known if key in content})
    if not numbers:
        raise ValueError("there are no numbers")
    for name, value in numbers.items():
        if _OF_CATEGORY.match(name) or not _SHARES.isdisjoint(name.split()):
            _require_share(value, name)
    return numbers


def _flat(scores: Mapping[str, Any]) -> dict[str, float]:
    """Name the numbers in a tree: the mean by its metric, other statistics after it."""
    numbers: dict[str, float] = {}
    for key, value in scores.items():
        if isinstance(value, dict):
            inner = _flat(value)
            numbers |= {key if k == "mean" else f"{key} {k}": v for k, v in inner.items()}
        else:
            numbers[key.removesuffix("_mean")] = _number(value, key)
    return numbers


def _amounts(content: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    """Return those numbers that are there and are not null."""
    amounts = {name: _number(content.get(name), name) for name in names}
    if wrong := [name for name, value in amounts.items() if value < 0]:
        raise ValueError(f"{wrong[0]} is negative")
    return {name: value for name, value in amounts.items() if not math.isnan(value)}


def _info(content: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: _get(content, name, kind) for name, kind in _INFO.items()}
    return texts | _amounts(content, _AMOUNTS)
