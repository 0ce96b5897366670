"""What a task hands to the adaptation of each object."""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.lucid import PRESETS
from augment.lucid.sampler import LucidSampler
from augment.refinement import RefinementSampler, StillSampler
from datasets_vos import open_dataset
from lightning_modules.datamodules import VideoDataModule
from lightning_modules.metrics import MaskJaccard
from lightning_modules.tasks import LucidTask, MaskTrackTask, adapting
from tests.fakes import fake_frame, fake_label_map
from vos_core.errors import CheckpointError, ConfigError
from vos_core.optimisation import Solver
from vos_core.postprocess import CRF_PRESETS, DenseCRF
from vos_core.propagation import AdaptationSettings, MaskPropagator, Score, adapt
from vos_core.types import VOID, ClipJob, RefinementSample

Seen = list[tuple[int, AdaptationSettings]]

SMALL = {"encoder": "resnet10t", "width": 8}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Collect the colour channel of what each adaptation asks for, and its settings."""
    calls: Seen = []

    def fake_adapt(
        network: nn.Module,
        batches: Iterator[RefinementSample],
        loss: object,
        settings: AdaptationSettings,
        on_step: Callable[[int, float], None],
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


def lucid_sampler(**settings: object) -> LucidSampler:
    task = LucidTask(network_options=SMALL, **settings)
    sampler = task.make_sampler([(fake_frame(0), fake_label_map(0))])
    assert isinstance(sampler, LucidSampler)
    return sampler


def test_lucid_dreams_are_drawn_from_what_the_config_says() -> None:
    usual = lucid_sampler()
    assert usual.dreamer.ranges == PRESETS["adaptation"]
    assert usual.deformation == PREVIOUS_MASKS["adaptation"]
    other = lucid_sampler(
        dreams={"preset": "frtm", "object_angle": [-90, 90]},
        previous_masks={"dilation": 7},
    )
    assert other.dreamer.ranges == replace(PRESETS["frtm"], object_angle=(-90, 90))
    assert other.deformation == replace(PREVIOUS_MASKS["adaptation"], dilation=7)
    with pytest.raises(ConfigError, match="Did you mean 'object_scale'"):
        LucidTask(network_options=SMALL, dreams={"objct_scale": 0.1})


def test_the_config_says_how_plates_are_filled() -> None:
    plates = [lucid_sampler(filling=f).scenes[0].plates[0] for f in ("patches", "telea")]
    assert (plates[0] != plates[1]).any()


def masktrack(**settings: object) -> MaskTrackTask:
    return MaskTrackTask(
        network="mask_refiner",
        network_options={"encoder": "resnet10t", "width": 8},
        pretrained=False,
        **settings,
    )


def job_of(root: Path) -> ClipJob:
    return ClipJob(open_dataset("davis2017", root).clip("cat"), (48, 64), "davis2017")


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


def test_flow_is_kept_per_clip_where_the_config_says_so(davis_root: Path, tmp_path: Path) -> None:
    job = job_of(davis_root)
    task = masktrack(flow="dis_fast", flow_network="adapted", flow_cache=str(tmp_path))
    list(task._propagate(task.network, job))
    # of each pair of frames both ways
    kept = list((tmp_path / "cat").glob("*.flow.npz"))
    assert len(kept) == 2 * (len(job.clip.frame_names) - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flow": None, "flow_cache": "somewhere"}, "go with flow"),
        ({"flow": None, "flow_weights": "raft.pth"}, "go with flow"),
        ({"adapt_batch_size": 0}, "batch_size of the adaptation is 0"),
        ({"adapt_workers": -1}, "workers of the adaptation is -1"),
        ({"time_per_sequence": -1.0}, "time_per_sequence is -1"),
        ({"patience": -2}, "patience of the adaptation is -2"),
        ({"adapt_iterations": -7}, "iterations of the adaptation is -7"),
        ({"adapter": "lora"}, "adapter is 'lora'"),
        ({"crf_tuning": 8}, "crf_tuning is 8 with crf false; .* say --model.crf true"),
        ({"crf_tuning": -1, "crf": True}, "crf_tuning is -1"),
    ],
)
@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
def test_settings_that_mean_nothing_are_refused(
    kind: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        small_task(kind, **settings)


@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
def test_the_adapter_is_told_to_the_adaptation(kind: str) -> None:
    assert small_task(kind).adaptation.adapter == "all"
    assert small_task(kind, adapter="lora:2").adaptation.adapter == "lora:2"


def test_an_adapter_the_network_has_no_part_for_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(ConfigError, match="no normalisation layers"):
        MaskTrackTask(pretrained=False, adapter="normalisation")


def test_a_flow_cache_that_cannot_be_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="flow cannot be kept there"):
        small_task("lucid", flow_cache=str(tmp_path / "file"))


def test_an_unknown_flow_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(ConfigError, match="dis_fast"):
        masktrack(flow="dis_fats")
    with pytest.raises(ConfigError, match="dis_fast"):
        LucidTask(network_options=SMALL, flow="dis_fats")


def test_an_unknown_network_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'width'"):
        MaskTrackTask(network="mask_refiner", network_options={"widht": 8}, pretrained=False)


def test_the_objects_of_a_clip_share_the_seconds(davis_root: Path, seen: Seen) -> None:
    task = LucidTask(network_options=SMALL, time_per_sequence=90.0)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    shares = [settings.seconds for _, settings in seen]
    # taking frames apart counts; what one object leaves over the next ones get
    assert all(share is not None for share in shares)
    assert 20 < shares[0] < 30
    assert shares[0] < shares[1] < shares[2] < 90


def test_patience_looks_at_samples_of_its_own(
    davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: list[float] = []
    task = LucidTask(network_options=SMALL, adapt_iterations=150, patience=1)
    held_out = task._held_out

    def watched(sampler: RefinementSampler, rng: np.random.Generator) -> Score:
        score = held_out(sampler, rng)
        assert score is not None

        def remembered(network: nn.Module) -> float:
            scores.append(score(network))
            return scores[-1]

        return remembered

    monkeypatch.setattr(task, "_held_out", watched)
    monkeypatch.setattr(task, "_watch", lambda *_: None)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    assert len(scores) >= 2 * 3  # of each object one by and by, one at the end
    assert all(0 <= score <= 1 for score in scores)


def small_task(kind: str, **settings: object) -> LucidTask | MaskTrackTask:
    if kind == "lucid":
        return LucidTask(network_options=SMALL, **settings)
    return MaskTrackTask(network="mask_refiner", pretrained=False, **settings)


@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
def test_a_crf_is_what_the_config_says(kind: str) -> None:
    assert small_task(kind).crf is None
    assert small_task(kind, crf=True).crf == DenseCRF()
    settings = {"preset": "deeplab", "iterations": 2, "bilateral_sigma_xy": 30}
    changed = small_task(kind, crf=True, crf_settings=settings)
    assert changed.crf == replace(CRF_PRESETS["deeplab"], iterations=2, bilateral_sigma_xy=30)
    assert changed.hparams["crf_settings"] == settings
    with pytest.raises(ConfigError, match="Did you mean 'smooth_sigma'"):
        small_task(kind, crf=True, crf_settings={"smoth_sigma": 3})
    with pytest.raises(ConfigError, match="'torch' or 'pydensecrf'"):
        small_task(kind, crf=True, crf_settings={"backend": "numpy"})
    with pytest.raises(ConfigError, match="smooth_sigma of a CRF is 0"):
        small_task(kind, crf=True, crf_settings={"smooth_sigma": 0})


def test_a_crf_changes_the_answers_without_the_extra(
    davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    job = ClipJob(clip, None, None)
    torch.manual_seed(0)
    plain = small_task("lucid")
    sharpened = small_task("lucid", crf=True, crf_settings={"bilateral_weight": 20})
    sharpened.load_state_dict(plain.state_dict())
    before, after = (list(task._propagate(task.network, job)) for task in (plain, sharpened))
    assert len(before) == len(after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


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


def lucid(**settings: object) -> LucidTask:
    task = LucidTask(network_options=SMALL, adapt_iterations=2, adapt_batch_size=2, **settings)
    task._watch = lambda *_: None  # there is no trainer to tell
    return task


@pytest.mark.parametrize(
    ("inputs", "channels"),
    [
        (["image"], 3),
        (["image+motion"], 4),
        (["motion"], 4),
        (["image", "image+semantics"], 4),
        (["image", "image+motion+semantics"], 5),
    ],
)
@pytest.mark.filterwarnings("ignore:objectness is a stand-in")
def test_what_networks_see_is_the_same_in_dreams_and_in_clips(
    inputs: list[str], channels: int, davis_root: Path
) -> None:
    task = lucid(inputs=inputs)
    seen: list[tuple[str, Tensor]] = []

    def watch(network: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        seen.append(("dream" if network.training else "clip", args[0]))

    task.network.register_forward_pre_hook(watch)
    job = job_of(davis_root)
    networks = task._adapt_to(job)
    list(task._propagate(networks, job))
    kinds = {kind for kind, _ in seen}
    assert kinds == {"dream", "clip"}
    for _, image in seen:
        assert image.shape[1:] == (channels, 48, 64)
        assert 0 <= image.min() <= image.max() <= 1
    if channels > 3:  # and cues are not empty
        assert max(float(image[:, 3:].max()) for kind, image in seen if kind == "dream") > 0.1


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ["image+motion"], "flow": None}, "motion is seen through flow"),
        ({"inputs": ["image+moton"]}, "Did you mean 'motion'"),
        ({"semantics_weights": "deeplab.pth"}, "semantics are seen by no network"),
        ({"semantics": "deeplabv3_resnet101"}, "semantics are seen by no network"),
        ({"motion": "estimated"}, "motion is seen by no network"),
        (
            {"motion": "estimated", "inputs": ["motion"], "flow": "raft_small"},
            "would look at each dream on the CPU",
        ),
        ({"coherence": -1}, "coherence is -1"),
        ({"slots": 0}, "slots is 0"),
    ],
)
def test_cues_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lucid(**settings)


def test_a_stand_in_for_semantics_is_said_to_be_one() -> None:
    with pytest.warns(UserWarning, match="stand-in for a segmentation network"):
        lucid(inputs=["image+semantics"])


def test_more_objects_than_slots_are_refused_before_any_step(davis_root: Path) -> None:
    job = job_of(davis_root)
    # one of them enters late
    with pytest.raises(ConfigError, match="3 objects, but the network has 2 slots"):
        lucid(slots=2)._adapt_to(job)


def test_weights_of_networks_that_saw_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "motion.ckpt"
    torch.save(
        {
            "state_dict": lucid(inputs=["image+motion"]).state_dict(),
            "hyper_parameters": {"inputs": ["image+motion"]},
        },
        path,
    )
    lucid(inputs=["motion+image"]).check_weights(path)
    with pytest.warns(UserWarning, match="stand-in"):
        other = lucid(inputs=["image+semantics"])
    with pytest.raises(CheckpointError, match=r"see image\+motion, not image\+semantics"):
        other.check_weights(path)


def test_objects_keep_their_slots_from_one_annotation_to_the_next(davis_root: Path) -> None:
    job = replace(job_of(davis_root), both_ways=True)
    first, *_ = job.given
    one, two = first.object_ids[:2]
    late = replace(first, object_ids=(two,))
    both = replace(first, frame=2, object_ids=(one, two))
    job = replace(job, annotations=[late, both])
    assert job.object_ids == [two, one]
    task = lucid(slots=4)
    seen = []
    task.network.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    list(task._propagate(task.network, job))
    # the later object's slot is the second, whichever annotation is begun from
    with_both = [masks[0] for masks in seen if (masks[0, 1] > 0.5).any()]
    assert with_both
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(both.label_map == two)[None, None].float(), (48, 64), mode="area"
    )[0, 0]
    assert ((with_both[0][0] > 0.5) & (expected > 0.5)).sum() > 0.3 * (expected > 0.5).sum()


@pytest.mark.parametrize("option", ["slots", "cues"])
def test_masktrack_takes_neither_slots_nor_cues(option: str) -> None:
    with pytest.raises(ConfigError, match="no network options here"):
        MaskTrackTask("mask_refiner", {**SMALL, option: 2}, pretrained=False)


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
    estimated = {"inputs": ["image+motion"], "motion": "estimated"}
    assert [run(**estimated, flow=flow)[2] for flow in ("dis_fast", "dis_medium")] == [3, 3]


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
    assert (task.precision, task.adaptation.precision) == (expected, expected)
    task._trainer = None
    propagator = task.make_propagator(task.network, job_of(davis_root))
    assert isinstance(propagator, MaskPropagator)
    assert propagator._precision == expected


def test_weights_that_were_guided_otherwise_are_refused(tmp_path: Path) -> None:
    boxes = masktrack(guidance="box")
    path = tmp_path / "boxes.ckpt"
    state = {"state_dict": boxes.state_dict(), "hyper_parameters": dict(boxes.hparams)}
    torch.save(state, path)
    boxes.check_weights(path)
    with pytest.raises(CheckpointError, match="guidance 'box', not 'mask'"):
        masktrack().check_weights(path)


def test_nothing_is_trained_on_masks_of_which_only_boxes_are_known(tmp_path: Path) -> None:
    boxes = masktrack(guidance="box")
    state = {"state_dict": boxes.state_dict(), "hyper_parameters": dict(boxes.hparams)}
    torch.save(state, tmp_path / "boxes.ckpt")
    task = masktrack(box_network=str(tmp_path / "boxes.ckpt"))
    for data, refused in ((VideoDataModule(), True), (VideoDataModule(train_split="train"), False)):
        task._trainer = SimpleNamespace(datamodule=data)
        with pytest.raises(ConfigError, match="only boxes") if refused else nullcontext():
            task.on_fit_start()


@pytest.mark.parametrize("kind", [LucidTask, MaskTrackTask])
@pytest.mark.parametrize("mistake", [{"crf_tuning": 3}, {"previous_masks": {"scal": 0.1}}])
def test_mistakes_are_found_before_weights_are_loaded(
    kind: type[LucidTask | MaskTrackTask],
    mistake: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: object, **__: object) -> nn.Module:
        raise AssertionError

    module = sys.modules[kind.__module__]
    monkeypatch.setattr(module, "build_streams" if kind is LucidTask else "build_network", load)
    with pytest.raises(ConfigError):
        kind(pretrained=True, **mistake)
