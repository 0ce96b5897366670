"""The search for a CRF's parameters, against what was planted and against trying each by itself."""

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import torch

from augment.settings import configured
from vos_core.errors import ConfigError, MaskError
from vos_core.metrics import jaccard
from vos_core.postprocess import CRF_PRESETS, DenseCRF, HeldOut, tune_crf
from vos_core.postprocess import tuning as tuning_module
from vos_core.postprocess.mean_field import FrameKernels
from vos_core.types import VOID

SIZE = (40, 56)
START = DenseCRF(bilateral_sigma_xy=30)


def flat(value: int = 90) -> np.ndarray:
    return np.full((*SIZE, 3), value, dtype=np.uint8)


def example(image: np.ndarray, inside: np.ndarray, truth: np.ndarray) -> HeldOut:
    probabilities = np.stack([1 - inside, inside]).astype(np.float32)
    return HeldOut(image, torch.from_numpy(probabilities), truth.astype(np.uint8))


def edge_beyond_the_guess(right: int = 20) -> HeldOut:
    """A bright object of which the left columns were missed, so that its edge has to be found."""
    image, truth, inside = flat(0), np.zeros(SIZE), np.full(SIZE, 0.05)
    image[:, right:] = 220
    truth[:, right:] = 1
    inside[:, right:] = 0.3  # less than one half: it takes a strong pull to become object
    inside[:, right + 6 :] = 0.9
    return example(image, inside, truth)


def thin_lines() -> HeldOut:
    """Lines of an object, rightly found in a picture without edges: smoothing removes them."""
    truth = np.zeros(SIZE)
    truth[:, 4::12] = 1
    return example(flat(), np.where(truth > 0, 0.75, 0.25), truth)


def three_labels(seed: int) -> HeldOut:
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    truth = (image[..., 0] > 127).astype(np.uint8) + (image[..., 0] > 160)
    soft = np.stack(
        [cv2.GaussianBlur((truth == i).astype(np.float32), (0, 0), 4) for i in range(3)]
    )
    soft += 0.15 + 0.5 * rng.random(soft.shape, dtype=np.float32)
    return HeldOut(image, torch.from_numpy(soft / soft.sum(axis=0)), truth)


def by_hand(crf: DenseCRF | None, examples: list[HeldOut]) -> float:
    """Score a CRF by itself, sharing nothing."""
    scores = []
    for each in examples:
        answer = crf(each.image, each.probabilities) if crf else each.probabilities
        labels = answer.argmax(dim=0).numpy()
        for i in range(1, len(answer)):
            scores.append(jaccard(labels == i, each.truth == i, each.truth == VOID))
    return float(np.mean(scores))


def test_strong_weights_are_found_where_edges_call_for_them() -> None:
    examples = [edge_beyond_the_guess(right) for right in (16, 20)]
    weights = (0.5, 1, 20, 2)
    found = tune_crf(examples, replace(START, bilateral_weight=0), {"bilateral_weight": weights})
    assert found.crf == replace(START, bilateral_weight=20)
    assert found.scores[found.crf] == 1
    assert found.scores[None] < 0.9
    assert found.worthwhile is found.crf


def test_the_mildest_is_found_where_each_one_hurts_and_that_none_is_better_is_told() -> None:
    weights = (8, 6, 0.3, 3)
    start = DenseCRF(smooth_weight=10, bilateral_weight=0)
    found = tune_crf([thin_lines()], start, {"smooth_weight": weights})
    assert found.crf.smooth_weight == 0.3
    assert found.scores[None] == 1
    hurt = tune_crf([thin_lines()], start, {"smooth_weight": (8, 6)})
    assert hurt.scores[None] == 1 > hurt.scores[hurt.crf]
    assert hurt.plain()["J_without"] == 1 > hurt.plain()["J"]
    assert "without it 1.000, so none is used" in str(hurt)
    assert hurt.worthwhile is None


def test_scores_are_those_of_each_setting_by_itself() -> None:
    examples = [three_labels(seed) for seed in (0, 1)]
    grid = {
        "bilateral_weight": (3, 6),
        "bilateral_sigma_xy": (10, 30),
        "bilateral_sigma_rgb": (5, 15, 40),
        "smooth_sigma": (1, 2),
    }
    found = tune_crf(examples, START, grid)
    assert len(set(found.scores.values())) > 5
    for crf, score in found.scores.items():
        assert score == by_hand(crf, examples)
    # one parameter after the other, from the best so far
    best = START
    for name, values in grid.items():
        options = [best, *(replace(best, **{name: value}) for value in values)]
        best = max(options, key=lambda crf: by_hand(crf, examples))
    assert found.crf == best != START


