"""Settings and weights that a task refuses before anything is spent."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_modules.tasks import LucidTask, MaskTrackTask
from tests.lightning_modules.task_fakes import SMALL, job_of, lucid, masktrack, small_task
from vos_core.errors import CheckpointError, ConfigError


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ["image+motion"], "flow": None}, "motion is seen through flow"),
        ({"inputs": ["image+moton"]}, "Did you mean 'motion'"),
        ({"semantics_weights": "deeplab.pth"}, "semantics are seen by no network"),
        ({"semantics": "deeplabv3_resnet101"}, "semantics are seen by no network"),
        ({"motion": "estimated"}, "motion is seen by no network"),
        ({"motion": "exact"}, "motion is seen by no network"),
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


@pytest.mark.parametrize("option", ["slots", "cues"])
def test_masktrack_takes_neither_slots_nor_cues(option: str) -> None:
    with pytest.raises(ConfigError, match="no network options here"):
        MaskTrackTask("mask_refiner", {**SMALL, option: 2}, pretrained=False)


def test_weights_that_were_guided_otherwise_are_refused(tmp_path: Path) -> None:
    boxes = masktrack(guidance="box")
    path = tmp_path / "boxes.ckpt"
    state = {"state_dict": boxes.state_dict(), "hyper_parameters": dict(boxes.hparams)}
    torch.save(state, path)
    boxes.check_weights(path)
    with pytest.raises(CheckpointError, match="guidance 'box', not 'mask'"):
        masktrack().check_weights(path)


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
