"""Histograms as PNG, drawn by matplotlib without its global state."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_BINS = 24
_COLOUR = "#3b6ea5"
_MEDIAN_COLOUR = "#c2410c"
_PANEL_INCHES = (4.6, 3.6)
_DPI = 110


@dataclass(frozen=True)
class Histogram:
    """One panel: how often values occur.

    Attributes:
        title: Heading.
        xlabel: What the values are, with their unit.
        values: NaNs are passed over.
        ylabel: What is counted.
        log: Whether the axis of the values is logarithmic; values must then be positive.
    """

    title: str
    xlabel: str
    values: Sequence[float]
    ylabel: str
    log: bool = False


def histograms_png(title: str, panels: Sequence[Histogram]) -> bytes:
    """Draw histograms beside one another, each with its median marked.

    Args:
        title: Heading of the whole picture.
        panels: One or more.

    Returns:
        A PNG file. The same input gives the same picture.

    Raises:
        ValueError: If there is no panel.
    """
    if not panels:
        raise ValueError("a picture of histograms needs at least one")
    # importing it takes half a second and builds a font list the first time
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    figure = Figure((width * len(panels), height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
    stored = io.BytesIO()
    figure.savefig(stored, format="png")
    return stored.getvalue()


def bin_edges(values: Sequence[float], log: bool) -> list[float]:
    """Return the borders of the bins: whole numbers fall in the middle of theirs.

    Args:
        values: At least one number; all positive where ``log``.
        log: Whether bins grow by a factor instead of a step.
    """
    lowest, highest = min(values), max(values)
    if log:
        # whole decades, so that pictures of several datasets can be compared
        low = math.floor(math.log10(lowest))
        high = max(math.ceil(math.log10(highest)), low + 1)
        return [float(x) for x in np.logspace(low, high, 8 * (high - low) + 1)]
    if _whole(values):
        step = max(1, math.ceil((highest - lowest + 1) / _BINS))
        count = math.ceil((highest - lowest + 1) / step)
        return [lowest - 0.5 + step * i for i in range(count + 1)]
    return [float(x) for x in np.linspace(min(lowest, 0), highest, _BINS + 1)]


def _whole(values: Sequence[float]) -> bool:
    return all(float(value).is_integer() for value in values)


def _draw(axes: Any, panel: Histogram) -> None:  # noqa: ANN401
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(panel.title, fontsize=11)
    axes.set_xlabel(panel.xlabel)
    axes.set_ylabel(panel.ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    values = [value for value in panel.values if not math.isnan(value)]
    if not values:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "not known", ha="center", va="center", transform=axes.transAxes)
        return
    if panel.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    elif _whole(values):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.hist(values, bins=bin_edges(values, panel.log), color=_COLOUR, edgecolor="white", lw=0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    median = float(np.median(values))
    axes.axvline(median, color=_MEDIAN_COLOUR, lw=1.5, label=f"median {median:.3g}")
    axes.set_ylim(top=1.2 * axes.get_ylim()[1])  # the legend stands above all bars
    axes.legend(frameon=False, fontsize=9, loc="upper right")
