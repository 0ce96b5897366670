"""The toy dataset: determinism, exactness of masks and flow, safety of its generation."""

import functools
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from augment.geometry import pixel_grid, warp, warp_labels
from datasets_vos import Davis, open_dataset, toy
from datasets_vos.images import read_image
from datasets_vos.masks import object_ids, read_mask
from datasets_vos.toy import ensure_toy, find_toy, generate_toy, read_toy_flow
from datasets_vos.toy_cutouts import load_photo
from datasets_vos.toy_render import make_layers
from datasets_vos.toy_scenes import TRAIN_SCENES, VAL_SCENES, Photo, Scene
from vos_core.errors import ConfigError, CorruptFileError, DatasetError
from vos_core.types import LabelMap

SIZE = (96, 168)
FRAMES = 14
TINY = {"train_clips": 1, "val_clips": 1, "frames": 2, "size": (32, 40), "workers": 1}
SCENES = (*TRAIN_SCENES, *VAL_SCENES)
each_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every scene, in small."""
    return generate_toy(tmp_path_factory.mktemp("toy") / "toy", frames=FRAMES, size=SIZE, workers=1)


def read_masks(root: Path, name: str) -> list[LabelMap]:
    paths = sorted((root / "Annotations" / "480p" / name).iterdir())
    return [read_mask(path) for path in paths]


def digest(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def presence(root: Path, name: str, object_id: int) -> str:
    """Return one letter a frame, runs merged: ``x`` present, ``.`` absent."""
    marks = "".join("x" if (mask == object_id).any() else "." for mask in read_masks(root, name))
    return "".join(mark for i, mark in enumerate(marks) if i == 0 or mark != marks[i - 1])


def test_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    settings = {**TINY, "train_clips": 2, "frames": 3}
    one = digest(generate_toy(tmp_path / "one", **settings))
    two = digest(generate_toy(tmp_path / "two", **{**settings, "workers": 2}))
    assert one == two
    other = digest(generate_toy(tmp_path / "other", **settings, seed=1))
    assert one["JPEGImages/480p/meadow/00000.jpg"] != other["JPEGImages/480p/meadow/00000.jpg"]


def test_a_clip_does_not_depend_on_the_other_clips(root: Path, tmp_path: Path) -> None:
    alone = generate_toy(
        tmp_path / "alone", train_clips=1, val_clips=1, frames=FRAMES, size=SIZE, workers=1
    )
    of_all, of_one = digest(root), digest(alone)
    shared = [path for path in of_one if "/meadow/" in path or "/terrace/" in path]
    assert len(shared) == 2 * (3 * FRAMES - 1)
    assert all(of_all[path] == of_one[path] for path in shared)


def test_layout_is_davis(root: Path) -> None:
    for split, scenes in (("train", TRAIN_SCENES), ("val", VAL_SCENES)):
        dataset = Davis(root, year="2017", split=split)
        assert dataset.names == tuple(scene.name for scene in scenes)
        for clip in dataset:
            clip.check()
            assert clip.size == SIZE
            assert list(clip.frame_names) == [f"{t:05d}" for t in range(FRAMES)]


@each_scene
def test_masks_hold_the_announced_ids_at_a_useful_size(root: Path, scene: Scene) -> None:
    announced = json.loads((root / "toy.json").read_text())["sequences"][scene.name]["object_ids"]
    masks = np.stack(read_masks(root, scene.name))
    assert object_ids(masks.reshape(len(masks), -1)) == tuple(announced) == scene.object_ids
    for i in announced:
        largest = (masks == i).mean(axis=(1, 2)).max()
        assert 0.04 < largest < 0.16


@pytest.mark.parametrize(
    ("name", "object_id", "pattern"),
    [
        ("launch", 2, "x.x"),
        ("portrait", 2, "x.x"),
        ("quarry", 3, ".x"),
        ("crater", 3, ".x"),
        ("garage", 1, "x"),
        ("table", 1, "x"),
    ],
)
def test_objects_leave_return_and_enter(
    root: Path, name: str, object_id: int, pattern: str
) -> None:
    assert presence(root, name, object_id) == pattern


@pytest.mark.parametrize("name", ["garage", "campus", "table", "crater"])
def test_objects_occlude_each_other(root: Path, name: str) -> None:
    areas = [int((mask == 1).sum()) for mask in read_masks(root, name)]
    assert min(areas[3:-3]) < 0.75 * min(areas[0], areas[-1])


@each_scene
def test_flow_carries_the_previous_frame_over(root: Path, scene: Scene) -> None:
    masks = read_masks(root, scene.name)
    frames = [
        read_image(path).astype(np.float32)
        for path in sorted((root / "JPEGImages" / "480p" / scene.name).iterdir())
    ]
    agreement, moved_error, still_error = [], [], []
    for t in range(1, FRAMES):
        flow, newly_visible = read_toy_flow(root, scene.name, t)
        assert flow.shape == (*SIZE, 2)
        assert newly_visible.mean() < 0.35
        positions = (pixel_grid(SIZE) + flow).astype(np.float32)
        kept = ~newly_visible
        agreement.append((warp_labels(masks[t - 1], positions) == masks[t])[kept].mean())
        warped = np.asarray(warp(frames[t - 1], positions), dtype=np.float32)
        # the light changes between the frames: one factor undoes most of it
        for source, errors in ((warped, moved_error), (frames[t - 1], still_error)):
            factor = (source * frames[t])[kept].sum() / (source**2)[kept].sum()
            errors.append(np.abs(factor * source - frames[t])[kept].mean())
    assert min(agreement) > 0.99
    assert np.mean(moved_error) < 9
    assert np.mean(moved_error) < 0.6 * np.mean(still_error)


@pytest.mark.parametrize("name", ["garage", "launch", "table", "crater"])  # no distractors
def test_only_what_the_previous_frame_hides_is_newly_visible(root: Path, name: str) -> None:
    masks = read_masks(root, name)
    for t in range(1, FRAMES):
        flow, newly_visible = read_toy_flow(root, name, t)
        positions = (pixel_grid(SIZE) + flow).astype(np.float32)
        inside = ((positions >= 0) & (positions <= [SIZE[1] - 1, SIZE[0] - 1])).all(axis=-1)
        seen = inside & (warp_labels(masks[t - 1], positions) == masks[t])
        # rounding to whole pixels leaves a few along the outlines
        assert newly_visible[seen].mean() < 0.01


@each_scene
def test_points_can_be_followed_to_the_frame_and_back(scene: Scene) -> None:
    for layer in make_layers(scene, SIZE, np.random.default_rng(0)):
        placed = layer.at(0.3)
        points = pixel_grid(layer.texture.shape[:2])
        gap = np.abs(placed.to_texture(placed.to_frame(points)) - points).max()
        assert gap < 0.01


def test_copying_the_first_mask_fails(root: Path) -> None:
    for scene in VAL_SCENES:
        first, *rest = read_masks(root, scene.name)
        scores = []
        for i in scene.object_ids:
            for mask in rest[:-1]:
                union = (first == i) | (mask == i)
                both = (first == i) & (mask == i)
                scores.append(both.sum() / union.sum() if union.any() else 1.0)
        assert np.mean(scores) < 0.35, scene.name


def test_steps_are_short_at_the_default_length() -> None:
    for scene in SCENES:
        for layer in make_layers(scene, SIZE, np.random.default_rng(0)):
            centre = (pixel_grid((1, 1)) + np.array(layer.texture.shape[1::-1])) / 2
            path = np.concatenate([layer.at(t).to_frame(centre)[0] for t in np.linspace(0, 1, 26)])
            inside = ((path > 0) & (path < [SIZE[1], SIZE[0]])).all(axis=1)
            steps = np.linalg.norm(np.diff(path, axis=0), axis=1)[inside[1:] & inside[:-1]]
            # in pixels of the default size
            assert steps.max() * 240 / SIZE[0] < 16


def test_interrupted_generation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "toy"
    write_clip = toy._write_clip

    def interrupted(root: Path, scene: Scene, settings: toy._Settings) -> None:
        write_clip(root, scene, settings)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(toy, "_write_clip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            generate_toy(target, **TINY)
    assert list(tmp_path.iterdir()) == []
    generate_toy(target, **TINY)
    assert list(tmp_path.iterdir()) == [target]
    assert Davis(target, split="val").names == ("terrace",)


def test_damaged_or_outdated_dataset_is_replaced(tmp_path: Path) -> None:
    target = generate_toy(tmp_path / "toy", **TINY)
    good = digest(target)
    (target / "Flow" / "480p" / "meadow" / "00001.png").unlink()
    assert digest(generate_toy(target, **TINY)) == good
    manifest = json.loads((target / "toy.json").read_text())
    (target / "toy.json").write_text(json.dumps({**manifest, "version": -1}))
    assert digest(generate_toy(target, **TINY)) == good
    assert digest(generate_toy(target, **{**TINY, "val_clips": 2})) != good
    assert list(tmp_path.iterdir()) == [target]


def test_complete_dataset_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = generate_toy(tmp_path / "toy", **TINY)
    monkeypatch.delattr(toy, "_write_clips")
    assert generate_toy(target, **TINY) == target
    assert ensure_toy(target) == target
    assert ensure_toy(str(target)) == target


def test_other_data_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DatasetError, match="not a toy dataset"):
        generate_toy(tmp_path, **TINY)
    with pytest.raises(DatasetError, match="not a toy dataset"):
        ensure_toy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_ensure_uses_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(toy, "generate_toy", functools.partial(generate_toy, **TINY))
    expected = tmp_path / "vos-suite" / f"toy-{toy.TOY_VERSION}"
    assert ensure_toy() == expected
    assert Davis(expected, split="train").names == ("meadow",)


def test_reading_makes_no_dataset_at_a_mistyped_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "holiday.jpg").touch()
    before = sorted(tmp_path.rglob("*"))
    for name in ("tyo", "empty", "file", "other"):
        root = tmp_path / name
        with pytest.raises(DatasetError, match=f"cli.py data toy --root {root}"):
            open_dataset("toy", root)
    assert sorted(tmp_path.rglob("*")) == before
    target = generate_toy(tmp_path / "toy", **TINY)
    assert find_toy(target) == find_toy(str(target)) == target
    assert open_dataset("toy", target, "val").names == ("terrace",)
    # one that is there is repaired, and without a root there is one
    monkeypatch.setattr(toy, "generate_toy", functools.partial(generate_toy, **TINY))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    good = digest(target)
    (target / "Flow" / "480p" / "meadow" / "00001.png").unlink()
    assert digest(find_toy(target)) == good
    assert digest(find_toy()) == good


def test_two_at_once_both_find_a_complete_dataset(tmp_path: Path) -> None:
    target = tmp_path / "toy"
    generate = functools.partial(generate_toy, target, **TINY)
    with ThreadPoolExecutor(2) as pool:
        found = [job.result() for job in [pool.submit(generate) for _ in range(2)]]
    assert found == [target, target]
    assert list(tmp_path.iterdir()) == [target]
    assert digest(target) == digest(generate_toy(tmp_path / "alone", **TINY))


def test_faster_rival_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rival = generate_toy(tmp_path / "rival", **TINY)
    target = tmp_path / "toy"
    rename = Path.rename

    def late(self: Path, to: Path) -> Path:
        if to == target and not target.exists():
            shutil.copytree(rival, target)
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", late)
    assert generate_toy(target, **TINY) == target
    assert digest(target) == digest(rival)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("train_clips", 0), ("val_clips", 5), ("frames", 1), ("size", (31, 64)), ("seed", -1)],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting):
        generate_toy(tmp_path / "toy", **{**TINY, setting: value})
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match="writable"):
        generate_toy(tmp_path / "file" / "toy", **TINY)


def test_flow_errors_name_the_file(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"meadow/00000\.png.*from frame 1"):
        read_toy_flow(root, "meadow", 0)
    path = tmp_path / "Flow" / "480p" / "meadow" / "00001.png"
    path.parent.mkdir(parents=True)
    for content in (b"", b"not a picture"):
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match=r"00001\.png"):
            read_toy_flow(tmp_path, "meadow", 1)


def test_missing_photograph_says_what_to_install() -> None:
    with pytest.raises(DatasetError, match="scikit-image"):
        load_photo(Photo("nobody.png"), (8, 8))
