"""Warping against closed forms, and flow of a known motion."""

import cv2
import numpy as np
import pytest
import torch

from tests.vos_core.moving_texture import texture
from vos_core.errors import ConfigError, DatasetError
from vos_core.flow import (
    DISFlow,
    FarnebackFlow,
    build_flow,
    list_flows,
    warp_backward,
    warp_with_cover,
)

SIZE = (65, 97)


def constant_flow(x: float, y: float, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.tensor([x, y])[None, :, None, None].expand(1, 2, *size)


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


def test_cover_is_what_lies_inside() -> None:
    values = torch.rand(2, 3, *SIZE)
    warped, cover = warp_with_cover(values, constant_flow(2.25, 0.0))
    torch.testing.assert_close(warped, warp_backward(values, constant_flow(2.25, 0.0)))
    assert cover.shape == (2, 1, *SIZE)
    columns = torch.ones(SIZE[1])
    columns[-3:] = torch.tensor([0.75, 0.0, 0.0])
    torch.testing.assert_close(cover, columns.expand(2, 1, *SIZE).contiguous(), atol=1e-4, rtol=0)


ESTIMATORS = list_flows(weights=False)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_integer_shift_is_recovered(name: str) -> None:
    source, target = texture(), texture((5, -3))
    flow = build_flow(name)(source, target)
    assert flow.dtype == np.float32
    assert flow.shape == (96, 128, 2)
    inner = flow[12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [5, -3], atol=0.2)
    assert np.abs(inner - [5, -3]).mean() < 0.2


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("size", [(1, 1), (12, 12), (13, 57), (31, 500), (95, 9)])
def test_small_and_narrow_frames(name: str, size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    flow = build_flow(name)(frame, frame)
    assert flow.shape == (*size, 2)
    assert np.median(np.abs(flow)) < 0.5


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimated_flow_warps_a_mask_onto_the_moved_object(name: str) -> None:
    earlier, later = texture(), texture((4, 3))
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., 30:60, 40:80] = 1
    flow = torch.from_numpy(build_flow(name)(later, earlier)).permute(2, 0, 1)[None]
    warped = warp_backward(mask, flow) > 0.5
    expected = torch.zeros_like(warped)
    expected[..., 33:63, 44:84] = True
    overlap = (warped & expected).sum() / (warped | expected).sum()
    assert overlap > 0.97


@pytest.mark.parametrize("name", ESTIMATORS)
def test_frames_of_two_sizes_are_refused(name: str) -> None:
    with pytest.raises(DatasetError, match=r"of one size, got \(96, 128, 3\) and \(96, 120, 3\)"):
        build_flow(name)(texture(), texture(size=(96, 120)))


def test_dis_is_fast_by_default() -> None:
    pair = texture(), texture((5, -3))
    for default in (DISFlow(), build_flow()):
        np.testing.assert_array_equal(default(*pair), DISFlow("fast")(*pair))


def test_farneback_is_set_as_opencv_does() -> None:
    pair = texture(), texture((5, -3))
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in pair]
    expected = cv2.FarnebackOpticalFlow.create().calc(*grays, None)
    np.testing.assert_array_equal(FarnebackFlow()(*pair), expected)
    assert not np.array_equal(FarnebackFlow(window=31)(*pair), expected)


def test_descriptions_tell_estimators_apart() -> None:
    told = {build_flow(name).description for name in ESTIMATORS}
    assert len(told | {FarnebackFlow(window=15).description}) == len(ESTIMATORS) + 1
    assert all(cv2.__version__ in each for each in told)


def test_unknown_estimators_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'dis_quick'; there are dis_fast, .*\.$"):
        build_flow("dis_quick")
    with pytest.raises(ConfigError, match="Did you mean 'farneback'"):
        build_flow("Farnebäck")
    with pytest.raises(ConfigError, match=r"takes no weights; .* raft_large"):
        build_flow("dis_fast", "raft.pth")
