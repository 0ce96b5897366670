"""In which arithmetic networks run."""

import pytest
import torch

from vos_core.precision import Precision, autocast, loss_scaler

CPU = torch.device("cpu")
ONES = torch.ones(4, 4)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
    ],
)
@pytest.mark.parametrize("around", [torch.bfloat16, torch.float16, None])
def test_what_is_asked_for_is_what_is_computed_in(
    precision: Precision, dtype: torch.dtype, around: torch.dtype | None
) -> None:
    with torch.autocast("cpu", around, enabled=around is not None), autocast(CPU, precision):
        assert (ONES @ ONES).dtype == dtype
        assert not torch.is_autocast_cache_enabled()  # weights may change before the next pass


def test_auto_takes_what_is_in_force_already() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype), autocast(CPU, "auto"):
            assert (ONES @ ONES).dtype == dtype


@pytest.mark.parametrize("native", [True, False])
def test_auto_takes_bfloat16_where_it_is_native(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    with autocast(CPU, "auto"):
        assert (ONES @ ONES).dtype == (torch.bfloat16 if native else torch.float32)


def test_losses_are_scaled_in_float16_alone() -> None:
    loss = torch.tensor(2.0)
    assert loss_scaler(CPU, "float16").scale(loss) > 2
    assert loss_scaler(CPU, "bfloat16").scale(loss) == 2
    assert loss_scaler(CPU, "auto").scale(loss) == 2


def test_auto_scales_where_the_trainer_computes_in_float16() -> None:
    for dtype, scales in ((torch.float16, True), (torch.bfloat16, False)):
        with torch.autocast("cpu", dtype):
            assert loss_scaler(CPU, "auto").is_enabled() == scales
            assert not loss_scaler(CPU, "bfloat16").is_enabled()
