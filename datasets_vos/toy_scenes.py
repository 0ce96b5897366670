"""The scripts of the toy clips: which photographs, which shapes, and how everything moves.

Pure data, independent of the frame size and the number of frames: positions are fractions of the
frame's width and height, lengths fractions of ``sqrt(width * height)``, times fractions of the
clip, angles degrees. The photographs are those inside the scikit-image wheel; objects of training
and validation clips are cut from different ones.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Shape = Literal["blob", "bird", "fish", "horse", "lizard", "star"]


class Key(NamedTuple):
    """A pose that a layer passes through: the place of its centre, its size and its rotation."""

    time: float
    x: float
    y: float
    scale: float = 1.0
    angle: float = 0.0


Track = tuple[Key, ...]


@dataclass(frozen=True)
class Photo:
    """A crop of a photograph.

    Attributes:
        file: Name in the ``skimage.data`` package.
        crop: Left, top, right, bottom as fractions of the photograph.
        tint: Factors of red, green and blue; gives grey photographs a colour.
    """

    file: str
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Actor:
    """An object of a clip.

    Attributes:
        photo: Its texture.
        shape: Its outline.
        size: Half its extent at scale 1.
        track: Where it goes.
        wobble: Amplitude of its deformation as a fraction of its size, at most 0.12 so that the
            deformation stays invertible.
        annotated: False for a distractor, which covers objects but belongs to the background.
    """

    photo: Photo
    shape: Shape
    size: float
    track: Track
    wobble: float = 0.1
    annotated: bool = True


@dataclass(frozen=True)
class Scene:
    """A clip.

    Attributes:
        name: Name of the sequence.
        backdrop: Photograph behind the objects.
        camera: Pose of the backdrop's centre.
        actors: Objects, the farthest first; ids 1..N count the annotated ones in this order.
        gain: Amplitude of the change of brightness.
        gamma: Amplitude of the change of contrast.
    """

    name: str
    backdrop: Photo
    camera: Track
    actors: tuple[Actor, ...]
    gain: float = 0.12
    gamma: float = 0.1

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids that occur in the clip's masks."""
        return tuple(range(1, 1 + sum(actor.annotated for actor in self.actors)))


_CAT = Photo("chelsea.png", (0.08, 0.1, 0.62, 0.75))
_FUR = Photo("chelsea.png", (0.05, 0.55, 0.5, 1.0), (0.75, 0.8, 1.15))
_RETINA = Photo("retina.jpg", (0.12, 0.3, 0.5, 0.68), (1.05, 0.95, 1.1))
_TISSUE = Photo("ihc.png", (0.0, 0.0, 0.6, 0.6), (1.1, 1.0, 0.9))
_STARS = Photo("hubble_deep_field.jpg", (0.2, 0.3, 0.5, 0.65), (3.0, 1.8, 3.6))
_COINS = Photo("coins.png", (0.0, 0.0, 0.6, 0.7), (1.5, 1.2, 0.35))
_SUIT = Photo("astronaut.png", (0.12, 0.42, 0.6, 0.95))
_FLAG = Photo("astronaut.png", (0.0, 0.0, 0.2, 0.32), (1.1, 1.0, 1.2))
_CUP = Photo("coffee.png", (0.1, 0.0, 0.85, 0.95), (1.3, 1.5, 1.3))
_SCALES = Photo("logo.png", (0.1, 0.1, 0.75, 0.75))
_SCALES_BLUE = Photo("logo.png", (0.2, 0.3, 0.95, 0.9), (0.35, 0.8, 3.0))

