"""Stored predictions."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos.results import ResultWriter, StoredResults
from tests.fakes import fake_label_map
from vos_core.errors import CorruptFileError, DatasetError


def store(root: Path, name: str, frames: int, shift: int = 0) -> None:
    with ResultWriter(root).sequence(name) as writer:
        for t in range(frames):
            writer.write(f"{t:05d}", fake_label_map(t + shift))


def test_round_trip(tmp_path: Path) -> None:
    root = tmp_path / "run" / "masks"
    for name in ("s10", "s9"):
        store(root, name, 3)
    results = StoredResults(root)
    assert results.sequences == ("s9", "s10")
    for t in range(3):
        np.testing.assert_array_equal(results.read("s9", f"{t:05d}"), fake_label_map(t))
    assert sorted(path.name for path in root.iterdir()) == ["s10", "s9"]


def test_sequence_appears_only_when_complete(tmp_path: Path) -> None:
    with ResultWriter(tmp_path).sequence("bear") as writer:
        writer.write("00000", fake_label_map(0))
        assert not (tmp_path / "bear").exists()
    assert (tmp_path / "bear" / "00000.png").is_file()


def test_exception_keeps_the_older_result_and_cleans_up(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ResultWriter(tmp_path).sequence("bear") as writer:
            writer.write("00000", fake_label_map(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    store(tmp_path, "bear", 2)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["bear"]
    np.testing.assert_array_equal(StoredResults(tmp_path).read("bear", "00000"), fake_label_map(0))


def test_overwriting_replaces_the_whole_folder(tmp_path: Path) -> None:
    store(tmp_path, "bear", 4)
    store(tmp_path, "bear", 2, shift=1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["00000.png", "00001.png", "bear"]
    np.testing.assert_array_equal(StoredResults(tmp_path).read("bear", "00000"), fake_label_map(1))


def test_leftovers_of_a_killed_run_are_dropped(tmp_path: Path) -> None:
    partial = tmp_path / ".bear.partial"
    partial.mkdir()
    (partial / "00009.png").touch()
    with pytest.raises(DatasetError, match="holds no sequence"):
        StoredResults(tmp_path)
    store(tmp_path, "bear", 1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["00000.png", "bear"]


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "a/b", ".hidden"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(DatasetError, match="no plain file name"),
        ResultWriter(tmp_path).sequence(name),
    ):
        pass
    with (
        pytest.raises(DatasetError, match="no plain file name"),
        ResultWriter(tmp_path).sequence("bear") as writer,
    ):
        writer.write(name, fake_label_map(0))
    assert list(tmp_path.iterdir()) == []


def test_clear_errors_of_the_reader(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        StoredResults(tmp_path / "nowhere")
    store(tmp_path, "bear", 2)
    results = StoredResults(tmp_path)
    with pytest.raises(DatasetError, match="no sequence 'beer'; the nearest is 'bear'"):
        results.read("beer", "00000")
    with pytest.raises(DatasetError, match=r"00002\.png: frame 00002 is missing \(2 frames"):
        results.read("bear", "00002")
    (tmp_path / "bear" / "00001.png").write_bytes(b"x")
    with pytest.raises(CorruptFileError, match=r"00001\.png"):
        results.read("bear", "00001")


def test_binary_results_of_other_tools(tmp_path: Path) -> None:
    (tmp_path / "bear").mkdir()
    want = fake_label_map(0, (1,))
    for name, scale in {"ones": 1, "whites": 255}.items():
        PIL.Image.fromarray(want * scale).save(tmp_path / "bear" / f"{name}.png")
        got = StoredResults(tmp_path, binary=True).read("bear", name)
        np.testing.assert_array_equal(got, want)
