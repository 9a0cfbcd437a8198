"""Draws the shots that a session must refuse, and good ones, by the virtual cameras; each is fixed by seed and number.

What counts as what is fixed here, by the light on the sensor and never by what the kit finds in the file:

bad   stale       all light is of another frame: the one before, or an older or unrelated one
      torn        some row (or column) of the scene took at least 5 % of its light from another frame; a line from top
                  to bottom (sideways) lies between the outermost columns of the frame code
      blurred     an edge is as wide as 1/75 of the screen's shorter side or wider, 10 to 90 %: 4 pixels of a 224-pixel
                  input; a lens out of focus, a disc, or a straight motion
      clipped     over: more than 10 % of the grey ground saturates the sensor; under: it lies below 1.8 % of full
                  scale; outside: a corner of the scene is at least 0.5 % of the photograph's shorter side beyond its
                  edge; covered: something dark that reaches in from beyond the frame hides at least 1 % of the scene
good  the asked frame alone, settled, exposed within half a stop of the device's own automatics, nothing added
"""

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import drawn_scenes
from capture import optics, screen
from capture.frame_code import STIMULUS_BITS
from capture.ground import ground_points
from capture.profiles import PROFILES, Profile
from capture.virtual_camera import Shot, geometry_of, photograph, resting_exposure
from hostctl.virtual.screen_model import ScreenModel

RGB = NDArray[np.uint8]
Rng = np.random.Generator
Layers = list[tuple[RGB, NDArray[np.float32]]]

A_SETTING = 200  # shots that share a screen, scenes and cameras, so that what is costly is made once
SCREENS = ((600, 800), (720, 960), (720, 1280), (768, 1024))
WIDTHS = (800, 960, 1120)  # of the photographs, in pixels; one camera in twelve keeps its own 1280 to 2016
ANGLES = (-30, -15, 0, 15, 30)
LEAST_FOREIGN, MOST_TRUE_FOCUS, LEAST_SATURATED, MOST_DARK = 0.05, 75.0, 0.10, 0.018
LEAST_OUTSIDE, LEAST_COVERED = 0.005, 0.01
GAUSS_WIDTH, DISC_WIDTH, MOTION_WIDTH = 2.563, 0.687, 0.8  # 10-90 % edge width over sigma, diameter, length


@dataclass(frozen=True)
class Setting:
    """What a block of shots shares: the screen, its scenes and the cameras before it."""

    layout: screen.Layout
    scenes: tuple[RGB, ...]
    cameras: tuple[tuple[Profile, float], ...]


@dataclass(frozen=True)
class Taken:
    """One shot: its kind, whether it is to be kept, its file, and what was asked of it."""

    kind: str
    good: bool
    suffix: str
    data: bytes
    stimulus: int
    layout: screen.Layout
    box: screen.Box
    told: str


@dataclass(frozen=True)
class Asked:
    """The frame asked for, another one, and the camera that is to photograph it."""

    setting: Setting
    stimulus: int
    wanted: screen.Frame
    other: screen.Frame
    profile: Profile
    angle_deg: float
    rng: Rng

    def shoot(self, layers: Layers, profile: Profile | None = None) -> Shot:
        """Photograph what the screen showed."""
        return photograph(layers, profile=profile or self.profile, angle_deg=self.angle_deg, rng=self.rng)

    def geometry(self, profile: Profile | None = None) -> optics.Geometry:
        """Where the camera sees the screen."""
        layout = self.setting.layout
        size = {"frame_height": layout.height, "frame_width": layout.width}
        return geometry_of(profile or self.profile, **size, angle_deg=self.angle_deg)


Draw = Callable[[Asked], tuple[Shot, str]]


