"""Draw labelled scenes, so that a report's pictures may stand anywhere: no photograph of anybody's is in them.

`python -m benchmarks.drawn_scenes FOLDER [--count N]` writes PNG files and scenes.csv, the same ones every time.
"""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from capture.scenes import write_scenes
from device_agents.records import Scene

RGB = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, ...]
Rng = np.random.Generator

SIZE = 480  # pixels of a scene's side
SEED = 1
BIG = 2 * SIZE  # drawn at twice the size, then reduced, so that edges are smooth
MID = BIG / 2
LIGHT = np.array([-0.45, -0.6, 0.66])  # towards the lamp: left, up and front
BLUE_SKY, LAWN, TABLE, WALL = (110, 160, 220), (78, 140, 52), (150, 112, 80), (190, 188, 184)
NIGHT, PAPER = (34, 26, 30), (226, 220, 208)


class Drawn(NamedTuple):
    """One class: the readable name, the accepted labels, and the function that draws one of it."""

    name: str
    labels: tuple[str, ...]
    draw: Callable[[Rng], RGB]


def golf_ball(rng: Rng) -> RGB:
    """A white ball with 330 dimples on a lawn."""
    dimples = _spiral(330)

    def texture(normals: Floats) -> tuple[Floats, Floats]:
        away = _distance(normals, dimples)
        return np.full((*away.shape, 3), 246.0), 1 - 0.42 * np.exp(-((away / 0.055) ** 4)) * (0.5 + away / 0.06)

    return _place(_ground(rng, LAWN, blades=True), _ball(texture, rng, gloss=0.2), rng, smallest=0.35)


def soccer_ball(rng: Rng) -> RGB:
    """A ball of twelve black and twenty white patches: the nearest corner or face of an icosahedron tells which."""
    golden = (1 + 5**0.5) / 2
    corners = np.array([(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)])
    corners = np.concatenate([np.roll(corners, turn, axis=1) for turn in range(3)]) / np.hypot(1, golden)
    near = corners @ corners.T > 0.4
    threes = combinations(range(12), 3)
    triples = [three for three in threes if near[np.ix_(three, three)].all()]
    faces = np.array([corners[list(three)].sum(axis=0) for three in triples])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)

    def texture(normals: Floats) -> tuple[Floats, Floats]:
        reach = np.concatenate([normals @ corners.T + 0.0235, normals @ faces.T], axis=-1)
        best = np.sort(reach, axis=-1)[..., -2:]
        colour = np.where((reach.argmax(axis=-1) < 12)[..., None], 28.0, 240.0)
        colour = np.where((best[..., 1] - best[..., 0] < 0.012)[..., None], 60.0, colour)
        return np.repeat(colour, 3, axis=-1), np.ones(colour.shape[:2])

    return _place(_ground(rng, LAWN, blades=True), _ball(texture, rng, gloss=0.25), rng, smallest=0.3)


def tennis_ball(rng: Rng) -> RGB:
    """A yellow felt ball with its curved white seam."""
    t = np.linspace(0, 2 * np.pi, 400)
    seam = np.stack([0.75 * np.cos(t) + 0.25 * np.cos(3 * t), 0.75 * np.sin(t) - 0.25 * np.sin(3 * t)], axis=-1)
    seam = np.concatenate([seam, 3**0.5 / 2 * np.sin(2 * t)[:, None]], axis=-1)

    def texture(normals: Floats) -> tuple[Floats, Floats]:
        away = _distance(normals, seam)
        felt = np.array([206.0, 226, 60]) + rng.normal(0, 12, away.shape)[..., None]
        return np.where((away < 0.055)[..., None], np.array([235.0, 238, 225]), felt), np.ones(away.shape)

    ground = _ground(rng, _pick(rng, (60, 90, 150), (170, 90, 60), LAWN))
    return _place(ground, _ball(texture, rng, gloss=0.03), rng, smallest=0.3)


