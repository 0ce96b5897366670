"""Flow on disk and in colours."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos_core.errors import CorruptFileError, MaskError
from vos_core.flow.files import flow_to_colour, read_flo, write_flo

fields = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(2)),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(np.float32(np.nan)),
)


@given(fields)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, flow: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("flow") / "a.flo"
    write_flo(path, flow)
    np.testing.assert_array_equal(read_flo(path), flow)
    assert [each.name for each in path.parent.iterdir()] == ["a.flo"]


def test_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    flow = np.array([[[1.5, -2.0], [0.0, np.nan]]], np.float32)
    write_flo(tmp_path / "a.flo", flow)
    data = (tmp_path / "a.flo").read_bytes()
    assert data[:4] == b"PIEH"
    assert np.frombuffer(data, "<i4", 2, offset=4).tolist() == [2, 1]
    values = np.frombuffer(data, "<f4", offset=12)
    assert values[:3].tolist() == [1.5, -2.0, 0.0]
    assert values[3] > 1e9


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"PIE", "is no .flo file"),
        (b"HEIP" + bytes(16), "is no .flo file"),
        (
            b"PIEH" + np.array([2, 1], "<i4").tobytes() + bytes(8),
            "holds 20 bytes, not those of 2x1",
        ),
        (b"PIEH" + np.array([-1, -1], "<i4").tobytes() + bytes(8), "not those of -1x-1 pixels"),
    ],
)
def test_damaged_files_are_refused(data: bytes, answer: str, tmp_path: Path) -> None:
    path = tmp_path / "a.flo"
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match=answer):
        read_flo(path)


def test_unusable_fields_and_paths(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"must be \(H, W, 2\), got \(2, 3, 4\)"):
        write_flo(tmp_path / "a.flo", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(CorruptFileError, match="cannot be read"):
        read_flo(tmp_path / "none.flo")


def test_colours_of_directions() -> None:
    """Right is red, left is cyan; down and up lie on the yellow and the blue side."""
    directions = np.array([[[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0], [np.nan, 0]]], np.float32)
    right, left, down, up, still, unknown = (
        pixel.astype(int) for pixel in flow_to_colour(directions)[0]
    )
    assert right.tolist() == [255, 0, 0]
    assert left[0] == 0
    assert min(left[1:]) > 200
    assert down[0] > 200
    assert down[1] > 200
    assert down[2] == 0
    assert up[2] == 255
    assert up[1] < 60
    assert still.tolist() == [255, 255, 255]
    assert unknown.tolist() == [0, 0, 0]


def test_colours_of_lengths() -> None:
    flow = np.array([[[0.5, 0], [1, 0], [2, 0]]], np.float32)
    half, full, beyond = flow_to_colour(flow, largest=1.0)[0].tolist()
    assert half == [255, 127, 127]
    assert full == [255, 0, 0]
    assert beyond == [191, 0, 0]
    assert flow_to_colour(flow)[0, 2].tolist() == [255, 0, 0]
    assert (flow_to_colour(np.zeros((2, 2, 2), np.float32)) == 255).all()
