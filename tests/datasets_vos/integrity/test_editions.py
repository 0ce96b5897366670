"""What a folder is, by its counts."""

from pathlib import Path

import PIL.Image
import pytest

from datasets_vos import open_dataset
from datasets_vos.integrity import (
    Counts,
    Finding,
    check_edition,
    check_split_lists,
    other_edition,
)
from datasets_vos.integrity.editions import davis_frames
from tests.fakes import make_davis

ROOT = Path("data")


def _check(
    dataset: str, counts: dict[str, Counts], split: str | None = None, chosen: bool = False
) -> list[tuple[str, str, str]]:
    found = check_edition(dataset, split, counts, ROOT, chosen=chosen)
    return [(finding.severity, finding.code, finding.message) for finding in found]


def _davis(dataset: str, part: str, objects: int) -> dict[str, Counts]:
    """A complete part; all objects but one for each other sequence are in the first."""
    frames = davis_frames(dataset)[part]
    counts = {name: Counts(number, 1) for name, number in frames.items()}
    first = next(iter(counts))
    counts[first] = Counts(frames[first], objects - len(counts) + 1)
    return counts


@pytest.mark.parametrize(
    ("dataset", "part", "sequences", "frames"),
    [
        ("davis2016", "train", 30, 2079),
        ("davis2016", "val", 20, 1376),
        ("davis2017", "train", 60, 4209),
        ("davis2017", "val", 30, 1999),
        ("davis2017", "test-dev", 30, 2086),
    ],
)
def test_davis_tables_add_up(dataset: str, part: str, sequences: int, frames: int) -> None:
    table = davis_frames(dataset)[part]
    assert (len(table), sum(table.values())) == (sequences, frames)


@pytest.mark.parametrize(("part", "objects"), [("train", 144), ("val", 61), ("test-dev", 89)])
def test_a_complete_split_of_davis(part: str, objects: int) -> None:
    assert _check("davis2017", _davis("davis2017", part, objects), part) == []
    assert _check("davis2017", _davis("davis2017", part, objects - 1), part) == [
        ("warning", "edition", f"DAVIS 2017 {part} has {objects} objects, here are {objects - 1}")
    ]


def test_a_part_of_davis() -> None:
    frames = davis_frames("davis2016")["train"]
    counts = {name: Counts(frames[name], 1) for name in list(frames)[:10]}
    message = "10 of the 50 sequences of DAVIS 2016"
    assert _check("davis2016", counts) == [("note", "subset", message)]
    message = "10 of the 30 sequences of DAVIS 2016 (train)"
    assert _check("davis2016", counts, "train") == [("note", "subset", message)]
    assert _check("davis2016", counts, chosen=True) == []


@pytest.mark.parametrize("frames", [81, 83])
def test_a_sequence_of_davis_with_the_wrong_number_of_frames(frames: int) -> None:
    counts = {"bear": Counts(frames, 1), "dog": Counts(60, 1), "mine": Counts(5, 1)}
    [wrong, foreign, _] = check_edition("davis2016", None, counts, ROOT)
    assert wrong == Finding(
        "error", "count", ROOT / "JPEGImages/480p/bear", f"has {frames} frames, 82 in DAVIS 2016"
    )
    assert foreign[3] == "1 of 3 sequences: mine; not of DAVIS 2016"


def test_objects_are_not_counted_where_damage_hides_some() -> None:
    counts = _davis("davis2017", "val", 60)
    name, known = next(iter(counts.items()))
    assert _check("davis2017", {**counts, name: Counts(known.frames, None)}, "val") == []
    videos = {**_videos(474, 890), "0000": Counts(20, None)}
    [(_, code, message)] = _check("youtube_vos2019", videos, "valid")
    assert code == "edition"
    assert message == "474 videos: this is YouTube-VOS 2018 valid, not YouTube-VOS 2019 valid"


def _videos(videos: int, objects: int) -> dict[str, Counts]:
    counts = {f"{i:04d}": Counts(20, 1) for i in range(videos)}
    counts["0000"] = Counts(20, objects - videos + 1)
    return counts


