"""The reader of MATLAB files, against SciPy's writer and reader."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from datasets_vos.mat_files import read_mat
from vos_core.errors import CorruptFileError, DatasetError

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")


@pytest.mark.parametrize("compress", [False, True])
def test_arrays(compress: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    rng = np.random.default_rng(0)
    arrays = {f"a{i}": rng.integers(0, 100, (3, 2, 5)).astype(t) for i, t in enumerate(DTYPES)}
    arrays |= {"flat": np.arange(7.0)[None], "one": np.array([[2]], "u1"), "none": np.zeros((0, 0))}
    savemat(path, arrays, do_compression=compress)
    found, expected = read_mat(path), loadmat(path)
    assert found.keys() == arrays.keys()
    for name in arrays:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].shape == expected[name].shape


@pytest.mark.parametrize("compress", [False, True])
def test_structs_and_cells(compress: bool, tmp_path: Path) -> None:
    cell = np.empty((1, 3), dtype=object)
    cell[0, 0], cell[0, 1], cell[0, 2] = np.arange(6).reshape(3, 2), "text", csc_matrix(np.eye(2))
    rows = np.array([[(1, 2), (3, 4)]], dtype=[("x", object), ("long_name", object)])
    content = {"outer": {"cell": cell, "rows": rows}, "text": "left out", "eye": csc_matrix([[1]])}
    savemat(tmp_path / "x.mat", content, do_compression=compress)
    found = read_mat(tmp_path / "x.mat")
    assert list(found) == ["outer"]
    (outer,) = found["outer"]
    np.testing.assert_array_equal(outer["cell"][0], [[0, 1], [2, 3], [4, 5]])
    assert outer["cell"][1:] == [None, None]
    values = [{field: value.item() for field, value in row.items()} for row in outer["rows"]]
    assert values == [{"x": 1, "long_name": 2}, {"x": 3, "long_name": 4}]


def test_big_endian(tmp_path: Path) -> None:
    # Written by hand from the format's document: an int16 array [1, 2] named "a".
    element = b"".join(
        [
            (6).to_bytes(4, "big") + (8).to_bytes(4, "big") + (10).to_bytes(4, "big") + bytes(4),
            (5).to_bytes(4, "big") + (8).to_bytes(4, "big"),
            (1).to_bytes(4, "big") + (2).to_bytes(4, "big"),
            (1).to_bytes(2, "big") + (1).to_bytes(2, "big") + b"a\0\0\0",
            (4).to_bytes(2, "big") + (3).to_bytes(2, "big") + b"\0\1\0\2",
        ]
    )
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    data = header + (14).to_bytes(4, "big") + len(element).to_bytes(4, "big") + element
    (tmp_path / "x.mat").write_bytes(data)
    np.testing.assert_array_equal(read_mat(tmp_path / "x.mat")["a"], [[1, 2]])


def test_what_is_no_file_or_no_matlab_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"x\.mat: no such file"):
        read_mat(tmp_path / "x.mat")
    (tmp_path / "x.mat").write_bytes(b"\x89HDF")
    with pytest.raises(CorruptFileError, match=r"x\.mat: is no MATLAB 5 file"):
        read_mat(tmp_path / "x.mat")
    with pytest.raises(CorruptFileError, match="cannot be read"):
        read_mat(tmp_path)


@given(data=st.data(), compress=st.booleans())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_never_escapes(data: st.DataObject, compress: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = np.ones((3, 2))
    content = {"s": {"a": np.eye(9, dtype=np.uint8), "c": cell, "t": "text"}}
    savemat(path, content, do_compression=compress)
    stored = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(124, len(stored) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(stored[: data.draw(st.integers(1, len(stored)))])
    with contextlib.suppress(CorruptFileError):
        read_mat(path)