def draw(number: int, *, seed: int) -> Taken:
    """Draw the shot of a number: every seventh is good, the others go through the bad kinds in turn."""
    setting = _setting(number // A_SETTING, seed)
    rng = np.random.default_rng([seed, 1, number])
    bad = number - number // 7 - 1
    kind = "good" if number % 7 == 0 else tuple(BAD)[bad % len(BAD)]
    stimulus = int(rng.integers(50, 5000) if rng.random() < 0.5 else rng.integers(50, 1 << 24))
    one, two = rng.choice(len(setting.scenes), 2, replace=False)
    profile, angle = setting.cameras[rng.integers(len(setting.cameras))]
    other = _other_stimulus(kind, stimulus, rng)
    wanted = screen.render_frame(setting.scenes[one], stimulus=stimulus, layout=setting.layout)
    foreign = screen.render_frame(setting.scenes[two], stimulus=other, layout=setting.layout)
    asked = Asked(setting, stimulus, wanted, foreign, profile, angle, rng)
    shot, told = ({"good": _good} | BAD)[kind](asked)
    suffix, data = next(item for item in shot.files.items() if item[0] != ".dng")
    told = f"{profile.name} {shot.raw.mosaic.shape[1]} px, {angle} degrees, {stimulus}, other {other}; {told}"
    return Taken(kind, kind == "good", suffix, data, stimulus, setting.layout, wanted.scene_box, told)


def _other_stimulus(kind: str, stimulus: int, rng: Rng) -> int:
    if kind == "stale: older":
        return int(stimulus - rng.integers(2, 41)) if rng.random() < 0.7 else int(rng.integers(0, 50))
    step = 1 if kind == "torn: the next frame" else -1
    return (stimulus + step) % (1 << STIMULUS_BITS)


@functools.lru_cache(maxsize=2)
def _setting(block: int, seed: int) -> Setting:
    rng = np.random.default_rng([seed, 0, block])
    height, width = SCREENS[rng.integers(len(SCREENS))]
    scenes = _scenes()
    some = tuple(scenes[at] for at in rng.choice(len(scenes), 6, replace=False))
    cameras = []
    for _ in range(4):
        profile = replace(list(PROFILES.values())[rng.integers(len(PROFILES))], keep_raw=False)
        if rng.random() > 1 / 12:
            profile = _smaller(profile, int(rng.choice(WIDTHS)))
        cameras.append((profile, float(rng.choice(ANGLES))))
    return Setting(screen.layout_for(height, width), some, tuple(cameras))


@functools.lru_cache(maxsize=1)
def _scenes() -> tuple[RGB, ...]:
    """Pictures of the drawn kinds, a bright and a dark sheet; some cut wide, so that they fill the screen."""
    rng = np.random.default_rng(20261122)
    drawn = [kind.draw(rng) for _ in range(2) for kind in drawn_scenes.CLASSES]
    drawn += [np.full_like(drawn[0], level) for level in (250, 250, 250, 12)]
    cuts = itertools.cycle((1.0, 0.75, 0.56))
    return tuple(picture[: int(picture.shape[0] * cut)] for picture, cut in zip(drawn, cuts, strict=False))


def _smaller(profile: Profile, width: int) -> Profile:
    """The same camera with fewer pixels of the same kind."""
    sensor = profile.sensor
    return replace(
        profile, sensor=replace(sensor, width=width, height=2 * round(width * sensor.height / sensor.width / 2))
    )


def _exposed_by(profile: Profile, ev: float) -> Profile:
    """The camera with its automatics aiming so many stops higher."""
    rules, times = profile.automatics, 2.0**ev
    aims = {"grey_target": rules.grey_target * times, "white_limit": rules.white_limit * times}
    return replace(profile, automatics=replace(rules, **aims, highest_gain=rules.highest_gain * max(times, 1.0)))


def _whole(frame: screen.Frame) -> Layers:
    return [(frame.rgb, np.ones(len(frame.rgb), np.float32))]


def _good(asked: Asked) -> tuple[Shot, str]:
    ev = float(asked.rng.uniform(-0.5, 0.5))
    return asked.shoot(_whole(asked.wanted), _exposed_by(asked.profile, ev)), f"{ev:+.2f} EV"


def _stale(asked: Asked) -> tuple[Shot, str]:
    return asked.shoot(_whole(asked.other)), ""


def _torn_by_shutter(asked: Asked, *, wanted_last: bool = True) -> tuple[Shot, str]:
    """The screen changes while a rolling shutter is open; drawn again until enough light of a row is foreign."""
    rng, layout = asked.rng, asked.setting.layout
    first, last = (asked.other, asked.wanted) if wanted_last else (asked.wanted, asked.other)
    top, bottom = asked.wanted.scene_box[1], asked.wanted.scene_box[3]
    while True:
        model = ScreenModel(
            height=layout.height,
            width=layout.width,
            refresh_hz=float(rng.choice([60.0, 90.0, 120.0])),
            response_s=float(rng.uniform(0.0, 0.012)),
        )
        exposure_s = float(resting_exposure(asked.profile).exposure_s * 2.0 ** rng.uniform(-4, 1))
        readout_s = asked.profile.sensor.readout_s
        model.paint(first.rgb, at_s=-10.0, stimulus=1)
        model.paint(last.rgb, at_s=0.0, stimulus=2)
        start_s = float(rng.uniform(-readout_s - exposure_s - 0.02, 0.05))
        layers = model.exposed(start_s, exposure_s, readout_s).layers
        foreign = sum(
            (weights for rgb, weights in layers if rgb is asked.other.rgb), np.zeros(layout.height, np.float32)
        )
        if foreign[top:bottom].max() >= LEAST_FOREIGN:
            most, mean = foreign[top:bottom].max(), foreign[top:bottom].mean()
            return asked.shoot(layers), f"foreign at most {most:.2f} of a row, {mean:.2f} on average"


def _torn_by_line(asked: Asked, *, axis: int) -> tuple[Shot, str]:
    """Half painted: on one side of a sharp line through the scene stands the other frame; axis 1: left and right."""
    rng, box = asked.rng, asked.wanted.scene_box
    low, high = box[1 - axis], box[3 - axis]
    if axis == 1:  # beyond the outermost columns of the code it cannot be seen: docs/reliability-figures.md
        left, column = asked.setting.layout.strip_left, asked.setting.layout.column
        low, high = max(low, left + column), min(high, left + 31 * column)
    within: Any = (low + 0.01 * (high - low), high - 0.01 * (high - low))
    line = int(rng.integers(*within))
    old_first = bool(rng.random() < 0.5)
    mixed = asked.wanted.rgb.copy()
    part: Any = slice(None, line) if old_first else slice(line, None)
    where = (slice(None),) * axis + (part,)
    mixed[where] = asked.other.rgb[where]
    share = (line - low) / (high - low)
    return asked.shoot([(mixed, np.ones(len(mixed), np.float32))]), f"line at {share:.2f}, other first: {old_first}"


def _blurred_lens(asked: Asked) -> tuple[Shot, str]:
    focus, width = _edge(asked)
    sigma = width / GAUSS_WIDTH / asked.geometry().frame_px_per_pixel
    lens = replace(asked.profile.lens, blur_px=sigma)
    return asked.shoot(_whole(asked.wanted), replace(asked.profile, lens=lens)), f"true focus {focus:.0f}"


def _blurred_disc(asked: Asked) -> tuple[Shot, str]:
    focus, width = _edge(asked)
    radius = width / DISC_WIDTH / 2
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0)
    return asked.shoot(_whole(_filtered(asked.wanted, kernel))), f"true focus {focus:.0f}"


