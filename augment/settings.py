"""Ranges from plain values, as they stand in a config or on a command line."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal, TypeVar

import numpy as np

from vos_core.errors import ConfigError, nearest

Ranges = TypeVar("Ranges")


def configured(presets: Mapping[str, Ranges], settings: Mapping[str, object], what: str) -> Ranges:
    """Return a set of ranges by name, some of them changed.

    Args:
        presets: Frozen dataclasses by name.
        settings: "preset" names one of them; every other key is a field and its new value, a list
            being taken for a tuple.
        what: What the ranges are of, for the message.

    Raises:
        ConfigError: If there is no such preset or field, or a value is of the wrong kind or size.
    """
    changes: dict[str, Any] = dict(settings)
    name = changes.pop("preset", None)
    if not isinstance(name, str) or name not in presets:
        raise ConfigError(
            f"there is no preset {name!r} of {what}, but {', '.join(presets)}."
            f"{nearest(str(name), presets)}"
        )
    base: Any = presets[name]
    kinds = {field.name: field.type for field in fields(base)}
    for key, value in changes.items():
        if key not in kinds:
            raise ConfigError(f"{what} have no setting {key!r}.{nearest(str(key), kinds)}")
        changes[key] = tuple(value) if isinstance(value, list) else value
        if not _is_a(changes[key], kinds[key]):
            raise ConfigError(f"{key} of {what} is {value!r}; give {_named(kinds[key])}.")
    configured: Ranges = replace(base, **changes)
    return configured


def require_generator(rng: object) -> None:
    """Refuse what is taken for a source of randomness, such as a seed.

    Raises:
        ConfigError: If it is no numpy ``Generator``.
    """
    if not isinstance(rng, np.random.Generator):
        raise ConfigError(f"rng is {rng!r}; give a generator: np.random.default_rng(seed).")


def _is_a(value: object, kind: object) -> bool:
    """Return whether a value is of an annotated kind; whole numbers are numbers, too."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return any(_is_a(value, each) for each in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_a(each, float) for each in value)
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(kind, type) and isinstance(value, kind)


def _named(kind: object) -> str:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return " or ".join(_named(each) for each in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "a list of numbers"
    if typing.get_origin(kind) is Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    names: dict[object, str] = {float: "a number", int: "a whole number", bool: "true or false"}
    return names[kind]
