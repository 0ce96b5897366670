"""Words that sentences for the user are made of."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless there is one.

    Example:
        >>> counted(1, "frame"), counted(2, "frame")
        ('1 frame', '2 frames')
    """
    return f"{number} {noun}{'s' * (number != 1)}"
