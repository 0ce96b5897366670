"""ImageNet weights when they can be had, random ones otherwise."""

import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def try_pretrained(what: str, load: Callable[[], T]) -> T | None:
    """Load pretrained weights from a cache or the network, or say once that there are none.

    Args:
        what: What is loaded, for the warning.
        load: Loads it; raises ``OSError`` where it cannot be reached.

    Returns:
        What ``load`` returns; ``None`` where the weights cannot be had.
    """
    try:
        return load()
    except OSError as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        warnings.warn(
            f"ImageNet weights of {what} cannot be had ({reason}); starting from random weights.",
            stacklevel=2,
        )
        return None
