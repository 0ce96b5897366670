"""``data download`` and ``data list`` through the command line, with a local server."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
from rich.filesize import decimal

import cli
from datasets_vos.catalogue import CATALOGUE, Archive
from tests.datasets_vos.transfer.server import Site, serve
from tests.fakes import make_davis
from tests.fakes.stills import make_saliency
from tests.fakes.youtube_vos import make_youtube_vos


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "VOS_DATA"):
        monkeypatch.delenv(name, raising=False)


def pack(folder: Path, archive: Path, top: str = "") -> Path:
    """Zip what a folder holds below the folder ``top``, and remove it."""
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, Path(top) / path.relative_to(folder))
    rmtree(folder)
    return archive


@pytest.fixture
def trainval(tmp_path: Path) -> Path:
    return pack(make_davis(tmp_path / "fake"), tmp_path / "trainval.zip", "DAVIS")


@pytest.fixture
def testdev(tmp_path: Path) -> Path:
    """The archive of another split; it has a list in common with the first, and another readme."""
    fake = make_davis(tmp_path / "fake", sequences=("gamma",), annotate="first")
    lists = fake / "ImageSets" / "2017"
    (lists / "val.txt").rename(lists / "test-dev.txt")
    (lists / "train.txt").write_text("alpha\n")
    return pack(fake, tmp_path / "test-dev.zip", "DAVIS")


@pytest.fixture
def site(trainval: Path) -> Iterator[Site]:
    with serve(Site(trainval.read_bytes())) as site:
        yield site


def run(*arguments: object) -> int:
    """Run a tool; a manual dataset ends it with SystemExit."""
    try:
        return cli.main(["data", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_left_of_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(Site(b"", failures=[503, 404])) as site:
        assert run("download", "--dataset", "davis2017", "--root", tmp_path, "--url", site.url) == 2
    retry, error = capsys.readouterr().err.splitlines()
    assert retry.startswith(f"{site.url}: the server answers 503 Service Unavailable; attempt 2")
    assert error == f"error: {site.url}: the server answers 404 Not Found."
    assert names(tmp_path) == []


def test_from_a_server(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "with space" / "DAVIS"
    digest = hashlib.sha256(site.body).hexdigest()
    assert run("download", "--dataset", "davis2017", "--root", root, "--url", site.url) == 0
    out, err = capsys.readouterr()
    assert f"set.zip: {decimal(len(site.body))}, SHA-256 {digest}" in out
    assert f"2 clips in {root}. Licence: CC BY-NC 4.0." in out
    assert f"Next: python cli.py data verify --dataset davis2017 --root '{root}'" in out
    assert err == ""
    assert names(root) == [".downloads", "Annotations", "ImageSets", "JPEGImages"]
    assert names(root / ".downloads") == ["set.zip.sha256"]
    assert (root / "JPEGImages" / "480p" / "beta" / "00005.jpg").is_file()
    # again: nothing is fetched
    assert run("download", "--dataset", "davis2017", "--root", root, "--url", site.url) == 0
    assert "Nothing to download: it is there already." in capsys.readouterr().out
    assert len(site.seen) == 1


def test_catalogue_addresses_and_splits(
    trainval: Path,
    testdev: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = (tmp_path / "gone" / "trainval.zip").as_uri()
    archives = (
        Archive((gone, trainval.as_uri()), ("train", "val"), size=100),
        Archive((testdev.as_uri(),), ("test-dev",)),
    )
    monkeypatch.setitem(CATALOGUE, "davis2017", replace(CATALOGUE["davis2017"], archives=archives))
    root = tmp_path / "root"
    command = ("download", "--dataset", "davis2017", "--root", root)
    assert run(*command, "--split", "val", "--keep") == 0
    assert names(root / ".downloads") == ["trainval.zip", "trainval.zip.sha256"]
    assert names(root / "JPEGImages" / "480p") == ["alpha", "beta"]
    assert "1 clip in" in capsys.readouterr().out
    assert run(*command, "--split", "test-dev") == 0
    assert names(root / "JPEGImages" / "480p") == ["alpha", "beta", "gamma"]
    out, err = capsys.readouterr()
    assert f"--root {root} --split test-dev" in out
    assert err == ""
    assert run(*command) == 0
    assert "missing is fetched with --split (train, val, test-dev" in capsys.readouterr().out


def test_existing_files_are_kept_and_told(
    trainval: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    mine = root / "ImageSets" / "2017" / "val.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("alpha\n")
    command = ("download", "--dataset", "davis2017", "--root", root, "--url", trainval.as_uri())
    assert run(*command) == 0
    assert mine.read_text() == "alpha\n"
    assert f"first {mine}; they were left as they are" in capsys.readouterr().err


def test_several_archives_make_one_set(tmp_path: Path) -> None:
    fake = make_saliency(tmp_path / "fake", "ecssd")
    parts = sorted(path for path in fake.rglob("*") if path.is_dir() and any(path.glob("*.*g")))
    assert [part.name for part in parts] == ["ground_truth_mask", "images"]
    # mirrors may call them all alike
    urls = []
    for part in parts:
        (tmp_path / f"at-{part.name}").mkdir()
        archive = tmp_path / f"at-{part.name}" / "data.zip"
        urls.append(pack(part, archive, part.name).as_uri())
    root = tmp_path / "root"
    assert run("download", "--dataset", "ecssd", "--root", root, "--keep", "--url", *urls) == 0
    assert names(root) == [".downloads", "ground_truth_mask", "images"]
    assert {"1-data.zip", "2-data.zip"} < set(names(root / ".downloads"))


def test_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "youtube_vos2019"
    command = ("download", "--dataset", "youtube_vos2019", "--root", root)
    assert run(*command) == 2
    out, err = capsys.readouterr()
    assert "YouTube-VOS 2019 has to be fetched by hand (https://youtube-vos.org" in out
    assert f"{root}/train/meta.json" in out
    assert err == ""
    assert not root.exists()
    # those who have the archives let them be unpacked
    archive = pack(make_youtube_vos(tmp_path / "fake"), tmp_path / "all.zip")
    assert run(*command, "--url", archive.as_uri()) == 0
    capsys.readouterr()
    assert run(*command) == 0
    assert "it is there already" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "step"), [("toy", "data toy generates it"), ("folder", "--mask")])
def test_nothing_to_fetch(
    name: str, step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("download", "--dataset", name, "--root", tmp_path / "new") == 2
    assert step in capsys.readouterr().out
    assert names(tmp_path) == []


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a tool that must fail, and return its one sentence."""
    capsys.readouterr()
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_a_moved_archive_points_to_the_homepage(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    info = replace(CATALOGUE["ecssd"], archives=(Archive((site.url,)),))
    monkeypatch.setitem(CATALOGUE, "ecssd", info)
    site.failures = [404]
    command = ("download", "--dataset", "ecssd", "--root", tmp_path / "root")
    error = refusal(capsys, *command)
    assert (
        f"{site.url}: the server answers 404 Not Found. If it has moved, see {info.homepage}"
        in (error)
    )
    assert "give its new address with --url" in error
    # what comes is another set; it is kept, and the root stays empty
    assert "hold no folder that opens as ecssd, but DAVIS" in refusal(capsys, *command)
    assert names(tmp_path / "root") == [".downloads"]
    assert names(tmp_path / "root" / ".downloads") == ["set.zip", "set.zip.sha256"]


def test_a_damaged_archive_does_not_stand_in_the_way_of_a_whole_one(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, whole = tmp_path / "root", site.body
    command = ("download", "--dataset", "davis2017", "--root", root, "--url", site.url)
    site.body = whole[:2000]
    error = refusal(capsys, *command)
    assert "set.zip: is damaged" in error
    assert "It was removed." in error
    assert names(root / ".downloads") == []
    site.body = whole
    assert run(*command) == 0


def test_an_archive_on_this_disk_needs_no_address(
    trainval: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "dö wn"
    here.mkdir()
    archive = trainval.rename(here / "all of it.zip")
    command = ("download", "--dataset", "davis2017", "--root", tmp_path / "root", "--url")
    error = refusal(capsys, *command, here / "other.zip")
    assert f"'{here / 'other.zip'}' is neither an address nor a file" in error
    assert run(*command, archive) == 0
    assert archive.is_file()


def test_a_wrong_checksum_leaves_nothing(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    command = ("download", "--dataset", "davis2017", "--root", root, "--url", site.url)
    assert "its SHA-256 is wrong" in refusal(capsys, *command, "--sha256", "0" * 64)
    assert names(root) == []
    digest = hashlib.sha256(site.body).hexdigest()
    assert run(*command, "--sha256", digest) == 0


def test_too_little_room_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Archive(("http://127.0.0.1:9/x.zip",), size=10**18)
    monkeypatch.setitem(CATALOGUE, "ecssd", replace(CATALOGUE["ecssd"], archives=(archive,)))
    error = refusal(capsys, "download", "--dataset", "ecssd", "--root", tmp_path / "root")
    assert "about 2.0 EB are needed" in error


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("download --dataset davis2107 --root x", "Did you mean 'davis2017'?"),
        ("download --dataset davis2017", "required: --root"),
        ("download --dataset davis2017 --root x --split valid", "'valid' is none of davis2017"),
        ("download --dataset ecssd --root x --split val", "it has no splits"),
        ("download --dataset ecssd --root x --sha256 00", "gives 1 digests, but there are 2 arch"),
        ("download --dataset ecssd --root x --url ftp://h/x.zip", "no address of http, https or"),
        ("list davis2107", "Did you mean 'davis2017'?"),
        ("list ECSSD", "Did you mean 'ecssd'?"),
        ("list --roots ~nobody-here/x", "there is no such user"),
        ("list --roots nowhere", "nowhere: no such folder"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    arguments: str,
    answer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer in refusal(capsys, *arguments.split())


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    make_davis(tmp_path / "shelf" / "DAVIS")
    make_saliency(tmp_path / "shelf" / "ECSSD", "ecssd")
    return tmp_path / "shelf"


def test_list_names_all_and_finds_some(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # of no account where the output is no terminal
    monkeypatch.setenv("VOS_DATA", str(shelf))
    assert run("list") == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert set(CATALOGUE) <= set(lines)
    assert "50 clips, 3455 frames  CC BY-NC 4.0" in lines["davis2016"]
    assert f"On this disk (searched: {shelf}):" in out
    assert f"  davis2017              {shelf / 'DAVIS'} (2 clips)" in out
    monkeypatch.delenv("VOS_DATA")
    monkeypatch.chdir(shelf)
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "None is on this disk (searched: data); search elsewhere with --roots DIR." in out
    assert "about 1.9 GB" in out


def test_list_passes_over_what_may_not_be_read(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Path.is_file

    def is_file(path: Path) -> bool:
        if path.parent == shelf / "DAVIS":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    assert run("list", "--roots", shelf) == 0
    out = capsys.readouterr().out
    assert str(shelf / "ECSSD") in out
    assert str(shelf / "DAVIS") not in out


def test_list_as_json(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json", "--roots", shelf / "DAVIS", shelf / "ECSSD") == 0
    records = {record["name"]: record for record in json.loads(capsys.readouterr().out)}
    assert sorted(records) == sorted(CATALOGUE)
    assert records["davis2017"]["found"] == [{"root": str(shelf / "DAVIS"), "items": 2}]
    assert len(records["ecssd"]["found"]) == 1
    assert records["davis2016"]["found"] == []
    assert records["davis2016"]["licence"] == "CC BY-NC 4.0"
    assert records["voc2012"]["download_bytes"] == 2_000_000_000


def test_list_one(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "davis2017", "--roots", shelf) == 0
    out = capsys.readouterr().out
    assert out.startswith("davis2017: DAVIS 2017, several objects, semi-supervised\n")
    for text in (
        "Pont-Tuset et al., arXiv:1704.00675",
        "CC BY-NC 4.0",
        "train, val, test-dev, test-challenge",
        "ROOT/JPEGImages/480p/<sequence>/00000.jpg",
        "python cli.py data download --dataset davis2017 --root ROOT",
        "/DAVIS-2017-test-dev-480p.zip    (test-dev)",
        f"{shelf / 'DAVIS'} (2 clips)",
    ):
        assert text in out
    assert run("list", "mots20", "--roots", shelf) == 0
    out = capsys.readouterr().out
    assert "1. Register at https://motchallenge.net" in out
    assert "not found" in out


@pytest.mark.parametrize("tool", ["download", "list"])
def test_help(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tool, "--help") == 0
    assert f"usage: cli.py data {tool}" in capsys.readouterr().out
