"""Each clip goes to one rank, each sample is fresh."""

from hypothesis import given
from hypothesis import strategies as st

from lightning_modules.datamodules.samplers import IDLE, BalancedSampler, StreamSampler


@given(st.lists(st.integers(2, 400), max_size=40), st.integers(1, 8))
def test_every_clip_goes_to_exactly_one_rank(lengths: list[int], world_size: int) -> None:
    shares = [list(BalancedSampler(lengths, rank, world_size)) for rank in range(world_size)]
    dealt = [index for share in shares for index in share if index != IDLE]
    assert sorted(dealt) == list(range(len(lengths)))
    # a loader may not be empty
    assert all(share == [IDLE] or (share and IDLE not in share) for share in shares)


@given(st.lists(st.integers(2, 400), min_size=1, max_size=40), st.integers(1, 8))
def test_no_rank_has_more_work_than_greedy_guarantees(lengths: list[int], world_size: int) -> None:
    loads = [
        sum(lengths[i] for i in BalancedSampler(lengths, rank, world_size) if i != IDLE)
        for rank in range(world_size)
    ]
    # Graham's bound of list scheduling
    assert max(loads) <= sum(lengths) / world_size + max(lengths)


def test_longest_clips_are_spread() -> None:
    lengths = [10, 100, 10, 90, 10]
    shares = [list(BalancedSampler(lengths, rank, 2)) for rank in range(2)]
    assert {1, 3} & set(shares[0]) != {1, 3}
    assert [sum(lengths[i] for i in share) for share in shares] == [110, 110]


def test_stream_never_repeats_over_epochs_and_ranks() -> None:
    seen: list[int] = []
    for epoch in range(3):
        for rank in range(2):
            sampler = StreamSampler(10, rank, 2)
            sampler.set_epoch(epoch)
            assert len(list(sampler)) == len(sampler) == 5
            seen += list(sampler)
    assert sorted(seen) == list(range(30))


def test_a_resumed_stream_leaves_out_what_it_has_had() -> None:
    for rank in range(2):
        whole = StreamSampler(10, rank, 2)
        resumed = StreamSampler(10, rank, 2, resumed_at=(1, 3))
        assert len(resumed) == 5
        for epoch, begun, had in ((0, 1, 3), (1, 1, 3), (2, 2, 0)):  # 0: before one is set
            resumed.set_epoch(epoch)
            whole.set_epoch(begun)
            assert list(resumed) == list(whole)[had:]