def analog_clock(rng: Rng) -> RGB:
    """A round clock with twelve numbers and three hands."""
    layer, pen = _layer()
    rim = _jitter(rng, _pick(rng, (50, 45, 45), (120, 75, 40), (170, 170, 178), (160, 30, 35)))
    for radius, colour in ((400, rim), (388, _scaled(rim, 1.25)), (372, rim), (352, _jitter(rng, (240, 238, 228), 10))):
        pen.circle((MID, MID), radius, fill=colour)

    def at(radius: float, minute: float) -> tuple[float, float]:
        return MID + radius * np.sin(minute * np.pi / 30), MID - radius * np.cos(minute * np.pi / 30)

    for minute in range(60):
        full = minute % 5 == 0
        pen.line((*at(340, minute), *at(316 if full else 328, minute)), fill=(30, 30, 30), width=10 if full else 4)
        if full:
            pen.text(
                at(268, minute), str(minute // 5 or 12), fill=(25, 25, 28), font=ImageFont.load_default(68), anchor="mm"
            )
    for length, width, colour in ((180, 22, (20, 20, 22)), (264, 14, (20, 20, 22)), (288, 5, (190, 25, 25))):
        minute = rng.uniform(0, 60)
        pen.line((*at(-50, minute), *at(length, minute)), fill=colour, width=width)
    pen.circle((MID, MID), 16, fill=(30, 30, 30))
    return _place(_ground(rng, _pick(rng, WALL, TABLE, (120, 140, 150))), layer, rng, smallest=0.3, turn=12)


def traffic_light(rng: Rng) -> RGB:
    """Three lamps, one of them lit, on a pole before the sky."""
    layer, pen = _layer()
    pen.rectangle((MID - 20, 800, MID + 20, BIG), fill=(70, 72, 75))
    body = _jitter(rng, _pick(rng, (32, 34, 36), (200, 160, 30), (28, 52, 42)), 8)
    pen.rounded_rectangle((MID - 140, 60, MID + 140, 840), 36, fill=body)
    lit = int(rng.integers(3))
    for lamp, colour in enumerate([(255, 40, 30), (255, 190, 40), (60, 240, 120)]):
        middle = MID, 450 + (lamp - 1) * 240
        pen.pieslice((MID - 113, middle[1] - 117, MID + 113, middle[1] + 109), 180, 360, fill=_scaled(body, 0.5))
        pen.circle(middle, 87, fill=colour if lamp == lit else _scaled(colour, 0.25))
        if lamp == lit:
            pen.circle(middle, 55, fill=_scaled(colour, 1.25))
    return _place(_ground(rng, _pick(rng, BLUE_SKY, (160, 170, 180), NIGHT)), layer, rng, smallest=0.3, turn=4)


def spider_web(rng: Rng) -> RGB:
    """Spokes and a sagging spiral of thread."""
    layer, pen = _layer()
    count = int(rng.integers(14, 24))
    angles = np.arange(count + 1) / count * 2 * np.pi
    angles[:-1] += rng.uniform(-0.08, 0.08, count)
    angles[-1] = angles[0] + 2 * np.pi
    steps = np.cumsum(rng.uniform(14, 26) * rng.uniform(0.85, 1.15, 60))
    sag = 1 - 0.1 * np.sin(np.pi * np.linspace(0, 1, 6))
    for near, far in zip(angles[:-1], angles[1:], strict=True):
        pen.line((MID, MID, MID + 900 * np.cos(near), MID + 900 * np.sin(near)), fill=(205, 208, 205), width=3)
        for radius in steps[steps < 470]:
            at = np.linspace(near, far, 6)
            thread = np.stack([MID + radius * sag * np.cos(at), MID + radius * sag * np.sin(at)], axis=-1)
            pen.line([tuple(point) for point in thread], fill=_jitter(rng, (215, 218, 215), 20), width=3)
    ground = _ground(rng, _pick(rng, (45, 62, 40), (38, 40, 52), (90, 84, 70)))
    return _place(ground, layer, rng, smallest=0.7, largest=1.3, turn=180, shadow=0)


def maze(rng: Rng) -> RGB:
    """Hedges or walls on a grid, every cell reached by one way."""
    cells = int(rng.integers(8, 14))
    wall = np.ones((2 * cells + 1, 2 * cells + 1), dtype=bool)
    wall[1, 1] = False
    trail = [(1, 1)]
    while trail:
        y, x = trail[-1]
        inside = [(y + a, x + b) for a, b in ((0, 2), (2, 0), (0, -2), (-2, 0)) if min(y + a, x + b) > 0]
        ways = [(v, u) for v, u in inside if max(v, u) < 2 * cells and wall[v, u]]
        if not ways:
            trail.pop()
            continue
        v, u = ways[rng.integers(len(ways))]
        wall[(y + v) // 2, (x + u) // 2] = wall[v, u] = False
        trail.append((v, u))
    mask = Image.fromarray(wall).convert("L").resize((BIG, BIG), Image.Resampling.NEAREST)
    low, high, rough = _pick(
        rng, ((205, 185, 140), (50, 100, 40), 16), (PAPER, (40, 50, 90), 3), (PAPER, (70, 45, 40), 3)
    )
    layer = _ground(rng, low)
    layer.paste((20, 18, 15), (8, 12), mask.filter(ImageFilter.GaussianBlur(5)).point(lambda value: value * 0.6))
    hedge = np.asarray(_ground(rng, high)) + rng.normal(0, rough, (BIG, BIG, 1))
    layer.paste(_image(hedge), (0, 0), mask)
    return _place(_ground(rng, _pick(rng, LAWN, TABLE)), layer.convert("RGBA"), rng, smallest=0.8, largest=1.2, turn=20)


def ladybug(rng: Rng) -> RGB:
    """A red beetle with seven spots, seen from above."""
    layer, pen = _layer()
    for side in (-1, 1):
        for y in (360, 520, 680):
            knee = MID + side * 280
            pen.line((MID + side * 180, y, knee, y - 20, knee + side * 20, y + 50), fill=(20, 18, 18), width=18)
        pen.line((MID + side * 50, 150, MID + side * 110, 60), fill=(20, 18, 18), width=9)
    pen.ellipse((MID - 112, 110, MID + 112, 300), fill=(18, 16, 16))
    pen.ellipse((MID - 170, 160, MID + 170, 400), fill=(26, 22, 22))
    red = _jitter(rng, _pick(rng, (205, 30, 18), (215, 75, 15)), 12)
    box = MID - 250, 230, MID + 250, 800
    pen.ellipse(box, fill=red)
    pen.line((MID, 230, MID, 800), fill=(30, 10, 10), width=8)
    for side in (-1, 1):
        pen.ellipse((MID + side * 105 - 38, 190, MID + side * 105 + 38, 260), fill=(240, 238, 225))
        for x, y in ((0, 300), (105, 400), (150, 540), (80, 670)):
            pen.circle((MID + side * x, y), 44, fill=(22, 16, 16))
    _round(layer, box, gloss=0.6)
    ground = _ground(rng, _pick(rng, LAWN, (120, 150, 60), PAPER)).filter(ImageFilter.GaussianBlur(12))
    return _place(ground, layer, rng, smallest=0.55, turn=180)


def balloon(rng: Rng) -> RGB:
    """One to four toy balloons on their strings."""
    layer, _ = _layer()
    colours = ((215, 30, 40), (245, 190, 30), (40, 90, 205), (60, 165, 70), (225, 70, 160))
    for _ in range(int(rng.integers(1, 5))):
        one, pen = _layer()
        x, y, colour = rng.uniform(250, 710), rng.uniform(220, 460), _pick(rng, *colours)
        string = [(x + 14 * np.sin(v / 60), v) for v in np.arange(y + 200, BIG, 15)]
        pen.line(string, fill=(235, 235, 235), width=4)
        pen.polygon([(x, y + 170), (x - 18, y + 208), (x + 18, y + 208)], fill=_scaled(colour, 0.7))
        box = x - 145, y - 175, x + 145, y + 185
        pen.ellipse(box, fill=_jitter(rng, colour))
        _round(one, box, gloss=0.7)
        layer.alpha_composite(one)
    return _place(_ground(rng, _pick(rng, BLUE_SKY, WALL, LAWN)), layer, rng, smallest=0.4, turn=10, shadow=0.2)


def umbrella(rng: Rng) -> RGB:
    """An open umbrella of two colours with its handle."""
    layer, pen = _layer()
    pen.line((MID, 100, MID, 800), fill=(50, 45, 45), width=13)
    pen.arc((MID - 86, 755, MID + 7, 845), 0, 180, fill=(110, 65, 35), width=18)
    colours = [tuple(int(value) for value in rng.integers(30, 230, 3)) for _ in range(2)]
    rise, ribs = np.linspace(0, np.pi / 2, 30), -np.cos(np.linspace(0, np.pi, 7))
    for panel, (left, right) in enumerate(zip(ribs[:-1], ribs[1:], strict=True)):
        sides = [[(MID + 420 * rib * np.sin(u), 470 - 340 * np.cos(u)) for u in rise] for rib in (left, right)]
        hem = [(MID + 420 * (left + (right - left) * v), 470 - 40 * np.sin(np.pi * v)) for v in np.linspace(0, 1, 12)]
        pen.polygon(sides[0] + hem + sides[1][::-1], fill=_scaled(colours[panel % 2], 1 - 0.08 * panel))
        pen.line(sides[0], fill=_scaled(colours[0], 0.6), width=4)
    return _place(_ground(rng, _pick(rng, (150, 170, 190), BLUE_SKY, PAPER)), layer, rng, smallest=0.4, turn=30)


def envelope(rng: Rng) -> RGB:
    """A closed envelope, seen from its back."""
    layer, pen = _layer()
    paper = _jitter(rng, _pick(rng, (238, 232, 218), (205, 175, 130), (225, 225, 232)), 8)
    left, top, right, bottom = 90, 480 - rng.uniform(240, 290), 870, 480 + rng.uniform(240, 290)
    middle = (MID, 520)
    pen.rectangle((left, top, right, bottom), fill=_scaled(paper, 0.93))
    pen.polygon([(left, bottom), (MID, 495), (right, bottom)], fill=_scaled(paper, 0.99))
    pen.line([(left, bottom), (MID, 495), (right, bottom)], fill=_scaled(paper, 0.72), width=4)
    flap, flap_pen = _layer()
    flap_pen.polygon([(left, top), (right, top), middle], fill=paper)
    layer.paste(
        (40, 36, 30), (0, 10), flap.getchannel("A").filter(ImageFilter.GaussianBlur(8)).point(lambda v: v * 0.5)
    )
    layer.alpha_composite(flap)
    pen.line([(left, top), middle, (right, top)], fill=_scaled(paper, 0.75), width=4)
    return _place(_ground(rng, _pick(rng, TABLE, (110, 130, 150), PAPER)), layer, rng, smallest=0.35, turn=40)


def candle(rng: Rng) -> RGB:
    """A burning candle in the dark."""
    layer, pen = _layer()
    wax = _jitter(rng, _pick(rng, (240, 225, 195), (190, 40, 40), (90, 120, 170)), 12)
    width, top = rng.uniform(50, 120), rng.uniform(330, 480)
    for x in np.arange(-width, width):
        shade = 0.45 + 0.5 * np.sqrt(1 - (x / width) ** 2)
        pen.line((MID + x, top, MID + x, 930), fill=_scaled(wax, shade), width=2)
    pen.ellipse((MID - width, top - 14, MID + width, top + 14), fill=(255, 225, 160))
    pen.line((MID, top, MID, top - 40), fill=(30, 20, 15), width=7)
    t = np.linspace(0, 1, 30)
    flame, flame_pen = _layer()
    for part, colour in ((1.0, (255, 150, 40)), (0.7, (255, 215, 110)), (0.42, (255, 250, 220))):
        half = 40 * part * np.sin(np.pi * t**0.6)
        up = [(MID + x, top - 25 - 170 * part * y) for x, y in zip(half, t, strict=True)]
        down = [(2 * MID - x, y) for x, y in reversed(up)]
        flame_pen.polygon(up + down, fill=colour)
    layer.alpha_composite(flame.filter(ImageFilter.GaussianBlur(40)))
    layer.alpha_composite(flame)
    return _place(_ground(rng, _pick(rng, NIGHT, (60, 40, 34), TABLE)), layer, rng, smallest=0.5, turn=4, shadow=0.2)


def draw_scenes(folder: Path, *, count: int) -> Path:
    """Draw ``count`` scenes, the classes in turn, and give the path of their scenes.csv.

    A scene's cluster is its class's drawing: pictures by one function are alike, however the dice fell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = []
    for number in range(count):
        kind = CLASSES[number % len(CLASSES)]
        cluster = kind.draw.__name__.replace("_", "-")
        name = f"{cluster}-{number // len(CLASSES) + 1}"
        file = folder / f"{name}.png"
        Image.fromarray(kind.draw(np.random.default_rng([SEED, number]))).save(file, optimize=True)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        scenes.append(Scene(name, str(file), digest, kind.labels, (), cluster, kind.name))
    write_scenes(scenes, folder / "scenes.csv")
    return folder / "scenes.csv"


def _ball(texture: Callable[[Floats], tuple[Floats, Floats]], rng: Rng, *, gloss: float) -> Image.Image:
    """Light a ball of 380 pixels radius, turned at random; texture: unit normals -> colours and a bump factor."""
    y, x = (np.mgrid[0:BIG, 0:BIG] - MID) / 380
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    normals = np.stack([x, y, z], axis=-1)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    colour, bump = texture(normals @ turned)
    facing = normals @ LIGHT
    shine = 255 * gloss * np.clip(2 * facing * z - LIGHT[2], 0, 1) ** 30
    lit = colour * (0.38 + 0.68 * np.clip(facing, 0, 1) * bump)[..., None] + shine[..., None]
    layer = _image(lit)
    layer.putalpha(_image(255 * np.clip((1 - np.hypot(x, y)) * 250, 0, 1)))
    return layer


def _round(layer: Image.Image, box: Sequence[float], *, gloss: float) -> None:
    """Shade what is drawn inside an ellipse as if it bulged towards us."""
    left, top, right, bottom = box
    y, x = np.mgrid[0:BIG, 0:BIG]
    x, y = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
    bulge = np.where(np.hypot(x, y) < 1, 0.55 + 0.5 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)), 1)
    shine = 255 * gloss * np.exp(-(((x + 0.35) / 0.24) ** 2) - ((y + 0.4) / 0.24) ** 2)
    alpha = layer.getchannel("A")
    layer.paste(_image(np.asarray(layer.convert("RGB")) * bulge[..., None] + shine[..., None]))
    layer.putalpha(alpha)


def _place(
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
    return np.asarray(_image(hazy * light[..., None] + rng.normal(0, 4, small.shape)))


def _ground(rng: Rng, colour: Colour, *, blades: bool = False) -> Image.Image:
    """A soft background: a gradient with large blotches, or blades of grass."""
    top, bottom = (np.array(_jitter(rng, colour)) for _ in range(2))
    slope = np.linspace(0, 1, BIG)[:, None, None]
    blotches = Image.fromarray(rng.integers(0, 256, (7, 7), dtype=np.uint8)).resize(
        (BIG, BIG), Image.Resampling.BICUBIC
    )
    image = _image(top * (1 - slope) + bottom * slope + (np.asarray(blotches, dtype=float)[..., None] - 128) * 0.12)
    if blades:
        pen = ImageDraw.Draw(image)
        for x, y in rng.uniform(0, BIG, (9000, 2)):
            tip = x + rng.uniform(-9, 9), y - rng.uniform(12, 34)
            pen.line((x, y, *tip), fill=_jitter(rng, colour, 34), width=int(rng.integers(2, 5)))
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 5)))
    return image


def _layer() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty, transparent layer and the pen to draw on it."""
    layer = Image.new("RGBA", (BIG, BIG))
    return layer, ImageDraw.Draw(layer)


def _spiral(count: int) -> Floats:
    """Spread points evenly over the unit sphere (Fibonacci's spiral), (count, 3)."""
    k = np.arange(count) + 0.5
    down, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(around) * np.sin(down), np.sin(around) * np.sin(down), np.cos(down)], axis=-1)


