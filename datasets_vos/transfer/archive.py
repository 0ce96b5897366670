"""Unpacking of archives that strangers made: zip, tar, tar.gz, tar.bz2 and tar.xz.

Nothing can be written outside the folder, links and devices are refused, and an archive that
unpacks to far more than its own size is stopped while it is written.
"""

import filecmp
import lzma
import os
import re
import secrets
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from datasets_vos.transfer import ProgressCallback
from vos_core.errors import CorruptFileError, DatasetError

_CHUNK = 1 << 20
# Pictures hardly compress; deflate cannot exceed 1032.
_MAX_RATIO = 200
_MAX_MEMBERS = 1_000_000
# A tar header of this kind is held in memory as a whole; it carries a name.
_MAX_TAR_EXTENSION = 1 << 20
_MAX_TAIL = 64 << 20
_TAR_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# Resource forks that macOS puts into archives; their names look like those of the pictures.
_IGNORED_FOLDER = "__MACOSX"
# What the modules for zip, tar and the compressions raise on damaged data.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
)


@dataclass(frozen=True)
class _Member:
    """One entry of an archive.

    Attributes:
        name: Path as stored.
        is_folder: Whether it is a folder.
        is_other: Whether it is neither a file nor a folder, but a link or a device.
        open: Opens its content for reading.
        position: How many bytes of the archive lie before it, about.
    """

    name: str
    is_folder: bool
    is_other: bool
    open: Callable[[], IO[bytes]]
    position: int


def extract(archive: Path, folder: Path, *, progress: ProgressCallback | None = None) -> list[Path]:
    """Unpack an archive into a folder, which may hold other files already.

    Everything is unpacked into a temporary folder beside ``folder`` first, so that a damaged or
    hostile archive leaves nothing behind. Existing files are never overwritten.

    Args:
        archive: A zip, tar, tar.gz, tar.bz2 or tar.xz file, whatever its name.
        folder: Where its contents go; made if it is not there.
        progress: Called with bytes of the archive.

    Returns:
        The existing files that differ from those of the archive and were kept.

    Raises:
        CorruptFileError: If the archive is damaged, encrypted, or of another kind.
        DatasetError: If a member would leave the folder or is a link or device, if it unpacks to
            too much, or if the folder cannot be written.
    """
    folder = folder.absolute()
    site = folder.with_name(f".{folder.name}.unpacking-{secrets.token_hex(4)}")
    try:
        site.mkdir(parents=True)
        _unpack(archive, site, progress or _silent)
        return merge(site, folder)
    except OSError as err:
        msg = f"{folder}: cannot be written ({err.strerror or err}); make room, or choose another."
        raise DatasetError(msg) from err
    finally:
        shutil.rmtree(site, ignore_errors=True)


def merge(source: Path, folder: Path) -> list[Path]:
    """Move what one folder holds into another on the same disk; nothing is overwritten.

    Args:
        source: Folder to empty; files that exist in ``folder`` already stay in it.
        folder: Made if it is not there.

    Returns:
        The files of ``folder`` that differ from those of ``source`` and were kept.

    Raises:
        DatasetError: If a file is in the way of a folder, or a folder in the way of a file.
        OSError: If the folder cannot be written.
    """
    kept: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    for item in sorted(source.iterdir()):
        target = folder / item.name
        if not os.path.lexists(target):
            item.rename(target)
        elif item.is_dir() and target.is_dir():
            kept += merge(item, target)
        elif not (item.is_file() and target.is_file()):
            raise DatasetError(f"{target}: is in the way of what is unpacked; move it away.")
        elif not filecmp.cmp(item, target, shallow=False):
            kept.append(target)
    return kept


def _silent(_done: int, _total: int | None) -> None:
    """Report nothing."""


def _unpack(archive: Path, site: Path, progress: ProgressCallback) -> None:
    writer = _Writer(archive, site, progress)
    try:
        with archive.open("rb") as file:
            # zipfile's own test also takes a tar for a zip if its last file is one.
            start = file.read(4)
            file.seek(0)
            if start in (b"PK\x03\x04", b"PK\x05\x06"):
                with zipfile.ZipFile(file) as opened:
                    # before anything is written, as far as a table of contents can be believed
                    writer.check_size(sum(info.file_size for info in opened.infolist()))
                    writer.write(_zip_members(opened))
            else:
                writer.write(_tar_members(file))
    except _DAMAGE as err:
        reason = str(err).partition("\n")[0].rstrip(":")
        msg = f"{archive}: is damaged, or no zip or tar archive ({reason}); download it again."
        raise CorruptFileError(msg) from err
    except OSError as err:
        # The decompressors raise it too, and then it is no answer of the operating system.
        if err.errno is not None:
            raise
        raise CorruptFileError(f"{archive}: is damaged ({err}); download it again.") from err
    progress(writer.size, writer.size)


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    position = 0
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        usual = kind in (0, stat.S_IFREG, stat.S_IFDIR)
        if info.flag_bits & 0x1:
            raise zipfile.BadZipFile(f"{info.filename!r} is encrypted")
        yield _Member(
            name=info.filename,
            is_folder=info.is_dir(),
            is_other=not usual,
            open=partial(opened.open, info),
            position=position,
        )
        position += info.compress_size


