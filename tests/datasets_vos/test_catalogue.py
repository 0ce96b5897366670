"""The facts about the datasets hang together."""

import re
from pathlib import Path

import pytest

from datasets_vos import list_datasets, list_still_datasets
from datasets_vos.catalogue import CATALOGUE, Archive, DatasetInfo

each = pytest.mark.parametrize(("name", "info"), CATALOGUE.items(), ids=list(CATALOGUE))


def test_every_dataset_is_in_it() -> None:
    assert sorted(CATALOGUE) == sorted(list_datasets() + list_still_datasets())
    videos = [name for name, info in CATALOGUE.items() if info.kind == "video"]
    assert sorted(videos) == list_datasets()


@each
def test_entries_are_complete(name: str, info: DatasetInfo) -> None:
    for text in (info.title, info.paper, info.contents, info.licence, *info.tree):
        assert text.strip() == text != ""
    assert info.tree
    assert bool(info.archives) == (info.obtained == "download")
    assert bool(info.steps) == (info.obtained != "download")
    assert bool(info.homepage) == (info.obtained in ("download", "by hand"))
    assert len(set(info.splits)) == len(info.splits)
    if info.homepage:
        assert info.names or info.signs


@each
def test_archives_can_be_asked_for(name: str, info: DatasetInfo) -> None:
    for archive in info.archives:
        assert archive.urls
        for url in archive.urls:
            assert re.fullmatch(r"https?://[a-z0-9.-]+/[!-~]+\.(zip|tar|tgz)", url)
        # mirrors give the same file
        assert len({Path(url).name for url in archive.urls}) == 1
        assert set(archive.splits) <= set(info.splits)
        assert archive.sha256 is None or re.fullmatch("[0-9a-f]{64}", archive.sha256)
    named = [split for archive in info.archives for split in archive.splits]
    assert not named or sorted(named) == sorted(info.splits)


def test_sizes_add_up() -> None:
    facts = {"title": "", "paper": "", "contents": "", "licence": "", "tree": ()}
    sized, unsized = Archive(("x",), size=2), Archive(("y",))
    assert DatasetInfo(kind="video", archives=(sized, sized), **facts).size == 4
    assert DatasetInfo(kind="video", archives=(sized, unsized), **facts).size is None
    assert DatasetInfo(kind="still", **facts).size is None


def test_counts_in_words() -> None:
    assert CATALOGUE["davis2016"].count(1) == "1 clip"
    assert CATALOGUE["ecssd"].count(1000) == "1000 images"
