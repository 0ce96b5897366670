"""The report page: complete, escaped, self-contained, worst first."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vos_core.metrics import (
    DAVIS2017,
    YOUTUBE_OBJECTS,
    Protocol,
    Scores,
    SequenceScorer,
    collect_scores,
)
from vos_core.visual import ReportRun, ReportSequence, WorstFrames, write_report
from vos_core.visual.curves import BOTTOM, LEFT, RIGHT, TOP, chart

NAMES = ("good", "<b>bad</b> & more")
FRAMES = [f"{i:05d}" for i in range(6)]


def make_scores(shift: int, rules: Protocol = DAVIS2017) -> Scores:
    """Score a 10x10 square that is predicted ``shift`` pixels too far right (twice that if bad)."""
    results = []
    for factor, name in enumerate(NAMES, start=1):
        scorer = SequenceScorer(rules, name, len(FRAMES))
        truth = np.zeros((200, 300), dtype=np.uint8)
        truth[50:60, 50:60] = 1
        for index in range(len(FRAMES)):
            scorer.update(index, np.roll(truth, factor * shift, axis=1), truth)
        results.append(scorer.result())
    return collect_scores(rules, results, {NAMES[0]: {1: "cat"}, NAMES[1]: {1: "dog"}})


def make_sequences() -> list[ReportSequence]:
    worst = WorstFrames(1)
    label_map = np.ones((20, 30), dtype=np.uint8)
    frame = np.zeros((20, 30, 3), dtype=np.uint8)
    worst.offer("00003", frame, label_map, label_map, {1: (0.125, 0.5)})
    return [
        ReportSequence(n, FRAMES, worst.thumbnails(), 12.5, 3.25, f"overlays/{n}.mp4")
        for n in NAMES
    ]


class Page(HTMLParser):
    """Collect tags with their attributes, and check that every element is closed."""

    def __init__(self, text: str) -> None:
        """Parse at once."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path: Path) -> str:
    variants = {"adapted": make_scores(1), "not adapted": make_scores(3)}
    run = ReportRun("run <1>", {"seed": 7, "command": "x && y"}, variants, make_sequences())
    write_report(tmp_path / "report.html", run)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_self_contained_and_escaped(page: str) -> None:
    tags = Page(page).tags
    links = [v for _, a in tags for k, v in a.items() if k in ("src", "href") and v]
    relative = [v for v in links if not v.startswith(("data:image/jpeg;base64,", "#"))]
    assert set(relative) == {"overlays/good.mp4", "overlays/%3Cb%3Ebad%3C/b%3E%20%26%20more.mp4"}
    assert "http" not in page
    assert "<b>bad</b>" not in page
    assert "run &lt;1&gt;" in page
    assert "x &amp;&amp; y" in page


def test_scores_and_gains(page: str) -> None:
    # Squares of 10 px that overlap on 9, 8 (ours) and 7, 4 (not adapted) of their columns.
    j = [(9 / 11 + 8 / 12) / 2, (7 / 13 + 4 / 16) / 2]
    scores = make_scores(1)["global"], make_scores(3)["global"]
    assert [s["J"]["mean"] for s in scores] == pytest.approx(j)
    assert f">{j[0]:.3f}<" in page
    assert f">{j[1]:.3f}<" in page
    gain = scores[0]["J&F_mean"] - scores[1]["J&F_mean"]
    assert f'data-value="{gain}">{gain:+.3f}<' in page
    assert "adapt 12.5 s" in page
    assert "J 0.125" in page
    assert "2 sequences · 2 objects · scores from 0 to 1" in page


