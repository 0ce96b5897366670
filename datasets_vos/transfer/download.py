"""Downloads that survive broken connections, and never pass for whole when they are not."""

import contextlib
import hashlib
import http.client
import json
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.response import addinfourl

from datasets_vos.transfer import ProgressCallback
from vos_core.errors import ConfigError, DatasetError

_CHUNK = 1 << 18
_Response = http.client.HTTPResponse | addinfourl
# Answers after which the same request may succeed.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(DatasetError):
    """No address gave the file, or what it gave is not the file."""


class _UnavailableError(Exception):
    """This address will not give the file, however often it is asked."""


class _InterruptedError(Exception):
    """This attempt failed; the next may go on from where it stopped."""


class _UnresolvedError(_InterruptedError):
    """Nobody knows the host's name: it is wrong, or there is no network."""


@dataclass(frozen=True)
class _Part:
    """The unfinished file, and beside it what it was downloaded from.

    Attributes:
        path: The file; ``<name>.part``.
    """

    path: Path

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def _origin_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def origin(self, url: str) -> dict[str, Any]:
        """Return ``validator`` and ``total`` if it comes from this address, else nothing."""
        try:
            origin = json.loads(self._origin_path.read_text())
        except (OSError, ValueError):
            return {}
        return origin if isinstance(origin, dict) and origin.get("url") == url else {}

    def begin(self, url: str, validator: str | None, total: int | None) -> None:
        """Start again from nothing."""
        self.path.unlink(missing_ok=True)
        origin = {"url": url, "validator": validator, "total": total}
        self._origin_path.write_text(json.dumps(origin))

    def remove(self) -> None:
        """Remove the file and what is known of it."""
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Give the file its final name."""
        self.path.replace(path)
        self._origin_path.unlink(missing_ok=True)


def download(
    url: str | Sequence[str],
    path: Path,
    *,
    sha256: str | None = None,
    progress: ProgressCallback | None = None,
    announce: Callable[[str], None] | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    backoff: float = 1.0,
) -> str:
    """Download a file and verify it.

    It grows as ``<name>.part``, from which a later call goes on where this one was interrupted.
    Its digest is written into ``<name>.sha256`` the first time and compared from then on. A file
    that is there already is verified and not downloaded again.

    Args:
        url: Address (http, https or file), or several that are tried in turn.
        path: Where the file goes; its folder is made.
        sha256: The digest that it must have, 64 hexadecimal digits.
        progress: Called with bytes of the file.
        announce: Called before each further attempt, with why and when it comes.
        attempts: How often in a row an address may fail without anything new received. One whose
            host has no known name is given up at once.
        timeout: Seconds without an answer after which an attempt has failed.
        backoff: Seconds before the second attempt; doubled before each further one.

    Returns:
        The digest, in lower case.

    Raises:
        ConfigError: If an address or the digest is malformed.
        DownloadError: If no address gives the file, or its digest is another.
        DatasetError: If it cannot be written.
    """
    urls = [url] if isinstance(url, str) else list(url)
    _check_arguments(urls, sha256)
    part = _Part(path.with_name(f"{path.name}.part"))
    fetcher = _Fetcher(part, sha256 is not None, progress, announce, attempts, timeout, backoff)
    record = digest_path(path)
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return _verify(path, sha256, record, f"{path}: remove it to download it again")
        for address in urls:
            try:
                fetcher.fetch(address)
                digest = _verify(part.path, sha256, record, f"{address}: it was removed")
            except (_UnavailableError, DownloadError) as err:
                failures.append(str(err).removesuffix("."))
                if isinstance(err, DownloadError) or not part.size:
                    part.remove()
                continue
            part.finish(path)
            return digest
    except OSError as err:
        msg = (
            f"{part.path}: cannot be written ({err.strerror or err}) after {part.size} bytes; "
            "make room and run this again, it goes on from there."
        )
        raise DatasetError(msg) from err
    # addresses of one host fail alike where it is not known
    told = "; ".join(dict.fromkeys(failures))
    rest = f"; {part.size} bytes received, run this again to go on" if part.size else ""
    raise DownloadError(f"{told}{rest}.")


def digest_path(path: Path) -> Path:
    """Return where the digest of a downloaded file is on record."""
    return path.with_name(f"{path.name}.sha256")


def _check_arguments(urls: Sequence[str], sha256: str | None) -> None:
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ConfigError(f"{sha256!r} is no SHA-256 digest; give 64 hexadecimal digits.")
    for url in urls:
        if not re.match(r"(https?|file):[!-~]+$", url):
            raise ConfigError(
                f"{url!r} is no address of http, https or file; write spaces and letters beyond "
                "ASCII in it as %20 and the like."
            )


def _verify(path: Path, sha256: str | None, record: Path, advice: str) -> str:
    """Compare the digest with what is asked for or on record, and put it on record."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected, source = (sha256 or "").lower(), "as asked for"
    if not expected and record.exists():
        expected, source = record.read_text().split(" ")[0], f"by {record}"
    if expected and digest != expected:
        raise DownloadError(
            f"{advice}, for its SHA-256 is wrong: expected {expected} {source}, got {digest}."
        )
    record.write_text(f"{digest}  {record.stem}\n")
    return digest


