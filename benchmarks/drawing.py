"""The pencil case of drawn_scenes: lit balls, soft grounds, and setting a drawing down with shadow, haze and noise."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

RGB = NDArray[np.uint8]  # (height, width, 3)
Floats = NDArray[np.float64]
Colour = tuple[int, ...]
Rng = np.random.Generator

SIZE = 480  # pixels of a scene's side
BIG = 2 * SIZE  # drawn at twice the size, then reduced, so that edges are smooth
MID = BIG / 2
LIGHT = np.array([-0.45, -0.6, 0.66])  # towards the lamp: left, up and front


def lit_ball(texture: Callable[[Floats], tuple[Floats, Floats]], rng: Rng, *, gloss: float) -> Image.Image:
    """Light a ball of 380 pixels radius, turned at random; texture: unit normals -> colours and a bump factor."""
    y, x = (np.mgrid[0:BIG, 0:BIG] - MID) / 380
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    normals = np.stack([x, y, z], axis=-1)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    colour, bump = texture(normals @ turned)
    facing = normals @ LIGHT
    shine = 255 * gloss * np.clip(2 * facing * z - LIGHT[2], 0, 1) ** 30
    lit = colour * (0.38 + 0.68 * np.clip(facing, 0, 1) * bump)[..., None] + shine[..., None]
    layer = to_image(lit)
    layer.putalpha(to_image(255 * np.clip((1 - np.hypot(x, y)) * 250, 0, 1)))
    return layer


def bulge_out(layer: Image.Image, box: Sequence[float], *, gloss: float) -> None:
    """Shade what is drawn inside an ellipse as if it bulged towards us."""
    left, top, right, bottom = box
    y, x = np.mgrid[0:BIG, 0:BIG]
    x, y = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
    bulge = np.where(np.hypot(x, y) < 1, 0.55 + 0.5 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)), 1)
    shine = 255 * gloss * np.exp(-(((x + 0.35) / 0.24) ** 2) - ((y + 0.4) / 0.24) ** 2)
    alpha = layer.getchannel("A")
    layer.paste(to_image(np.asarray(layer.convert("RGB")) * bulge[..., None] + shine[..., None]))
    layer.putalpha(alpha)


def place(
    ground: Image.Image,
    layer: Image.Image,
    rng: Rng,
    *,
    smallest: float,
    largest: float = 1.0,
    turn: float = 15,
    shadow: float = 0.5,
) -> RGB:
    """Turn, reduce and set down what was drawn, with its shadow; then haze, dim or bright light, and noise."""
    side = int(BIG * rng.uniform(smallest, largest))
    layer = layer.rotate(rng.uniform(-turn, turn), Image.Resampling.BICUBIC).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    room = abs(BIG - side) // 3 + 1
    x, y = (int((BIG - side) / 2 + shift) for shift in rng.integers(-room, room + 1, 2))
    dark = Image.new("L", (BIG, BIG))
    dark.paste(layer.getchannel("A"), (x + 18, y + 26))
    ground.paste((12, 12, 16), (0, 0), dark.filter(ImageFilter.GaussianBlur(20)).point(lambda value: value * shadow))
    ground.paste(layer, (x, y), layer)
    small = np.asarray(ground.resize((SIZE, SIZE), Image.Resampling.LANCZOS), dtype=np.float64)
    v, u = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    angle, haze = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45) ** 1.5
    light = rng.uniform(0.65, 1.1) * (1 + 0.16 * (u * np.cos(angle) + v * np.sin(angle)) - 0.1 * (u**2 + v**2))
    hazy = small * (1 - haze) + haze * np.array([168, 172, 178])
    return np.asarray(to_image(hazy * light[..., None] + rng.normal(0, 4, small.shape)))


def draw_ground(rng: Rng, colour: Colour, *, blades: bool = False) -> Image.Image:
    """A soft background: a gradient with large blotches, or blades of grass."""
    top, bottom = (np.array(jitter(rng, colour)) for _ in range(2))
    slope = np.linspace(0, 1, BIG)[:, None, None]
    blotches = Image.fromarray(rng.integers(0, 256, (7, 7), dtype=np.uint8)).resize(
        (BIG, BIG), Image.Resampling.BICUBIC
    )
    image = to_image(top * (1 - slope) + bottom * slope + (np.asarray(blotches, dtype=float)[..., None] - 128) * 0.12)
    if blades:
        pen = ImageDraw.Draw(image)
        for x, y in rng.uniform(0, BIG, (9000, 2)):
            tip = x + rng.uniform(-9, 9), y - rng.uniform(12, 34)
            pen.line((x, y, *tip), fill=jitter(rng, colour, 34), width=int(rng.integers(2, 5)))
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 5)))
    return image


def new_layer() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty, transparent layer and the pen to draw on it."""
    layer = Image.new("RGBA", (BIG, BIG))
    return layer, ImageDraw.Draw(layer)


def sphere_points(count: int) -> Floats:
    """Spread points evenly over the unit sphere (Fibonacci's spiral), (count, 3)."""
    k = np.arange(count) + 0.5
    down, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(around) * np.sin(down), np.sin(around) * np.sin(down), np.cos(down)], axis=-1)


def nearest_distance(points: Floats, to: Floats) -> Floats:
    """The distance of each point (h, w, 3) to the nearest of others (n, 3)."""
    from scipy.spatial import cKDTree

    distance: Floats = cKDTree(to).query(points.reshape(-1, 3))[0].reshape(points.shape[:2])
    return distance


def to_image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def jitter(rng: Rng, colour: Colour, by: int = 18) -> Colour:
    return tuple(int(value) for value in np.clip(np.array(colour) + rng.integers(-by, by + 1, 3), 0, 255))


def scaled(colour: Colour, factor: float) -> Colour:
    return tuple(min(255, int(value * factor)) for value in colour)


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]
