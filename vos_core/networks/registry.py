"""Networks by name; names are explicit strings, never derived from class names."""

import importlib
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
    """Build a network.

    Args:
        name: One of :func:`list_networks`, or the dotted path of a class, "package.module.Class".
        **options: Constructor arguments of that network.

    Raises:
        ConfigError: If the name or an option is unknown; the message holds the nearest one.
    """
    known = network_options(name)
    for option in options:
        if option not in known:
            raise ConfigError(
                f"network {name!r} has no option {option!r}, but {', '.join(known)}."
                f"{nearest(option, known)}"
            )
    return _builder(name)(**options)


def network_options(name: str) -> list[str]:
    """Return the constructor arguments of a network.

    Raises:
        ConfigError: If there is no such network.
    """
    return list(inspect.signature(_builder(name)).parameters)


def _builder(name: str) -> Callable[..., nn.Module]:
    if name in _BUILDERS:
        return _BUILDERS[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        known = list_networks()
        raise ConfigError(
            f"Unknown network {name!r}; there are {', '.join(known)}, and your own by the dotted "
            f"path of its class.{nearest(name, known)}"
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"network {name!r} cannot be imported: {err}.") from err
    # a name may come from a checkpoint, so nothing but a network is built
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"network {name!r} is no class of torch.nn.Module.")
    return found
