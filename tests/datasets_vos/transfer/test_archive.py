"""Archives, good, damaged and hostile; each is made here."""

import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from datasets_vos.transfer.archive import extract, merge
from vos_core.errors import CorruptFileError, DatasetError, VOSError

FILES = {
    "DAVIS/JPEGImages/480p/dog/00000.jpg": np.random.default_rng(1).bytes(5000),
    "DAVIS/ImageSets/2017/val.txt": b"dog\n",
    "DAVIS/empty.txt": b"",
}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            add(archive, name, content)
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def make(path: Path, files: Mapping[str, bytes]) -> Path:
    return (make_zip if path.suffix == ".zip" else make_tar)(path, files)


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(archive: Path, error: type[VOSError], match: str) -> None:
    """The archive is refused, nothing is left, and an existing folder stays as it was."""
    before = content(archive.parent)
    with pytest.raises(error, match=match) as caught:
        extract(archive, archive.parent / "out")
    assert "\n" not in str(caught.value)
    assert content(archive.parent) == before
    assert names(archive.parent) == sorted({name.split("/")[0] for name in before})


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path / f"a.{kind}", FILES)
    reports: list[tuple[int, int | None]] = []
    assert extract(archive, tmp_path / "o" / "out", progress=lambda *r: reports.append(r)) == []
    assert content(tmp_path / "o") == {f"out/{name}": data for name, data in FILES.items()}
    assert names(tmp_path / "o") == ["out"]
    size = archive.stat().st_size
    assert reports[-1] == (size, size)
    assert all(0 <= done <= size == total for done, total in reports)
    # by the process's own rules for new folders, not a private one
    assert stat.S_IMODE((tmp_path / "o" / "out").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "o").stat().st_mode
    )


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    # a tar whose last file is a zip must not be taken for that zip
    inner = make_zip(tmp_path / "inner.zip", {"x": b"1"}).read_bytes()
    archive = make_tar(tmp_path / "a.tar", {"inner.zip": inner}).rename(tmp_path / "a.zip")
    extract(archive, tmp_path / "out")
    assert content(tmp_path / "out") == {"inner.zip": inner}


def test_archives_share_a_root(tmp_path: Path) -> None:
    other = {
        "DAVIS/JPEGImages/480p/cat/00000.jpg": b"cat",
        "DAVIS/ImageSets/2017/val.txt": b"dog\n",
        "DAVIS/empty.txt": b"no longer",
    }
    out = tmp_path / "out"
    extract(make_zip(tmp_path / "a.zip", FILES), out)
    kept = extract(make_tar(tmp_path / "b.tar", other), out)
    assert kept == [out / "DAVIS" / "empty.txt"]
    assert content(out) == {**other, **FILES}


def test_nothing_is_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "DAVIS" / "empty.txt").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"empty\.txt: is in the way"):
        extract(make_zip(tmp_path / "a.zip", FILES), out)
    assert (out / "DAVIS" / "empty.txt").is_dir()
    assert names(tmp_path) == ["a.zip", "out"]


def test_merge_moves_whole_folders(tmp_path: Path) -> None:
    for name in ("new/a/1", "new/b/2", "old/b/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert merge(tmp_path / "new", tmp_path / "old") == []
    assert sorted(content(tmp_path / "old")) == ["a/1", "b/2", "b/3"]


def test_harmless_oddities(tmp_path: Path) -> None:
    files = {
        "./DAVIS//a.txt": b"1",
        "__MACOSX/DAVIS/._a.txt": b"2",
        "DAVIS\\sub\\b.txt": b"3",
        "DAVIS/..c": b"4",
    }
    for kind in ("zip", "tar"):
        extract(make(tmp_path / f"a.{kind}", files), tmp_path / kind)
        expected = {"DAVIS/a.txt": b"1", "DAVIS/sub/b.txt": b"3", "DAVIS/..c": b"4"}
        assert content(tmp_path / kind) == expected


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/tmp/x", "C:/x", "c:x", "..\\x", "\\x", "a\\..\\..\\x", "./../x", ".."],
)
def test_nothing_leaves_the_folder(tmp_path: Path, kind: str, name: str) -> None:
    # what the tools that made it would not store is put there by hand
    stored = make(tmp_path / f"a.{kind}", {"good": b"1", "?" * len(name): b"2"}).read_bytes()
    if kind == "zip":
        archive = tmp_path / "a.zip"
        archive.write_bytes(stored.replace(b"?" * len(name), name.encode()))
    else:
        archive = make_tar(tmp_path / "a.tar", {"good": b"1", name: b"2"})
    refused(archive, DatasetError, "outside the folder")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"?"],
)
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as opened:
        add(opened, "good", b"1")
        add(opened, "trap", type=kind, linkname="/etc")
        add(opened, "trap/x", b"2")
    refused(archive, DatasetError, "'trap' is neither a file nor a folder")


