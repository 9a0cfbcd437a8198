"""Draw labelled scenes, so that a report's pictures may stand anywhere: no photograph of anybody's is in them.

`python -m benchmarks.drawn_scenes FOLDER [--count N]` writes PNG files and scenes.csv, the same ones every time.
"""

import argparse
import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageFont

from benchmarks.drawing import (
    BIG,
    MID,
    RGB,
    Floats,
    Rng,
    bulge_out,
    draw_ground,
    jitter,
    lit_ball,
    nearest_distance,
    new_layer,
    pick,
    place,
    scaled,
    sphere_points,
    to_image,
)
from capture.scenes import write_scenes
from device_agents.records import Scene

SEED = 1
BLUE_SKY, LAWN, TABLE, WALL = (110, 160, 220), (78, 140, 52), (150, 112, 80), (190, 188, 184)
NIGHT, PAPER = (34, 26, 30), (226, 220, 208)


class Drawn(NamedTuple):
    """One class: the readable name, the accepted labels, and the function that draws one of it."""

    name: str
    labels: tuple[str, ...]
    draw: Callable[[Rng], RGB]


def golf_ball(rng: Rng) -> RGB:
    """A white ball with 330 dimples on a lawn."""
    dimples = sphere_points(330)

    def texture(normals: Floats) -> tuple[Floats, Floats]:
        away = nearest_distance(normals, dimples)
        return np.full((*away.shape, 3), 246.0), 1 - 0.42 * np.exp(-((away / 0.055) ** 4)) * (0.5 + away / 0.06)

    return place(draw_ground(rng, LAWN, blades=True), lit_ball(texture, rng, gloss=0.2), rng, smallest=0.35)


def tennis_ball(rng: Rng) -> RGB:
    """A yellow felt ball with its curved white seam."""
    t = np.linspace(0, 2 * np.pi, 400)
    seam = np.stack([0.75 * np.cos(t) + 0.25 * np.cos(3 * t), 0.75 * np.sin(t) - 0.25 * np.sin(3 * t)], axis=-1)
    seam = np.concatenate([seam, 3**0.5 / 2 * np.sin(2 * t)[:, None]], axis=-1)

    def texture(normals: Floats) -> tuple[Floats, Floats]:
        away = nearest_distance(normals, seam)
        felt = np.array([206.0, 226, 60]) + rng.normal(0, 12, away.shape)[..., None]
        return np.where((away < 0.055)[..., None], np.array([235.0, 238, 225]), felt), np.ones(away.shape)

    ground = draw_ground(rng, pick(rng, (60, 90, 150), (170, 90, 60), LAWN))
    return place(ground, lit_ball(texture, rng, gloss=0.03), rng, smallest=0.3)


