"""Warping against closed forms, and flow of a known motion."""

import cv2
import numpy as np
import pytest
import torch

from vos_core.flow import DISFlow, warp_backward
from vos_core.types import Image

SIZE = (65, 97)


def constant_flow(x: float, y: float, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.tensor([x, y])[None, :, None, None].expand(1, 2, *size)


def texture(shift: tuple[int, int] = (0, 0), size: tuple[int, int] = (96, 128)) -> Image:
    """A smooth random texture whose content sits ``shift`` (x, y) further right and down."""
    noise = np.random.default_rng(0).integers(0, 255, (160, 192, 3), dtype=np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    x, y = 32 - shift[0], 32 - shift[1]
    return np.ascontiguousarray(smooth[y : y + size[0], x : x + size[1]])


def test_integer_shift_closed_form_and_zero_outside() -> None:
    values = torch.rand(2, 3, *SIZE) + 1
    warped = warp_backward(values, constant_flow(5, -3))
    torch.testing.assert_close(warped[..., 3:, :-5], values[..., :-3, 5:], atol=1e-4, rtol=0)
    assert (warped[..., :3, :].abs() < 1e-4).all()
    assert (warped[..., -5:].abs() < 1e-4).all()


def test_half_pixels_are_interpolated() -> None:
    values = torch.arange(SIZE[1], dtype=torch.float32).expand(1, 1, *SIZE)
    warped = warp_backward(values, constant_flow(0.5, 0.0))
    torch.testing.assert_close(warped[..., :-1], values[..., :-1] + 0.5, atol=1e-3, rtol=0)


def test_zero_flow_is_the_identity() -> None:
    values = torch.rand(1, 2, *SIZE)
    torch.testing.assert_close(
        warp_backward(values, constant_flow(0, 0)), values, atol=1e-4, rtol=0
    )


def test_one_flow_each() -> None:
    values = torch.rand(2, 1, *SIZE)
    flow = torch.cat([constant_flow(4, 0), constant_flow(0, 7)])
    both = warp_backward(values, flow)
    for i in range(2):
        single = warp_backward(values[i : i + 1], flow[i : i + 1])
        torch.testing.assert_close(both[i : i + 1], single)


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_dis_recovers_an_integer_shift(preset: str) -> None:
    source, target = texture(), texture((5, -3))
    flow = DISFlow(preset)(source, target)
    assert flow.dtype == np.float32
    assert flow.shape == (96, 128, 2)
    inner = flow[12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [5, -3], atol=0.2)
    assert np.abs(inner - [5, -3]).mean() < 0.2


def test_dis_is_fast_by_default() -> None:
    pair = texture(), texture((5, -3))
    np.testing.assert_array_equal(DISFlow()(*pair), DISFlow("fast")(*pair))


@pytest.mark.parametrize("size", [(1, 1), (12, 12), (13, 57), (31, 500), (95, 9)])
def test_dis_takes_small_and_narrow_frames(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    flow = DISFlow()(frame, frame)
    assert flow.shape == (*size, 2)
    assert np.abs(flow).max() < 0.5


def test_estimated_flow_warps_a_mask_onto_the_moved_object() -> None:
    earlier, later = texture(), texture((4, 3))
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., 30:60, 40:80] = 1
    flow = torch.from_numpy(DISFlow()(later, earlier)).permute(2, 0, 1)[None]
    warped = warp_backward(mask, flow) > 0.5
    expected = torch.zeros_like(warped)
    expected[..., 33:63, 44:84] = True
    overlap = (warped & expected).sum() / (warped | expected).sum()
    assert overlap > 0.97
