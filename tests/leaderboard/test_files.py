"""The files that ``leaderboard`` writes: CSV, Markdown and HTML."""

import csv
import io
import math
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from rich.console import Console

from datasets_vos.commands.leaderboard import cells, terminal
from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.commands.leaderboard.runs import find_runs
from datasets_vos.commands.leaderboard.table import Board, make_groups
from tests.leaderboard.command import (
    DATA,
    INFO,
    A,
    Capture,
    leaderboard,
    make_run,
    other_kinds,
    publish,
    published,
    refusal,
)


def test_csv_has_everything_unrounded(runs: Path, capsys: Capture) -> None:
    assert "written: out/a.csv" in leaderboard(capsys, "--csv", "out/a.csv", "--level", "0.5")
    with Path("out/a.csv").open(newline="") as file:
        rows = {line["name"]: line for line in csv.DictReader(file)}
    assert list(rows) == ["lucid/version_0", "Between", "osvos/version_0"]
    ours, theirs = rows["lucid/version_0"], rows["Between"]
    assert float(ours["J&F"]) == pytest.approx(0.65, abs=1e-12)
    assert float(ours["J recall"]) == pytest.approx(4 / 5)  # 0.5 is not above 0.5
    [run] = find_runs([runs / "lucid/version_0"])
    assert (float(ours["interval_low"]), float(ours["interval_high"])) == half_interval(run)
    assert ours["interval_level"] == "0.5"
    want = {"kind": "run", "dataset": "davis2016", "split": "val", "ranked_by": "J&F"}
    want |= {"sequences": "5", "objects": "5", "frames": "50", "seconds_adapt": "30.0"}
    want |= {"seconds_propagate_per_frame": "0.12", "seconds_adapt_per_sequence": "6.0"}
    want |= {"printed_J": "", "baseline": ""}
    want |= {"peak_memory_mib": "1536.0", "peak_gpu_memory_mib": "", "seed": "0"}
    want |= {"commit": "0123456789abcdef+", "hardware": INFO["hardware"], "source": ""}
    want |= {"config": str(runs / "lucid/version_0/config.yaml")}
    assert want.items() <= ours.items()
    assert float(ours["fps"]) == pytest.approx(50 / 6)
    want = {"kind": "published", "J": "0.68", "printed_J": "0.07", "F": "", "fps": "12.5"}
    want |= {"table": "Table 1", "seed": ""}
    want |= {"note": "J 0.680* is inferred; the paper prints 0.070; cited as [1]; misprint"}
    assert want.items() <= theirs.items()


def half_interval(run: Run) -> tuple[float, float]:
    """Return the middle half of the mean J&F over five sequences drawn at random."""
    values = np.array([each.values[0] for each in run.values["J&F"].values()])
    draws = np.array(np.meshgrid(*[values] * 5)).mean(axis=0).ravel()
    low, high = np.quantile(draws, [0.25, 0.75], method="nearest")
    return pytest.approx(low), pytest.approx(high)  # type: ignore[return-value]


def test_markdown(runs: Path, capsys: Capture) -> None:
    pair = ("--compare", "lucid/version_0", "osvos/version_0")
    leaderboard(capsys, "--markdown", "docs/a.md", *pair)
    text = Path("docs/a.md").read_text()
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count(" | ") for line in table.splitlines()}) == 1
    assert "[lucid/version\\_0](../runs/lucid/version_0/report.html) | 0.650 |" in text
    assert "[config.yaml](../runs/osvos/version_0/config.yaml) |" in text
    assert "| *Between* | 0.630 | - | 0.680\\* |" in text
    assert "| 12.5 | Doe et al. 2020 (DOE), Table 1; J 0.680\\* is inferred; the paper" in text
    assert "| 8.33 | ours |" in text
    assert "FPS of our runs is that of propagation" in text
    assert "16 CPU cores \\<fast\\>" in text
    assert "beats osvos/version\\_0 on 3 of 5 sequences" in text
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
    assert "beats osvos/version_0 on 3 of 5 sequences" in text
    assert "shares from 0 to 1" not in text  # which are counts and errors in other tables
    page = Page(text)
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    assert "../runs/%3Cb%3Ex%20%26%20y/v%231/config.yaml" in links
    assert len(links) == 6
    assert all((Path("out") / unquote(str(each))).is_file() for each in links)
    names = [cells[0] for cells in page.rows]
    assert names.index("lucid/version_0") < names.index("Between")
    by_name = {cells[0]: cells for cells in reversed(page.rows)}
    assert by_name["Between"][1:6] == ["", "0.630", "-", "0.680*", "-"]
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

    dots = [float(str(a["cx"])) for a in page.first("circle", "run")]
    assert dots == [position(entry.numbers["J&F"]) for entry in ours]
    assert [float(str(a["cx"])) for a in page.first("circle", "published")] == [position(0.63)]
    ranges = [(float(str(a["x1"])), float(str(a["x2"]))) for a in page.first("line", "range")]
    assert ranges == [tuple(map(position, entry.interval or ())) for entry in ours]
    # the largest difference, +0.3, reaches from the middle to the margin
    bars = page.first("rect", "gain") + page.first("rect", "loss")
    assert [(a["x"], a["width"]) for a in bars] == [
        ("100.0", "92.0"),
        ("100.0", "30.7"),
        ("100.0", "15.3"),
        ("38.7", "61.3"),
    ]


