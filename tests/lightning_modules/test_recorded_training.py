"""When ``fit`` trains by recorded passes; on a GPU, for which a stand-in counts them here."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.tasks import LucidTask
from tests.lightning_modules.small_runs import on, run, small
from vos_core.training_pass import Recorded


class Counted(Recorded):
    """Answers as the network does, and counts how often; "released" is the last of its counts."""

    counts: list[object]

    def __call__(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        self.counts.append(1)
        logits: Tensor = self._network(image, previous_mask)
        return logits

    def release(self) -> None:
        self.counts.append("released")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    def recorded(network: nn.Module, *, compile: bool) -> Callable[..., Tensor]:
        assert not compile
        return Counted(network)

    Counted.counts = []
    monkeypatch.setattr("lightning_modules.tasks.base.training_pass", recorded)
    return Counted.counts


@pytest.mark.parametrize(
    ("options", "recorded"), [([], 4), (["--trainer.accumulate_grad_batches=2"], 0)]
)
def test_gradients_that_add_up_are_not_recorded(
    options: list[str], recorded: int, counts: list[object], davis_root: Path, tmp_path: Path
) -> None:
    where = f"--trainer.default_root_dir={tmp_path}"
    run("fit", *on(davis_root), *small(), "--after_fit=null", where, *options)
    assert counts == [*[1] * recorded, "released"]


def test_ranks_train_step_by_step(counts: list[object]) -> None:
    task = LucidTask(network_options={"encoder": "resnet10t", "width": 8})
    for ranks, expected in ((1, Counted), (2, type(task.network))):
        task.__dict__.pop("_in_training", None)
        task._trainer = SimpleNamespace(world_size=ranks)
        assert type(task._in_training) is expected


@pytest.mark.parametrize(
    ("precision", "fused"), [("32-true", True), ("bf16-mixed", True), ("16-mixed", False)]
)
def test_weights_change_in_one_pass_but_where_lightning_could_not_clip(
    precision: str, fused: bool
) -> None:
    task = LucidTask(network_options={"encoder": "resnet10t", "width": 8})
    task._trainer = SimpleNamespace(precision=precision, estimated_stepping_batches=20)
    optimizer = task.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["fused"] is fused