@pytest.mark.parametrize(
    ("dataset", "split", "videos", "objects", "named"),
    [
        ("youtube_vos2019", "valid", 474, 894, "YouTube-VOS 2018 valid"),
        ("youtube_vos2019", "valid_all_frames", 474, 894, "YouTube-VOS 2018 valid"),
        ("youtube_vos2018", "valid", 507, 1063, "YouTube-VOS 2019 valid"),
        ("youtube_vos2018", "test", 541, 1092, "YouTube-VOS 2019 test"),
        ("youtube_vos2019", "train", 3471, 5945, "YouTube-VOS 2018 train"),
        ("youtube_vos2018", "train", 3471, 6459, "YouTube-VOS 2019 train"),
        ("youtube_vos2019", "test", 746, 1409, "YouTube-VOS 2022 test"),
        ("youtube_vos2019", "valid", 474, 890, "YouTube-VOS 2018 valid"),
    ],
)
def test_another_edition_of_youtube_vos(
    dataset: str, split: str, videos: int, objects: int, named: str
) -> None:
    [(severity, code, message)] = _check(dataset, _videos(videos, objects), split)
    assert (severity, code) == ("error", "edition")
    expected = f"YouTube-VOS {dataset[-4:]} {split.removesuffix('_all_frames')}"
    assert message == f"{videos} videos, {objects} objects: this is {named}, not {expected}"


def test_the_right_edition_of_youtube_vos() -> None:
    assert _check("youtube_vos2018", _videos(474, 894), "valid") == []
    assert _check("youtube_vos2018", _videos(474, 894)) == []
    assert _check("youtube_vos2019", _videos(3471, 6459), "train") == []


def test_other_totals() -> None:
    [(severity, code, message)] = _check("ecssd", _videos(999, 999))
    assert (severity, code, message) == ("note", "subset", "999 of the 1000 images of ECSSD")
    [(severity, code, message)] = _check("segtrack_v2", _videos(14, 23))
    assert (severity, message) == ("warning", "23 objects, though SegTrack-v2 has 24")
    [(severity, code, message)] = _check("mots20", _videos(4, 100))
    assert (severity, message) == ("warning", "80 frames, though MOTS20 train has 2862")
    assert _check("stills", _videos(3, 3)) == []


def test_split_lists(tmp_path: Path) -> None:
    root = make_davis(tmp_path)
    (root / "ImageSets" / "2017" / "._val.txt").write_bytes(b"\0")  # left by an archiver
    assert list(check_split_lists("davis2017", root)) == []
    path = root / "ImageSets" / "2017" / "extra.txt"
    path.write_text("alpha\ngamma\n")
    [finding] = check_split_lists("davis2017", root)
    assert (finding.severity, finding.code, finding.where) == ("error", "list", path)
    assert "gamma" in finding.message
    [finding] = check_split_lists("davis2016", root)
    assert (finding.severity, finding.code) == ("note", "no-list")


def test_davis_2016_taken_for_2017(tmp_path: Path) -> None:
    old = make_davis(tmp_path / "2016", year="2016", sequences=("surf", "mine"))
    [surf] = open_dataset("davis2017", old, sequences=["surf"])
    [mine] = open_dataset("davis2017", old, sequences=["mine"])
    message = "masks of surf are black and white: this is DAVIS 2016, not DAVIS 2017"
    assert other_edition("davis2017", [surf]) == message
    assert other_edition("davis2017", [mine, surf]) == message
    # one's own clip is of no edition, and 2016 may be opened as what it is
    assert other_edition("davis2017", [mine]) is None
    assert other_edition("davis2016", open_dataset("davis2016", old)) is None


def test_davis_2017_in_grays_is_still_davis_2017(tmp_path: Path) -> None:
    root = make_davis(tmp_path, sequences=("surf", "train"))
    assert other_edition("davis2017", open_dataset("davis2017", root)) is None
    for path in (root / "Annotations").rglob("*.png"):  # ids as grays, as some tools store them
        with PIL.Image.open(path) as image:
            image.load()
        PIL.Image.frombytes("L", image.size, image.tobytes()).save(path)
    assert other_edition("davis2017", open_dataset("davis2017", root)) is None