def test_no_column_for_a_single_row(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, published("A", "J&F", 0.5, fps=0.0), published("A", "J_q20", 0.4))
    [group] = make_groups(find_runs([runs]), "best", 0.95)
    sheet = cells.score_sheet(group, 0.95)
    assert "J_q20" not in sheet.headings
    assert "source and note" in sheet.headings
    fps = sheet.headings.index("FPS")
    assert [row[fps] for row in sheet.rows] == ["8.33", "-", "<0.005"]
    [alone] = make_groups(find_runs([runs / "lucid/version_0"]), "none", 0.95)
    assert {"FPS", "scored on"} <= set(cells.score_sheet(alone, 0.95).headings)


def test_pictures_follow_the_number_that_ranks(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    publish(monkeypatch, published("A", "J", 0.9), published("B", "J", 0.1))
    make_run(runs / "near/0", A, data=DATA, baseline="box_oracle")
    leaderboard(capsys, "--html", "a.html")
    page = Page(Path("a.html").read_text(encoding="utf-8"))
    left, right = (float(str(a["cx"])) for a in page.first("circle", "published")[::-1])
    assert (left, right) == (8, 192)
    [baseline] = page.first("circle", "baseline")
    assert float(str(baseline["cx"])) == pytest.approx(8 + 184 * (0.7 - 0.1) / 0.8, abs=0.06)
    heading = "95 % interval of J"
    assert heading in page.rows[0]
    by_name = {row[0]: row for row in reversed(page.rows)}
    assert "baseline: box_oracle" in by_name["near/0"]


def test_files_of_a_run_are_not_replaced(runs: Path, capsys: Capture) -> None:
    folder = runs / "lucid/version_0"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "mine.json").write_text("{}")
    (folder / "mine.csv").write_text("sequence")
    for option, name in (
        ("--csv", "per_sequence.csv"),
        ("--csv", "mine.csv"),
        ("--html", "report.html"),
    ):
        problem = refusal(capsys, option, folder / name)
        assert f"{option} {folder / name}: belongs to the scores in " in problem
    assert {path.name: path.read_bytes() for path in folder.iterdir()}.items() >= before.items()
    leaderboard(capsys, "--csv", folder / "board.csv")
    leaderboard(capsys, "--csv", folder / "board.csv")  # our own may be replaced


@pytest.mark.parametrize("width", [80, 100])
def test_names_and_numbers_stay_whole_on_a_terminal(
    runs: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    make_run(runs / "an_experiment_with_quite_some_name/version_0", A, data=DATA, run=INFO)
    make_run(runs / f"x{'y' * 90}z/0", A, data=DATA)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=width)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    terminal.show(Board(make_groups(find_runs([runs]), "best", 0.95), None, 0.95))
    lines = screen.getvalue().splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("Rule"))]
    assert max(map(len, table)) <= width
    names = [line.split()[0] for line in table if line.strip()]
    assert names.count("version_0") == 1  # folded at the slash
    assert sum(name.startswith("an_ex") and name.endswith("name/") for name in names) == 1
    assert sum(name.startswith("xy") and name.endswith("yz/") for name in names) == 1
    assert sum(" 0.700  " in line and "  0.600 " in line for line in table) == 3


def test_wide_table_keeps_its_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_kinds(tmp_path)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=20)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    [group] = make_groups(find_runs([tmp_path / "tracks"]), "none", 0.95)
    terminal.show(Board([group], None, 0.95))
    assert "0.600  -0.250" in screen.getvalue()
    assert console.width == 20


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("lucid/version_0", 15, ["lucid/version_0"]),
        ("lucid/version_0", 14, ["lucid/", "version_0"]),
        ("a/b/c", 3, ["a/", "b/c"]),
        ("one two three", 8, ["one two", "three"]),
        ("version_0_of_lucid/x", 9, ["vers…cid/", "x"]),
        ("日本日本日本", 6, ["日…本"]),
    ],
)
def test_names_are_folded_at_slashes(text: str, width: int, lines: list[str]) -> None:
    assert terminal.fit(text, width).split("\n") == lines
