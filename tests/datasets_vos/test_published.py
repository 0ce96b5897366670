"""The published numbers agree with each other, with our names and with the papers' texts."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import pytest

import datasets_vos.published as published
from datasets_vos import list_datasets
from datasets_vos.catalogue import CATALOGUE
from datasets_vos.published import METRICS, PublishedNumber, parse_numbers, published_numbers

PAPERS = Path(__file__).resolve().parents[3] / "shared" / "papers"
FILES = ("frtm", "lucidtracker", "masktrack", "roi_propagation_interactive")

FRTM = "Robinson et al. 2019 (FRTM)"
MASKTRACK = "Perazzi et al. 2017 (MaskTrack)"
LUCID = "Khoreva et al. 2018 (LucidTracker)"
ROI = "Ren et al. 2019 (ROI mask propagation)"

# Numbers that a mean ties to others are rounded, and so are its terms: 0.05 percent points each.
ROUNDING = 0.001 + 1e-9

LINE = "M,davis2016,val,J,66.6,,percent,A et al. 2020,Table 1,,,"
Group = tuple[str, ...]


def raw(name: str) -> list[dict[str, str]]:
    text = resources.files(published).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def header() -> str:
    return ",".join(raw("frtm")[0])


def as_printed(number: PublishedNumber) -> float:
    return number.value if number.printed is None else number.printed


def cases() -> dict[Group, dict[str, PublishedNumber]]:
    """Numbers by metric, for each method on each split in each table."""
    found: dict[Group, dict[str, PublishedNumber]] = defaultdict(dict)
    for each in published_numbers():
        found[each.source, each.table, each.method, each.dataset, each.split][each.metric] = each
    return found


def mean(values: Iterable[float]) -> float:
    terms = list(values)
    return sum(terms) / len(terms)


def test_every_row_of_every_table_is_there() -> None:
    assert Counter((each.source, each.table) for each in published_numbers()) == {
        (FRTM, "Table 1"): 5,
        (FRTM, "Table 2"): 6 * 5,
        (FRTM, "Table 3"): 14 * 6 - 13,  # 13 cells are dashes
        (MASKTRACK, "Table 1"): 12,
        (MASKTRACK, "Table 2"): 11 * 3 - 10,  # 10 cells are dashes
        (MASKTRACK, "Section 5.3"): 3,
        (MASKTRACK, "Section 5.4"): 3,
        (MASKTRACK, "Section 6"): 1,
        (LUCID, "Table 1"): 5 * 3,
        (LUCID, "Table 2a"): 5,
        (LUCID, "Table 2b"): 5,
        (LUCID, "Table 3"): 8 * 3,
        (ROI, "Table 1"): 3 * 2,
        (ROI, "Section 5"): 2 * 2,
        (ROI, "Section 2"): 1,
    }


def test_every_file_is_read_and_nothing_twice() -> None:
    assert sum(len(raw(name)) for name in FILES) == len(published_numbers())
    keys = Counter(
        (each.method, each.dataset, each.split, each.metric, each.source, each.table, each.note)
        for each in published_numbers()
    )
    assert max(keys.values()) == 1


def test_names_are_ours() -> None:
    for each in published_numbers():
        assert each.dataset in list_datasets()
        splits = CATALOGUE[each.dataset].splits
        assert each.split in (*splits, "all", "train (300 held out)"), each
    assert {each.metric for each in published_numbers()} == set(METRICS)


def test_of_one_dataset() -> None:
    of_each = [published_numbers(name) for name in list_datasets()]
    assert sum(of_each, ()) == tuple(sorted(published_numbers(), key=lambda each: each.dataset))
    assert len(published_numbers("youtube_objects")) == 8 + 1 + 5
    assert published_numbers("mots20") == ()


def test_the_misprints_are_these() -> None:
    found = {
        (each.source, each.table, each.method, each.dataset, each.metric): (
            each.printed,
            each.value,
        )
        for each in published_numbers()
        if each.printed is not None
    }
    assert found == {
        (LUCID, "Table 3", "LucidTracker, I+F+S", "davis2017", "F"): (0.622, 0.662),
        (LUCID, "Table 3", "LucidTracker, I", "davis2017", "J"): (0.631, 0.557),
        (FRTM, "Table 2", "OnAVOS", "youtube_vos2018", "J_unseen"): (0.461, 0.466),
        (FRTM, "Table 3", "FAVOS", "davis2016", "J&F"): (0.808, 0.81),
        (ROI, "Section 2", "FEELVOS", "davis2017", "J&F"): (0.691, 0.715),
    }
    for each in published_numbers():
        assert (each.printed is not None) == ("misprint" in (each.note or ""))


@pytest.mark.parametrize(
    ("whole", "terms", "count", "wrong"),
    [
        (
            "J&F",
            ("J", "F"),
            12 + 10 + 8,  # FRTM's Table 3 on DAVIS 2017 and 2016, LucidTracker's Table 3
            {("davis2017", "LucidTracker, I+F+S"), ("davis2017", "LucidTracker, I")}
            | {("davis2016", "FAVOS")},
        ),
        ("G", ("J_seen", "J_unseen", "F_seen", "F_unseen"), 6, {("youtube_vos2018", "OnAVOS")}),
    ],
)
def test_means_are_means_but_for_the_misprints(
    whole: str, terms: tuple[str, ...], count: int, wrong: set[tuple[str, str]]
) -> None:
    complete = {k: case for k, case in cases().items() if case.keys() >= {whole, *terms}}
    assert len(complete) == count
    disagreeing = set()
    for (_, _, method, dataset, _), case in complete.items():
        assert mean(case[term].value for term in terms) == pytest.approx(
            case[whole].value, abs=ROUNDING
        )
        difference = mean(as_printed(case[term]) for term in terms) - as_printed(case[whole])
        if abs(difference) > ROUNDING:
            disagreeing.add((dataset, method))
    assert disagreeing == wrong


def test_feelvos_is_misquoted_by_its_j() -> None:
    found = cases()
    quoted = found[ROI, "Section 2", "FEELVOS", "davis2017", "val"]["J&F"]
    table = found[FRTM, "Table 3", "FEELVOS", "davis2017", "val"]
    assert (quoted.printed, quoted.value) == (table["J"].value, table["J&F"].value)


def test_deltas_of_masktracks_ablation() -> None:
    """The differences that its Table 1 prints beside the scores, in percent points."""
    scores = [
        each.value
        for each in published_numbers()
        if (each.source, each.table) == (MASKTRACK, "Table 1")
    ]
    full = scores[2]
    assert full == 0.748
    against = [scores[1], full, full] + [full] * 9
    deltas = [round(100 * (a - b), 1) for a, b in zip(scores, against, strict=True)]
    assert deltas == [1.9, 3.6, 0, -4.9, -17.2, -1.6, -2.8, -2.4, -57.7, -1.5, -5.2, -2.3]


def test_papers_quote_the_same_number_for_the_same_thing() -> None:
    found = cases()
    for dataset, quoted in {"youtube_objects": 0.726, "segtrack_v2": 0.703}.items():
        own = found[MASKTRACK, "Section 5.3", "MaskTrack+Flow+CRF", dataset, "all"]["J"]
        assert own.value == quoted
        assert found[LUCID, "Table 1", "MaskTrack+Flow+CRF", dataset, "all"]["J"].value == quoted


def test_a_name_means_one_variant() -> None:
    """LucidTracker's table prints MaskTrack where it has the number of MaskTrack+Flow+CRF."""
    found = cases()
    own = found[MASKTRACK, "Table 1", "MaskTrack+Flow+CRF", "davis2016", "all"]["J"]
    quoted = found[LUCID, "Table 1", "MaskTrack+Flow+CRF", "davis2016", "all"]["J"]
    assert own.value == quoted.value == 0.803
    assert (quoted.note or "").endswith("printed as 'MaskTrack'")
    assert {
        each.value
        for each in published_numbers("davis2016")
        if (each.method, each.metric) == ("MaskTrack", "J")
    } == {0.748}


