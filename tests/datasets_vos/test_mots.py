"""KITTI-MOTS and MOTS20: instance codes become ids, late objects, splits, refusals."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_vos.mask_formats import (
    INSTANCE_CODES,
    InstanceCodes,
    instance_codes,
    label_instances,
    number_instances,
)
from datasets_vos.mots import Mots, MotsClip
from tests.fakes.mots import FRAMES, IDS, make_mots, mots_codes, write_codes
from tests.fakes.scene import AREAS, LATE_FRAME, SIZE, fake_label_map
from vos_core.errors import CorruptFileError, DatasetError, MaskError, VOSError
from vos_core.types import VOID

IGNORED_AREA = 6 * 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_mots(tmp_path / "KITTI_MOTS", layout="kitti")


@pytest.fixture
def masks(root: Path) -> Path:
    return root / "train" / "instances" / "0000"


def open_clip(root: Path, name: str = "0000") -> MotsClip:
    clip = Mots(root, layout="kitti").clip(name)
    assert isinstance(clip, MotsClip)
    return clip


@pytest.mark.parametrize("layout", ["kitti", "mots20"])
def test_values(tmp_path: Path, layout: Literal["kitti", "mots20"]) -> None:
    clip = Mots(make_mots(tmp_path, layout=layout), layout=layout)[0]
    assert isinstance(clip, MotsClip)
    first = 0 if layout == "kitti" else 1
    assert clip.frame_names == tuple(f"{t + first:06d}" for t in range(FRAMES))
    assert clip.size == SIZE
    assert clip.codes == {1: 1002, 2: 1007, 3: 2001}
    assert clip.classes == {1: 1, 2: 1, 3: 2}
    assert clip.categories == {1: "car", 2: "car", 3: "pedestrian"}
    assert clip.object_ids == (1, 2, 3)
    for t in range(FRAMES):
        truth = clip.ground_truth(t)
        assert truth is not None
        scene = fake_label_map(t, (1, 2, 3))
        for scene_id, object_id in IDS.items():
            np.testing.assert_array_equal(truth == object_id, scene == scene_id)
        assert (truth == VOID).sum() == IGNORED_AREA
        assert (truth == IDS[3]).sum() == (AREAS[3] if t >= LATE_FRAME else 0)


def test_ids_enter_late_and_void_is_not_given(root: Path) -> None:
    clip = open_clip(root)
    given = clip.annotations
    assert [(a.frame, a.object_ids) for a in given] == [(0, (2, 3)), (LATE_FRAME, (1,))]
    assert [sorted(np.unique(a.label_map)) for a in given] == [[0, 2, 3], [0, 1]]
    assert (given[1].label_map == 1).sum() == AREAS[3]


def test_first_frames_may_be_empty(root: Path, masks: Path) -> None:
    write_codes(masks / "000000.png", np.zeros(SIZE, dtype=np.uint16))
    write_codes(masks / "000001.png", mots_codes(1, ()))  # only a region to ignore
    clip = open_clip(root)
    clip.check()
    assert [(a.frame, a.object_ids) for a in clip.annotations] == [(2, (2, 3)), (3, (1,))]


def test_masks_are_read_once_to_number_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    original = InstanceCodes.read_codes
    monkeypatch.setattr(
        InstanceCodes,
        "read_codes",
        lambda self, path, size: (reads.append(path.stem), original(self, path, size))[1],
    )
    clip = open_clip(root)
    list(clip.frames())
    assert reads == []
    assert clip.codes == clip.codes
    assert sorted(reads) == [f"{t:06d}" for t in range(FRAMES)]
    _ = clip.annotations
    # the masks that introduce objects once more
    assert sorted(reads[FRAMES:]) == ["000000", f"{LATE_FRAME:06d}"]


def test_a_sample_does_not_read_all_masks_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Mots(root, layout="kitti")
    want = dataset[0].ground_truth(LATE_FRAME)
    reads: list[str] = []
    original = InstanceCodes.read_codes
    monkeypatch.setattr(
        InstanceCodes,
        "read_codes",
        lambda self, path, size: (reads.append(path.stem), original(self, path, size))[1],
    )
    # a training sample opens its clip afresh
    np.testing.assert_array_equal(dataset[0].ground_truth(LATE_FRAME), want)
    assert reads == [f"{LATE_FRAME:06d}"]
    assert dataset[1].codes == {1: 1007, 2: 2001}  # each sequence has its own


def test_one_mask_alone() -> None:
    codes = np.array([[0, 2005, 10000], [1001, 2005, 10007]], dtype=np.uint16)
    assert instance_codes(codes) == (1001, 2005)
    labels = label_instances(codes, number_instances(instance_codes(codes), Path("x")))
    assert labels.tolist() == [[0, 2, 255], [1, 2, 255]]
    assert labels.dtype == np.uint8


def test_format_numbers_a_frame_by_itself(masks: Path) -> None:
    labels = INSTANCE_CODES.read([masks / "000000.png"], SIZE)
    # without the code of the late object, which is the smallest
    scene = fake_label_map(0)
    np.testing.assert_array_equal(np.where(labels == VOID, 0, labels), scene)


codes_of_objects = st.integers(1, 2).flatmap(lambda c: st.integers(1000 * c, 1000 * c + 999))


@given(st.sets(codes_of_objects, min_size=1, max_size=254), st.data())
def test_codes_survive_the_way_through_ids(codes: set[int], data: st.DataObject) -> None:
    numbering = number_instances(codes, Path("x"))
    assert list(numbering) == list(range(1, len(codes) + 1))
    assert list(numbering.values()) == sorted(codes)
    pixel = st.sampled_from([0, 10000, *sorted(codes)])
    stored = np.array(data.draw(st.lists(pixel, min_size=6, max_size=6)), dtype=np.uint16)
    labels = label_instances(stored.reshape(2, 3), numbering)
    back = {0: 0, VOID: 10000, **numbering}
    assert [back[int(label)] for label in labels.ravel()] == stored.tolist()


def test_as_many_objects_as_a_label_map_holds(root: Path, masks: Path) -> None:
    codes = np.zeros(SIZE, dtype=np.uint16)
    codes.ravel()[:254] = np.arange(2000, 2254)
    for t in range(FRAMES):
        write_codes(masks / f"{t:06d}.png", codes)
    clip = open_clip(root)
    clip.check()
    assert clip.codes[254] == 2253
    assert clip.annotations[0].label_map.ravel()[253] == 254
    codes.ravel()[300] = 1000
    write_codes(masks / "000004.png", codes)
    with pytest.raises(DatasetError, match=r"instances/0000: holds 255 objects, .* 254"):
        open_clip(root).check()


def test_splits(root: Path, tmp_path: Path) -> None:
    assert Mots(root, layout="kitti").names == ("0000", "0002", "0007")
    assert Mots(root, layout="kitti", sequences=["0007"]).names == ("0007",)
    assert Mots(root, layout="kitti", split="val", sequences=["0007", "0002"]).names == (
        "0007",
        "0002",
    )
    with pytest.raises(DatasetError, match="no sequence '0000'"):
        Mots(root, layout="kitti", split="val", sequences=["0000"])
    with pytest.raises(DatasetError, match=r"lacks 0006, 0008, 0010, .* of split 'val'"):
        Mots(root, layout="kitti", split="val")
    for number in range(21):
        (root / "train" / "images" / f"{number:04d}").mkdir(exist_ok=True)
    train = Mots(root, layout="kitti", split="train").names
    val = Mots(root, layout="kitti", split="val").names
    assert (len(train), len(val)) == (12, 9)
    assert sorted(train + val) == [f"{number:04d}" for number in range(21)]
    assert val[:3] == ("0002", "0006", "0007")
    with pytest.raises(DatasetError, match="KITTI-MOTS has no split 'vall'; the nearest is 'val'"):
        Mots(root, layout="kitti", split="vall")

    other = make_mots(tmp_path / "MOTS", layout="mots20")
    assert Mots(other, layout="mots20", split="train").names == ("0002", "0005")
    with pytest.raises(DatasetError, match="MOTS20 has no split 'val'; there are: train, test"):
        Mots(other, layout="mots20", split="val")
    with pytest.raises(DatasetError, match="nowhere/train/images: no such folder"):
        Mots(tmp_path / "nowhere", layout="mots20")


def test_instances_of_the_test_split_are_withheld(root: Path) -> None:
    (clip,) = Mots(root, layout="kitti", split="test")
    assert len(list(clip.frames())) == FRAMES
    assert clip.ground_truth(0) is None
    for refused in (clip.check, lambda: clip.annotations):
        with pytest.raises(MaskError, match="test/instances/0001: no such folder"):
            refused()


def test_the_other_set_is_told_by_its_numbers(root: Path) -> None:
    with pytest.raises(DatasetError, match="expected frame 000001 but found 000000; MOTS20"):
        Mots(root, layout="mots20")[0].check()


def frame_missing(root: Path) -> None:
    for kind in ("images", "instances"):
        (root / "train" / kind / "0000" / "000002.png").unlink()


def stray_mask(root: Path) -> None:
    (root / "train" / "images" / "0000" / "000004.png").unlink()


def no_masks(root: Path) -> None:
    shutil.rmtree(root / "train" / "instances")


def damaged(codes: np.ndarray) -> Callable[[Path], None]:
    return lambda root: PIL.Image.fromarray(codes).save(
        root / "train" / "instances" / "0000" / "000003.png"
    )


def cut_mask(root: Path) -> None:
    path = root / "train" / "instances" / "0000" / "000003.png"
    path.write_bytes(path.read_bytes()[:-20])


def no_object(root: Path) -> None:
    for path in (root / "train" / "instances" / "0000").iterdir():
        write_codes(path, mots_codes(0, ()))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (frame_missing, DatasetError, "0000: expected frame 000002 but found 000003"),
        (
            stray_mask,
            DatasetError,
            r"0000: masks belong to no frame \(1, the first is 000004\.png\)",
        ),
        (no_masks, MaskError, "instances/0000: no such folder"),
        (no_object, MaskError, "images/0000: no mask holds an object"),
        (cut_mask, CorruptFileError, r"000003\.png: is truncated"),
        (damaged(np.ones(SIZE, np.uint8)), MaskError, r"000003\.png: pixel mode L is not 16-bit"),
        (damaged(np.full(SIZE, 3001, np.uint16)), MaskError, r"000003\.png: code 3001 is of no"),
        (damaged(np.full(SIZE, 7, np.uint16)), MaskError, r"000003\.png: code 7 is of no known"),
        (damaged(np.full(SIZE, 65535, np.uint16)), MaskError, r"000003\.png: code 65535 is of"),
        (damaged(np.ones((24, 32), np.uint16)), MaskError, r"000003\.png: the mask is 32x24"),
    ],
)
def test_check_refuses(
    root: Path, damage: Callable[[Path], None], error: type[VOSError], message: str
) -> None:
    open_clip(root).check()
    damage(root)
    clip = open_clip(root)  # nothing is opened yet
    with pytest.raises(error, match=message):
        clip.check()


def test_headers_alone_tell_8_bit_masks(masks: Path) -> None:
    path = masks / "000000.png"
    INSTANCE_CODES.check(path, SIZE)
    PIL.Image.fromarray(fake_label_map(0)).save(path)
    with pytest.raises(MaskError, match=r"000000\.png: pixel mode L is not 16-bit"):
        INSTANCE_CODES.check(path, SIZE)
