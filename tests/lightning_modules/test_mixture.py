"""Datamodules that train on several sets: what they draw, and from which seed."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from augment.pseudo_clips import ClipMotion
from cli import main
from datasets_vos.mixing import TrainSet
from lightning_modules.datamodules import ClipDataModule, VideoDataModule
from lightning_modules.datamodules.base import SampleSource
from lightning_modules.tasks import LucidTask, MaskTrackTask
from tests.fakes import make_davis
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import ClipSample

SIZE = (48, 64)

SMALL = {"encoder": "resnet10t", "width": 8}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[TrainSet]:
    """A long clip of squares that move by two pixels a frame, and a few still images."""
    root = tmp_path_factory.mktemp("sets")
    davis = make_davis(root / "davis", sequences=("solo", "other"), frames=10)
    stills = STILL_FAKES["ecssd"](root / "stills").root
    return [TrainSet("davis2017", str(davis), "train", repeat=3), TrainSet("ecssd", str(stills))]


def clip_module(sets: list[TrainSet], root: Path, **options: object) -> ClipDataModule:
    settings = {"samples_per_epoch": 12, "batch_size": 2, "size": SIZE, **options}
    module = ClipDataModule(
        dataset="davis2017",
        root=str(root),
        train_sets=sets,
        **settings,  # type: ignore[arg-type]
    )
    torch.manual_seed(5)
    module.setup("fit")
    return module


def fake_trainer(device: str, rank: int = 0) -> L.Trainer:
    """Return what a datamodule asks of the trainer of one rank of two on this machine."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    told = SimpleNamespace(global_rank=rank, world_size=2, num_devices=2, strategy=strategy)
    return cast("L.Trainer", told)


def epochs(module: ClipDataModule, count: int) -> list[list[ClipSample]]:
    """Return the batches of the first epochs, of one loader, as a trainer would draw them."""
    loader = module.train_dataloader()
    drawn = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        drawn.append(list(loader))
    return drawn  # type: ignore[return-value]


def same(a: ClipSample, b: ClipSample) -> bool:
    return all(torch.equal(a[key], b[key]) for key in ("images", "labels", "objects"))  # type: ignore[literal-required]