def analog_clock(rng: Rng) -> RGB:
    """A round clock with twelve numbers and three hands."""
    layer, pen = new_layer()
    rim = jitter(rng, pick(rng, (50, 45, 45), (120, 75, 40), (170, 170, 178), (160, 30, 35)))
    for radius, colour in ((400, rim), (388, scaled(rim, 1.25)), (372, rim), (352, jitter(rng, (240, 238, 228), 10))):
        pen.circle((MID, MID), radius, fill=colour)

    def at(radius: float, minute: float) -> tuple[float, float]:
        return MID + radius * np.sin(minute * np.pi / 30), MID - radius * np.cos(minute * np.pi / 30)

    for tick in range(60):
        full = tick % 5 == 0
        pen.line((*at(340, tick), *at(316 if full else 328, tick)), fill=(30, 30, 30), width=10 if full else 4)
        if full:
            pen.text(
                at(268, tick), str(tick // 5 or 12), fill=(25, 25, 28), font=ImageFont.load_default(68), anchor="mm"
            )
    for length, width, colour in ((180, 22, (20, 20, 22)), (264, 14, (20, 20, 22)), (288, 5, (190, 25, 25))):
        minute = rng.uniform(0, 60)
        pen.line((*at(-50, minute), *at(length, minute)), fill=colour, width=width)
    pen.circle((MID, MID), 16, fill=(30, 30, 30))
    return place(draw_ground(rng, pick(rng, WALL, TABLE, (120, 140, 150))), layer, rng, smallest=0.3, turn=12)


def traffic_light(rng: Rng) -> RGB:
    """Three lamps, one of them lit, on a pole before the sky."""
    layer, pen = new_layer()
    pen.rectangle((MID - 20, 800, MID + 20, BIG), fill=(70, 72, 75))
    body = jitter(rng, pick(rng, (32, 34, 36), (200, 160, 30), (28, 52, 42)), 8)
    pen.rounded_rectangle((MID - 140, 60, MID + 140, 840), 36, fill=body)
    lit = int(rng.integers(3))
    for lamp, colour in enumerate([(255, 40, 30), (255, 190, 40), (60, 240, 120)]):
        middle = MID, 450 + (lamp - 1) * 240
        pen.pieslice((MID - 113, middle[1] - 117, MID + 113, middle[1] + 109), 180, 360, fill=scaled(body, 0.5))
        pen.circle(middle, 87, fill=colour if lamp == lit else scaled(colour, 0.25))
        if lamp == lit:
            pen.circle(middle, 55, fill=scaled(colour, 1.25))
    return place(draw_ground(rng, pick(rng, BLUE_SKY, (160, 170, 180), NIGHT)), layer, rng, smallest=0.5, turn=4)


def spider_web(rng: Rng) -> RGB:
    """Spokes and a sagging spiral of thread."""
    layer, pen = new_layer()
    count = int(rng.integers(14, 24))
    angles = np.arange(count + 1) / count * 2 * np.pi
    angles[:-1] += rng.uniform(-0.08, 0.08, count)
    angles[-1] = angles[0] + 2 * np.pi
    steps = np.cumsum(rng.uniform(14, 26) * rng.uniform(0.85, 1.15, 60))
    sag = 1 - 0.1 * np.sin(np.pi * np.linspace(0, 1, 6))
    for near, far in pairwise(angles):
        pen.line((MID, MID, MID + 900 * np.cos(near), MID + 900 * np.sin(near)), fill=(205, 208, 205), width=3)
        for radius in steps[steps < 470]:
            at = np.linspace(near, far, 6)
            thread = np.stack([MID + radius * sag * np.cos(at), MID + radius * sag * np.sin(at)], axis=-1)
            pen.line([tuple(point) for point in thread], fill=jitter(rng, (215, 218, 215), 20), width=3)
    ground = draw_ground(rng, pick(rng, (45, 62, 40), (38, 40, 52), (90, 84, 70)))
    return place(ground, layer, rng, smallest=0.7, largest=1.3, turn=180, shadow=0)


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
    low, high, rough = pick(
        rng, ((205, 185, 140), (50, 100, 40), 16), (PAPER, (40, 50, 90), 3), (PAPER, (70, 45, 40), 3)
    )
    layer = draw_ground(rng, low)
    layer.paste((20, 18, 15), (8, 12), mask.filter(ImageFilter.GaussianBlur(5)).point(lambda value: value * 0.6))
    hedge = np.asarray(draw_ground(rng, high)) + rng.normal(0, rough, (BIG, BIG, 1))
    layer.paste(to_image(hedge), (0, 0), mask)
    return place(
        draw_ground(rng, pick(rng, LAWN, TABLE)), layer.convert("RGBA"), rng, smallest=0.8, largest=1.2, turn=20
    )


def ladybug(rng: Rng) -> RGB:
    """A red beetle with seven spots, seen from above."""
    layer, pen = new_layer()
    for side in (-1, 1):
        for y in (360, 520, 680):
            knee = MID + side * 280
            pen.line((MID + side * 180, y, knee, y - 20, knee + side * 20, y + 50), fill=(20, 18, 18), width=12)
        pen.line((MID + side * 50, 150, MID + side * 110, 60), fill=(20, 18, 18), width=9)
    pen.ellipse((MID - 112, 110, MID + 112, 300), fill=(18, 16, 16))
    pen.ellipse((MID - 170, 160, MID + 170, 400), fill=(26, 22, 22))
    red = jitter(rng, pick(rng, (205, 30, 18), (210, 50, 15)), 12)
    box = MID - 250, 230, MID + 250, 800
    pen.ellipse(box, fill=red)
    pen.line((MID, 230, MID, 800), fill=(30, 10, 10), width=8)
    for side in (-1, 1):
        pen.ellipse((MID + side * 105 - 38, 190, MID + side * 105 + 38, 260), fill=(240, 238, 225))
        for x, y in ((0, 300), (105, 400), (150, 540), (80, 670)):
            pen.circle((MID + side * x, y), 44, fill=(22, 16, 16))
    bulge_out(layer, box, gloss=0.6)
    ground = draw_ground(rng, pick(rng, LAWN, (120, 150, 60))).filter(ImageFilter.GaussianBlur(12))
    return place(ground, layer, rng, smallest=0.6, turn=60)


def balloon(rng: Rng) -> RGB:
    """One to four toy balloons on their strings."""
    layer, _ = new_layer()
    colours = ((215, 30, 40), (245, 190, 30), (40, 90, 205), (60, 165, 70), (225, 70, 160))
    for _ in range(int(rng.integers(1, 5))):
        one, pen = new_layer()
        x, y, colour = rng.uniform(250, 710), rng.uniform(220, 460), pick(rng, *colours)
        string = [(x + 14 * np.sin(v / 60), v) for v in np.arange(y + 200, BIG, 15)]
        pen.line(string, fill=(235, 235, 235), width=4)
        pen.polygon([(x, y + 170), (x - 18, y + 208), (x + 18, y + 208)], fill=scaled(colour, 0.7))
        box = x - 145, y - 175, x + 145, y + 185
        pen.ellipse(box, fill=jitter(rng, colour))
        bulge_out(one, box, gloss=0.7)
        layer.alpha_composite(one)
    return place(draw_ground(rng, pick(rng, BLUE_SKY, WALL, LAWN)), layer, rng, smallest=0.4, turn=10, shadow=0.2)


def umbrella(rng: Rng) -> RGB:
    """An open umbrella of two colours with its handle."""
    layer, pen = new_layer()
    pen.line((MID, 100, MID, 800), fill=(50, 45, 45), width=13)
    pen.arc((MID - 86, 755, MID + 7, 845), 0, 180, fill=(110, 65, 35), width=18)
    colours = [tuple(int(value) for value in rng.integers(30, 230, 3)) for _ in range(2)]
    rise, ribs = np.linspace(0, np.pi / 2, 30), -np.cos(np.linspace(0, np.pi, 7))
    for panel, (left, right) in enumerate(pairwise(ribs)):
        sides = [[(MID + 420 * rib * np.sin(u), 470 - 340 * np.cos(u)) for u in rise] for rib in (left, right)]
        hem = [(MID + 420 * (left + (right - left) * v), 470 - 40 * np.sin(np.pi * v)) for v in np.linspace(0, 1, 12)]
        pen.polygon(sides[0] + hem + sides[1][::-1], fill=scaled(colours[panel % 2], 1 - 0.08 * panel))
        pen.line(sides[0], fill=scaled(colours[0], 0.6), width=4)
    return place(draw_ground(rng, pick(rng, (150, 170, 190), BLUE_SKY, PAPER)), layer, rng, smallest=0.4, turn=30)


def envelope(rng: Rng) -> RGB:
    """A closed envelope, seen from its back."""
    layer, pen = new_layer()
    paper = jitter(rng, pick(rng, (238, 232, 218), (205, 175, 130), (225, 225, 232)), 8)
    left, top, right, bottom = 90, 480 - rng.uniform(240, 290), 870, 480 + rng.uniform(240, 290)
    middle = (MID, 520)
    pen.rectangle((left, top, right, bottom), fill=scaled(paper, 0.93))
    pen.polygon([(left, bottom), (MID, 495), (right, bottom)], fill=scaled(paper, 0.99))
    pen.line([(left, bottom), (MID, 495), (right, bottom)], fill=scaled(paper, 0.72), width=4)
    flap, flap_pen = new_layer()
    flap_pen.polygon([(left, top), (right, top), middle], fill=paper)
    layer.paste(
        (40, 36, 30), (0, 10), flap.getchannel("A").filter(ImageFilter.GaussianBlur(8)).point(lambda v: v * 0.5)
    )
    layer.alpha_composite(flap)
    pen.line([(left, top), middle, (right, top)], fill=scaled(paper, 0.75), width=4)
    return place(draw_ground(rng, pick(rng, TABLE, (110, 130, 150), PAPER)), layer, rng, smallest=0.35, turn=40)


def candle(rng: Rng) -> RGB:
    """A burning candle in the dark."""
    layer, pen = new_layer()
    wax = jitter(rng, pick(rng, (240, 225, 195), (190, 40, 40), (90, 120, 170)), 12)
    width, top = rng.uniform(50, 120), rng.uniform(330, 480)
    for x in np.arange(-width, width):
        shade = 0.45 + 0.5 * np.sqrt(1 - (x / width) ** 2)
        pen.line((MID + x, top, MID + x, 930), fill=scaled(wax, shade), width=2)
    pen.ellipse((MID - width, top - 14, MID + width, top + 14), fill=(255, 225, 160))
    pen.line((MID, top, MID, top - 40), fill=(30, 20, 15), width=7)
    t = np.linspace(0, 1, 30)
    flame, flame_pen = new_layer()
    for part, colour in ((1.0, (255, 150, 40)), (0.7, (255, 215, 110)), (0.42, (255, 250, 220))):
        half = 40 * part * np.sin(np.pi * t**0.6)
        up = [(MID + x, top - 25 - 170 * part * y) for x, y in zip(half, t, strict=True)]
        down = [(2 * MID - x, y) for x, y in reversed(up)]
        flame_pen.polygon(up + down, fill=colour)
    layer.alpha_composite(flame.filter(ImageFilter.GaussianBlur(40)))
    layer.alpha_composite(flame)
    return place(draw_ground(rng, pick(rng, NIGHT, (60, 40, 34), TABLE)), layer, rng, smallest=0.5, turn=4, shadow=0.2)


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


CLASSES = (
    Drawn("golf ball", ("n03445777",), golf_ball),
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
    parser.add_argument("--count", type=int, default=44, help="how many scenes (default: 44)")
    asked = parser.parse_args()
    print(draw_scenes(asked.folder, count=asked.count))
