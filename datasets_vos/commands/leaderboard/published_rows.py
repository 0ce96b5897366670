"""The rows of the papers' tables that are put beside our runs."""

from collections.abc import Collection, Sequence

from datasets_vos.commands.leaderboard.entry import Entry, merit
from datasets_vos.published import PublishedNumber, published_numbers


def published_rows(dataset: str | None, columns: Sequence[str]) -> list[Entry]:
    """Return every row that has one of these numbers, in the papers' order.

    Args:
        dataset: Only rows on this one; None takes all, and names theirs beside the split.
        columns: Names of the numbers.
    """
    rows: dict[tuple[str | None, ...], list[PublishedNumber]] = {}
    for each in published_numbers(dataset):
        key = (each.method, each.dataset, each.split, each.source, each.table, each.training)
        rows.setdefault(key, []).append(each)
    entries = [_entry(row, with_dataset=dataset is None) for row in rows.values()]
    return [each for each in entries if not each.numbers.keys().isdisjoint(columns)]


def best_rows(
    rows: Sequence[Entry], splits: Collection[str], columns: Sequence[str]
) -> tuple[list[Entry], str]:
    """Choose the best result of each method on each split; its ablations are left out.

    Args:
        rows: Those to choose from.
        splits: Only rows on these; empty takes all.
        columns: Names of the numbers that decide, the first of them first.

    Returns:
        The rows, and a sentence on those of other splits; empty if there are none.
    """
    rows = [row for row in rows if not row.note.startswith("ablation")]
    others = [row for row in rows if splits and row.split not in splits]
    best: dict[tuple[str, str | None], Entry] = {}
    for row in rows:
        if not splits or row.split in splits:
            key = (row.name, row.split)
            best[key] = max(best.setdefault(key, row), row, key=lambda each: merit(each, columns))
    if not others:
        return list(best.values()), ""
    names = ", ".join(sorted({str(row.split) for row in others}))
    return list(best.values()), (
        f"Left out: {len(others)} published row{'s' * (len(others) != 1)} of other splits "
        f"({names}); --published all shows them."
    )


def _entry(row: Sequence[PublishedNumber], *, with_dataset: bool) -> Entry:
    """Return what stands in one row of a paper's table."""
    values = {each.metric: each.value for each in row}
    printed = {each.metric: each.printed for each in row if each.printed is not None}
    for numbers in (values, printed):
        if "G" in numbers:  # the mean of J and F over seen and unseen classes
            numbers["J&F"] = numbers["G"]
    notes = [note for each in row for note in (each.note or "").split("; ") if note]
    first = row[0]
    return Entry(
        name=first.method,
        split=f"{first.dataset} {first.split}" if with_dataset else first.split,
        numbers=values,
        published=first,
        fps=first.fps,
        printed=printed,
        note="; ".join(dict.fromkeys(notes)),
    )
