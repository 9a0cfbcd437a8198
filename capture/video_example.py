"""A video from a virtual camera: a still picture on a screen, a hand that shakes, an exposure that drifts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.drawn_objects import draw_garment
from capture.profiles import PROFILES, Profile
from capture.video import write_video
from capture.virtual_camera import photograph
from device_agents.decode import decode_pillow
from device_agents.errors import pick

RGB = NDArray[np.uint8]

HEIGHT, WIDTH, RATE = 360, 480, 30
FILL = 1.5  # of the sensor's tighter side by the screen: nothing but the picture is in view, whatever the shake
EXPOSED = "midrange-sharp"


@dataclass(frozen=True)
class Hand:
    """How far a hand and an exposure wander: standard deviations, all chosen.

    shift: of the sensor's sides; turn_deg: about each of three axes; drift_ev: of the exposure, in powers of two.
    steadiness: correlation of one frame's position with the next one's; the exposure's is nearer to 1.
    """

    shift: float = 0.004
    turn_deg: float = 0.3
    drift_ev: float = 0.12
    steadiness: float = 0.8
    slowness: float = 0.97


def film(
    scene: RGB, *, frames: int, rng: np.random.Generator, camera: str = EXPOSED, hand: Hand | None = None
) -> Iterator[RGB]:
    """Film a picture, uint8 (height, width, 3) sRGB; gives frames uint8 (360, 480, 3).

    Each frame is a photograph of its own by a profile of PROFILES, its sensor cut to 480 x 360 pixels: the camera is
    moved and turned about three axes by first-order autoregressive noise, and so is what its exposure aims at.
    """
    hand = hand or Hand()
    profile = pick(PROFILES, camera, what="camera")
    steady = replace(
        profile,
        sensor=replace(profile.sensor, height=HEIGHT, width=WIDTH),
        mount=replace(profile.mount, fill=FILL),
        codec="png",
        keep_raw=False,
    )
    rows = np.ones(scene.shape[0], np.float32)
    keep = np.array([hand.steadiness] * 5 + [hand.slowness])
    state = rng.standard_normal(6)
    for _ in range(frames):
        right, down, roll, pitch, yaw, light = state
        shaken = _shaken(steady, hand, right=right, down=down, roll=roll, pitch=pitch, light=light)
        shot = photograph([(scene, rows)], profile=shaken, angle_deg=hand.turn_deg * yaw, rng=rng)
        yield decode_pillow(shot.files[".png"])
        state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal(6)


def write_example(path: Path, *, scene: RGB | None = None, frames: int = 60, seed: int = 0) -> int:
    """Write an example video (MP4, 480 x 360, 30 frames a second) of a picture or a drawn garment; gives its frames."""
    rng = np.random.default_rng(seed)
    shown = draw_garment("t-shirt", rng) if scene is None else scene
    return write_video(film(shown, frames=frames, rng=rng), path, rate=RATE)


def _shaken(
    profile: Profile, hand: Hand, *, right: float, down: float, roll: float, pitch: float, light: float
) -> Profile:
    """Move a camera and its exposure's aim; the dead band goes, so that the exposure follows."""
    mount, aims = profile.mount, profile.automatics
    factor = math.exp2(hand.drift_ev * light)
    return replace(
        profile,
        mount=replace(
            mount,
            shift_x=mount.shift_x + hand.shift * right,
            shift_y=mount.shift_y + hand.shift * down,
            roll_deg=mount.roll_deg + hand.turn_deg * roll,
            pitch_deg=mount.pitch_deg + hand.turn_deg * pitch,
        ),
        automatics=replace(
            aims,
            grey_target=aims.grey_target * factor,
            white_limit=aims.white_limit * factor,
            exposure_band_ev=1e-3,
        ),
    )