def _blurred_motion(asked: Asked) -> tuple[Shot, str]:
    focus, width = _edge(asked)
    length, way = width / MOTION_WIDTH, float(asked.rng.uniform(0, math.pi))
    reach = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * reach + 1,) * 2)
    for at in np.linspace(-length / 2, length / 2, 8 * reach):
        x, y = reach + at * math.cos(way), reach + at * math.sin(way)
        left, top = int(x), int(y)
        for dy, dx in itertools.product((0, 1), (0, 1)):
            kernel[top + dy, left + dx] += (1 - abs(y - top - dy)) * (1 - abs(x - left - dx))
    told = f"true focus {focus:.0f}, {math.degrees(way):.0f} degrees"
    return asked.shoot(_whole(_filtered(asked.wanted, kernel))), told


def _edge(asked: Asked) -> tuple[float, float]:
    """A true focus, and the width of its edges in pixels of the frame."""
    focus = MOST_TRUE_FOCUS * 5.0 ** -float(asked.rng.random())
    return focus, min(asked.setting.layout.height, asked.setting.layout.width) / focus


def _filtered(frame: screen.Frame, kernel: NDArray[np.float64]) -> screen.Frame:
    """Blur a frame in linear light."""
    import cv2

    linear = cv2.LUT(frame.rgb, optics.srgb_to_linear(np.arange(256) / 255.0).astype(np.float32))
    soft = np.clip(cv2.filter2D(linear, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), 0, 1)
    encoded = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * soft ** (1 / 2.4) - 0.055)
    return frame._replace(rgb=np.rint(encoded * 255).astype(np.uint8))