@dataclass(frozen=True)
class _Fetcher:
    """Downloads into a part; see :func:`download`.

    Attributes:
        part: What is filled.
        verifiable: Whether the digest of the whole is known.
        progress: Called with bytes.
        announce: Called before each further attempt.
        attempts: Allowed without anything new received.
        timeout: In seconds.
        backoff: In seconds.
    """

    part: _Part
    verifiable: bool
    progress: ProgressCallback | None
    announce: Callable[[str], None] | None
    attempts: int
    timeout: float
    backoff: float

    def fetch(self, url: str) -> None:
        """Make attempts as long as they bring something new."""
        begun = most = self.part.size
        failed = 0
        while True:
            try:
                return self._attempt(url)
            except _InterruptedError as err:
                if self.part.size > most:
                    failed, most = 0, self.part.size
                failed += 1
                # a name that was known a while ago will be known again
                if isinstance(err, _UnresolvedError) and most == begun:
                    raise _UnavailableError(str(err)) from err
                if failed >= self.attempts or url.startswith("file:"):
                    raise _UnavailableError(f"{url}: {err}") from err
                pause = self.backoff * 2 ** (failed - 1)
                if self.announce:
                    turn = f"attempt {failed + 1} of {self.attempts}"
                    self.announce(f"{url}: {err}; {turn} in {pause:.0f} s")
                time.sleep(pause)

    def _attempt(self, url: str) -> None:
        """Make one request and receive what it answers."""
        origin = self.part.origin(url)
        validator = origin.get("validator")
        # A rest can only be joined to what was begun if it is known to be of the same file.
        offset = self.part.size if validator or self.verifiable else 0
        headers = {"User-Agent": "vos-suite", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if offset and validator:
            headers["If-Range"] = validator
        with _open(urllib.request.Request(url, headers=headers), self.timeout) as response:
            start, total = _content_range(response)
            changed = total != (origin.get("total") or total)
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if total == offset and not changed:
                    return  # all was received, only the renaming was missed
                self._begin_again()
            _refuse_page(url, response.headers.get_content_type() == "text/html")
            if offset and response.status == HTTPStatus.PARTIAL_CONTENT:
                if start != offset or changed:
                    self._begin_again()
            else:
                offset, total = 0, _length(response)
                self.part.begin(url, _validator(response), total)
            self._receive(url, response, offset, total)

    def _begin_again(self) -> NoReturn:
        self.part.remove()
        raise _InterruptedError("the file has changed, so the download begins again")

    def _receive(self, url: str, response: _Response, done: int, total: int | None) -> None:
        """Append the answer's body to the part."""
        folder = self.part.path.parent
        free = shutil.disk_usage(folder).free
        if total is not None and total - done > free:
            raise DatasetError(
                f"{url}: {(total - done) / 1e9:.2f} GB are to come, but {free / 1e9:.2f} GB are "
                f"free in {folder}; make room, or choose another disk."
            )
        with self.part.path.open("ab") as file:
            while chunk := _read(response):
                if not done:
                    start = chunk[:64].lstrip().lower()
                    _refuse_page(url, start.startswith((b"<!doctype html", b"<html")))
                file.write(chunk)
                done += len(chunk)
                if self.progress:
                    self.progress(done, total)
        if not done:
            raise _InterruptedError("the answer is empty")
        if total is not None and done < total:
            raise _InterruptedError(f"the connection ended after {done} of {total} bytes")


def _read(response: _Response) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as err:
        raise _InterruptedError(f"the connection broke ({err})") from err


@contextlib.contextmanager
def _open(request: urllib.request.Request, timeout: float) -> Iterator[_Response]:
    """Yield the answer to a request; an unsatisfiable range is an answer like others."""
    try:
        response = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as err:
        if err.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            response = err
        else:
            err.close()
            answer = f"the server answers {err.code} {err.reason}"
            if err.code in _PASSING:
                raise _InterruptedError(answer) from err
            raise _UnavailableError(f"{request.full_url}: {answer}") from err
    except urllib.error.URLError as err:
        if isinstance(err.reason, socket.gaierror):
            what = f"the name cannot be resolved ({err.reason.strerror}); check it and the network"
            raise _UnresolvedError(f"{request.host}: {what}") from err
        raise _InterruptedError(f"cannot be reached ({err.reason})") from err
    except (OSError, http.client.HTTPException) as err:
        raise _InterruptedError(f"gives no proper answer ({err})") from err
    with response:
        yield response


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http, https and file; the usual one knows more, such as ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.FileHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _refuse_page(url: str, is_page: bool) -> None:
    if is_page:
        raise _UnavailableError(
            f"{url}: the answer is a web page, not an archive (a login, a form, a quota, or a "
            "page that says where it has moved); open it in a browser."
        )


def _validator(response: _Response) -> str | None:
    """Return what tells this version of the file from others, fit for If-Range."""
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str | None = response.headers.get("Last-Modified")
    return modified


def _length(response: _Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _content_range(response: _Response) -> tuple[int | None, int | None]:
    """Return the first byte and the file's size, as far as the header says them."""
    header = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", header)
    first, total = match.groups() if match else (None, None)
    return (int(first) if first else None, int(total) if total else None)