def test_zip_links(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        info = zipfile.ZipInfo("trap")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc")
    refused(archive, DatasetError, "'trap' is neither a file nor a folder")


def test_encrypted_zip(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"1"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    refused(archive, CorruptFileError, "'a' is encrypted")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_bombs(tmp_path: Path, kind: str) -> None:
    refused(make(tmp_path / f"a.{kind}", {"a": bytes(30_000_000)}), DatasetError, "200 times")


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": bytes(30_000_000)})
    size = (30_000_000).to_bytes(4, "little")
    assert archive.read_bytes().count(size) == 2
    archive.write_bytes(archive.read_bytes().replace(size, (100).to_bytes(4, "little")))
    refused(archive, CorruptFileError, "damaged")


def test_a_tar_name_that_fills_the_memory(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        with tarfile.open(archive, "w") as opened:
            add(opened, "good")
            add(opened, "x", bytes(2_000_000), type=kind)
        refused(archive, CorruptFileError, "a name of 2000000 bytes")


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets_vos.transfer.archive._MAX_MEMBERS", 5)
    refused(make_zip(tmp_path / "a.zip", {str(i): b"" for i in range(6)}), DatasetError, "than 5")


@pytest.mark.parametrize("kind", ["zip", "tar.xz"])
def test_no_room(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make(tmp_path / f"a.{kind}", FILES)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4999))
    refused(archive, DatasetError, "GB are free; make room")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"x" * 300: b"1"})
    refused(archive, DatasetError, r"out: cannot be written \(File name too long\)")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_same_name_twice(tmp_path: Path, kind: str) -> None:
    for files in ({"a/b": b"1", "a//b": b"2"}, {"a": b"1", "a/b": b"2"}, {"a/b": b"1", "a": b"2"}):
        refused(make(tmp_path / f"a.{kind}", files), CorruptFileError, "twice, or as file and fold")


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(tmp_path: Path, kind: str) -> None:
    files = {"a/1": np.random.default_rng(2).bytes(1500), "a/2": b"x" * 700}
    whole = make(tmp_path / f"a.{kind}", files).read_bytes()
    # a tar ends with zeros as far as its last header and file are there
    end = 512 * 7 if kind == "tar" else len(whole)
    for size in {0, 1, 100, end // 3, end // 2, end - 700, end - 1}:
        archive = tmp_path / f"cut.{kind}"
        archive.write_bytes(whole[:size])
        with pytest.raises(CorruptFileError, match="damaged"):
            extract(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_an_error_or_harmless(tmp_path: Path, kind: str) -> None:
    files = {"a/1": b"abc" * 40, "a/2": b"x" * 700}
    whole = make(tmp_path / f"a.{kind}", files).read_bytes()
    rng = np.random.default_rng(3)
    read = 0
    for trial in range(150):
        data = bytearray(whole)
        for _ in range(3):
            data[rng.integers(min(len(data), 3600))] = rng.integers(256)
        archive = tmp_path / f"b.{kind}"
        archive.write_bytes(data)
        try:
            extract(archive, tmp_path / f"out{trial}")
            read += 1
        except VOSError:
            assert not (tmp_path / f"out{trial}").exists()
    assert read < 150


def test_no_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    cases: dict[bytes, str] = {
        b"": "damaged",
        b"Rar!\x1a\x07\x00 and so on": "no zip or tar",
        b"<html>": "no zip or tar",
    }
    for data, match in cases.items():
        archive.write_bytes(data)
        refused(archive, CorruptFileError, match)
    makers: list[Callable[[Path, Mapping[str, bytes]], Path]] = [make_zip, make_tar]
    for maker in makers:
        refused(maker(archive, {}), CorruptFileError, "empty archive|damaged")
