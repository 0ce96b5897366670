"""What the catalogue holds of each dataset."""

from dataclasses import dataclass
from typing import Literal

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Archive:
    """A file to download and unpack.

    Attributes:
        urls: Where it is, each tried in turn.
        splits: The splits it holds; empty where all archives are needed for any.
        size: About how many bytes it has; None where that is not known.
        sha256: Its digest; None where its publisher gives none. Then the one of the first
            download is put on record, and compared from then on.
    """

    urls: tuple[str, ...]
    splits: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a dataset.

    Attributes:
        title: Its full name.
        paper: Short citation.
        kind: What it consists of.
        contents: How much there is.
        licence: As its publisher states it.
        tree: The layout below its root.
        homepage: Where its publisher describes it; empty for one's own data.
        splits: Names of its splits.
        archives: What is downloaded, if it can be.
        steps: What to do by hand if not.
        obtained: How one comes by it.
        names: Parts of folder names, in lower case without punctuation, by which it is
            recognised on disk.
        signs: Files below the root, as patterns, any of which tells it from its relatives.
    """

    title: str
    paper: str
    kind: Literal["video", "still"]
    contents: str
    licence: str
    tree: tuple[str, ...]
    homepage: str = ""
    splits: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    steps: tuple[str, ...] = ()
    obtained: Literal["download", "by hand", "generated", "your own"] = "download"
    names: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """About how many bytes its archives have together; None where that is not known."""
        sizes = [archive.size for archive in self.archives if archive.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.archives) else None

    def count(self, items: int) -> str:
        """Return a number of clips or images in words, such as ``1 clip``."""
        thing = "clip" if self.kind == "video" else "image"
        return f"{items} {thing}{'s' if items != 1 else ''}"