def test_the_grid_is_searched_in_15_settings_and_equals_keep_the_first() -> None:
    easy = example(flat(), np.ones(SIZE), np.ones(SIZE))
    found = tune_crf([easy])
    assert found.crf == DenseCRF()
    assert list(found.scores)[:2] == [None, DenseCRF()]
    assert len(found.scores) == 1 + 15
    assert set(found.scores.values()) == {1.0}
    # of two equals that are better than the start, the first of the grid
    grid = {"bilateral_weight": (30, 20)}
    better = tune_crf([edge_beyond_the_guess()], replace(START, bilateral_weight=0), grid)
    assert len(better.scores) == 4
    assert better.crf.bilateral_weight == 30


def test_void_does_not_count() -> None:
    known = edge_beyond_the_guess()
    truth = known.truth.copy()
    truth[:, 20:26] = VOID  # all that a CRF could mend
    found = tune_crf([replace(known, truth=truth)], START, {"bilateral_weight": (20,)})
    assert set(found.scores.values()) == {1.0}
    assert found.crf == START


def test_every_object_counts_the_same() -> None:
    missed = example(flat(), np.zeros(SIZE), np.ones(SIZE))
    right = three_labels(0)
    truth = right.probabilities.argmax(dim=0).numpy().astype(np.uint8)
    found = tune_crf([missed, replace(right, truth=truth)], DenseCRF(iterations=0), {})
    assert found.scores[None] == found.scores[found.crf] == pytest.approx(2 / 3)


def test_the_same_examples_give_the_same_answer_and_stay_as_they_are() -> None:
    examples = [three_labels(0), edge_beyond_the_guess()]
    before = [each.probabilities.clone() for each in examples]
    first, second = tune_crf(examples), tune_crf(examples)
    assert first == second
    assert list(first.scores) == list(second.scores)
    for one, other in zip(before, examples, strict=True):
        assert torch.equal(one, other.probabilities)


def test_settings_that_share_a_kernel_make_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FrameKernels] = []

    class Counted(FrameKernels):
        def __init__(self, image: torch.Tensor) -> None:
            super().__init__(image)
            made.append(self)

    monkeypatch.setattr(tuning_module, "FrameKernels", Counted)
    tune_crf([three_labels(0)], START, {"bilateral_weight": (1, 2, 3), "smooth_weight": (1, 2)})
    kernels = [each.bilateral.cache_info() for each in made]
    assert [(each.misses, each.hits) for each in kernels] == [(1, 0), (1, 2), (1, 1)]


def test_what_is_found_can_be_put_into_a_config() -> None:
    found = tune_crf([edge_beyond_the_guess()], START, {"bilateral_weight": (20,)})
    settings = found.plain()["settings"]
    assert settings == asdict(found.crf)
    again = configured(CRF_PRESETS, {"preset": "deeplab", **settings}, "CRF settings")
    assert again == found.crf


def test_another_backend_is_kept() -> None:
    pytest.importorskip("pydensecrf", reason="extra 'crf' is not installed")
    start = replace(START, bilateral_weight=0, backend="pydensecrf")
    found = tune_crf([edge_beyond_the_guess()], start, {"bilateral_weight": (20,)})
    assert found.crf == replace(start, bilateral_weight=20)


def test_examples_that_cannot_be_scored_are_refused() -> None:
    with pytest.raises(ConfigError, match="no object to tune"):
        tune_crf([])
    known = edge_beyond_the_guess()
    with pytest.raises(ConfigError, match="no object to tune"):
        tune_crf([replace(known, probabilities=torch.ones(1, *SIZE))])
    with pytest.raises(MaskError):
        tune_crf([replace(known, truth=known.truth[1:])])
    with pytest.raises(MaskError):
        tune_crf([replace(known, image=known.image[1:])])
    with pytest.raises(ConfigError, match="smooth_sigma of a CRF is 0"):
        tune_crf([known], START, {"smooth_sigma": (0,)})
