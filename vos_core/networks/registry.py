"""Networks by name; names are explicit strings, never derived from class names."""

import inspect
from collections.abc import Callable

from torch import nn

from vos_core.errors import ConfigError, nearest

_BUILDERS: dict[str, Callable[..., nn.Module]] = {}


def register_network(name: str) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Register a class or function that builds a network under ``name``."""

    def register(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        _BUILDERS[name] = builder
        return builder

    return register


def list_networks() -> list[str]:
    """Return the registered names in alphabetical order."""
    return sorted(_BUILDERS)


def build_network(name: str, **options: object) -> nn.Module:
    """Build a registered network.

    Args:
        name: One of :func:`list_networks`.
        **options: Constructor arguments of that network.

    Raises:
        ConfigError: If the name or an option is unknown; the message holds the nearest one.
    """
    if name not in _BUILDERS:
        known = list_networks()
        raise ConfigError(
            f"Unknown network {name!r}; there are {', '.join(known)}.{nearest(name, known)}"
        )
    known = list(inspect.signature(_BUILDERS[name]).parameters)
    for option in options:
        if option not in known:
            raise ConfigError(
                f"network {name!r} has no option {option!r}, but {', '.join(known)}."
                f"{nearest(option, known)}"
            )
    return _BUILDERS[name](**options)
