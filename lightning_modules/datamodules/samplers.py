"""Which rank does what."""

from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler


class StreamSampler(Sampler[int]):
    """Numbers that never repeat: each epoch continues where the last one ended.

    A dataset that draws its i-th sample from seed i so gives fresh samples in every epoch, on
    every rank, and the same ones again in a repeated run.

    Args:
        length: Samples per epoch, over all ranks.
        rank: This process.
        world_size: Number of processes.
        resumed_at: The epoch to begin with, and how many of its samples this rank has had.
    """

    def __init__(
        self,
        length: int,
        rank: int = 0,
        world_size: int = 1,
        resumed_at: tuple[int, int] = (0, 0),
    ) -> None:
        self._share = length // world_size
        self._rank = rank
        self._world_size = world_size
        self._epoch = 0
        self._resumed_at = resumed_at

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's numbers of the epoch."""
        resumed, had = self._resumed_at
        epoch = max(self._epoch, resumed)  # workers may ask before it is set
        done = had if epoch == resumed else 0
        for number in range(epoch * self._share + done, (epoch + 1) * self._share):
            yield number * self._world_size + self._rank

    def __len__(self) -> int:
        """Return the samples of one rank and epoch."""
        return self._share


IDLE = -1
"""In place of a clip, where there are fewer clips than ranks: a loader may not be empty."""


class BalancedSampler(Sampler[int]):
    """Deals clips out to the ranks so that each has about the same number of frames.

    Longest first, each to the rank with the least work so far. Every clip goes to exactly one
    rank; none is repeated, so means over clips stay right. A rank that gets none gets :data:`IDLE`.

    Args:
        lengths: Frames of each clip.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, lengths: Sequence[int], rank: int = 0, world_size: int = 1) -> None:
        loads = [0] * world_size
        shares: list[list[int]] = [[] for _ in range(world_size)]
        for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
            lightest = loads.index(min(loads))
            loads[lightest] += lengths[index]
            shares[lightest].append(index)
        self._indices = sorted(shares[rank]) or [IDLE]

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's clips."""
        return iter(self._indices)

    def __len__(self) -> int:
        """Return how many clips this rank has."""
        return len(self._indices)
