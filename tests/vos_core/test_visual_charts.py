"""Histograms as pictures."""

import io
import math

import numpy as np
import PIL.Image
import pytest
from matplotlib.figure import Figure

from vos_core.visual.charts import Histogram, _draw, bin_edges, histograms_png


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([3, 4, 9], False),
        ([0, 0], False),
        ([12, 900], False),
        ([0.07, 0.02, 0.5], False),
        ([0.3], False),
        ([1.6, 9.0, 4.5], True),
        ([10.0], True),
        ([0.001, 100.0], True),
    ],
)
def test_every_value_has_a_bin(values: list[float], log: bool) -> None:
    edges = bin_edges(values, log)
    assert (np.diff(edges) > 0).all()
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert len(edges) <= 60


def test_whole_numbers_lie_in_the_middle_of_their_bins() -> None:
    assert bin_edges([1, 3], log=False) == [0.5, 1.5, 2.5, 3.5]
    # bins of two numbers, where one each would be too many
    assert np.diff(bin_edges([1, 40], log=False)).tolist() == [2] * 20


def test_logarithmic_bins_span_decades() -> None:
    edges = bin_edges([0.2, 30.0], log=True)
    assert (edges[0], edges[-1]) == pytest.approx((0.1, 100))
    assert np.diff(np.log10(edges)) == pytest.approx(1 / 8)


def test_picture() -> None:
    sizes = Histogram("size", "%", [0.5, 3.0, 40.0], "objects", log=True)
    lengths = Histogram("length", "frames", [30, 31, math.nan], "clips")
    unknown = Histogram("motion", "px", [math.nan], "objects")
    data = histograms_png("a set", [sizes, lengths, unknown])
    image = PIL.Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert (image.width, image.height) == (3 * 506, 396)
    assert data == histograms_png("a set", [sizes, lengths, unknown])
    # bars in the first panels only
    bars = (np.asarray(image.convert("RGB")) == (0x3B, 0x6E, 0xA5)).all(axis=2)
    assert [bars[:, x : x + 506].sum() > 1000 for x in (0, 506, 1012)] == [True, True, False]


@pytest.mark.parametrize("values", [[78], [0, 1], [3, 40]])
def test_whole_numbers_have_whole_ticks(values: list[float]) -> None:
    axes = Figure().subplots()
    _draw(axes, Histogram("length", "frames", values, "clips"))
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_no_panel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        histograms_png("a set", [])


@pytest.mark.parametrize("values", [[55], [30, 31, 31], [0.1, 0.5, 0.9]])
def test_the_legend_covers_no_bar(values: list[float]) -> None:
    figure = Figure((4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    _draw(axes, Histogram("length", "frames", values, "clips"))
    figure.draw_without_rendering()
    legend = axes.get_legend().get_window_extent()
    assert axes.get_window_extent().y1 > legend.y0
    assert max(bar.get_window_extent().y1 for bar in axes.patches) < legend.y0