TRAIN_SCENES = (
    Scene(
        name="meadow",
        backdrop=Photo("grass.png", tint=(0.75, 0.95, 0.5)),
        camera=(Key(0, 0.44, 0.5), Key(0.5, 0.52, 0.52, 1.05, 2), Key(1, 0.6, 0.47, 1.1, -2)),
        actors=(
            Actor(
                _CAT,
                "horse",
                0.27,
                (
                    Key(0, 0.24, 0.55, 0.9, -4),
                    Key(0.5, 0.48, 0.46, 1.1, 6),
                    Key(1, 0.76, 0.52, 1.0, -8),
                ),
                0.08,
            ),
        ),
    ),
    Scene(
        name="garage",
        backdrop=Photo("motorcycle_left.png"),
        camera=(Key(0, 0.55, 0.5, 1.1, -2), Key(0.6, 0.5, 0.48, 1.2, 1), Key(1, 0.45, 0.52, 1.25)),
        actors=(
            Actor(
                _RETINA,
                "fish",
                0.23,
                (
                    Key(0, 0.22, 0.38, 1, 10),
                    Key(0.5, 0.48, 0.55, 1.05, 20),
                    Key(1, 0.74, 0.42, 1.1, -20),
                ),
                0.1,
            ),
            Actor(
                _STARS,
                "blob",
                0.17,
                (
                    Key(0, 0.82, 0.62, 0.9, 0),
                    Key(0.5, 0.57, 0.52, 1.05, 35),
                    Key(1, 0.3, 0.36, 1, 70),
                ),
            ),
        ),
    ),
    Scene(
        name="launch",
        backdrop=Photo("rocket.jpg", tint=(1.15, 1.15, 1.15)),
        camera=(Key(0, 0.5, 0.58, 1.0, 3), Key(0.5, 0.55, 0.5, 1.08), Key(1, 0.5, 0.42, 1.2, -3)),
        actors=(
            Actor(
                _FUR,
                "lizard",
                0.22,
                (
                    Key(0, 0.2, 0.65, 0.9, -60),
                    Key(0.5, 0.33, 0.42, 1.05, -30),
                    Key(1, 0.56, 0.3, 0.95, -10),
                ),
                0.1,
            ),
            Actor(
                _TISSUE,
                "bird",
                0.17,
                (
                    Key(0, 0.66, 0.77, 1, 60),
                    Key(0.5, 0.74, 1.23, 0.95, 85),
                    Key(1, 0.64, 0.74, 1.1, 110),
                ),
            ),
        ),
    ),
    Scene(
        name="quarry",
        backdrop=Photo("gravel.png", tint=(0.85, 0.92, 1.0)),
        camera=(Key(0, 0.56, 0.45, 1.0), Key(0.5, 0.5, 0.5, 1.1, 3), Key(1, 0.42, 0.55, 1.05, 5)),
        actors=(
            Actor(
                _RETINA,
                "star",
                0.21,
                (
                    Key(0, 0.24, 0.32, 1, 0),
                    Key(0.5, 0.42, 0.4, 1.1, 35),
                    Key(1, 0.6, 0.66, 0.95, 60),
                ),
            ),
            Actor(
                _COINS,
                "blob",
                0.16,
                (
                    Key(0, 0.72, 0.68, 1.1, 0),
                    Key(0.5, 0.48, 0.62, 1, -25),
                    Key(1, 0.22, 0.7, 1.1, -55),
                ),
            ),
            Actor(
                _STARS,
                "fish",
                0.19,
                (
                    Key(0, 1.32, 0.2, 1, 182),
                    *(Key(0.4, 1.2, 0.22, 1, 180), Key(0.44, 0.92, 0.26, 1, 175)),  # darts in
                    *(Key(0.48, 0.89, 0.265, 1, 172), Key(0.65, 0.84, 0.28, 1.05, 170)),
                    Key(1, 0.74, 0.26, 1.1, 185),
                ),
                0.1,
            ),
        ),
    ),
    Scene(
        name="campus",
        backdrop=Photo("camera.png", (0, 0.05, 1, 0.9), (1.0, 0.88, 0.72)),
        camera=(Key(0, 0.45, 0.46, 1.15), Key(0.5, 0.5, 0.5, 1.05, -2), Key(1, 0.56, 0.55, 1, -4)),
        actors=(
            Actor(
                _CAT,
                "bird",
                0.23,
                (
                    Key(0, 0.75, 0.3, 0.9, -80),
                    Key(0.5, 0.52, 0.45, 1.1, -100),
                    Key(1, 0.28, 0.66, 1, -75),
                ),
            ),
            Actor(
                _COINS,
                "lizard",
                0.22,
                (
                    Key(0, 0.3, 0.28, 1, 50),
                    Key(0.5, 0.5, 0.55, 1.1, 35),
                    Key(1, 0.74, 0.68, 1.15, 15),
                ),
                0.1,
            ),
        ),
    ),
    Scene(
        name="blackboard",
        backdrop=Photo("text.png", (0.05, 0.05, 0.95, 0.95), (0.6, 0.85, 0.85)),
        camera=(Key(0, 0.58, 0.5, 1.0), Key(0.5, 0.48, 0.47, 1.15, 4), Key(1, 0.42, 0.52, 1.3, 7)),
        actors=(
            Actor(
                _TISSUE,
                "blob",
                0.16,
                (
                    Key(0, 0.78, 0.32, 0.85, 0),
                    Key(0.5, 0.52, 0.56, 1.2, -30),
                    Key(1, 0.3, 0.42, 1.6, -50),
                ),
                0.1,
            ),
            Actor(
                _FUR,
                "fish",
                0.17,
                (Key(0, 0.2, 0.72, 1, 0), Key(0.5, 0.46, 0.76, 1, -15), Key(1, 0.74, 0.66, 1, -5)),
                0.1,
                annotated=False,
            ),
        ),
        gain=0.2,
    ),
)