def gaps(labels: Tensor) -> set[int]:
    """Tell the gaps of windows of the fake scene by where their red squares are."""
    found = set()
    for window in labels:
        columns = [int((m == 1).nonzero()[:, 1].min()) for m in window]
        found |= {int(step) for step in np.diff(columns) // 2}
    return found


def test_clip_batches_keep_their_contract(sets: list[TrainSet], davis_root: Path) -> None:
    kinds = set()
    for batch in epochs(clip_module(sets, davis_root, frames=3, max_objects=2), 1)[0]:
        assert batch["images"].shape == (2, 3, 3, *SIZE)
        assert batch["images"].dtype == torch.float32
        assert 0 <= batch["images"].min() <= batch["images"].max() <= 1
        assert batch["labels"].shape == (2, 3, *SIZE)
        assert batch["labels"].dtype == torch.uint8
        for labels, count in zip(batch["labels"], batch["objects"], strict=True):
            first = set(labels[0].unique().tolist()) - {0, 255}
            assert first == set(range(1, int(count) + 1)) != set()
            assert set(labels.unique().tolist()) <= first | {0, 255}
            kinds.add(int(count))
    assert kinds == {1, 2}  # stills have one object, the video two


def test_samples_depend_on_their_number_alone(sets: list[TrainSet], davis_root: Path) -> None:
    alone = epochs(clip_module(sets, davis_root), 2)
    shared = epochs(clip_module(sets, davis_root, num_workers=2), 2)
    assert [len(epoch) for epoch in alone] == [6, 6]
    for one, other in zip(chain(*alone), chain(*shared), strict=True):
        assert same(one, other)
    assert not same(alone[0][0], alone[1][0])


def test_ranks_share_the_samples_out(sets: list[TrainSet], davis_root: Path) -> None:
    module = clip_module(sets, davis_root, batch_size=1)
    together = epochs(module, 2)
    shares = []
    for rank in range(2):
        module.trainer = fake_trainer("cpu", rank)
        shares.append(epochs(module, 2))
    for epoch in range(2):
        for k, batch in enumerate(together[epoch]):
            assert same(batch, shares[k % 2][epoch][k // 2])


@pytest.mark.parametrize(
    ("device", "asked", "workers"),
    [("cpu", None, 0), ("cuda", None, 5), ("cuda", 0, 0), ("cuda", 3, 3), ("cpu", 2, 2)],
)
def test_a_gpu_does_not_wait_for_samples_unless_the_config_says_so(
    sets: list[TrainSet],
    davis_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    asked: int | None,
    workers: int,
) -> None:
    monkeypatch.setattr("augment.refinement.usable_cores", lambda: 12)
    module = clip_module(sets, davis_root, num_workers=asked)
    module.trainer = fake_trainer(device)
    assert module.train_dataloader().num_workers == workers


@pytest.mark.parametrize("num_workers", [0, 2])
def test_gap_grows_with_the_epoch_in_living_workers(
    sets: list[TrainSet], davis_root: Path, num_workers: int
) -> None:
    module = clip_module(
        sets[:1],
        davis_root,
        frames=2,
        samples_per_epoch=40,
        first_gap=1,
        gap_step=2,
        gap_every=1,
        last_gap=4,
        num_workers=num_workers,
    )
    seen = [set.union(*(gaps(batch["labels"]) for batch in epoch)) for epoch in epochs(module, 3)]
    assert seen == [{1}, {1, 2, 3}, {1, 2, 3, 4}]


class EpochSource(SampleSource[int]):
    def draw(self, epoch: int, rng: np.random.Generator) -> int:
        return epoch


def test_samples_are_told_their_epoch(
    sets: list[TrainSet], davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipDataModule, "make_source", lambda self: EpochSource())
    module = clip_module(sets, davis_root, samples_per_epoch=4, batch_size=4)
    told = [batch.tolist() for epoch in epochs(module, 3) for batch in epoch]  # type: ignore[attr-defined]
    assert told == [[0] * 4, [1] * 4, [2] * 4]


def test_settings_reach_the_samples(sets: list[TrainSet], davis_root: Path) -> None:
    for batch in epochs(clip_module(sets[:1], davis_root, max_objects=1), 1)[0]:
        assert batch["objects"].tolist() == [1, 1]
    still = ClipMotion(angle=0, shear=0, shift=0, scale=(1, 1))
    for batch in epochs(clip_module(sets[1:], davis_root, motion=still), 1)[0]:
        assert (batch["labels"] == batch["labels"][:, :1]).all()


def test_reference_and_validation_frames(sets: list[TrainSet], davis_root: Path) -> None:
    module = clip_module(sets[:1], davis_root, order="reference", frames=3)
    first, second = (
        set.union(*(gaps(batch["labels"][:, part]) for batch in epochs(module, 1)[0]))
        for part in (slice(0, 2), slice(1, 3))
    )
    assert min(first) < 0 < max(first)
    assert min(second) > 0


def test_repeats_set_the_odds(sets: list[TrainSet], davis_root: Path) -> None:
    module = clip_module(sets, davis_root, samples_per_epoch=300, batch_size=50)
    counts = torch.cat([batch["objects"] for batch in epochs(module, 1)[0]])
    # one clip three times; of six stills one is empty, so five of one object each
    share, draws = 3 / 8, 300
    deviation = (draws * share * (1 - share)) ** 0.5
    assert abs(int((counts == 2).sum()) - draws * share) < 4 * deviation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "at least 2"),
        ({"max_objects": 0}, "at least 1"),
        ({"first_gap": 3, "last_gap": 2}, "less than first_gap"),
    ],
)
def test_senseless_settings_are_refused(options: dict, message: str, davis_root: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        clip_module([], davis_root, **options)


def test_a_clip_module_needs_sets_to_train_on_only(davis_root: Path) -> None:
    module = ClipDataModule(dataset="davis2017", root=str(davis_root), size=SIZE)
    module.setup("test")
    assert len(module.test_dataloader()) == 2
    with pytest.raises(ConfigError, match="name at least one in train_sets"):
        module.setup("fit")


def test_arguments_are_named() -> None:
    for module in (VideoDataModule, ClipDataModule):
        with pytest.raises(TypeError, match="positional"):
            module("toy")  # type: ignore[misc]


def test_named_sets_win_over_the_split_of_a_config(sets: list[TrainSet], davis_root: Path) -> None:
    module = VideoDataModule(
        dataset="davis2017", root=str(davis_root), train_sets=sets, train_split="no-such-split"
    )
    module.open("fit")


def test_the_training_split_is_opened(davis_root: Path) -> None:
    module = VideoDataModule(
        dataset="davis2017", root=str(davis_root), train_split="no-such-split", size=SIZE
    )
    module.open("test")
    with pytest.raises(DatasetError, match=r"2017/no-such-split\.txt"):
        module.open("fit")


def test_clips_are_not_trained_and_tested_on(davis_root: Path) -> None:
    """Without a split every sequence found is tested on."""
    module = VideoDataModule(
        dataset="davis2017", root=str(davis_root), train_split="train", size=SIZE
    )
    module.open("test")
    with pytest.raises(ConfigError, match="train_split 'train' would be tested on, too, such as"):
        module.open("fit")


def test_lucid_refuses_more_frames_than_it_can_take_apart() -> None:
    task = LucidTask(network_options=SMALL)
    with pytest.raises(ConfigError, match="1001 training frames"):
        task.make_sampler(range(1001))  # type: ignore[arg-type]


class ClipProbe(MaskTrackTask):
    """Stands for a method that is trained on clips: it looks at them, and learns nothing."""

    def training_step(self, batch: ClipSample, batch_idx: int) -> Tensor:  # type: ignore[override]
        assert batch["images"].shape == (2, 3, 3, *SIZE)
        self.log("train/objects", batch["objects"].float().mean())
        return 0 * sum(p.sum() for p in self.network.parameters())  # type: ignore[return-value]


def link_fakes(folder: Path, places: Sequence[tuple[str, str]]) -> Path:
    """Put fakes of some sets where a shipped config looks for them."""
    folder.mkdir()
    for name, place in places:
        fakes = VIDEO_FAKES if name in VIDEO_FAKES else STILL_FAKES
        (folder / place).symlink_to(fakes[name](folder.parent / name).root)
    return folder


def run_fit(config: str, data: Path, davis_root: Path, runs: Path, *options: str) -> Path:
    args = [
        *("fit", "--config=masktrack.yaml", f"--config=data/{config}.yaml"),
        *("--data.dataset=davis2017", f"--data.root={davis_root}", f"--data.train_root={data}"),
        *(f"--data.size={list(SIZE)}", "--data.samples_per_epoch=4", "--data.batch_size=2"),
        *("--model.network=mask_refiner", "--model.pretrained=false", "--after_fit=null"),
        *("--trainer.max_epochs=2", "--trainer.limit_val_batches=0", "--trainer.accelerator=cpu"),
        f"--trainer.default_root_dir={runs}",
    ]
    assert main([*args, *options]) == 0
    return runs / "masktrack" / "version_0"


def test_masktrack_fits_the_shipped_saliency_sets(davis_root: Path, tmp_path: Path) -> None:
    places = [
        ("ecssd", "ECSSD"),
        ("msra10k", "MSRA10K"),
        ("sod", "SOD"),
        ("pascal_s", "PASCAL-S"),
    ]
    data = link_fakes(tmp_path / "data", places)
    folder = run_fit("saliency", data, davis_root, tmp_path / "runs", "--data.num_workers=1")
    checkpoint = torch.load(next(folder.glob("checkpoints/*.ckpt")), weights_only=True)
    assert checkpoint["global_step"] == 4
    config = (folder / "config.yaml").read_text()
    assert all(place in config for _, place in places)


def test_the_shipped_mixture_trains_a_method_on_clips(davis_root: Path, tmp_path: Path) -> None:
    places = [("davis2017", "DAVIS"), ("youtube_vos2019", "YouTube-VOS")]
    data = link_fakes(tmp_path / "data", places)
    probe = f"--model={ClipProbe.__module__}.{ClipProbe.__name__}"
    folder = run_fit("mixture", data, davis_root, tmp_path / "runs", probe)
    torch.load(next(folder.glob("checkpoints/*.ckpt")), weights_only=True)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([{"dataset": "ecssd", "rot": "x"}], "'rot' is not an option here. Did you mean 'root'?"),
        ([{"dataset": "ecsd", "root": "x"}], "the nearest is 'ecssd'"),
        ([{"dataset": "ecssd", "root": "nowhere"}], "nowhere: no such folder"),
    ],
)
def test_wrong_sets_leave_no_run_behind(
    sets: list, said: str, davis_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [
        *("fit", "--config=masktrack.yaml", "--config=data/saliency.yaml"),
        *("--data.dataset=davis2017", f"--data.root={davis_root}"),
        *("--model.network=mask_refiner", "--model.pretrained=false"),
        *(f"--data.train_sets={json.dumps(sets)}", f"--trainer.default_root_dir={tmp_path}"),
    ]
    status: object
    try:
        status = main(args)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_share_is_spread_evenly_over_the_frames(sets: list[TrainSet], davis_root: Path) -> None:
    def frames(fraction: float, train_sets: list[TrainSet] | None) -> Sequence[object]:
        module = VideoDataModule(
            dataset="davis2017",
            root=str(davis_root),
            train_sets=train_sets,
            train_fraction=fraction,
            size=SIZE,
        )
        module.open("fit")
        assert module._frames is not None
        return module._frames

    everything = frames(1.0, sets[:1])
    half = frames(0.5, sets[:1])
    assert len(half) == len(everything) // 2
    for k in range(len(half)):
        assert (half[k][0] == everything[2 * k][0]).all()  # type: ignore[index]
    assert len(frames(0.01, None)) == 1  # of those of the dataset itself, too
    for wrong in (0.0, -3.0, 1.5):
        with pytest.raises(ConfigError, match="the fraction to train on"):
            frames(wrong, sets[:1])


def test_what_is_given_is_what_is_trained_on(davis_root: Path) -> None:
    module = VideoDataModule(
        dataset="davis2017", root=str(davis_root), annotate=[-1], sequences=["dog"], size=SIZE
    )
    module.open("fit")
    (given,) = module.given(module.test_clips()[0]) or []
    assert module._frames is not None
    ((_, labels),) = list(module._frames)
    assert set(np.unique(labels)) - {0} == set(given.object_ids)
    last = module.test_clips()[0].frame(given.frame, SIZE)
    np.testing.assert_allclose(module._frames[0][0], last, atol=40)


def test_a_root_of_no_sets_is_refused() -> None:
    with pytest.raises(ConfigError, match="train_root"):
        VideoDataModule(train_root="/data")
