"""The augmentations inside an albumentations ``Compose``."""

import ast
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.lucid import PRESETS, LucidRanges, LucidScene
from augment.transforms import A, DeformMask, LucidDream
from tests.fakes import fake_frame, fake_label_map
from vos_core.errors import ConfigError, MaskError

ROOT = Path(__file__).resolve().parents[2]


def pair(t: int = 0) -> dict[str, np.ndarray]:
    return {"image": fake_frame(t), "mask": fake_label_map(t)}


def test_only_this_module_imports_albumentations_and_it_stays_quiet() -> None:
    users = set()
    for room in ("vos_core", "augment", "datasets_vos", "lightning_modules"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                if any(name.split(".")[0] == "albumentations" for name in names):
                    users.add(path.relative_to(ROOT).as_posix())
    assert users == {"augment/transforms.py"}
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


def test_dreaming_needs_no_albumentations() -> None:
    code = (
        "import sys, augment.lucid, augment.refinement; sys.exit('albumentations' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("transform", [LucidDream, DeformMask])
def test_a_seeded_compose_repeats_itself(transform: type) -> None:
    def run(seed: int) -> list[dict[str, np.ndarray]]:
        compose = A.Compose([transform(), A.HorizontalFlip(p=0.5)], seed=seed)
        return [compose(**pair(t)) for t in (0, 0, 3)]

    first, second, other = run(1), run(1), run(2)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["mask"], b["mask"])
    assert (first[0]["mask"] != first[1]["mask"]).any()
    assert any((a["mask"] != c["mask"]).any() for a, c in zip(first, other, strict=True))


def test_global_generators_are_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the global one is the point
    A.Compose([LucidDream(), DeformMask()], seed=0)(**pair())
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_dream_replaces_image_and_mask_together() -> None:
    compose = A.Compose([LucidDream()], seed=0)
    for _ in range(5):
        inputs = pair()
        result = compose(**inputs)
        assert result["image"].shape == inputs["image"].shape
        assert result["image"].dtype == result["mask"].dtype == np.uint8
        assert set(np.unique(result["mask"])) <= {0, 1, 2}
        picture = result["image"].astype(int)
        red = picture[..., 0] - picture[..., 1] > 70
        assert (red == (result["mask"] == 1)).mean() > 0.97
        np.testing.assert_array_equal(inputs["image"], fake_frame(0))


def test_additional_masks_move_along() -> None:
    compose = A.Compose([LucidDream()], additional_targets={"same": "mask", "part": "mask"}, seed=0)
    inputs = pair()
    part = np.where(inputs["mask"] == 1, 77, 0).astype(np.uint8)
    for _ in range(5):
        result = compose(**inputs, same=inputs["mask"].copy(), part=part)
        np.testing.assert_array_equal(result["same"], result["mask"])
        assert ((result["part"] == 77) == (result["mask"] == 1)).mean() > 0.98


def test_a_list_of_masks_moves_along() -> None:
    inputs = pair()
    masks = [(inputs["mask"] == i).astype(np.uint8) for i in (1, 2)]
    result = A.Compose([LucidDream()], seed=0)(**inputs, masks=masks)
    for i, moved in enumerate(result["masks"], start=1):
        assert ((moved == 1) == (result["mask"] == i)).mean() > 0.98


def test_a_frame_without_objects_stays_as_it_is() -> None:
    empty = np.zeros_like(fake_label_map(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = A.Compose([LucidDream()], seed=0)(image=fake_frame(0), mask=empty)
    np.testing.assert_array_equal(result["image"], fake_frame(0))
    np.testing.assert_array_equal(result["mask"], empty)


def test_a_black_and_white_mask_is_told_to_hold_no_object() -> None:
    white = np.where(fake_label_map(0) == 1, 255, 0).astype(np.uint8)
    with pytest.warns(UserWarning, match="no object, but void"):
        result = A.Compose([LucidDream()], seed=0)(image=fake_frame(0), mask=white)
    np.testing.assert_array_equal(result["image"], fake_frame(0))
    np.testing.assert_array_equal(result["mask"], white)


def test_probability() -> None:
    compose = A.Compose([LucidDream(p=0.5)], seed=0)
    kept = sum((compose(**pair())["image"] == fake_frame(0)).all() for _ in range(40))
    assert 10 <= kept <= 30


def test_dream_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="mask"):
        A.Compose([LucidDream()])(image=fake_frame(0))
    with pytest.raises(MaskError, match="64"):
        LucidDream()(image=fake_frame(0), mask=fake_label_map(0)[:-1])


def test_other_pictures_are_not_dreamt_over() -> None:
    inputs = pair()
    compose = A.Compose([LucidDream()], additional_targets={"depth": "image"}, seed=0)
    with pytest.raises(ConfigError, match="leave out depth"):
        compose(**inputs, depth=inputs["image"])
    with pytest.raises(ConfigError, match="leave out images"):
        A.Compose([LucidDream()], seed=0)(**inputs, images=inputs["image"][None])
    with pytest.raises(ConfigError, match="cache_size is -1"):
        LucidDream(cache_size=-1)


def test_scenes_are_cached_by_content_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = LucidScene.from_frame

    def counting(image: np.ndarray, label_map: np.ndarray, filling: str) -> LucidScene:
        built.append(int(label_map.sum()))
        return original(image, label_map, filling)

    monkeypatch.setattr(LucidScene, "from_frame", counting)
    dream = LucidDream(cache_size=2)
    for t in (0, 0, 1, 0):
        dream(**pair(t))
    assert len(built) == 2
    dream(**pair(2))  # drops frame 1, which is older than frame 0
    dream(**pair(0))
    assert len(built) == 3
    dream(**pair(1))
    assert len(built) == 4
    changed = pair(1)
    changed["mask"] = np.where(changed["mask"] == 1, 5, changed["mask"]).astype(np.uint8)
    assert 5 in dream(**changed)["mask"]
    assert len(built) == 5


def test_cached_and_fresh_scenes_give_the_same_dream() -> None:
    cached, fresh = (A.Compose([LucidDream(cache_size=n)], seed=5) for n in (4, 0))
    for _ in range(3):
        np.testing.assert_array_equal(cached(**pair())["image"], fresh(**pair())["image"])


def test_transforms_survive_the_way_to_a_worker() -> None:
    compose = A.Compose([LucidDream(), DeformMask()], seed=0)
    compose(**pair())
    copy = pickle.loads(pickle.dumps(compose))
    np.testing.assert_array_equal(copy(**pair())["mask"], compose(**pair())["mask"])


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_stored_compose_draws_the_same(form: str, tmp_path: Path) -> None:
    dream = LucidDream(PRESETS["frtm"], cache_size=3, filling="telea", p=0.9)
    stored = A.Compose([dream, DeformMask(PREVIOUS_MASKS["roi"], p=0.8)])
    A.save(stored, tmp_path / "t", data_format=form)
    loaded = A.load(tmp_path / "t", data_format=form)
    assert isinstance(loaded, A.Compose)
    again, rough = loaded.transforms
    assert (again.ranges, rough.ranges) == (PRESETS["frtm"], PREVIOUS_MASKS["roi"])
    assert (again.cache_size, again.filling, again.p, rough.p) == (3, "telea", 0.9, 0.8)
    for compose in (stored, loaded):
        compose.set_random_seed(4)
    for t in range(3):
        one, other = stored(**pair(t)), loaded(**pair(t))
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["mask"], other["mask"])
    assert (one["image"] != fake_frame(2)).any()


def test_ranges_are_no_words() -> None:
    for transform in (LucidDream, DeformMask):
        with pytest.raises(ConfigError, match="ranges is 'paper'"):
            transform("paper")
        with pytest.raises(ConfigError, match=r"have no setting 'scal'"):
            transform({"scal": 0.1})
    assert LucidDream({"object_scale": 0.3}).ranges == LucidRanges(object_scale=0.3)


def test_deform_mask_leaves_image_and_void_and_keeps_ids() -> None:
    inputs = pair()
    inputs["mask"][20:24, 2:6] = 255
    result = A.Compose([DeformMask(MaskDeformation(dilation=1))], seed=0)(**inputs)
    np.testing.assert_array_equal(result["image"], inputs["image"])
    assert set(np.unique(result["mask"])) == {0, 1, 2, 255}
    assert (result["mask"][20:24, 2:6] == 255).all()
    assert (result["mask"] != inputs["mask"]).any()


def test_deform_mask_paints_no_object_over_void() -> None:
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[10:30, 10:30], mask[10:30, 30:34] = 1, 255
    still = MaskDeformation(scale=0, shift=0, spline_points=0, dilation=3)
    result = DeformMask(still)(image=fake_frame(0), mask=mask)["mask"]
    np.testing.assert_array_equal(result == 255, mask == 255)


def test_deform_mask_lets_the_larger_id_win() -> None:
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[10:30, 10:30], mask[10:30, 30:50] = 9, 4
    still = MaskDeformation(scale=0, shift=0, spline_points=0, dilation=3)
    result = DeformMask(still)(image=fake_frame(0), mask=mask)["mask"]
    assert (result[15:25, 27:33] == 9).all()


def test_deform_mask_deforms_equal_masks_equally() -> None:
    compose = A.Compose([DeformMask()], additional_targets={"other": "mask"}, seed=0)
    result = compose(**pair(), other=fake_label_map(0))
    np.testing.assert_array_equal(result["mask"], result["other"])
    assert (result["mask"] != fake_label_map(0)).any()
