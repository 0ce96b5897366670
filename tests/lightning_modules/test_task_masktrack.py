"""MaskTrack: the rows of its ablation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.refinement import StillSampler
from lightning_modules.tasks import MaskTrackTask
from tests.fakes import fake_frame, fake_label_map
from tests.lightning_modules.task_fakes import job_of, masktrack
from vos_core.optimisation import Solver
from vos_core.propagation import MaskPropagator
from vos_core.types import VOID, ClipJob


def rough(job: ClipJob, **settings: object) -> tuple[MaskDeformation, int]:
    """Return what a task draws rough masks from, and by how much it grows those of a clip."""
    task = masktrack(**settings)
    sampler = task.make_sampler([(fake_frame(0), fake_label_map(0))])
    assert isinstance(sampler, StillSampler)
    propagator = task.make_propagator(task.network, job)
    assert isinstance(propagator, MaskPropagator)
    return sampler.deformation, propagator._dilation


def test_the_rows_of_the_ablation_change_what_they_say_and_nothing_else(davis_root: Path) -> None:
    job = job_of(davis_root)
    published = PREVIOUS_MASKS["masktrack"]
    assert rough(job) == (published, 5)
    assert rough(job, dilate=False) == (replace(published, dilation=0), 0)
    assert rough(job, nonrigid=False) == (replace(published, spline_points=0), 5)
    still = replace(published, spline_points=0, scale=0, shift=0, dilation=0)
    assert rough(job, deform=False) == (still, 0)
    # rough masks of other presets are the true ones then, too, and none is empty
    copied, _ = rough(job, deform=False, previous_masks={"preset": "adaptation", "added": 4})
    assert copied == replace(still, spline_shift=0.15)  # of no points
    assert rough(job, guidance="box") == (PREVIOUS_MASKS["jittered_box"], 0)
    # boxes are boxes, whatever a config says of masks
    of_masks = {"preset": "adaptation", "added": 3}
    boxes, dilation = rough(job, guidance="box", previous_masks=of_masks)
    assert (boxes.box, boxes.spline_points, boxes.added, boxes.dilation) == (True, 0, 0, 0)
    turned, _ = rough(job, guidance="box", previous_masks={"angle": 10, "shear": 0.1})
    assert (turned.angle, turned.shear) == (0, 0)  # boxes stand upright
    assert (boxes.scale, boxes.shift, dilation) == (0.1, 0.15, 0)
    assert rough(job, guidance="none") == (replace(published, dilation=0, empty=1.0), 0)
    assert rough(job, previous_masks={"dilation": 3}) == (replace(published, dilation=3), 3)


def test_without_deformation_rough_masks_are_the_true_ones() -> None:
    task = masktrack(deform=False, dilate=False)
    sampler = task.make_sampler([(fake_frame(0), fake_label_map(0))])
    sample = sampler(np.random.default_rng(0))
    known = sample["target"] != VOID
    assert torch.equal(sample["previous_mask"][0][known] > 0, sample["target"][known] == 1)


def test_a_network_that_is_told_nothing_learns_from_empty_masks() -> None:
    sampler = masktrack(guidance="none").make_sampler([(fake_frame(0), fake_label_map(0))])
    rng = np.random.default_rng(0)
    samples = [sampler(rng) for _ in range(10)]
    assert not any(sample["previous_mask"].any() for sample in samples)
    assert all((sample["target"] == 1).any() for sample in samples)


def test_online_fine_tuning_uses_the_offline_solver_at_its_own_rate() -> None:
    task = masktrack(lr=1e-3, adapt_lr=2e-4, momentum=0.5, head_rate=7)
    assert task.solver == Solver("sgd", 1e-3, 5e-4, 0.5, 7)
    assert task.adaptation.solver == replace(task.solver, lr=2e-4)
    assert task.adaptation.iterations == 200
    assert masktrack(online=False).adaptation.iterations == 0


def test_the_second_stream_has_the_weights_that_the_config_says(davis_root: Path) -> None:
    job = job_of(davis_root)

    def second(task: MaskTrackTask, adapted: dict[int, nn.Module]) -> object:
        propagator = task.make_propagator(adapted, job)
        assert isinstance(propagator, MaskPropagator)
        return propagator._motion and propagator._motion.network

    adapted: dict[int, nn.Module] = {1: nn.Identity()}
    assert second(masktrack(), adapted) is None
    assert second(masktrack(flow="dis_fast", flow_network="adapted"), adapted) is adapted
    untrained = masktrack(flow="dis_fast")
    with pytest.warns(UserWarning, match="nothing was trained offline"):
        assert second(untrained, adapted) is adapted
    untrained.on_train_start()
    assert second(untrained, adapted) is untrained.network
