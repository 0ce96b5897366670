"""Drawing a dream: everything that is random about it, before anything is painted."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from augment.geometry import TOLERANCE, BackwardMap, Points, apply_affine
from augment.lucid.flow import PLATE
from augment.lucid.layers import Curve, Layer, Light, Move
from augment.lucid.ranges import LucidRanges, draw, draw_pair
from augment.lucid.scene import LucidScene
from augment.shapes import MaskShape, Window, draw_spline, window_of

Lights = tuple[Light, Light]  # of saturation and of value
_MARGIN = 6.0  # source pixels: outlines are known by some of theirs, and soft edges go beyond
NO_LIGHT = (Light(1.0, 1.0, 0.0), Light(1.0, 1.0, 0.0))


@dataclass(frozen=True, eq=False)
class DreamtObject:
    """One object of a dream.

    Attributes:
        object_id: Its id.
        source: What it looks like, an index of the scene's cut-outs.
        layer: Where it goes.
        shape: Its shape in the frame before, parts that are hidden or out of the frame included.
        blur: Standard deviation of its defocus, pixels.
        on_plate: It stays on the plate, in the plate's light.
    """

    object_id: int
    source: int
    layer: Layer
    shape: MaskShape
    blur: float = 0.0
    on_plate: bool = False

    def window(self, size: tuple[int, int], *, now: bool, beyond: int = 0) -> Window | None:
        """Return the part of a frame of ``size`` (H, W) that shows it, soft edge included.

        Args:
            size: Of the frames.
            now: In the dreamt frame, not the one before.
            beyond: Pixels by which it may reach farther, beyond the frame, too.
        """
        outline = self.shape.outline
        if now:
            outline = self.layer.past.inverse(outline, TOLERANCE)
        margin = _MARGIN * max(1.0, self.layer.stretch)
        return window_of(outline, size, margin + beyond, beyond)


@dataclass(frozen=True, eq=False)
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
        return [each.object_id for each in self.objects]

    def find(self, object_id: int) -> DreamtObject | None:
        """Return an object by its id, or None if the dream leaves it out."""
        found = [each for each in self.objects if each.object_id == object_id]
        return found[0] if found else None

    def motions(self) -> dict[int, BackwardMap[Points]]:
        """Return the backward motion of the plate and of each object, by id."""
        objects = {each.object_id: each.layer.past for each in self.objects}
        return {PLATE: self.plate.past, **objects}

    def steps(self) -> dict[int, int]:
        """Return the distance of the nodes of sampling grids, by id of the object."""
        return {each.object_id: each.shape.step for each in self.objects}

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
            {
                "object": each.object_id,
                "cut_out": each.source,
                "blur": each.blur,
                "on_plate": each.on_plate,
                **each.layer.describe(),
            }
            for each in self.objects
        ]
        plate = {"frame": self.plate_index, "blur": self.plate_blur, **self.plate.describe()}
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
        sources = [self._one_of(object_id) for object_id in self.scene.object_ids]
        sources = [sources[i] for i in self.rng.permutation(len(sources))]
        if self.ranges.group:
            return self._group(sources, plate, turn, moves=moves)
        there = [source for source in sources if not self._happens(self.ranges.missing)]
        objects = []
        for source in there or sources[:1]:
            cut_out = self.scene.cut_outs[source]
            layer, shape = self._layer(cut_out.shape, turn, moves=moves)
            blur = abs(draw(self.ranges.object_blur, self.rng))
            objects.append(DreamtObject(cut_out.object_id, source, layer, shape, blur))
        return objects

    def _group(
        self, sources: list[int], plate: Layer, turn: Move, *, moves: bool
    ) -> list[DreamtObject]:
        """Let the last ones go as one, in front; the others stay on the plate, or are left out."""
        count = int(self.rng.integers(len(sources))) + 1
        others, together = sources[:-count], sources[-count:]
        cut_outs = self.scene.cut_outs
        joint = MaskShape.joint([cut_outs[source].shape for source in together])
        layer, _ = self._layer(joint, turn, moves=moves)
        blur = abs(draw(self.ranges.object_blur, self.rng))
        kept = [source for source in others if self._happens(0.5)]
        placed = [(source, plate, 0.0, True) for source in kept]
        placed += [(source, layer, blur, False) for source in together]
        objects = []
        for source, its_layer, its_blur, on_plate in placed:
            cut_out = cut_outs[source]
            shape = cut_out.shape.moved(its_layer.before)
            objects.append(
                DreamtObject(cut_out.object_id, source, its_layer, shape, its_blur, on_plate)
            )
        return objects

    def _one_of(self, object_id: int) -> int:
        """Draw the cut-out of an object, if several frames show it."""
        seen = [k for k, c in enumerate(self.scene.cut_outs) if c.object_id == object_id]
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
        turned = Move(
            _pair(shape.centre),
            scale=float(min(max(1 + draw(ranges.object_scale, rng), least), most)),
            angle=draw(ranges.object_angle, rng),
            mirror=self._happens(ranges.object_mirror),
            shear=draw(ranges.object_shear, rng),
        )
        outline = apply_affine(turned.matrix(), shape.outline)
        extent, centre = np.ptp(outline, axis=0) + 1, (outline.min(0) + outline.max(0)) / 2
        return replace(turned, shift=_pair(self._position(centre, extent) - centre))

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
