"""The dense CRF against its definition, against pydensecrf, and where inputs are extreme."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from datasets_vos.images import read_image
from datasets_vos.masks import read_mask
from vos_core.errors import ConfigError, DependencyNotFoundError, MaskError
from vos_core.postprocess import CRF_PRESETS, DenseCRF
from vos_core.postprocess.mean_field import normalised, spatial_kernel
from vos_core.types import FloatArray, Image

DAVIS = Path(__file__).resolve().parents[3] / "shared" / "data" / "davis2016_dev"


def textured(size: tuple[int, int], seed: int = 0) -> Image:
    """Return an image of smooth random colours over the full range."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return np.asarray(
        cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    )


def guesses(size: tuple[int, int], labels: int, seed: int = 0) -> FloatArray:
    """Return noisy (labels, H, W) probabilities of random patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, labels, (4, 4)).astype(np.uint8)
    patches = cv2.resize(patches, size[::-1], interpolation=cv2.INTER_NEAREST)
    soft = [cv2.GaussianBlur((patches == i).astype(np.float32), (0, 0), 2) for i in range(labels)]
    noisy = np.stack(soft) + 0.1 + 0.2 * rng.random((labels, *size), dtype=np.float32)
    return np.asarray(noisy / noisy.sum(axis=0), dtype=np.float32)


def rough(mask: np.ndarray) -> FloatArray:
    """Return (2, H, W) probabilities of a true mask that was eroded and blurred."""
    eroded = cv2.erode(mask.astype(np.float32), np.ones((11, 11), np.uint8))
    inside = 0.02 + 0.96 * cv2.GaussianBlur(eroded, (0, 0), 6)
    return np.stack([1 - inside, inside]).astype(np.float32)


def by_definition(crf: DenseCRF, image: Image, probabilities: FloatArray) -> FloatArray:
    """Mean field with every pair of pixels, in float64."""

    def kernel(features: np.ndarray) -> np.ndarray:
        pairs = np.exp(-np.square(features[:, None] - features[None]).sum(axis=-1) / 2)
        scale = pairs.sum(axis=1) ** -0.5
        return scale[:, None] * pairs * scale

    def softmax(scores: np.ndarray) -> np.ndarray:
        powers = np.exp(scores - scores.max(axis=0))
        return powers / powers.sum(axis=0)

    place = np.stack(np.mgrid[: image.shape[0], : image.shape[1]], axis=-1).reshape(-1, 2)
    colour = image.reshape(-1, 3) / crf.bilateral_sigma_rgb
    pairwise = crf.smooth_weight * kernel(place / crf.smooth_sigma)
    pairwise += crf.bilateral_weight * kernel(np.hstack([place / crf.bilateral_sigma_xy, colour]))
    scores = np.log(np.clip(probabilities, 1e-5, 1)).reshape(len(probabilities), -1)
    beliefs = softmax(scores.astype(np.float64))
    for _ in range(crf.iterations):
        beliefs = softmax(scores + beliefs @ pairwise)
    return beliefs.reshape(probabilities.shape).astype(np.float32)


def agreement(first: FloatArray, second: FloatArray) -> float:
    return float((first.argmax(axis=0) == second.argmax(axis=0)).mean())


def sharpened(crf: DenseCRF, image: Image, probabilities: FloatArray) -> FloatArray:
    return np.asarray(crf(image, torch.from_numpy(probabilities)).numpy())


def is_distribution(answer: FloatArray) -> bool:
    return bool(np.isfinite(answer).all() and (abs(answer.sum(axis=0) - 1) < 1e-5).all())


class TestDefinition:
    @pytest.mark.parametrize("labels", [2, 4])
    @pytest.mark.parametrize(("sigma_xy", "sigma_rgb"), [(50, 10), (8, 20), (5, 60)])
    def test_the_lattice_comes_near(self, labels: int, sigma_xy: float, sigma_rgb: float) -> None:
        """It approximates: 97.4 to 99.7 % of the labels of nine such images were these."""
        crf = DenseCRF(bilateral_sigma_xy=sigma_xy, bilateral_sigma_rgb=sigma_rgb)
        image, before = textured((40, 48)), guesses((40, 48), labels)
        exact = by_definition(crf, image, before)
        answer = sharpened(crf, image, before)
        assert agreement(answer, exact) >= 0.97
        assert np.abs(answer - exact).mean() < 0.016
        assert agreement(before, exact) < 0.96  # there was something to change

    def test_smoothness_alone_is_exact(self) -> None:
        crf = DenseCRF(bilateral_weight=0)
        image, before = textured((33, 47)), guesses((33, 47), 3)
        exact = by_definition(crf, image, before)
        np.testing.assert_allclose(sharpened(crf, image, before), exact, atol=2e-4)
        assert agreement(before, exact) < 0.99

    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (70, 3), (20, 50)])
    @pytest.mark.parametrize("sigma", [0.4, 3.0, 40.0])
    def test_spatial_kernel(self, size: tuple[int, int], sigma: float) -> None:
        values = np.random.default_rng(0).random((2, *size))
        rows, columns = (
            np.exp(-np.square(np.subtract.outer(np.arange(n), np.arange(n)) / sigma) / 2)
            for n in size
        )
        got = spatial_kernel(sigma)(torch.from_numpy(values).float())
        np.testing.assert_allclose(got, rows @ values @ columns, rtol=2e-3)

    def test_a_normalised_kernel_keeps_the_root_of_its_row_sums(self) -> None:
        kernel = spatial_kernel(2.0)
        roots = kernel(torch.ones(1, 9, 14)).sqrt()
        torch.testing.assert_close(normalised(kernel, roots)(roots), roots)


class TestPydensecrf:
    @pytest.fixture
    def both(self) -> Callable[..., tuple[FloatArray, FloatArray]]:
        pytest.importorskip("pydensecrf", reason="extra 'crf' is not installed")

        def run(crf: DenseCRF, *args: np.ndarray) -> tuple[FloatArray, FloatArray]:
            other = replace(crf, backend="pydensecrf")
            return sharpened(crf, *args), sharpened(other, *args)

        return run

    @pytest.mark.parametrize("preset", CRF_PRESETS)
    @pytest.mark.parametrize("labels", [2, 6])
    def test_labels_agree(self, both: Callable, preset: str, labels: int) -> None:
        for seed in range(3):
            image, before = textured((120, 160), seed), guesses((120, 160), labels, seed)
            ours, theirs = both(CRF_PRESETS[preset], image, before)
            assert agreement(ours, theirs) >= 0.995
            assert agreement(before, theirs) < 0.98  # there was something to change

    def test_the_lattice_is_the_same(self, both: Callable) -> None:
        crf = DenseCRF(smooth_weight=0)
        ours, theirs = both(crf, textured((120, 160)), guesses((120, 160), 3))
        assert np.abs(ours - theirs).max() < 2e-3

    @pytest.mark.parametrize("sequence", ["bmx-bumps", "flamingo", "lucia", "surf"])
    def test_real_frames_agree(self, both: Callable, sequence: str) -> None:
        folder = DAVIS / "JPEGImages" / "480p" / sequence
        if not folder.is_dir():
            pytest.skip(f"{folder} is not on this machine")
        frame = sorted(folder.iterdir())[10]
        image = read_image(frame)
        mask = read_mask(DAVIS / "Annotations" / "480p" / sequence / f"{frame.stem}.png") > 0
        ours, theirs = both(DenseCRF(), image, rough(mask))
        assert agreement(ours, theirs) >= 0.9995

    def test_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pydensecrf.densecrf", None)
        assert sharpened(
            DenseCRF(), textured((4, 4)), np.full((2, 4, 4), 0.5, np.float32)
        ).shape == (2, 4, 4)
        with pytest.raises(DependencyNotFoundError, match=r'pip install "\.\[crf\]"'):
            DenseCRF(backend="pydensecrf")


@pytest.mark.parametrize("backend", ["torch", "pydensecrf"])
class TestBothBackends:
    @pytest.fixture(autouse=True)
    def _installed(self, backend: str) -> None:
        if backend == "pydensecrf":
            pytest.importorskip("pydensecrf", reason="extra 'crf' is not installed")

    def test_a_rough_border_moves_to_the_edge_in_the_picture(self, backend: str) -> None:
        image = np.zeros((60, 80, 3), dtype=np.uint8)
        image[:, 40:] = 220
        probability = np.full((60, 80), 0.1, dtype=np.float32)
        probability[:, 36:] = 0.7  # 4 px too far left
        answer = sharpened(
            DenseCRF(backend=backend), image, np.stack([1 - probability, probability])
        )
        assert answer.dtype == np.float32
        assert is_distribution(answer)
        np.testing.assert_array_equal(answer.argmax(axis=0), image[..., 0] > 0)

    @pytest.mark.parametrize("value", [0, 127, 255])
    def test_uniform_image(self, backend: str, value: int) -> None:
        before = guesses((30, 40), 5)
        image = np.full((30, 40, 3), value, dtype=np.uint8)
        assert is_distribution(sharpened(DenseCRF(backend=backend), image, before))
        alike = np.full((3, 30, 40), 1 / 3, dtype=np.float32)
        np.testing.assert_allclose(
            sharpened(DenseCRF(backend=backend), image, alike), alike, atol=1e-5
        )

    def test_certain_probabilities(self, backend: str) -> None:
        certain = (guesses((30, 40), 4) > 0.4).astype(np.float32)
        certain[0] = 1 - certain[1:].max(axis=0)
        assert is_distribution(sharpened(DenseCRF(backend=backend), textured((30, 40)), certain))
        empty = np.stack([np.ones((30, 40)), np.zeros((30, 40))]).astype(np.float32)
        answer = sharpened(DenseCRF(backend=backend), textured((30, 40)), empty)
        assert answer[0].min() > 0.99
        empty[:, 15, 20] = 0, 1  # a probability of 0 is not for ever
        strong = sharpened(
            DenseCRF(smooth_weight=40, backend=backend), np.zeros((30, 40, 3), np.uint8), empty
        )
        assert strong[1].max() < 0.01

    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 2)])
    @pytest.mark.parametrize("labels", [1, 2, 6])
    def test_tiny_images(self, backend: str, size: tuple[int, int], labels: int) -> None:
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        before = np.random.default_rng(1).dirichlet(np.ones(labels), size).transpose(2, 0, 1)
        answer = sharpened(DenseCRF(backend=backend), image, before.astype(np.float32))
        assert answer.shape == (labels, *size)
        assert is_distribution(answer)

    def test_without_iterations_nothing_changes(self, backend: str) -> None:
        before = guesses((20, 30), 3)
        answer = sharpened(DenseCRF(iterations=0, backend=backend), textured((20, 30)), before)
        np.testing.assert_allclose(answer, before, atol=1e-6)

    def test_sizes_that_do_not_fit_are_refused(self, backend: str) -> None:
        with pytest.raises(MaskError, match=r"\(4, 5, 3\).*\(2, 5, 4\)"):
            sharpened(
                DenseCRF(backend=backend), textured((4, 5)), np.full((2, 5, 4), 0.5, np.float32)
            )
        with pytest.raises(MaskError, match="float64"):
            sharpened(
                DenseCRF(backend=backend), np.zeros((4, 5, 3)), np.full((2, 4, 5), 0.5, np.float32)
            )


def test_grey_image() -> None:
    grey = np.repeat(textured((30, 40))[..., :1], 3, axis=2)
    before = guesses((30, 40), 2)
    answer = sharpened(DenseCRF(), grey, before)
    assert is_distribution(answer)
    assert agreement(answer, by_definition(DenseCRF(), grey, before)) >= 0.97


def test_the_same_input_gives_the_same_bits() -> None:
    image, before = textured((100, 150)), guesses((100, 150), 4)
    first = sharpened(DenseCRF(), image, before)
    for _ in range(3):
        np.testing.assert_array_equal(sharpened(DenseCRF(), image.copy(), before.copy()), first)


def test_tensors_stay_tensors_and_inputs_as_they_are() -> None:
    image, before = textured((30, 40)), guesses((30, 40), 3)
    given = torch.from_numpy(before.copy()).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        answer = DenseCRF()(image, given)
    assert not answer.requires_grad
    np.testing.assert_array_equal(answer, sharpened(DenseCRF(), image, before))
    np.testing.assert_array_equal(given.detach(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_labels() -> None:
    image, before = textured((100, 150)), guesses((100, 150), 4)
    answer = DenseCRF()(image, torch.from_numpy(before).cuda())
    assert answer.is_cuda
    assert agreement(answer.cpu().numpy(), sharpened(DenseCRF(), image, before)) >= 0.999


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("iterations", -1),
        ("smooth_sigma", 0),
        ("smooth_weight", -1),
        ("bilateral_sigma_rgb", -2),
        ("bilateral_sigma_xy", float("nan")),
        ("bilateral_weight", float("inf")),
    ],
)
def test_parameters_out_of_range_are_named(parameter: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{parameter} of a CRF is {value}"):
        DenseCRF(**{parameter: value})


def test_unknown_backend() -> None:
    with pytest.raises(ConfigError, match="'numpy'"):
        DenseCRF(backend="numpy")