def test_scores_in_notes_are_shares() -> None:
    for each in published_numbers():
        for score in re.findall(r"misprint:.*", each.note or ""):
            numbers = re.findall(r"(?<![\w.])\d+\.\d+", score)
            assert numbers
            assert all(float(number) < 1 for number in numbers), each


def test_speed_and_training() -> None:
    found = cases()
    frtm = found[FRTM, "Table 3", "FRTM (DV17)", "davis2017", "val"]["J&F"]
    assert (frtm.value, frtm.fps, frtm.training) == (0.675, 14.6, "DAVIS 2017 train")
    masktrack = found[MASKTRACK, "Table 2", "MaskTrack", "davis2016", "all"]["J"]
    assert masktrack.fps == pytest.approx(1 / 12, rel=0.01)
    assert masktrack.training is not None
    assert "11282" in masktrack.training
    tuned = found[MASKTRACK, "Section 5.3", "JOTS", "segtrack_v2", "all"]["J"]
    assert (tuned.fps, tuned.training) == (None, None)
    assert tuned.note == "cited as [52]; tuned per video, not comparable"


def test_a_line_is_read() -> None:
    [number] = parse_numbers(f"{header()}\n{LINE}", "x.csv")
    assert number == PublishedNumber(
        "M", "davis2016", "val", "J", 0.666, None, "A et al. 2020", "Table 1", None, None, None
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINE + ",", "13 cells instead of 12"),
        (LINE.replace("M,", ",", 1), "method is empty"),
        (LINE.replace("Table 1", "Table 1 "), "table has spaces around it"),
        (LINE.replace(",J,", ",mIoU,"), "unknown metric 'mIoU'; known are J, F,"),
        (LINE.replace("66.6", "sixty"), "sixty"),
        (LINE.replace("66.6", "nan"), "nan is no share in percent"),
        (LINE.replace("percent", "fraction"), "66.6 is no share in fraction"),
        (LINE.replace("percent", "%"), "unit must be one of percent, fraction, not '%'"),
        (LINE.replace("66.6,", "66.6,66.6"), "printed repeats value"),
        (LINE.removesuffix(",") + "-1,", "fps must be a number from 0, not -1"),
    ],
)
def test_malformed_lines_are_named(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_numbers(f"{header()}\n{LINE}\n{line}", "x.csv")
    assert str(caught.value).startswith("x.csv, line 3: ")


@pytest.mark.parametrize("text", ["", LINE, "method,value\nM,66.6"])
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^x\.csv: the first line must be method,dataset,split,"):
        parse_numbers(text, "x.csv")


def holds(line: str, numbers: Iterable[str]) -> bool:
    """Whether a line has the numbers, in this order and none as a part of another."""
    rest = iter(re.findall(r"\d+(?:\.\d+)?", line))
    return all(number in rest for number in numbers)


@pytest.mark.parametrize("name", FILES)
def test_each_row_stands_in_its_papers_text(name: str) -> None:
    path = PAPERS / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    rows: dict[Group, list[str]] = defaultdict(list)
    for row in raw(name):
        # ROI propagation prints a metric a row, the others a method; a section is a paragraph.
        transposed = (row["source"], row["table"]) == (ROI, "Table 1")
        # Only FRTM has a column for the speed, the last.
        fps = row["fps"] if row["source"] == FRTM else ""
        key = (row["table"], row["metric"] if transposed else row["method"], fps)
        rows[key].append(row["printed"] or row["value"])
    lines = path.read_text(encoding="utf-8").splitlines()
    missing = [
        key
        for key, numbers in rows.items()
        if not any(holds(line, [*numbers, *filter(None, key[2:])]) for line in lines)
    ]
    assert missing == []
