"""Fetching archives from the network, unpacking them safely, and finding datasets on disk."""

from collections.abc import Callable

ProgressCallback = Callable[[int, int | None], None]
"""Called now and then with the bytes done so far, and their total or None where it is unknown."""
