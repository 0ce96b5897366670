"""Score curves over time as plain geometry; the report's template draws them as inline SVG."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vos_core.metrics.scores import Scores, objects_of
from vos_core.visual.overlay import object_colours

Metric = Literal["J", "F"]

WIDTH, HEIGHT = 560, 190  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 34, 552, 8, 166  # of the plotted area


@dataclass(frozen=True)
class Line:
    """One curve: its label, the drawing's points, and a CSS colour (none for a faint line)."""

    label: str
    points: str
    colour: str | None = None


@dataclass(frozen=True)
class Band:
    """The column of the drawing that belongs to one frame, and what to tell when it is hovered."""

    x: float
    width: float
    title: str


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    position: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One metric of one sequence over its frames."""

    metric: Metric
    lines: Sequence[Line]  # one per object
    faint: Sequence[Line]  # one per further variant: its mean over objects
    bands: Sequence[Band]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def css_colour(object_id: int) -> str:
    """Return the colour in which overlays show an object, as ``#rrggbb``."""
    red, green, blue = object_colours()[object_id]
    return f"#{red:02x}{green:02x}{blue:02x}"


def chart(
    metric: Metric, sequence: str, frame_names: Sequence[str], variants: Mapping[str, Scores]
) -> Chart:
    """Lay out the curves of one sequence.

    Args:
        metric: What to draw.
        sequence: Its name in the scores.
        frame_names: Stem of each frame's file, scored or not.
        variants: Label -> scores. The first one is drawn per object, the others as their mean over
            objects, where they know the sequence.
    """
    (main_label, main), *others = variants.items()
    objects = _object_curves(metric, main, sequence)
    means = {
        label: _mean_curve(metric, scores, sequence)
        for label, scores in others
        if sequence in scores["sequences"]
    }
    last = max(len(frame_names) - 1, 1)
    lines = [
        Line(f"object {i}", _points(curve, last), css_colour(int(i)))
        for i, curve in objects.items()
        if curve
    ]
    told = {(f"object {i}" if len(objects) > 1 else main_label): c for i, c in objects.items()}
    return Chart(
        metric=metric,
        lines=lines,
        faint=[Line(label, _points(curve, last)) for label, curve in means.items() if curve],
        bands=_bands(frame_names, told | means),
        x_ticks=[Tick(_x(i, last), frame_names[i]) for i in _tick_frames(len(frame_names))],
        y_ticks=[Tick(_y(v), f"{v:g}") for v in (0, 0.25, 0.5, 0.75, 1)],
    )


def _object_curves(metric: Metric, scores: Scores, sequence: str) -> dict[str, dict[int, float]]:
    """Return object id -> frame index -> score."""
    scored = scores["sequences"][sequence]["scored"]
    objects = objects_of(scores, sequence).items()
    values = {i: s["J_frames"] if metric == "J" else s["F_frames"] for i, s in objects}
    return {i: dict(zip(scored[i], values[i], strict=True)) for i in values}


def _mean_curve(metric: Metric, scores: Scores, sequence: str) -> dict[int, float]:
    """Return frame index -> mean over the objects scored in that frame."""
    values = defaultdict(list)
    for curve in _object_curves(metric, scores, sequence).values():
        for frame, value in curve.items():
            values[frame].append(value)
    return {frame: sum(v) / len(v) for frame, v in sorted(values.items())}


def _x(frame: int, last: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * frame / last, 1)


def _y(value: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value, 1)


def _points(curve: Mapping[int, float], last: int) -> str:
    points = [f"{_x(frame, last)},{_y(value)}" for frame, value in curve.items()]
    # A line of one point would be invisible; twice the same point is drawn as a dot.
    return " ".join(points * 2 if len(points) == 1 else points)


def _bands(frame_names: Sequence[str], curves: Mapping[str, Mapping[int, float]]) -> list[Band]:
    last = max(len(frame_names) - 1, 1)
    step = (RIGHT - LEFT) / last
    bands = []
    for index, name in enumerate(frame_names):
        told = [f"{label}: {c[index]:.3f}" for label, c in curves.items() if index in c]
        title = "\n".join([f"frame {name}", *(told or ["not scored"])])
        bands.append(Band(round(_x(index, last) - step / 2, 1), round(step, 1), title))
    return bands


def _tick_frames(frames: int) -> list[int]:
    """Return the first, the middle and the last frame, without repeats."""
    return sorted({0, frames // 2, frames - 1})