def _overexposed(asked: Asked) -> tuple[Shot, str]:
    for ev in np.arange(asked.rng.uniform(2.4, 4.0), 9.0, 0.4):
        shot = asked.shoot(_whole(asked.wanted), _exposed_by(asked.profile, float(ev)))
        share = float((_ground(asked, shot) >= 0.995).mean())
        if share > LEAST_SATURATED:
            return shot, f"{ev:+.1f} EV, {share:.2f} of the ground saturated"
    raise AssertionError("the ground never saturated")


def _underexposed(asked: Asked) -> tuple[Shot, str]:
    for ev in np.arange(asked.rng.uniform(-5.5, -3.3), -12.0, -0.4):
        shot = asked.shoot(_whole(asked.wanted), _exposed_by(asked.profile, float(ev)))
        level = float(np.median(_ground(asked, shot)))
        if level < MOST_DARK:
            return shot, f"{ev:+.1f} EV, the ground at {level:.3f} of full scale"
    raise AssertionError("the ground was never dark")


def _ground(asked: Asked, shot: Shot) -> NDArray[np.float64]:
    """The brightest of the four sensor pixels around each point of the ground, 0..1 of full scale."""
    raw = shot.raw
    points = np.rint(optics.project(ground_points(asked.setting.layout), asked.geometry())).astype(int)
    height, width = raw.mosaic.shape
    x, y = np.clip(points[:, 0], 0, width - 2), np.clip(points[:, 1], 0, height - 2)
    most = np.max([raw.mosaic[y + dy, x + dx] for dy in (0, 1) for dx in (0, 1)], axis=0)
    return np.asarray((most - raw.black_levels[0]) / (raw.white_level - raw.black_levels[0]), np.float64)


def _outside(asked: Asked) -> tuple[Shot, str]:
    rng, mount = asked.rng, asked.profile.mount
    while True:
        moved = {"shift_x": float(rng.normal(0, 0.12)), "shift_y": float(rng.normal(0, 0.12))}
        profile = replace(asked.profile, mount=replace(mount, fill=mount.fill * float(rng.uniform(1, 1.3)), **moved))
        width, height = profile.sensor.width, profile.sensor.height
        x, y = optics.project(screen.outer_corners(asked.wanted.scene_box), asked.geometry(profile)).T
        beyond = np.max([-0.5 - x, x - width + 0.5, -0.5 - y, y - height + 0.5]) / min(width, height)
        if LEAST_OUTSIDE <= beyond <= 0.25:
            return asked.shoot(_whole(asked.wanted), profile), f"{beyond:.3f} of the shorter side outside"


def _covered(asked: Asked) -> tuple[Shot, str]:
    """A finger, a cable or a clamp: a dark bar with a round end, from beyond an edge into the scene."""
    import cv2

    rng, layout, box = asked.rng, asked.setting.layout, asked.wanted.scene_box
    side = min(layout.height, layout.width)
    while True:
        inside = rng.uniform((box[0], box[1]), (box[2], box[3]))
        way = rng.uniform(0, 2 * math.pi)
        outside = inside + 2 * layout.width * np.array([math.cos(way), math.sin(way)])
        thick = int(side * rng.uniform(0.03, 0.25))
        mask = np.zeros((layout.height, layout.width), np.uint8)
        start, end = (tuple(round(v) for v in point) for point in (inside, outside))
        cv2.line(mask, start, end, 255, thick, cv2.LINE_AA)
        share = float((mask[box[1] : box[3], box[0] : box[2]] > 127).mean())
        if share >= LEAST_COVERED:
            break
    colour = rng.integers(5, 60, 3)
    alpha = mask[..., None] / 255.0
    rgb = np.rint(asked.wanted.rgb * (1 - alpha) + colour * alpha).astype(np.uint8)
    return asked.shoot([(rgb, np.ones(len(rgb), np.float32))]), f"{share:.2f} of the scene covered, {thick} px thick"


BAD: dict[str, Draw] = {
    "stale: the frame before": _stale,
    "torn: rolling shutter": _torn_by_shutter,
    "blurred: lens": _blurred_lens,
    "clipped: over": _overexposed,
    "stale: older": _stale,
    "torn: half painted": functools.partial(_torn_by_line, axis=0),
    "blurred: disc": _blurred_disc,
    "clipped: under": _underexposed,
    "torn: the next frame": functools.partial(_torn_by_shutter, wanted_last=False),
    "blurred: motion": _blurred_motion,
    "torn: sideways": functools.partial(_torn_by_line, axis=1),
    "clipped: outside": _outside,
    "clipped: covered": _covered,
}
