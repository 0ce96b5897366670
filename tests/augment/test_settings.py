"""Ranges from plain values."""

import pytest

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.lucid import PRESETS, LucidRanges
from augment.settings import configured
from vos_core.errors import ConfigError


def test_a_preset_by_its_name() -> None:
    assert configured(PRESETS, {"preset": "frtm"}, "dreams") is not PRESETS["paper"]
    assert configured(PRESETS, {"preset": "frtm"}, "dreams") == PRESETS["frtm"]
    assert configured(PREVIOUS_MASKS, {"preset": "masktrack"}, "masks") == MaskDeformation()


def test_some_ranges_changed() -> None:
    changes = {
        "object_scale": 0.3,
        "object_angle": [-90, 90.0],
        "object_placement": 1,
        "spline_points": 7,
        "group": True,
    }
    ranges = configured(PRESETS, {"preset": "paper", **changes}, "dreams")
    assert ranges == LucidRanges(
        object_scale=0.3, object_angle=(-90, 90.0), object_placement=1, spline_points=7, group=True
    )
    anywhere = configured(PRESETS, {"preset": "adaptation", "object_placement": "anywhere"}, "x")
    assert anywhere.object_placement == "anywhere"
    masks = configured(PREVIOUS_MASKS, {"preset": "roi", "ellipse_axes": [0.1, 0.2]}, "masks")
    assert masks.ellipse_axes == (0.1, 0.2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "no preset None of dreams, but paper, official_code"),
        ({"preset": "papre"}, "Did you mean 'paper'?"),
        ({"preset": "paper", "objet_scale": 1}, "no setting 'objet_scale'. Did you mean 'object_"),
        ({"preset": "paper", "object_scale": "big"}, "'big'; give a number or a list of numbers"),
        ({"preset": "paper", "object_scale": [0.1, "x"]}, "give a number or a list of numbers"),
        ({"preset": "paper", "object_placement": "there"}, "give a number or 'anywhere'"),
        ({"preset": "paper", "spline_points": 2.5}, "give a whole number"),
        ({"preset": "paper", "group": 1}, "give true or false"),
        ({"preset": "paper", "object_scale": True}, "give a number or a list of numbers"),
        ({"preset": "paper", "object_scale": -0.1}, "give a number from 0 to 10"),
        ({"preset": "paper", "object_scale": []}, "a tuple of values from -10 to 10"),
        ({"preset": "paper", "object_scale": 1.0}, "below -0.99 nothing would be left"),
        ({"preset": "paper", "motion_scale": [-1.0, 0]}, "below -0.99 nothing would be left"),
        ({"preset": "paper", "missing": 1.5}, "missing is 1.5; a probability is 0 to 1"),
        ({"preset": "paper", "shutter": 2}, "shutter is 2; an exposure is 0 to 1"),
        ({"preset": "paper", "spline_shift": float("nan")}, "give a number from 0 to 10"),
        ({"preset": "paper", "object_scale": [float("nan")]}, "a tuple of values from -10 to 10"),
        ({"preset": "paper", "object_angle": float("inf")}, "give a number from 0 to 360"),
        ({"preset": "paper", "background_shift": 1e9}, "give a number from 0 to 10"),
        ({"preset": "paper", "spline_points": 20000}, "give a number from 0 to 50"),
        ({"preset": ["paper"]}, "no preset"),
        ({"preset": "paper", 3: 1}, "no setting 3"),
        ({"preset": "paper", "only_camera": 0.6, "only_objects": 0.6}, "of one choice"),
    ],
)
def test_mistakes_are_named(settings: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("?", r"\?").replace("[", r"\[")):
        configured(PRESETS, settings, "dreams")


@pytest.mark.parametrize("axes", [[0.1], [0.1, 0.2, 0.3], [0.2, 0.1], []])
def test_a_pair_must_be_one(axes: list[float]) -> None:
    with pytest.raises(ConfigError, match="two ascending sizes"):
        configured(PREVIOUS_MASKS, {"preset": "roi", "ellipse_axes": axes}, "masks")


def test_ranges_that_are_made_by_hand_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="'somewhere'"):
        LucidRanges(object_placement="somewhere")
    with pytest.raises(ConfigError, match="a tuple of values"):
        LucidRanges(object_scale=[0.1, 0.2])  # type: ignore[arg-type]
