"""What the JPEG decoder complains of while it decodes damaged data as well as it can.

Readers take such a picture as it comes, for a few wrong blocks are no reason to stop a training.
The decoder tells of them on the process's standard error only, without the file's name.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDERR = 2
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG")
_HARMLESS = ("Warning: unknown JFIF",)


@contextmanager
def decoder_complaints() -> Iterator[Callable[[], str]]:
    """Catch what is written to standard error, by this thread or others, while the block runs.

    Yields:
        A function that returns the first complaint since it was last called, or nothing. What
        others wrote is passed on when the block ends.
    """
    with tempfile.TemporaryFile() as log:
        saved = os.dup(_STDERR)
        os.dup2(log.fileno(), _STDERR)
        others: list[bytes] = []
        position = 0

        def news() -> str:
            nonlocal position
            log.seek(position)  # reading leaves it at the end, where the next complaint goes
            lines = log.readlines()
            position = log.tell()
            texts = [line.decode(errors="replace").strip() for line in lines]
            ours = (*_DAMAGE, *_HARMLESS)
            others.extend(
                line for line, text in zip(lines, texts, strict=True) if not text.startswith(ours)
            )
            return next((text for text in texts if text.startswith(_DAMAGE)), "")

        try:
            yield news
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
            news()
            if others:
                os.write(_STDERR, b"".join(others))
