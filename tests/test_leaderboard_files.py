"""The files that ``leaderboard`` writes: CSV, Markdown and HTML."""

import csv
import math
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from datasets_vos.commands.leaderboard.runs import Run, find_runs
from datasets_vos.commands.leaderboard.table import make_groups
from tests.leaderboard_command import (
    DATA,
    INFO,
    NUMBERS,
    A,
    Capture,
    leaderboard,
    make_run,
    make_two_runs,
    other_kinds,
    publish,
)


@pytest.fixture(autouse=True)
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, *NUMBERS)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs under ``runs``, which lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_two_runs(tmp_path / "runs")


def test_csv_has_everything_unrounded(runs: Path, capsys: Capture) -> None:
    assert "written: out/a.csv" in leaderboard(capsys, "--csv", "out/a.csv", "--level", "0.5")
    with Path("out/a.csv").open(newline="") as file:
        rows = {line["name"]: line for line in csv.DictReader(file)}
    assert list(rows) == ["lucid/version_0", "Between", "osvos/version_0", "Only J"]
    ours, theirs = rows["lucid/version_0"], rows["Between"]
    assert float(ours["J&F"]) == pytest.approx(2.2 / 3 - 0.05, abs=1e-12)
    assert float(ours["J recall"]) == pytest.approx(2 / 3)  # 0.5 is not above 0.5
    [run] = find_runs([runs / "lucid/version_0"])
    assert (float(ours["interval_low"]), float(ours["interval_high"])) == half_interval(run)
    assert ours["interval_level"] == "0.5"
    want = {"kind": "run", "dataset": "davis2016", "split": "val", "headline": "J&F"}
    want |= {"sequences": "3", "objects": "3", "frames": "30", "seconds_adapt": "30.0"}
    want |= {"seconds_propagate_per_frame": "0.2", "seconds_adapt_per_sequence": "10.0"}
    want |= {"peak_memory_mib": "1536.0", "peak_gpu_memory_mib": "", "seed": "0"}
    want |= {"commit": "0123456789abcdef+", "hardware": INFO["hardware"], "source": ""}
    want |= {"config": str(runs / "lucid/version_0/config.yaml")}
    assert want.items() <= ours.items()
    want = {"kind": "published", "J": "0.7", "F": "", "fps": "12.5", "table": "Table 1"}
    want |= {"note": "J is printed as 0.070; cited as [1]; misprint", "seed": ""}
    assert want.items() <= theirs.items()


def half_interval(run: Run) -> tuple[float, float]:
    """Return the middle half of the mean J&F over three sequences drawn at random."""
    values = np.array([each.values[0] for each in run.values.values()])
    draws = np.array(np.meshgrid(*[values] * 3)).mean(axis=0).ravel()
    low, high = np.quantile(draws, [0.25, 0.75], method="nearest")
    return pytest.approx(low), pytest.approx(high)  # type: ignore[return-value]


def test_markdown(runs: Path, capsys: Capture) -> None:
    pair = ("--compare", "lucid/version_0", "osvos/version_0")
    leaderboard(capsys, "--markdown", "docs/a.md", *pair)
    text = Path("docs/a.md").read_text()
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count(" | ") for line in table.splitlines()}) == 1
    assert "[lucid/version\\_0](../runs/lucid/version_0/report.html) | 0.683 |" in text
    assert "[config.yaml](../runs/osvos/version_0/config.yaml) |" in text
    assert "| *Between* | 0.650 | - | 0.700 |" in text
    assert "16 CPU cores \\<fast\\>" in text
    assert "beats osvos/version\\_0 on 2 of 3 sequences" in text
    assert "| cow | 0.450 | 0.650 | -0.200 |" in text


class Page(HTMLParser):
    """Collect tags, links and text, and check that every element is closed."""

    def __init__(self, text: str) -> None:
        """Parse at once."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if "th" in self.open or "td" in self.open:
            self.rows[-1][-1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def first(self, tag: str, class_name: str) -> list[dict[str, str | None]]:
        return [a for name, a in self.tags if name == tag and a.get("class") == class_name]


def test_page(runs: Path, capsys: Capture) -> None:
    make_run(runs / "<b>x & y/v#1", A, data=DATA, run=INFO)
    other_kinds(runs / "kinds")
    pair = ("--compare", "lucid/version_0", "osvos/version_0")
    leaderboard(capsys, "--html", "out/a.html", *pair)
    text = Path("out/a.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "http" not in text
    assert "beats osvos/version_0 on 2 of 3 sequences" in text
    page = Page(text)
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    assert "../runs/%3Cb%3Ex%20%26%20y/v%231/config.yaml" in links
    assert len(links) == 6
    assert all((Path("out") / unquote(str(each))).is_file() for each in links)
    names = [cells[0] for cells in page.rows]
    assert names.index("lucid/version_0") < names.index("Between")
    by_name = {cells[0]: cells for cells in reversed(page.rows)}
    assert by_name["Between"][1:6] == ["", "0.650", "-", "0.700", "-"]
    assert by_name["cow"][1:4] == ["0.450", "0.650", "-0.200"]
    assert by_name["kinds/tracks"][2:5] == ["0.600", "-0.250", "7"]


def test_pictures(runs: Path, capsys: Capture) -> None:
    pair = ("--compare", "lucid/version_0", "osvos/version_0")
    leaderboard(capsys, "--html", "a.html", *pair)
    page = Page(Path("a.html").read_text(encoding="utf-8"))
    [group] = make_groups(find_runs([runs]), "best", 0.95)
    ours = [entry for entry in group.entries if entry.run]
    ends = [end for entry in ours for end in entry.interval or ()]
    low, high = math.floor(min(ends) / 0.05) * 0.05, math.ceil(max(ends) / 0.05) * 0.05

    def position(share: float) -> float:
        return pytest.approx(8 + 184 * (share - low) / (high - low), abs=0.06)  # type: ignore[return-value]

    dots = [float(str(a["cx"])) for a in page.first("circle", "ours")]
    assert dots == [position(entry.numbers["J&F"]) for entry in ours]
    assert [float(str(a["cx"])) for a in page.first("circle", "theirs")] == [position(0.65)]
    ranges = [(float(str(a["x1"])), float(str(a["x2"]))) for a in page.first("line", "range")]
    assert ranges == [tuple(map(position, entry.interval or ())) for entry in ours]
    # the largest difference, +0.3, reaches from the middle to the margin
    bars = page.first("rect", "gain") + page.first("rect", "loss")
    assert [(a["x"], a["width"]) for a in bars] == [
        ("100.0", "92.0"),
        ("100.0", "15.3"),
        ("38.7", "61.3"),
    ]
