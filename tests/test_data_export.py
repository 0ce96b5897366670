"""``data export`` on a fake of every dataset: an archive holds what was stored, or is refused."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import DiskClip
from datasets_vos.masks import read_mask, write_mask
from datasets_vos.results import ResultWriter, StoredResults
from datasets_vos.submission import clip_rules
from tests.data_commands import Capture, data, refusal
from tests.fakes import fake_label_map
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES, Fake
from vos_core.types import VOID, LabelMap

FRAMES = 6


@pytest.fixture(scope="module")
def davis(make_fake: Callable[[str], Fake]) -> Fake:
    return make_fake("davis2017")


def truth_of(clip: DiskClip, index: int) -> LabelMap:
    """Return the best mask that is known of a frame, as a method could answer it."""
    truth = clip.ground_truth(index)
    if truth is None:
        given = [each.label_map for each in clip.annotations if each.frame == index]
        truth = given[0] if given else np.zeros(clip.size, dtype=np.uint8)
    return np.where(truth == VOID, 0, truth).astype(np.uint8)


# stats


@pytest.mark.parametrize("name", sorted(VIDEO_FAKES))
def test_export_and_back(
    name: str, make_fake: Callable[[str], Fake], tmp_path: Path, capsys: Capture
) -> None:
    fake, rules = make_fake(name), clip_rules(name)
    results, out, unpacked = tmp_path / "masks", tmp_path / "a.zip", tmp_path / "unpacked"
    written: dict[tuple[str, str], LabelMap] = {}
    for clip in fake.open():
        with ResultWriter(results).sequence(clip.name) as writer:
            for index, frame in enumerate(clip.frame_names):
                label_map = truth_of(clip, index)
                writer.write(frame, label_map)
                if frame in clip.required_names:
                    written[clip.name, frame] = label_map
    # the folder of a run, with its masks in "masks"
    assert data("export", fake, f"--results={tmp_path}", f"--out={out}") == 0
    printed = capsys.readouterr().out
    assert f"{out}: {len(written)} masks (0 encoded anew)" in printed
    assert (rules.server or f"{name} has no server") in printed
    with zipfile.ZipFile(out) as zipped:
        zipped.extractall(unpacked)
    back = StoredResults(unpacked / rules.prefix)
    assert sorted(back.sequences) == sorted(fake.open().names)
    assert len(list(unpacked.rglob("*.png"))) == len(written)
    for (sequence, frame), label_map in written.items():
        np.testing.assert_array_equal(back.read(sequence, frame), label_map)


@pytest.mark.parametrize("name", sorted(STILL_FAKES))
def test_export_stills_and_back(
    name: str, make_fake: Callable[[str], Fake], tmp_path: Path
) -> None:
    fake, out, unpacked = make_fake(name), tmp_path / "a.zip", tmp_path / "unpacked"
    written = {}
    for still in fake.open_stills():
        written[still.name] = (still.mask() == 1).astype(np.uint8)
        write_mask(tmp_path / "results" / f"{still.name}.png", written[still.name])
    assert data("export", fake, f"--results={tmp_path / 'results'}", f"--out={out}") == 0
    with zipfile.ZipFile(out) as zipped:
        zipped.extractall(unpacked)
        assert len(zipped.namelist()) == len(written)
    for still_name, mask in written.items():
        np.testing.assert_array_equal(read_mask(unpacked / f"{still_name}.png"), mask)


@pytest.fixture
def results(davis: Fake, tmp_path: Path) -> Path:
    for clip in davis.open():
        for index, frame in enumerate(clip.frame_names):
            write_mask(tmp_path / "results" / clip.name / f"{frame}.png", truth_of(clip, index))
    return tmp_path / "results"


def test_export_names_all_problems(
    davis: Fake, results: Path, tmp_path: Path, capsys: Capture
) -> None:
    (results / "beta" / "00001.png").unlink()
    (results / "gamma").mkdir()
    write_mask(results / "alpha" / "00002.png", fake_label_map(2, (1, 3)))
    write_mask(results / "alpha" / "00003.png", fake_label_map(3, (1, 3)))
    out = tmp_path / "a.zip"
    out.write_bytes(b"older")
    lines = refusal(capsys, "export", davis, f"--results={results}", f"--out={out}")
    assert lines[:-1] == [
        "gamma: is no sequence of davis2017",
        "alpha/00003.png: holds unknown ids 3; known are 1, 2",
        "beta/00001.png: is missing",
    ]
    assert "3 problems, named above; nothing was written" in lines[-1]
    assert out.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.zip"]


def test_export_in_processes(davis: Fake, results: Path, tmp_path: Path) -> None:
    files = [tmp_path / "1.zip", tmp_path / "2.zip"]
    for workers, out in enumerate(files, start=1):
        options = (f"--results={results}", f"--out={out}", f"--workers={workers}")
        assert data("export", davis, *options) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_export_leaves_out_what_is_not_asked_for(
    davis: Fake, results: Path, tmp_path: Path, capsys: Capture
) -> None:
    write_mask(results / "alpha" / "extra.png", fake_label_map(0))
    assert data("export", davis, f"--results={results}", f"--out={tmp_path / 'a.zip'}") == 0
    assert "not asked for: 1 (first alpha/extra.png)" in capsys.readouterr().out


def test_export_of_some_sequences(
    davis: Fake, results: Path, tmp_path: Path, capsys: Capture
) -> None:
    options = (f"--results={results}", f"--out={tmp_path / 'a.zip'}", "--sequences", "beta")
    (line,) = refusal(capsys, "export", davis, *options)
    assert "takes whole splits only" in line
    # no server, so a part will do
    assert data("export", Fake("davis2016", davis.root), *options) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert zipped.namelist() == [f"beta/{t:05d}.png" for t in range(FRAMES)]


# mistakes