def test_worst_sequence_comes_first(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[-2:] == ["&lt;b&gt;bad&lt;/b&gt; &amp; more", "good"]
    anchors = [a["id"] for tag, a in Page(page).tags if tag == "section"]
    assert anchors == ["sequence-1", "sequence-2"]
    assert page.index('href="#sequence-1"') < page.index('href="#sequence-2"')


def test_single_variant(tmp_path: Path) -> None:
    scores = make_scores(1)
    for key in ("sequences", "per_object"):
        scores[key] = {name: each for name, each in scores[key].items() if "good" in name}
    good = [each for each in make_sequences() if each.name == "good"]
    run = ReportRun("run", {}, {"masks": scores}, good)
    write_report(tmp_path / "report.html", run)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    Page(page)
    assert "gain" not in page.split("</style>")[1]
    assert "1 sequence · 1 object · scores" in page


def test_a_protocol_that_ranks_by_j_is_shown_by_j(tmp_path: Path) -> None:
    variants = {"adapted": make_scores(1, YOUTUBE_OBJECTS), "not": make_scores(3, YOUTUBE_OBJECTS)}
    # ranked by J&F, "good" would be the worse of the two
    variants["adapted"]["per_object"]["good_1"]["F"]["mean"] = 0.0
    write_report(tmp_path / "report.html", ReportRun("run", {}, variants, make_sequences()))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    Page(page)
    assert "J&amp;F" not in page
    assert re.findall(r"<h2>(.*?)</h2>", page)[-2:] == ["&lt;b&gt;bad&lt;/b&gt; &amp; more", "good"]
    j = [(9 / 11 + 8 / 12) / 2, (7 / 13 + 4 / 16) / 2]
    assert f"<title>run: J {j[0]:.3f}</title>" in page
    assert f'first"><span>J, region similarity</span><b>{j[0]:.3f}</b>' in page
    assert page.count(">J, region similarity<") == 1
    gain = f"{j[0] - j[1]:+.3f}"
    assert f'J over “not”</span><b class="gain">{gain}</b>' in page
    assert page.count("<th>Mean</th>") == 1
    for name in ("category cat", "category dog", *(YOUTUBE_OBJECTS.averages)):
        rule = name if " " in name else variants["adapted"]["averages"][name]["rule"]
        assert f'<th scope="row">{rule}</th>' in html.unescape(page)


def test_every_row_has_a_cell_for_each_heading(page: str, tmp_path: Path) -> None:
    variants = {"a": make_scores(1, YOUTUBE_OBJECTS), "b": make_scores(3, YOUTUBE_OBJECTS)}
    write_report(tmp_path / "j.html", ReportRun("run", {}, variants, make_sequences()))
    pages = {page: 2, (tmp_path / "j.html").read_text(encoding="utf-8"): 3}
    for text, tables in pages.items():
        found = re.findall(r"<table.*?</table>", text, re.DOTALL)
        assert len(found) == tables
        for table in found:
            heading, *rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
            cells = [len(re.findall(r"<t[hd][ >]", row)) for row in (heading, *rows)]
            assert len(rows) >= 2
            assert len(set(cells)) == 1, cells


def test_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="at least one variant"):
        write_report(path, ReportRun("run", {}, {}, []))
    unknown = ReportSequence("unknown", FRAMES, [], 0.0, 0.0)
    with pytest.raises(KeyError, match="unknown"):
        write_report(path, ReportRun("run", {}, {"masks": make_scores(1)}, [unknown]))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_chart_geometry() -> None:
    scores = make_scores(0)
    scores["per_object"]["good_1"]["J_frames"] = [1.0, 0.0, 0.5, 1.0]
    drawn = chart("J", "good", FRAMES, {"a": scores, "b": make_scores(1)})
    step = (RIGHT - LEFT) / 5
    want = [(LEFT + step * i, y) for i, y in [(1, TOP), (2, BOTTOM), (3, (TOP + BOTTOM) / 2)]]
    points = [tuple(map(float, p.split(","))) for p in drawn.lines[0].points.split()]
    assert np.allclose(points[:3], want, atol=0.06)
    assert [line.label for line in drawn.faint] == ["b"]
    assert drawn.bands[0].title == "frame 00000\nnot scored"
    assert drawn.bands[3].title == "frame 00003\na: 0.500\nb: 0.818"
    assert [t.label for t in drawn.y_ticks] == ["0", "0.25", "0.5", "0.75", "1"]
    assert [t.label for t in drawn.x_ticks] == ["00000", "00003", "00005"]
