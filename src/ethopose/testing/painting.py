"""Pictures of a world: the arena, its noise, and the animals drawn from the places of their parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int16, UInt8

from ethopose.testing.anatomy import PARTS
from ethopose.testing.motion import GRAIN, Motion

Colour = tuple[int, int, int]  # red, green, blue

DARK, PINK, ROSE, CREAM, SOOT = (24, 20, 20), (222, 150, 140), (186, 116, 108), (246, 236, 214), (52, 40, 36)
# Fur and belt. The first is worn by all where animals look alike.
COATS: tuple[tuple[Colour, Colour | None], ...] = (
    ((112, 92, 80), None),
    ((226, 212, 184), None),
    ((58, 54, 58), (214, 208, 200)),
    ((176, 108, 62), None),
    ((96, 108, 128), (50, 56, 70)),
    ((206, 176, 132), (110, 66, 42)),
)
TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], axis=-1)
FILL = 0.5  # px that anti-aliased filling adds around a shape
TAIL_STEPS = np.linspace(0, 1, 12)
BITS = GRAIN.bit_length() - 1


@dataclass(frozen=True, slots=True)
class Shape:
    """An ellipse on an animal; lengths in body lengths, `tone` a palette's name."""

    centre: tuple[tuple[str, float], ...]  # parts and their weights
    tone: str
    length: float  # half axis along `axis`
    width: float  # half axis across it
    axis: tuple[str, str]  # from, to; the ellipse is turned with it
    offset: tuple[float, float] = (0.0, 0.0)  # along and to the left


FACE, TRUNK = ("head", "nose"), ("tail_base", "head")


def _mark(part: str, tone: str, length: float, width: float = 0.0, axis: tuple[str, str] = FACE) -> Shape:
    return Shape(((part, 1.0),), tone, length, width or length, axis)


def _trunk(tone: str, grow: float) -> tuple[Shape, ...]:
    rump = Shape((("body", 0.55), ("tail_base", 0.45)), tone, 0.26 + grow, 0.19 + grow, TRUNK)
    chest = Shape((("body", 0.6), ("head", 0.4)), tone, 0.24 + grow, 0.148 + grow, TRUNK)
    return rump, chest


def _limb(paw: str, sock: str, length: float) -> tuple[Shape, ...]:
    leg = Shape(((paw, 0.55), ("body", 0.45)), "shade", 0.12, 0.05, ("body", paw))
    return leg, _mark(paw, sock, length, 0.048, TRUNK)


UNDER = (
    *_limb("left_hindpaw", "left", 0.078),
    *_limb("right_hindpaw", "right", 0.078),
    *_limb("left_forepaw", "left", 0.056),
    *_limb("right_forepaw", "right", 0.056),
)
OVER = (
    *_trunk("rim", 0.0),
    *_trunk("fur", -0.018),
    # The light falls on the left flank.
    Shape((("body", 0.62), ("tail_base", 0.38)), "glow", 0.23, 0.095, TRUNK, (0.0, 0.055)),
    Shape((("body", 0.72), ("head", 0.28)), "glow", 0.19, 0.07, TRUNK, (0.0, 0.04)),
    Shape((("body", 0.75), ("tail_base", 0.25)), "belt", 0.085, 0.165, TRUNK),
    _mark("tail_base", "root", 0.05),
    _mark("tail_base", "tail", 0.034),
    _mark("body", "spot", 0.062, 0.042, TRUNK),
    _mark("head", "rim", 0.15, 0.115),
    Shape((("head", 0.45), ("nose", 0.55)), "rim", 0.125, 0.075, FACE),
    _mark("head", "fur", 0.135, 0.1),
    Shape((("head", 0.45), ("nose", 0.55)), "fur", 0.115, 0.06, FACE),
    _mark("left_ear", "root", 0.076, 0.082),
    _mark("right_ear", "root", 0.076, 0.082),
    _mark("left_ear", "ear", 0.05, 0.056),
    _mark("right_ear", "ear", 0.05, 0.056),
    _mark("head", "spot", 0.06, 0.026),
    Shape((("head", 0.4), ("nose", 0.6)), "eye", 0.024, 0.02, FACE, (0.0, 0.062)),
    Shape((("head", 0.4), ("nose", 0.6)), "eye", 0.024, 0.02, FACE, (0.0, -0.062)),
    _mark("nose", "nose", 0.034),
)

