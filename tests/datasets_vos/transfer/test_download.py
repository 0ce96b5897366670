"""Downloads from a local server that breaks off, changes its mind and answers with pages."""

import errno
import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from datasets_vos.transfer import download as download_module
from datasets_vos.transfer.download import DownloadError, download
from tests.datasets_vos.transfer.server import Site, serve
from vos_core.errors import ConfigError, DatasetError

BODY = np.random.default_rng(0).bytes(1_000_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(BODY)) as site:
        yield site


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "set.zip"


def fetch(url: str | list[str], path: Path, **options: object) -> str:
    return download(url, path, timeout=5.0, backoff=0.0, **options)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_whole_file(site: Site, path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    assert fetch(site.url, path, progress=lambda *report: reports.append(report)) == DIGEST
    assert path.read_bytes() == BODY
    assert names(path) == ["set.zip", "set.zip.sha256"]
    assert path.with_name("set.zip.sha256").read_text() == f"{DIGEST}  set.zip\n"
    assert reports[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


def test_what_is_there_is_not_fetched_again(site: Site, path: Path) -> None:
    for _ in range(2):
        fetch(site.url, path, sha256=DIGEST.upper())
    assert len(site.seen) == 1
    path.write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"set\.zip: remove it to download it again"):
        fetch(site.url, path)


def test_a_broken_transfer_goes_on_where_it_stopped(site: Site, path: Path) -> None:
    site.cuts = [400_000, 300_000]
    assert fetch(site.url, path) == DIGEST
    assert site.seen == [None, "bytes=400000-", "bytes=700000-"]


def test_a_later_call_goes_on_too(site: Site, path: Path) -> None:
    site.cuts = [400_000]
    with pytest.raises(DownloadError, match=r"after 400000 of 1000000 bytes; 400000 bytes rec"):
        fetch(site.url, path, attempts=1)
    assert names(path) == ["set.zip.part", "set.zip.part.json"]
    assert fetch(site.url, path) == DIGEST
    assert site.seen == [None, "bytes=400000-"]


def test_many_cuts_are_no_failure_while_something_comes(site: Site, path: Path) -> None:
    site.cuts = [100_000] * 9
    assert fetch(site.url, path, attempts=2) == DIGEST


def test_a_server_without_ranges_begins_again(site: Site, path: Path) -> None:
    site.cuts, site.ranges = [400_000], False
    assert fetch(site.url, path) == DIGEST
    assert site.seen == [None, "bytes=400000-"]


def test_a_file_changed_between_attempts_is_not_joined(site: Site, path: Path) -> None:
    site.cuts = [400_000]
    with pytest.raises(DownloadError):
        fetch(site.url, path, attempts=1)
    site.body = bytes(1_200_000)
    assert fetch(site.url, path) == hashlib.sha256(bytes(1_200_000)).hexdigest()
    assert path.read_bytes() == bytes(1_200_000)


def test_without_etag_only_a_known_digest_allows_to_go_on(site: Site, path: Path) -> None:
    site.validator = False
    site.cuts = [400_000]
    assert fetch(site.url, path) == DIGEST
    assert site.seen == [None, None]
    path.unlink()
    site.cuts = [400_000]
    assert fetch(site.url, path, sha256=DIGEST) == DIGEST
    assert site.seen[2:] == [None, "bytes=400000-"]


def test_a_size_that_changed_begins_again(site: Site, path: Path) -> None:
    site.validator = False
    site.cuts = [400_000]
    body = bytes(900_000)
    digest = hashlib.sha256(body).hexdigest()
    with pytest.raises(DownloadError):
        fetch(site.url, path, attempts=1, sha256=digest)
    site.body = body
    assert fetch(site.url, path, sha256=digest) == digest
    assert site.seen == [None, "bytes=400000-", None]


def test_a_part_that_is_whole_or_too_long(site: Site, path: Path) -> None:
    path.parent.mkdir()
    part = path.with_name("set.zip.part")
    part.write_bytes(BODY)
    assert fetch(site.url, path, sha256=DIGEST) == DIGEST
    path.unlink()
    part.write_bytes(BODY + b"more")
    assert fetch(site.url, path, sha256=DIGEST) == DIGEST
    assert site.seen == ["bytes=1000000-", "bytes=1000004-", None]


def test_a_size_never_reached_is_an_error(site: Site, path: Path) -> None:
    site.claimed_size = 1_000_007
    for ranges in (True, False):
        site.ranges = ranges
        with pytest.raises(DownloadError, match=r"the connection ended|has changed"):
            fetch(site.url, path, attempts=3)
        assert not path.exists()
    assert len(site.seen) < 10


def test_an_empty_answer_is_an_error(site: Site, path: Path) -> None:
    site.body = b""
    with pytest.raises(DownloadError, match="the answer is empty"):
        fetch(site.url, path, attempts=2)


def test_a_wrong_checksum(site: Site, path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(DownloadError, match=f"expected {wrong} as asked for, got {DIGEST}"):
        fetch(site.url, path, sha256=wrong)
    assert names(path) == []


def test_the_first_digest_is_compared_from_then_on(site: Site, path: Path) -> None:
    fetch(site.url, path)
    path.unlink()
    site.body = BODY[::-1]
    with pytest.raises(DownloadError, match=rf"expected {DIGEST} by .*set\.zip\.sha256, got"):
        fetch(site.url, path)
    path.with_name("set.zip.sha256").unlink()
    assert fetch(site.url, path) == hashlib.sha256(BODY[::-1]).hexdigest()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<h1>Log in</h1>", "text/html; charset=utf-8"), (b"\n<!DOCTYPE html><p>", "x/y")],
)
def test_a_web_page_is_no_archive(site: Site, path: Path, body: bytes, content_type: str) -> None:
    site.body, site.content_type = body, content_type
    with pytest.raises(DownloadError, match="the answer is a web page"):
        fetch(site.url, path)
    assert len(site.seen) == 1
    assert not list(path.parent.iterdir())


def test_a_page_does_not_spoil_what_was_begun(site: Site, path: Path) -> None:
    site.cuts = [400_000]
    with pytest.raises(DownloadError):
        fetch(site.url, path, attempts=1)
    site.content_type = "text/html"
    with pytest.raises(DownloadError):
        fetch(site.url, path)
    site.content_type = "application/zip"
    assert fetch(site.url, path) == DIGEST
    assert site.seen[-1] == "bytes=400000-"


def test_statuses(site: Site, path: Path) -> None:
    site.failures = [404]
    with pytest.raises(DownloadError, match=r"set\.zip: the server answers 404 Not Found"):
        fetch(site.url, path)
    assert len(site.seen) == 1
    site.failures = [503, 429]
    assert fetch(site.url, path) == DIGEST
    assert len(site.seen) == 4


def test_mirrors_are_tried_in_turn(site: Site, path: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"PK not it")
    urls = [f"{site.url}/gone", wrong.as_uri(), site.url]
    site.failures = [404]
    assert fetch(urls, path, sha256=DIGEST) == DIGEST
    site.failures = [404]
    path.unlink()
    with pytest.raises(DownloadError) as caught:
        fetch(urls[:2], path, sha256=DIGEST)
    assert "404" in str(caught.value)
    assert "wrong.zip" in str(caught.value)


def test_an_unreachable_server(path: Path) -> None:
    with serve(Site(BODY)) as site:
        pass
    told: list[str] = []
    with pytest.raises(DownloadError, match=r"cannot be reached \(.*refused\)\.$"):
        fetch(site.url, path, attempts=3, announce=told.append)
    assert [each.rpartition("; ")[2] for each in told] == [
        "attempt 2 of 3 in 0 s",
        "attempt 3 of 3 in 0 s",
    ]
    assert all(each.startswith(f"{site.url}: cannot be reached") for each in told)


def test_a_host_that_nobody_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    told: list[str] = []
    urls = ["https://nobody.example/a.zip", "http://nobody.example/a.zip"]
    with pytest.raises(DownloadError) as caught:
        download(urls, path, announce=told.append, backoff=60.0)
    assert str(caught.value) == (
        "nobody.example: the name cannot be resolved (Name or service not known); check it and "
        "the network."
    )
    assert told == []


def test_a_host_that_is_lost_on_the_way(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.cuts = [400_000]
    known, calls = socket.getaddrinfo, []

    def resolve(host: str, port: int, *rest: int) -> list[tuple[object, ...]]:
        calls.append(host)
        if len(calls) == 2:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")
        return known(host, port, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert fetch(site.url, path) == DIGEST
    assert len(calls) == 3


def test_a_silent_server_times_out(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.zip"
        with pytest.raises(DownloadError, match="timed out"):
            download(url, path, timeout=0.1, attempts=2, backoff=0.0)


def test_file_addresses(tmp_path: Path, path: Path) -> None:
    source = tmp_path / "with space.zip"
    source.write_bytes(BODY)
    assert fetch(source.as_uri(), path) == DIGEST
    with pytest.raises(DownloadError, match="No such file"):
        fetch((tmp_path / "no.zip").as_uri(), path.with_name("no.zip"))


@pytest.mark.parametrize("url", ["ftp://host/x.zip", "x.zip", "http://host/a b.zip", "file:ü.zip"])
def test_malformed_addresses(url: str, path: Path) -> None:
    with pytest.raises(ConfigError, match="no address"):
        fetch(url, path)
    with pytest.raises(ConfigError, match="no SHA-256"):
        fetch("http://host/x.zip", path, sha256="abc")


def test_an_interrupt_keeps_what_was_received(site: Site, path: Path) -> None:
    def interrupt(done: int, _total: int | None) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(site.url, path, progress=interrupt)
    kept = path.with_name("set.zip.part").stat().st_size
    assert 300_000 < kept < len(BODY)
    assert fetch(site.url, path) == DIGEST
    assert site.seen == [None, f"bytes={kept}-"]


def test_no_room(site: Site, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(path.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=999_999))
    with pytest.raises(DatasetError, match=r"0\.00 GB are to come, but 0\.00 GB are free"):
        fetch(site.url, path)


def test_a_full_disk_is_told_and_the_part_kept(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_response: object) -> bytes:
        # stands for the write after it, which cannot be made to fail here
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    site.cuts = [400_000]
    with pytest.raises(DownloadError):
        fetch(site.url, path, attempts=1)
    monkeypatch.setattr(download_module, "_read", full)
    with pytest.raises(DatasetError, match=r"part: cannot be written \(No space left on device\)"):
        fetch(site.url, path)
    assert path.with_name("set.zip.part").stat().st_size == 400_000
