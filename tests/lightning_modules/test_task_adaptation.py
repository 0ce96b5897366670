"""What a task hands to the adaptation of each object."""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn

from augment.refinement import RefinementSampler
from datasets_vos import open_dataset
from lightning_modules.datamodules import VideoDataModule
from lightning_modules.metrics import MaskJaccard
from lightning_modules.tasks import LucidTask, adapting
from tests.fakes import fake_frame, fake_label_map
from tests.lightning_modules.task_fakes import SMALL, job_of, lucid, masktrack, small_task
from vos_core.errors import ConfigError
from vos_core.propagation import AdaptationSettings, MaskPropagator, Score, adapt
from vos_core.types import ClipJob, RefinementSample

Seen = list[tuple[int, AdaptationSettings]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Collect the colour channel of what each adaptation asks for, and its settings."""
    calls: Seen = []

    def fake_adapt(
        network: nn.Module,
        batches: Iterator[RefinementSample],
        loss: object,
        settings: AdaptationSettings,
        on_step: Callable[[int, torch.Tensor], None],
        score: Callable[[nn.Module], float] | None,
    ) -> nn.Module:
        colours = torch.zeros(3)
        for _ in range(4):
            batch = next(batches)
            inside = batch["target"] == 1
            colours += batch["image"].permute(1, 0, 2, 3)[:, inside].sum(dim=1)
        calls.append((int(colours.argmax()), settings))
        return nn.Identity()

    monkeypatch.setattr(adapting, "adapt", fake_adapt)
    return calls


def test_each_object_is_adapted_to_on_its_own_and_they_share_the_steps(
    davis_root: Path, seen: Seen
) -> None:
    task = LucidTask(network_options=SMALL, adapt_iterations=7, adapt_batch_size=4)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    networks = task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    assert list(networks) == [1, 2, 3]
    # the fakes are red, green and blue squares; the third enters late
    assert [channel for channel, _ in seen] == [0, 1, 2]
    assert [settings.iterations for _, settings in seen] == [3, 3, 3]


@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
def test_the_adapter_is_told_to_the_adaptation(kind: str) -> None:
    assert small_task(kind).adaptation.adapter == "all"
    assert small_task(kind, adapter="lora:2").adaptation.adapter == "lora:2"


def test_the_objects_of_a_clip_share_the_seconds(davis_root: Path, seen: Seen) -> None:
    task = LucidTask(network_options=SMALL, time_per_sequence=90.0)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    shares = [settings.seconds for _, settings in seen]
    # taking frames apart counts; what one object leaves over the next ones get
    assert all(share is not None for share in shares)
    assert 20 < shares[0] < 30
    assert shares[0] < shares[1] < shares[2] < 90


def test_steps_that_there_was_no_time_for_are_counted(davis_root: Path) -> None:
    told = []
    for seconds in (1e-6, 1e6):
        task = lucid(time_per_sequence=seconds, adapted_cache=None)
        task.adaptation = replace(task.adaptation, iterations=12)
        task.adapted_to(job_of(davis_root))
        told.append(dict(task.adaptation_counts))
    # each of three objects gets one of four steps
    assert told == [{"steps of adaptation that there was no time for": 9}, {}]


def test_patience_looks_at_samples_of_its_own(
    davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: list[float] = []
    seeds: list[tuple[int, ...]] = []
    task = LucidTask(network_options=SMALL, adapt_iterations=150, patience=1)
    held_out, sample_batches = task._held_out, adapting.sample_batches

    def noted(
        sampler: RefinementSampler, batch_size: int, seed: Sequence[int], *where: Any
    ) -> Iterator[RefinementSample]:
        seeds.append(tuple(seed))
        return sample_batches(sampler, batch_size, seed, *where)

    def watched(sampler: RefinementSampler, seed: Sequence[int]) -> Score:
        score = held_out(sampler, seed)
        assert score is not None

        def remembered(network: nn.Module) -> float:
            scores.append(score(network))
            return scores[-1]

        return remembered

    monkeypatch.setattr(adapting, "sample_batches", noted)
    monkeypatch.setattr(task, "_held_out", watched)
    monkeypatch.setattr(task, "_watch", lambda *_: lambda *_: None)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    assert len(scores) >= 2 * 3  # of each object one by and by, one at the end
    assert all(0 <= score <= 1 for score in scores)
    assert len(seeds) == len(set(seeds)) == 2 * 3


def test_patience_does_not_wait_for_other_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(*_: object, **__: object) -> None:
        raise AssertionError("the ranks adapt to different clips")

    class OneOfSeveral(MaskJaccard):
        def __init__(self, **options: bool) -> None:
            super().__init__(**options)
            self.distributed_available_fn = lambda: True
            self.dist_sync_fn = gather

    monkeypatch.setattr(adapting, "MaskJaccard", OneOfSeveral)
    task = LucidTask(network_options=SMALL, patience=1)
    sampler = task.make_sampler([(fake_frame(0), fake_label_map(0))])
    score = task._held_out(sampler, [0])
    assert score is not None
    with torch.no_grad():
        assert 0 <= score(task.network.eval()) <= 1


def test_one_network_for_all_objects_is_adapted_once(
    davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = lucid(slots=4, baselines=False)
    adapted = []

    def note(network: nn.Module, batches: Iterator[RefinementSample], *args: object) -> nn.Module:
        adapted.append(next(batches))
        return adapt(network, batches, *args)

    monkeypatch.setattr(adapting, "adapt", note)
    job = job_of(davis_root)
    network = task._adapt_to(job)
    assert isinstance(network, nn.Module)
    assert len(adapted) == 1
    batch = adapted[0]
    assert batch["previous_mask"].shape[:2] == (2, 4)
    shown = {int(i) for i in batch["target"].unique()} - {0, 255}
    ids = {i for given in job.given for i in given.object_ids}
    assert shown <= set(range(1, len(ids) + 1))
    maps = list(task._propagate(network, job))
    assert {int(i) for each in maps for i in np.unique(each)} <= {0, *ids}


def test_kept_networks_are_taken_where_only_what_follows_differs(
    davis_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adaptations: list[AdaptationSettings] = []
    plain = adapt

    def counted(*args: object, **options: object) -> nn.Module:
        adaptations.append(args[3])  # type: ignore[arg-type]
        return plain(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(adapting, "adapt", counted)
    job = job_of(davis_root)

    def run(**settings: object) -> tuple[dict[int, nn.Module], float, int]:
        torch.manual_seed(0)
        task = lucid(adapted_cache=str(tmp_path), **settings)
        task.trainer = L.Trainer(logger=False, enable_progress_bar=False)
        adaptations.clear()
        networks, seconds = task.adapted_to(job)
        assert isinstance(networks, dict)
        return networks, seconds, len(adaptations)

    first, seconds, ran = run()
    assert ran == len(first) == 3
    for changed in ({}, {"coherence": None, "warp": False, "flow": None}, {"crf": True}):
        again, told, ran = run(**changed)
        assert (ran, told) == (0, seconds)
        for object_id, network in again.items():
            for key, value in network.state_dict().items():
                assert torch.equal(value, first[object_id].state_dict()[key])
    for changed in ({"adapt_lr": 0.02}, {"dreams": {"preset": "paper"}}, {"adapter": "decoder"}):
        assert run(**changed)[2] == 3
    # flow matters where dreams tell its motion
    seen = {"inputs": ["image+motion"]}
    assert [run(**seen, flow=flow)[2] for flow in ("dis_fast", "dis_medium")] == [3, 3]
    exact = {**seen, "motion": "exact"}
    assert [run(**exact, flow=flow)[2] for flow in ("dis_fast", "dis_medium")] == [3, 0]


def test_weights_depend_on_what_looked_at_the_dreams() -> None:
    def told(flow: str, **settings: object) -> dict[str, object]:
        return lucid(flow=flow, **settings).learnt_with()

    moving: dict[str, object] = {"inputs": ["image+motion"]}
    assert told("dis_fast") == told("farneback")
    assert told("dis_fast", **moving) != told("farneback", **moving)
    assert told("dis_fast", **moving) == told("dis_fast", motion="estimated", **moving)
    exact = {**moving, "motion": "exact"}
    assert told("dis_fast", **moving) != told("dis_fast", **exact) == told("farneback", **exact)
    with pytest.warns(UserWarning, match="stand-in"):
        assert "OpenCV" in str(told("dis_fast", inputs=["image+semantics"])["semantics"])


def test_kept_networks_depend_on_the_code_of_own_tasks(tmp_path: Path, davis_root: Path) -> None:
    def key(body: str) -> str:
        file = tmp_path / "own_task.py"
        file.write_text(
            f"from lightning_modules.tasks import LucidTask\nclass Own(LucidTask):\n{body}"
        )
        spec = importlib.util.spec_from_file_location("own_task", file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["own_task"] = module
        spec.loader.exec_module(module)
        torch.manual_seed(0)
        task = module.Own(network_options=SMALL)
        task.trainer = L.Trainer(logger=False, enable_progress_bar=False)
        told: str = task._adaptation_key(job_of(davis_root))
        return told

    try:
        assert key("    x = 1") == key("    x = 1") != key("    x = 22")
    finally:
        del sys.modules["own_task"]


@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
@pytest.mark.parametrize(
    ("trainers", "own", "expected"),
    [
        ("32-true", "auto", "auto"),
        ("bf16-mixed", "auto", "bfloat16"),
        ("16-mixed", "auto", "float16"),
        ("bf16-mixed", "float32", "float32"),
    ],
)
def test_adaptation_and_propagation_compute_as_the_trainer_does_if_free_to(
    kind: str, trainers: str, own: str, expected: str, davis_root: Path
) -> None:
    task = small_task(kind, precision=own)
    trainer = SimpleNamespace(precision=trainers)
    task._trainer = trainer
    task.setup("test")
    assert task.adaptation.precision == expected
    task._trainer = None
    propagator = task.make_propagator(task.network, job_of(davis_root))
    assert isinstance(propagator, MaskPropagator)
    assert propagator._precision == expected


def test_nothing_is_trained_on_masks_of_which_only_boxes_are_known(tmp_path: Path) -> None:
    boxes = masktrack(guidance="box")
    state = {"state_dict": boxes.state_dict(), "hyper_parameters": dict(boxes.hparams)}
    torch.save(state, tmp_path / "boxes.ckpt")
    task = masktrack(box_network=str(tmp_path / "boxes.ckpt"))
    for data, refused in ((VideoDataModule(), True), (VideoDataModule(train_split="train"), False)):
        task._trainer = SimpleNamespace(datamodule=data)
        with pytest.raises(ConfigError, match="only boxes") if refused else nullcontext():
            task.on_fit_start()