def _tar_members(file: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r:*", tarinfo=_StrictTarInfo) as opened:
        for info in opened:
            yield _Member(
                name=info.name,
                is_folder=info.isdir(),
                is_other=not (info.isreg() or info.isdir()),
                open=partial(_open_tar_member, opened, info),
                position=file.tell(),
            )
        # What follows the last file holds the checksum of some compressions.
        for _ in range(_MAX_TAIL // _CHUNK):
            if not opened.fileobj or not opened.fileobj.read(_CHUNK):
                return


def _open_tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return stream


class _StrictTarInfo(tarfile.TarInfo):
    """A header whose damage is always an error; tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # unknown to typeshed
            raise
        except tarfile.HeaderError as err:
            raise tarfile.ReadError(f"cut short or damaged: {err}") from err

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictTarInfo":
        header = super().frombuf(buf, encoding, errors)
        if header.type in _TAR_EXTENSIONS and header.size > _MAX_TAR_EXTENSION:
            raise tarfile.ReadError(f"a name of {header.size} bytes")
        return header


class _Writer:
    """Writes members into an empty folder and counts what it writes."""

    def __init__(self, archive: Path, site: Path, progress: ProgressCallback) -> None:
        self.size = archive.stat().st_size
        self._archive = archive
        self._site = site
        self._progress = progress
        self._free = shutil.disk_usage(site).free

    def check_size(self, unpacked: int) -> None:
        """Refuse an archive of which so many bytes come out."""
        if unpacked > self.size * _MAX_RATIO:
            raise DatasetError(
                f"{self._archive}: unpacks to more than {_MAX_RATIO} times its size, as harmful "
                "archives do; nothing was kept. If you trust it, unpack it by hand."
            )
        if unpacked > self._free:
            raise DatasetError(
                f"{self._archive}: needs at least {unpacked / 1e9:.2f} GB unpacked, but "
                f"{self._free / 1e9:.2f} GB are free; make room, or choose another disk."
            )

    def write(self, members: Iterable[_Member]) -> None:
        """Write all members, or raise at the first that is refused."""
        written, count = 0, 0
        for count, member in enumerate(members, start=1):
            if count > _MAX_MEMBERS:
                raise DatasetError(f"{self._archive}: holds more than {_MAX_MEMBERS} files.")
            output = self._create(member)
            if output is None:
                continue
            with output, member.open() as stream:
                while chunk := stream.read(_CHUNK):
                    written += len(chunk)
                    self.check_size(written)
                    output.write(chunk)
            self._progress(member.position, self.size)
        if not count:
            raise CorruptFileError(f"{self._archive}: is an empty archive; download it again.")

    def _create(self, member: _Member) -> IO[bytes] | None:
        """Make the member's folder, and open its file unless it is none."""
        if member.is_other:
            raise DatasetError(
                f"{self._archive}: {member.name!r} is neither a file nor a folder but a link or a "
                "device, which no dataset needs; nothing was unpacked."
            )
        parts = _safe_parts(member.name, self._archive)
        if not parts or parts[0] == _IGNORED_FOLDER:
            return None
        target = self._site.joinpath(*parts)
        try:
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            return target.open("xb")
        except (FileExistsError, NotADirectoryError) as err:
            msg = f"{self._archive}: holds {member.name!r} twice, or as file and folder; refused."
            raise CorruptFileError(msg) from err


def _safe_parts(name: str, archive: Path) -> tuple[str, ...]:
    """Split a member's path; backslashes count as separators, for Windows makes them so."""
    path = name.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts or re.match("[A-Za-z]:", path) or "\0" in path:
        raise DatasetError(
            f"{archive}: {name!r} would be written outside the folder; nothing was unpacked. "
            "The archive is harmful or badly made: download it from its publisher."
        )
    return parts
