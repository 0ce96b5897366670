"""Magnitude images and the forward-backward check, against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from vos_core.flow import is_consistent, magnitude_image

SIZE = (60, 100)


def constant(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float32)[None, :, None, None].repeat(1, 1, *SIZE)


def square(flow: Tensor, corner: tuple[int, int], side: int, x: float, y: float) -> Tensor:
    """Let a square of a field move by (x, y) instead."""
    flow = flow.clone()
    top, left = corner
    flow[..., top : top + side, left : left + side] = torch.tensor([x, y], dtype=torch.float32)[
        :, None, None
    ]
    return flow


class TestMagnitude:
    def test_camera_motion_is_black(self) -> None:
        image = magnitude_image(constant(7.25, -3), constant(-7.25, 3))
        assert image.shape == (1, 1, *SIZE)
        assert image.dtype == torch.float32
        assert (image == 0).all()

    def test_a_static_scene_is_black(self) -> None:
        assert (magnitude_image(constant(0, 0), constant(0, 0)) == 0).all()

    def test_noise_is_not_amplified(self) -> None:
        noise = torch.randn(2, 1, 2, *SIZE, generator=torch.Generator().manual_seed(0)) * 0.02
        assert magnitude_image(noise[0], noise[1]).max() < 0.1

    @pytest.mark.parametrize("camera", [(0.0, 0.0), (2.0, -1.0)])
    @pytest.mark.parametrize("side", [4, 20])  # 4 x 4 is 0.3 % of the frame, 20 x 20 is 7 %
    def test_one_moving_square_is_white(self, camera: tuple[float, float], side: int) -> None:
        """It moves by (6, 4), the camera besides, and is at (20, 30) in the later frame."""
        x, y = camera
        dx, dy = int(6 + x), int(4 + y)
        backward = square(constant(-x, -y), (20, 30), side, -dx, -dy)
        forward = square(constant(x, y), (20 - dy, 30 - dx), side, dx, dy)
        image = magnitude_image(backward, forward)
        expected = square(torch.zeros(1, 2, *SIZE), (20, 30), side, 1, 1)[:, :1]
        # where the square was, the background comes from behind it, at the square's speed
        uncovered = torch.zeros(SIZE, dtype=torch.bool)
        top, left = round(20 - dy + y), round(30 - dx + x)
        uncovered[top : top + side, left : left + side] = True
        uncovered &= expected[0, 0] == 0
        torch.testing.assert_close(image[0, 0][~uncovered], expected[0, 0][~uncovered])

    def test_both_directions_count_the_same(self) -> None:
        still = constant(0, 0)
        moving = square(still, (20, 30), 20, 3, 4)
        there = square(torch.zeros(1, 2, *SIZE), (20, 30), 20, 1, 1)[:, :1]
        # 5 px in one field and none in the other are 2.5 px, which are white
        torch.testing.assert_close(magnitude_image(still, moving), there)
        faster = square(moving, (45, 70), 10, 30, 40)  # 25 px is white, so 2.5 px are a tenth
        assert magnitude_image(still, faster)[0, 0, 30, 40].item() == pytest.approx(0.1, abs=1e-3)

    def test_slower_than_a_pixel_is_gray(self) -> None:
        slow = square(constant(0, 0), (20, 30), 20, 0.3, 0.4)
        assert magnitude_image(slow, -slow)[0, 0, 30, 40].item() == pytest.approx(0.5, abs=1e-3)

    def test_outliers_do_not_darken_the_rest(self) -> None:
        flow = square(constant(0, 0), (20, 30), 20, 3, 4)
        outliers = square(flow, (2, 2), 5, 600, 800)  # 25 of 6000 pixels, 0.42 %
        image = magnitude_image(outliers, constant(0, 0))
        assert image[0, 0, 25, 35].item() == pytest.approx(1)
        assert image.max() == 1

    def test_white_is_the_value_of_its_rank(self) -> None:
        """Of 200 pixels the fastest one, 0.5 %, is cut to the speed of the next."""
        speeds = torch.arange(200.0)
        flow = torch.stack([speeds, torch.zeros(200)])[None, :, None]
        # the lower of the two middle ones, 99, is the median
        image = magnitude_image(flow, torch.zeros_like(flow))
        relative = (speeds - 99).abs()
        inside = speeds < 100  # the others point out of the frame, so that one field counts
        speed = torch.where(inside, relative / 2, relative)
        white = speed.sort().values[math.ceil(0.995 * 200) - 1]
        torch.testing.assert_close(image[0, 0, 0], (speed / white).clamp(max=1))

    def test_where_flow_leaves_the_frame_one_field_counts(self) -> None:
        backward = square(constant(0, 0), (0, 0), 10, 0, -50)
        image = magnitude_image(backward, constant(0, 0))
        assert (image[0, 0, :10, :10] == 1).all()

    def test_each_of_a_batch_has_its_own_scale(self) -> None:
        fast = square(constant(0, 0), (20, 30), 20, 30, 40)
        slow = square(constant(1, 1), (10, 60), 20, 4, 5)
        both = magnitude_image(torch.cat([fast, slow]), torch.cat([-fast, -slow]))
        for each, alone in zip(both, (fast, slow), strict=True):
            torch.testing.assert_close(each[None], magnitude_image(alone, -alone))


class TestConsistency:
    def test_there_and_back(self) -> None:
        flow = constant(4, -3)
        reliable = is_consistent(flow, -flow)
        assert reliable.shape == (1, *SIZE)
        assert reliable.dtype == torch.bool
        assert reliable[:, 3:, :-4].all()
        assert not reliable[:, :3].any()  # these point outside
        assert not reliable[:, :, -4:].any()

    def test_the_flow_back_is_read_where_the_flow_points(self) -> None:
        forward = square(constant(0, 0), (20, 30), 10, 6, 4)
        back = square(constant(0, 0), (24, 36), 10, -6, -4)
        reliable = is_consistent(forward, back)[0]
        # what the square covers next has flow zero, but the square's flow leads elsewhere
        hidden = torch.zeros(SIZE, dtype=torch.bool)
        hidden[24:34, 36:46] = True
        hidden[20:30, 30:40] = False
        torch.testing.assert_close(reliable, ~hidden)

    @pytest.mark.parametrize(
        ("length", "gap", "answer"),
        [
            (0, 0.70, True),  # 0.490 < 0.01 * 0.49 + 0.5
            (0, 0.72, False),  # 0.518 > 0.505
            (20, 2.72, True),  # 7.398 < 0.01 * (20 ** 2 + 17.28 ** 2) + 0.5 = 7.486
            (20, 2.75, False),  # 7.563 > 7.476
        ],
    )
    def test_threshold(self, length: float, gap: float, answer: bool) -> None:
        reliable = is_consistent(constant(length, 0), constant(gap - length, 0))
        assert reliable[0, 30, 40].item() == answer

    def test_pixels_at_the_border_count_if_most_of_them_lies_inside(self) -> None:
        assert is_consistent(constant(-0.1, 0), constant(0.1, 0)).all()
        mostly_inside = is_consistent(constant(-20.4, 0), constant(20.4, 0))[0]
        assert mostly_inside[:, 20:].all()
        assert not mostly_inside[:, :20].any()
        mostly_outside = is_consistent(constant(0.7, 0), constant(-0.7, 0))[0]
        assert mostly_outside[:, :-1].all()
        assert not mostly_outside[:, -1].any()

    def test_unknown_flow_is_not_reliable(self) -> None:
        flow = constant(1, 0)
        flow[..., 30, 40] = torch.nan
        reliable = is_consistent(flow, constant(-1, 0))[0]
        assert not reliable[30, 40]
        assert reliable[30, 41]