def _distance(points: Floats, to: Floats) -> Floats:
    """The distance of each point (h, w, 3) to the nearest of others (n, 3)."""
    from scipy.spatial import cKDTree

    distance: Floats = cKDTree(to).query(points.reshape(-1, 3))[0].reshape(points.shape[:2])
    return distance


def _image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _jitter(rng: Rng, colour: Colour, by: int = 18) -> Colour:
    return tuple(int(value) for value in np.clip(np.array(colour) + rng.integers(-by, by + 1, 3), 0, 255))


def _scaled(colour: Colour, factor: float) -> Colour:
    return tuple(min(255, int(value * factor)) for value in colour)


def _pick(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


CLASSES = (
    Drawn("golf ball", ("n03445777",), golf_ball),
    Drawn("soccer ball", ("n04254680",), soccer_ball),
    Drawn("tennis ball", ("n04409515",), tennis_ball),
    Drawn("clock", ("n02708093", "n04548280"), analog_clock),
    Drawn("traffic light", ("n06874185",), traffic_light),
    Drawn("spider web", ("n04275548",), spider_web),
    Drawn("maze", ("n03733281",), maze),
    Drawn("ladybug", ("n02165456",), ladybug),
    Drawn("balloon", ("n02782093",), balloon),
    Drawn("umbrella", ("n04507155",), umbrella),
    Drawn("envelope", ("n03291819",), envelope),
    Drawn("candle", ("n02948072",), candle),
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawn_scenes", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the pictures and scenes.csv")
    parser.add_argument("--count", type=int, default=48, help="how many scenes (default: 48)")
    asked = parser.parse_args()
    print(draw_scenes(asked.folder, count=asked.count))