SOLID = tuple(shape for shape in OVER if shape.tone == "rim")  # hides what lies below


def palette(animal: int, alike: bool) -> dict[str, Colour]:
    """The colours of an animal by tone; where animals are not alike, coats repeat darker after six."""
    fur, belt = COATS[0 if alike else animal % len(COATS)]
    dim = 1.0 if alike else 0.75 ** (animal // len(COATS))
    rim, glow = _mixed(fur, DARK, 0.5), _mixed(fur, CREAM, 0.22)
    tones = {"fur": fur, "glow": glow, "belt": belt or glow, "rim": rim, "root": rim}
    tones |= {"spot": CREAM if sum(fur) < 500 else SOOT, "shade": _mixed(fur, DARK, 0.35)}
    tones |= {"left": CREAM, "right": SOOT, "tail": ROSE, "ear": PINK, "nose": (240, 132, 132), "eye": DARK}
    tones |= {"pale": CREAM, "rosy": PINK}  # points along the tail, by turns
    return {tone: _mixed(colour, (0, 0, 0), 1 - dim) for tone, colour in tones.items()}


def arena(size: tuple[int, int], seed: int) -> UInt8[np.ndarray, "height width 3"]:
    """The empty arena: lit from one side, a floor with grain and strewn bedding."""
    height, width = size
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    level = 182 + 22 * (1 - x) - 14 * y - 36 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    for cells, depth in ((4, 10), (16, 8), (64, 8)):
        coarse = rng.integers(0, 256, (cells * 3 // 4 + 1, cells + 1), np.uint8)
        # The exact mode: the same picture on every processor.
        fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        level += depth * (fine.astype(float) / 255 - 0.5)
    level += rng.integers(-3, 4, size)
    floor = np.clip(level[..., None] * np.array([1.0, 0.955, 0.875]), 0, 255).astype(np.uint8)
    for _ in range(height * width // 250):
        start = rng.integers(0, (width, height))
        end = start + rng.integers(-4, 5, 2)
        tint = 14 * int(rng.integers(0, 2)) - 8
        straw = [int(level) + tint for level in floor[start[1], start[0]]]
        cv2.line(floor, start.tolist(), end.tolist(), straw, 1, cv2.LINE_AA)
    return np.asarray(floor)


def grains(size: tuple[int, int], noise: float, seed: int) -> Int16[np.ndarray, "tall wide 3"]:
    """A sheet of noise, larger than a frame: every frame takes its own cut."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    sheet = np.round(noise * rng.standard_normal((2 * size[0], 2 * size[1]))).astype(np.int16)
    return np.repeat(sheet[..., None], 3, axis=-1)


def sprinkle(
    picture: UInt8[np.ndarray, "height width 3"],
    sheet: Int16[np.ndarray, "tall wide 3"],
    key: tuple[int, int],
) -> None:
    """Add the noise of the frame that `key` names to its picture, in place."""
    height, width = picture.shape[:2]
    top, left = np.random.Generator(np.random.PCG64([*key, 3])).integers(0, (height + 1, width + 1))
    cut = sheet[top : top + height, left : left + width]
    cv2.add(picture, cut, dst=picture, dtype=cv2.CV_8U)


def paint(
    canvas: UInt8[np.ndarray, "height width 3"],
    motion: Motion,
    length: float,
    palettes: list[dict[str, Colour]],
    beads: Float32[np.ndarray, "frame animal point 2"],
) -> UInt8[np.ndarray, "frame height width 3"]:
    """The canvas with the animals on it, a picture a frame; later animals lie over earlier ones."""
    pictures = np.repeat(canvas[None], len(motion.parts), axis=0)
    under, over = (_outlines(motion, shapes, length) for shapes in (UNDER, OVER))
    tails = _tails(motion, length)
    rings, dots = (_circles(beads, length * radius) for radius in (0.045, 0.03))
    shadows = _outlines(motion, _trunk("", 0.03), length) + round(0.05 * length * GRAIN)
    for frame, picture in enumerate(pictures):
        shade = np.zeros_like(picture)
        for shadow in shadows[frame].reshape(-1, *shadows.shape[-2:]):
            _fill(shade, shadow, (44, 42, 38))
        blur = 2 * round(0.05 * length) + 1
        cv2.subtract(picture, cv2.blur(shade, (blur, blur)), dst=picture)
        for animal, tones in enumerate(palettes):
            cv2.fillPoly(picture, [tails[frame, animal]], tones["tail"], cv2.LINE_AA, BITS)
            for point, (ring, dot) in enumerate(zip(rings[frame, animal], dots[frame, animal], strict=True)):
                _fill(picture, ring, tones["rim"])
                _fill(picture, dot, tones["pale" if point % 2 else "rosy"])
            for shapes, polygons in ((UNDER, under), (OVER, over)):
                for shape, polygon in zip(shapes, polygons[frame, animal], strict=True):
                    _fill(picture, polygon, tones[shape.tone])
    return pictures


def ellipses(
    parts: Float32[np.ndarray, "*row part 2"], shapes: tuple[Shape, ...], length: float
) -> tuple[Float64[np.ndarray, "*row shape 2"], Float64[np.ndarray, "*row shape 2 2"]]:
    """The shapes' centres and half axes, px, on animals with these parts."""
    weights, axes = np.zeros((2, len(shapes), len(PARTS)))
    for row, shape in enumerate(shapes):
        for part, weight in shape.centre:
            weights[row, PARTS.index(part)] += weight
        start, end = shape.axis
        axes[row, PARTS.index(start)] -= 1
        axes[row, PARTS.index(end)] += 1
    along, across = _directions(axes @ parts)
    sizes = length * np.array([[shape.length, shape.width] for shape in shapes])
    offsets = length * np.array([shape.offset for shape in shapes])
    centres = weights @ parts + along * offsets[:, :1] + across * offsets[:, 1:]
    return centres, np.stack([along * sizes[:, :1], across * sizes[:, 1:]], axis=-2)


def _outlines(motion: Motion, shapes: tuple[Shape, ...], length: float) -> np.ndarray:
    """The shapes' outlines, (frame, animal, shape, corner, 2), in 1/64 px."""
    centres, axes = ellipses(motion.parts, shapes, length)
    sizes = np.linalg.norm(axes, axis=-1, keepdims=True)
    drawn = axes * np.maximum(1 - FILL / sizes, 0.1)
    return _fixed(centres[..., None, :] + CIRCLE @ drawn)


def _circles(centres: np.ndarray, radius: float) -> np.ndarray:
    return _fixed(centres[..., None, :] + max(radius - FILL, 0.25) * CIRCLE)


def _tails(motion: Motion, length: float) -> np.ndarray:
    """The tails' outlines, (frame, animal, corner, 2), in 1/64 px: there on one side, back on the other."""
    curve = motion.tail(TAIL_STEPS).astype(np.float64)
    _, across = _directions(np.gradient(curve, axis=2))
    half = np.maximum(length * (0.034 - 0.022 * TAIL_STEPS) - FILL, 0.1)[:, None] * across
    return _fixed(np.concatenate([curve + half, (curve - half)[:, :, ::-1]], axis=2))


def _directions(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along these and to their left."""
    along = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return along, np.stack([along[..., 1], -along[..., 0]], axis=-1)


def _fixed(places: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(places * GRAIN).astype(np.int32))


def _fill(picture: np.ndarray, polygon: np.ndarray, colour: Colour) -> None:
    cv2.fillConvexPoly(picture, polygon, colour, cv2.LINE_AA, BITS)


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(colour, other, strict=True))
    return red, green, blue