VAL_SCENES = (
    Scene(
        name="terrace",
        backdrop=Photo("brick.png", tint=(1.05, 0.95, 0.85)),
        camera=(Key(0, 0.56, 0.5, 1.05, -3), Key(0.5, 0.5, 0.5, 1.1), Key(1, 0.42, 0.5, 1.2, 3)),
        actors=(
            Actor(
                _SUIT,
                "lizard",
                0.27,
                (
                    Key(0, 0.78, 0.62, 0.9, 200),
                    Key(0.5, 0.52, 0.44, 1.1, 175),
                    Key(1, 0.28, 0.46, 1.12, 140),
                ),
                0.11,
            ),
        ),
        gain=0.18,
    ),
    Scene(
        name="table",
        backdrop=Photo("coffee.png"),
        camera=(Key(0, 0.45, 0.5, 1.0), Key(0.5, 0.5, 0.53, 1.1, 3), Key(1, 0.57, 0.47, 1.05, -1)),
        actors=(
            Actor(
                _SCALES_BLUE,
                "fish",
                0.24,
                (
                    Key(0, 0.22, 0.64, 1, -20),
                    Key(0.5, 0.47, 0.5, 1.05, -30),
                    Key(1, 0.74, 0.34, 1, 5),
                ),
                0.11,
            ),
            Actor(
                _FLAG,
                "blob",
                0.16,
                (
                    Key(0, 0.8, 0.58, 1, 0),
                    Key(0.5, 0.55, 0.45, 1.1, 30),
                    Key(1, 0.28, 0.46, 1.2, 65),
                ),
            ),
        ),
    ),
    Scene(
        name="portrait",
        backdrop=Photo("astronaut.png", (0, 0, 1, 0.9)),
        camera=(Key(0, 0.5, 0.45, 1.1), Key(0.5, 0.46, 0.52, 1.0, 3), Key(1, 0.54, 0.56, 1.05, 6)),
        actors=(
            Actor(
                _SCALES_BLUE,
                "bird",
                0.22,
                (
                    Key(0, 0.22, 0.6, 1, 0),
                    Key(0.5, 0.42, 0.42, 1.1, 25),
                    Key(1, 0.66, 0.34, 1.15, 50),
                ),
            ),
            Actor(
                _CUP,
                "star",
                0.17,
                (
                    Key(0, 0.57, 0.77, 1.05, 0),
                    Key(0.5, 0.64, 1.22, 1, 25),
                    Key(1, 0.54, 0.75, 1.15, 55),
                ),
            ),
        ),
    ),
    Scene(
        name="crater",
        backdrop=Photo("moon.png", tint=(0.8, 0.9, 1.25)),
        camera=(Key(0, 0.5, 0.42, 1.2, 0), Key(0.5, 0.53, 0.5, 1.1, -4), Key(1, 0.5, 0.6, 1, -8)),
        actors=(
            Actor(
                _CUP,
                "fish",
                0.22,
                (
                    Key(0, 0.22, 0.3, 1, 20),
                    Key(0.5, 0.46, 0.46, 1.1, 35),
                    Key(1, 0.68, 0.68, 1.05, 55),
                ),
                0.11,
            ),
            Actor(
                _SUIT,
                "blob",
                0.16,
                (
                    Key(0, 0.74, 0.34, 1.1, 0),
                    Key(0.5, 0.54, 0.55, 1, 35),
                    Key(1, 0.28, 0.7, 1.1, 75),
                ),
            ),
            Actor(
                _SCALES,
                "lizard",
                0.21,
                (
                    Key(0, -0.33, 0.52, 1, 0),
                    *(Key(0.4, -0.2, 0.44, 1, 0), Key(0.44, 0.08, 0.42, 1, -2)),  # darts in
                    *(Key(0.48, 0.11, 0.41, 1, -4), Key(0.65, 0.16, 0.36, 1.05, -12)),
                    Key(1, 0.27, 0.3, 1.1, 5),
                ),
                0.1,
            ),
        ),
        gain=0.2,
    ),
)
