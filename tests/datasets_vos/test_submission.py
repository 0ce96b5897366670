"""What the servers refuse is refused here, and nothing else."""

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos import Davis, StillImage, open_dataset
from datasets_vos.mask_formats import BINARY
from datasets_vos.masks import write_mask
from datasets_vos.submission import (
    STILL_RULES,
    ArchiveRules,
    CheckedResults,
    Problem,
    check_clip,
    check_still,
    clip_rules,
    describe,
    servers,
    write_archive,
)
from tests.fakes import LATE_FRAME, SIZE, fake_label_map, make_davis, make_frames
from tests.fakes.youtube_vos import LATE_NAME, NAMES, make_youtube_vos, youtube_labels
from vos_core.palette import davis_palette
from vos_core.types import LabelMap

FRAMES = 6
OBJECTS = (1, 2, 3)  # of the sequence beta; 3 enters late


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Perfect masks of beta."""
    for t in range(FRAMES):
        write_mask(tmp_path / "results" / "beta" / f"{t:05d}.png", fake_label_map(t, OBJECTS))
    return tmp_path / "results"


@pytest.fixture
def beta(tmp_path: Path) -> Davis:
    return Davis(make_davis(tmp_path / "davis", frames=FRAMES), sequences=["beta"])


def check(dataset: Davis, results: Path, rules: ArchiveRules | None = None) -> CheckedResults:
    return check_clip(dataset[0], results, rules or clip_rules("davis2017"))


def archive(checked: CheckedResults, rules: ArchiveRules, path: Path) -> zipfile.ZipFile:
    write_archive(path, checked.members, rules, lambda: None)
    return zipfile.ZipFile(path)


def stored(zipped: zipfile.ZipFile, name: str) -> LabelMap:
    return np.asarray(PIL.Image.open(io.BytesIO(zipped.read(name))))


def test_davis_layout(beta: Davis, results: Path, tmp_path: Path) -> None:
    rules = clip_rules("davis2017")
    checked = check(beta, results)
    assert checked.problems == checked.left_out == ()
    assert all(member.ready for member in checked.members)
    zipped = archive(checked, rules, tmp_path / "a.zip")
    # folders at the root, every frame with the first
    assert zipped.namelist() == [f"beta/{t:05d}.png" for t in range(FRAMES)]
    for t, name in enumerate(zipped.namelist()):
        assert zipped.read(name) == (results / name).read_bytes()
        np.testing.assert_array_equal(stored(zipped, name), fake_label_map(t, OBJECTS))


def test_youtube_vos_layout(tmp_path: Path) -> None:
    make_youtube_vos(tmp_path, splits=["valid"])
    dataset = open_dataset("youtube_vos2019", tmp_path, "valid")
    rules = clip_rules("youtube_vos2019")
    folder = tmp_path / "results"
    for name in NAMES:
        write_mask(folder / "only_late" / f"{name}.png", youtube_labels("only_late", name))
    checked = check_clip(dataset.clip("only_late"), folder, rules)
    assert checked.problems == ()
    # the frames before the object is given are not asked for
    expected = [name for name in NAMES if name >= LATE_NAME]
    zipped = archive(checked, rules, tmp_path / "a.zip")
    assert zipped.namelist() == [f"Annotations/only_late/{name}.png" for name in expected]
    assert checked.left_out == tuple(f"only_late/{name}.png" for name in NAMES if name < LATE_NAME)
    assert expected != list(NAMES)


def test_the_same_masks_give_the_same_bytes(beta: Davis, results: Path, tmp_path: Path) -> None:
    checked, rules = check(beta, results), clip_rules("davis2017")
    first = archive(checked, rules, tmp_path / "a.zip")
    for path in results.glob("*/*.png"):
        path.touch()
    turned = CheckedResults(checked.members[::-1], ())
    archive(turned, rules, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert {info.date_time for info in first.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_every_problem_is_named(beta: Davis, results: Path) -> None:
    folder = results / "beta"
    (folder / "00001.png").unlink()
    (folder / "00005.png").unlink()
    write_mask(folder / "00000.png", fake_label_map(LATE_FRAME, OBJECTS))
    write_mask(folder / "00002.png", fake_label_map(2, OBJECTS, (48, 60)))
    strange = fake_label_map(3, OBJECTS)
    strange[0, :2] = 4, 9
    write_mask(folder / "00003.png", strange)
    data = (folder / "00004.png").read_bytes()
    (folder / "00004.png").write_bytes(data[:-30])
    checked = check(beta, results)
    assert checked.members == ()
    assert describe(checked.problems) == [
        f"beta/00000.png: holds id 3, which enters only in frame {LATE_FRAME:05d}",
        "beta/00001.png and 1 more: is missing",
        "beta/00002.png: is 60x48, must be 64x48 (width x height)",
        "beta/00003.png: holds unknown ids 4, 9; known are 1, 2, 3",
        "beta/00004.png: is truncated or damaged; fetch it again.",
    ]


def test_void_is_refused(beta: Davis, results: Path) -> None:
    label_map = fake_label_map(0, OBJECTS)
    label_map[0, 0] = 255
    write_mask(results / "beta" / "00000.png", label_map)
    assert check(beta, results).problems == (
        Problem("beta", "00000.png", "holds void (index 255)"),
    )


def test_missing_sequence(beta: Davis, tmp_path: Path) -> None:
    assert describe(check(beta, tmp_path).problems) == ["beta: has no masks"]


def test_proposals_have_ids_of_their_own(beta: Davis, results: Path) -> None:
    rules = clip_rules("davis2017_unsupervised")
    label_map = fake_label_map(0, OBJECTS)
    label_map[0, 0] = 20
    write_mask(results / "beta" / "00000.png", label_map)
    assert check(beta, results, rules).problems == ()
    label_map[0, 0] = 21
    write_mask(results / "beta" / "00000.png", label_map)
    assert describe(check(beta, results, rules).problems) == [
        "beta/00000.png: holds id 21; proposals are 1 to 20"
    ]


@pytest.mark.parametrize("kind", ["gray ids", "other palette", "few bits", "colours", "webp"])
def test_other_encodings_become_palette_pngs(
    kind: str, beta: Davis, results: Path, tmp_path: Path
) -> None:
    path = results / "beta" / "00004.png"
    expected = fake_label_map(4, OBJECTS)
    image = PIL.Image.fromarray(expected)
    if kind == "other palette":
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
        image.save(path)
    elif kind == "few bits":
        image.putpalette(davis_palette()[:4].tobytes())
        image.save(path, bits=2)
    elif kind == "colours":
        PIL.Image.fromarray(davis_palette()[expected]).save(path)
    elif kind == "webp":
        PIL.Image.fromarray(davis_palette()[expected]).save(path, "WEBP", lossless=True)
    else:
        image.save(path)
    checked = check(beta, results)
    assert checked.problems == ()
    assert [member.path.name for member in checked.members if not member.ready] == [path.name]
    zipped = archive(checked, clip_rules("davis2017"), tmp_path / "a.zip")
    packed = PIL.Image.open(io.BytesIO(zipped.read("beta/00004.png")))
    assert (packed.format, packed.mode) == ("PNG", "P")
    assert packed.getpalette() == davis_palette().ravel().tolist()
    np.testing.assert_array_equal(np.asarray(packed), expected)


@pytest.mark.parametrize("white", [1, 255])
def test_one_object_may_be_white(white: int, results: Path, tmp_path: Path) -> None:
    dataset = Davis(make_davis(tmp_path / "2016", year="2016"), year="2016", sequences=["beta"])
    path = results / "beta" / "00000.png"
    truth = fake_label_map(0, (1,))
    image = PIL.Image.fromarray(truth * white)
    image.putpalette(davis_palette().tobytes())
    image.save(path)
    rules = clip_rules("davis2016")
    checked = check(dataset, results, rules)
    assert checked.problems == ()
    assert checked.members[0].ready == (white == 1)
    zipped = archive(checked, rules, tmp_path / "a.zip")
    np.testing.assert_array_equal(stored(zipped, "beta/00000.png"), truth)


def test_stills_become_black_and_white(tmp_path: Path) -> None:
    picture = make_frames(tmp_path / "frames", 1) / "00000.jpg"
    still = StillImage("class/a", picture, (), BINARY)
    path = tmp_path / "results" / "class" / "a.png"
    checked = check_still(still, tmp_path / "results", STILL_RULES)
    assert describe(checked.problems) == ["class/a.png: is missing"]
    truth = fake_label_map(0, (1,))
    graded = np.random.default_rng(0).integers(0, 128, SIZE, dtype=np.uint8) + truth * 128
    path.parent.mkdir(parents=True)
    for given, ready in ((truth * 255, True), (truth, False), (graded, False)):
        PIL.Image.fromarray(given).save(path)
        checked = check_still(still, tmp_path / "results", STILL_RULES)
        assert checked.members[0].ready == ready
        zipped = archive(checked, STILL_RULES, tmp_path / "a.zip")
        np.testing.assert_array_equal(stored(zipped, "class/a.png"), truth * 255)
    write_mask(path, fake_label_map(0, (1,), (48, 60)))
    checked = check_still(still, tmp_path / "results", STILL_RULES)
    assert describe(checked.problems) == ["class/a.png: is 60x48, must be 64x48 (width x height)"]


def test_servers_are_those_of_davis_and_youtube_vos() -> None:
    assert sorted(servers()) == [
        "davis2017",
        "davis2017_unsupervised",
        "youtube_vos2018",
        "youtube_vos2019",
    ]
    assert clip_rules("folder") == ArchiveRules()
