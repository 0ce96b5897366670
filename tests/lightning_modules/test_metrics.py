"""J while training is that of the benchmarks, also when ranks share the samples."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, distributed, multiprocessing

from lightning_modules.metrics import MaskJaccard
from vos_core.errors import MaskError
from vos_core.metrics import jaccard

SHARES = ([3, 1, 2], [1])  # samples of each batch of each rank


def make_batch(rng: np.random.Generator, samples: int) -> tuple[Tensor, Tensor]:
    """Return (B, 1, H, W) logits of rough discs, and targets with void; some have no object."""
    ys, xs = np.mgrid[:40, :56]
    logits, targets = [], []
    for _ in range(samples):
        y, x, radius = rng.uniform(8, 32), rng.uniform(8, 48), rng.uniform(3, 14)
        distance = np.hypot(ys - y, xs - x)
        target = (distance < radius).astype(np.int64) * (rng.random() < 0.8)
        target[rng.random(target.shape) < 0.1] = 255
        logits.append(radius + rng.normal(0, 3, target.shape) - distance)
        targets.append(target)
    return torch.tensor(np.array(logits), dtype=torch.float32)[:, None], torch.tensor(
        np.array(targets)
    )


def batches_of(rank: int) -> list[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng([3, rank])
    return [make_batch(rng, samples) for samples in SHARES[rank]]


def by_definition() -> float:
    """Return the mean over all samples of all ranks, from the function of the benchmarks."""
    scores = [
        jaccard((logit[0] > 0).numpy(), (target == 1).numpy(), (target == 255).numpy())
        for rank in range(len(SHARES))
        for logits, targets in batches_of(rank)
        for logit, target in zip(logits, targets, strict=True)
    ]
    assert len(set(scores)) > 4  # or the mean would prove little
    return float(np.mean(scores))


def test_mean_is_over_samples_not_batches() -> None:
    metric = MaskJaccard()
    for rank in range(len(SHARES)):
        for logits, targets in batches_of(rank):
            metric.update(logits, targets)
    assert metric.compute().item() == pytest.approx(by_definition(), abs=1e-6)
    metric.reset()
    assert metric.samples == 0


def _work(rank: int, folder: str) -> None:
    """Score a rank's share, as Lightning does: the states are summed when the epoch ends."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=len(SHARES)
    )
    metric, idle = MaskJaccard(), MaskJaccard()
    for logits, targets in batches_of(rank):
        metric.update(logits, targets)
        if rank == 0:
            idle.update(logits, targets)
    found = (metric.compute(), idle.compute())
    # what is computed leaves the share of this rank as it was
    assert metric.samples == sum(SHARES[rank])
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_ranks_with_uneven_batches_agree_on_the_value_of_one_process(tmp_path: Path) -> None:
    multiprocessing.spawn(_work, args=(str(tmp_path),), nprocs=len(SHARES))
    for rank in range(len(SHARES)):
        shared, alone = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert shared.item() == pytest.approx(by_definition(), abs=1e-6)
        # a rank that has nothing to score changes nothing
        metric = MaskJaccard()
        for logits, targets in batches_of(0):
            metric.update(logits, targets)
        assert alone == metric.compute()


LABELS = arrays.arrays(np.uint8, (2, 7, 9), elements=st.sampled_from([0, 1, 2, 255]))


@settings(max_examples=60, deadline=None)
@given(LABELS, arrays.arrays(np.bool_, (2, 7, 9)))
def test_equal_to_the_function_of_the_benchmarks(
    target: npt.NDArray[np.uint8], predicted: npt.NDArray[np.bool_]
) -> None:
    metric = MaskJaccard()
    metric.update(torch.from_numpy(predicted), torch.from_numpy(target))
    expected = [jaccard(p, t == 1, t == 255) for p, t in zip(predicted, target, strict=True)]
    assert metric.compute().item() == pytest.approx(np.mean(expected), abs=1e-6)


def test_empty_masks_and_void() -> None:
    nothing, full = torch.zeros(1, 20, 30), torch.ones(1, 20, 30)
    square = torch.zeros(1, 20, 30)
    square[:, 5:10, 5:10] = 1
    for prediction, target, expected in (
        (nothing, nothing, 1.0),  # both are empty
        (square, nothing, 0.0),
        (nothing, square, 0.0),
        (square, full * 255, 1.0),  # all is void
        (square, square + (1 - square) * 255, 1.0),
        (full, square + (1 - square) * 255, 1.0),  # too much, but only where it does not count
    ):
        metric = MaskJaccard(threshold=0.5)
        metric.update(prediction, target.long())
        assert metric.compute() == expected


def test_threshold_parts_logits_and_probabilities() -> None:
    logits = torch.tensor([-1.0, 0.25, 0.75, 3.0]).view(1, 1, 1, 4)
    target = torch.tensor([0, 0, 1, 1]).view(1, 1, 4)
    for prediction, threshold, expected in (
        (logits, 0.0, 2 / 3),
        (logits, 0.5, 1.0),
        (logits > 0.5, 0.0, 1.0),
        (logits > 0.5, 0.5, 1.0),
    ):
        metric = MaskJaccard(threshold)
        metric.update(prediction, target)
        assert metric.compute().item() == pytest.approx(expected, abs=1e-6)


def test_long_epochs_lose_no_digits() -> None:
    metric = MaskJaccard()
    prediction = torch.tensor([[[1.0, 1.0, 1.0]]]).expand(1000, -1, -1)
    target = torch.tensor([[[1, 0, 0]]]).expand(1000, -1, -1)
    for _ in range(2000):
        metric.update(prediction, target)
    assert metric.samples == 2_000_000
    assert metric.compute().item() == pytest.approx(1 / 3, abs=1e-7)


def test_states_stay_out_of_checkpoints() -> None:
    assert MaskJaccard().state_dict() == {}


@pytest.mark.parametrize(
    ("prediction", "target"),
    [((2, 4, 6), (2, 4, 5)), ((2, 2, 4, 6), (2, 4, 6)), ((4, 6), (4, 6)), ((2, 1, 4, 6), (4, 6))],
)
def test_other_shapes_are_refused(prediction: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(MaskError, match=r"the prediction has shape \(\d.*, the target \("):
        MaskJaccard().update(torch.zeros(prediction), torch.zeros(target, dtype=torch.int64))
