"""Drawing a dream: everything that is random about it, before anything is painted."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np

from augment.geometry import TOLERANCE, BackwardMap, Points
from augment.lucid.flow import PLATE
from augment.lucid.layers import Curve, Layer, Light, Move
from augment.lucid.ranges import LucidRanges, draw, draw_pair
from augment.lucid.scene import CutOut, LucidScene
from augment.shapes import MaskShape, draw_spline

Lights = tuple[Light, Light]  # of saturation and of value
NO_LIGHT = (Light(1.0, 1.0, 0.0), Light(1.0, 1.0, 0.0))


@dataclass(frozen=True)
class DreamtObject:
    """One object of a dream.

    Attributes:
        cut_out: What it looks like.
        layer: Where it goes.
        shape: Its shape in the frame before, parts that are hidden or out of the frame included.
        blur: Standard deviation of its defocus, pixels.
    """

    cut_out: CutOut
    layer: Layer
    shape: MaskShape
    blur: float = 0.0

    @cached_property
    def outline(self) -> Points:
        """(K, 2) points of its outline in the dreamt frame."""
        return self.layer.past.inverse(self.shape.outline, TOLERANCE)


@dataclass(frozen=True)
class DreamPlan:
    """Everything random about one dream of a scene.

    Attributes:
        plate_index: Which of the scene's plates is shown.
        plate: Where it goes.
        objects: Back to front.
        light: On everything.
        plate_light: On the plate, before that.
        plate_blur: Standard deviation of the plate's defocus, pixels.
        shutter: Exposure as a part of the time between the two frames.
    """

    plate_index: int
    plate: Layer
    objects: tuple[DreamtObject, ...]
    light: Lights = NO_LIGHT
    plate_light: Lights = NO_LIGHT
    plate_blur: float = 0.0
    shutter: float = 0.0

    @property
    def object_ids(self) -> list[int]:
        """Ids of the objects, back to front; some may be hidden or out of the frame."""
        return [each.cut_out.object_id for each in self.objects]

    def find(self, object_id: int) -> DreamtObject | None:
        """Return an object by its id, or None if the dream leaves it out."""
        found = [each for each in self.objects if each.cut_out.object_id == object_id]
        return found[0] if found else None

    def motions(self) -> dict[int, BackwardMap[Points]]:
        """Return the backward motion of the plate and of each object, by id."""
        objects = {each.cut_out.object_id: each.layer.past for each in self.objects}
        return {PLATE: self.plate.past, **objects}

    def curves(self, *, plate: bool) -> tuple[Curve, Curve]:
        """Return the tables of saturation and value, of the plate or of the objects."""
        curves = tuple(light.curve() for light in self.light)
        if plate:
            first = [light.curve() for light in self.plate_light]
            curves = tuple(then[now] for now, then in zip(first, curves, strict=True))
        return curves[0], curves[1]

    def describe(self) -> dict[str, object]:
        """Return everything that was drawn, as plain values for JSON; objects are back to front."""
        objects = [
            {"object": each.cut_out.object_id, "blur": each.blur, **each.layer.describe()}
            for each in self.objects
        ]
        plate = {"source": self.plate_index, "blur": self.plate_blur, **self.plate.describe()}
        lights = {"light": self.light, "plate_light": self.plate_light}
        return {
            "plate": plate,
            "objects": objects,
            "shutter": self.shutter,
            **{
                name: dict(zip(("saturation", "value"), map(asdict, both), strict=True))
                for name, both in lights.items()
            },
        }


def draw_plan(scene: LucidScene, ranges: LucidRanges, rng: np.random.Generator) -> DreamPlan:
    """Draw a dream of a scene; all randomness comes from ``rng``."""
    return _Drawing(scene, ranges, rng).plan()


@dataclass
class _Drawing:
    scene: LucidScene
    ranges: LucidRanges
    rng: np.random.Generator

    def __post_init__(self) -> None:
        height, width = self.scene.size
        self.frame = np.array([width, height], dtype=np.float64)
        self.centre = _pair((self.frame - 1) / 2)

    def plan(self) -> DreamPlan:
        ranges, rng = self.ranges, self.rng
        turn = Move(
            self.centre,
            angle=draw(ranges.frame_angle, rng),
            mirror=self._happens(ranges.frame_mirror),
        )
        moving = rng.random()
        plate = self._plate(turn, moves=moving >= ranges.only_objects)
        still = ranges.only_objects <= moving < ranges.only_objects + ranges.only_camera
        return DreamPlan(
            int(rng.integers(len(self.scene.plates))),
            plate,
            tuple(self._objects(plate, turn, moves=not still)),
            self._lights(ranges.light),
            self._lights(ranges.plate_light),
            abs(draw(ranges.background_blur, rng)),
            rng.uniform(0, ranges.shutter),
        )

    def _happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _plate(self, turn: Move, *, moves: bool) -> Layer:
        ranges, rng = self.ranges, self.rng
        place = Move(
            self.centre,
            scale=1 + draw(ranges.background_scale, rng),
            angle=draw(ranges.background_angle, rng),
            shift=_pair(draw_pair(ranges.background_shift, rng) * self.frame),
            mirror=self._happens(ranges.background_mirror),
        )
        camera = Move(
            self.centre,
            scale=1 + draw(ranges.camera_scale, rng),
            angle=draw(ranges.camera_angle, rng),
            shift=_pair(draw_pair(ranges.camera_shift, rng) * self.frame),
        )
        return Layer((place, turn), camera if moves else Move(self.centre))

    def _objects(self, plate: Layer, turn: Move, *, moves: bool) -> list[DreamtObject]:
        """Draw the objects, back to front."""
        cut_outs = [self._one_of(object_id) for object_id in self.scene.object_ids]
        cut_outs = [cut_outs[i] for i in self.rng.permutation(len(cut_outs))]
        if self.ranges.group:
            return self._group(cut_outs, plate, turn, moves=moves)
        there = [c for c in cut_outs if not self._happens(self.ranges.missing)]
        objects = []
        for cut_out in there or cut_outs[:1]:
            layer, shape = self._layer(cut_out.shape, turn, moves=moves)
            blur = abs(draw(self.ranges.object_blur, self.rng))
            objects.append(DreamtObject(cut_out, layer, shape, blur))
        return objects

    def _group(
        self, cut_outs: list[CutOut], plate: Layer, turn: Move, *, moves: bool
    ) -> list[DreamtObject]:
        """Let the last ones go as one, in front; the others stay on the plate, or are left out."""
        count = int(self.rng.integers(len(cut_outs))) + 1
        others, together = cut_outs[:-count], cut_outs[-count:]
        layer, _ = self._layer(MaskShape.joint([c.shape for c in together]), turn, moves=moves)
        blur = abs(draw(self.ranges.object_blur, self.rng))
        layers = [(c, plate, 0.0) for c in others if self._happens(0.5)]
        layers += [(c, layer, blur) for c in together]
        return [
            DreamtObject(c, each, c.shape.moved(each.before), its_blur)
            for c, each, its_blur in layers
        ]

    def _one_of(self, object_id: int) -> CutOut:
        """Draw the frame that an object is taken from."""
        seen = [c for c in self.scene.cut_outs if c.object_id == object_id]
        return seen[int(self.rng.integers(len(seen)))]

    def _layer(self, shape: MaskShape, turn: Move, *, moves: bool) -> tuple[Layer, MaskShape]:
        """Draw where a shape goes; also return it as it is in the frame before."""
        ranges, rng = self.ranges, self.rng
        points = ranges.spline_points
        bent = self._happens(ranges.bent)
        spline = draw_spline(shape, points, ranges.spline_shift, rng) if bent else None
        layer = Layer((self._place(shape), turn), Move(self.centre), spline)
        before = shape.moved(layer.before)
        if not moves:
            return layer, before
        motion = Move(
            _pair(before.centre),
            scale=1 + draw(ranges.motion_scale, rng),
            angle=draw(ranges.motion_angle, rng),
            shift=_pair(draw_pair(ranges.motion_shift, rng) * before.extent),
        )
        bend = draw_spline(before, points, ranges.motion_spline, rng)
        return replace(layer, motion=motion, motion_spline=bend), before

    def _place(self, shape: MaskShape) -> Move:
        ranges, rng = self.ranges, self.rng
        most = (ranges.most_side * self.frame / shape.extent).min() or np.inf
        least = ranges.least_side * self.frame[1] / shape.extent.min()
        scale = float(max(min(1 + draw(ranges.object_scale, rng), most), least))
        return Move(
            _pair(shape.centre),
            scale=scale,
            angle=draw(ranges.object_angle, rng),
            shift=_pair(self._position(shape.centre, scale * shape.extent) - shape.centre),
            mirror=self._happens(ranges.object_mirror),
            shear=draw(ranges.object_shear, rng),
        )

    def _position(self, centre: Points, extent: Points) -> Points:
        """Draw the new centre of an object."""
        rng, last = self.rng, self.frame - 1
        if self._happens(self.ranges.leaving):
            position = rng.uniform(0, last)
            axis, side = rng.integers(2, size=2)
            outwards = rng.uniform(0, extent[axis] / 2)
            position[axis] = last[axis] + outwards if side else -outwards
            return position
        limit = self.ranges.object_placement
        if limit == "anywhere":
            ends = np.sort([(extent - 1) / 2, last - (extent - 1) / 2], axis=0)
            anywhere: Points = rng.uniform(ends[0], ends[1])
            return anywhere
        # a dream without its object teaches nothing
        moved: Points = np.clip(centre + rng.uniform(-limit, limit, 2) * self.frame, 0, last)
        return moved

    def _lights(self, probability: float) -> Lights:
        if not self._happens(probability):
            return NO_LIGHT
        return self._light(), self._light()

    def _light(self) -> Light:
        return Light(
            gain=1 + draw(self.ranges.illumination_gain, self.rng),
            power=1 + draw(self.ranges.illumination_power, self.rng),
            offset=draw(self.ranges.illumination_offset, self.rng),
        )


def _pair(values: Points) -> tuple[float, float]:
    return float(values[0]), float(values[1])
