"""A virtual camera: what the screen showed during an exposure, to the files that a device would save.

The chain is optics, auto-exposure and auto-white-balance, sensor, ISP, codec. The automatics look at the light without
its noise, so a shot depends on nothing but its arguments: with an equal generator it repeats byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from capture import codecs, optics
from capture.isp import ISPS
from capture.profiles import Profile
from capture.raw import Raw, write_dng
from capture.sensor import (
    daylight_neutral,
    electrons_per_cd_m2_s,
    expose,
    mosaic_of,
    srgb_to_camera,
    xyz_matrix,
)
from device_agents.errors import pick

METER_STEP_PX = 8  # the automatics look at every eighth pixel of every eighth row
ROUNDS = 20  # of the automatics' loops; they end earlier, inside their dead bands
MIDDLE_GREY_CODE = 128


@dataclass(frozen=True, eq=False)
class Shot:
    """One photograph: its files by suffix (".jpg", ".heic", ".dng"), the raw picture, and the exposure chosen."""

    files: dict[str, bytes]
    raw: Raw
    exposure_s: float
    gain: float


@dataclass(frozen=True)
class Exposure:
    """Exposure time in seconds and the analogue gain (1 = base sensitivity)."""

    exposure_s: float
    gain: float


def photograph(
    layers: Sequence[optics.Layer],
    *,
    profile: Profile,
    angle_deg: float,
    rng: np.random.Generator,
    display: optics.Display | None = None,
    taken: datetime | None = None,
) -> Shot:
    """Photograph a screen.

    layers: what the sensor integrates, each a frame uint8 (height, width, 3) sRGB as painted, and the share of the
    exposure that each of its rows was integrated for, float32 (height,); the shares of a row sum to 1 (see blend).
    angle_deg: at a positive angle the screen's right edge is the nearer one. taken: written into the file's EXIF.
    Only noise is drawn from rng. Raises BadInput for frames or weights of wrong shape.
    """
    display = display or optics.Display()
    colours = light_on_sensor(layers, profile=profile, angle_deg=angle_deg, display=display)
    glance = colours[METER_STEP_PX // 2 :: METER_STEP_PX, METER_STEP_PX // 2 :: METER_STEP_PX]
    exposure = auto_exposure(glance, profile=profile)
    mean_e = mosaic_of(colours, profile.sensor.pattern)
    mean_e *= np.float32(_sensitivity_e(profile) * exposure.exposure_s)
    codes = expose(
        mean_e,
        profile.sensor,
        device=profile.name,
        exposure_s=exposure.exposure_s,
        gain=exposure.gain,
        rng=rng,
    )
    raw = _raw(codes, profile, gain=exposure.gain, neutral=auto_white_balance(glance, profile=profile))
    rgb = pick(ISPS, profile.isp, what="ISP")(raw)
    exif = codecs.exif_block(make=profile.make, model=profile.model, taken=taken)
    files = {codecs.suffix_of(profile.codec): codecs.CODECS[profile.codec](rgb, exif=exif)}
    if profile.keep_raw:
        files[".dng"] = write_dng(raw)
    return Shot(files, raw, exposure.exposure_s, exposure.gain)


def light_on_sensor(
    layers: Sequence[optics.Layer], *, profile: Profile, angle_deg: float, display: optics.Display
) -> NDArray[np.float32]:
    """Camera R, G, B of the light on every pixel, float32 (height, width, 3): cd/m2, as green sees white."""
    import cv2

    light = optics.blend(layers, display=display)
    geometry = geometry_of(profile, frame_height=light.shape[0], frame_width=light.shape[1], angle_deg=angle_deg)
    image = optics.form_image(light, geometry, surround_cd_m2=display.surround_cd_m2)
    colours = cv2.transform(image, srgb_to_camera(profile.sensor).astype(np.float32))
    return np.maximum(colours, 0.0, out=colours)


def geometry_of(profile: Profile, *, frame_height: int, frame_width: int, angle_deg: float) -> optics.Geometry:
    """Where a profile's camera sees a frame of that size, in pixels, at that angle."""
    return optics.Geometry(
        frame_height=frame_height,
        frame_width=frame_width,
        height=profile.sensor.height,
        width=profile.sensor.width,
        angle_deg=angle_deg,
        lens=profile.lens,
        mount=profile.mount,
    )


def resting_exposure(profile: Profile) -> Exposure:
    """Where a device's exposure rests before it has seen a scene: a wholly middle-grey screen is on target.

    Also what a screen model may integrate over before the shot, together with the sensor's readout_s.
    """
    per_second = _sensitivity_e(profile) / profile.sensor.full_well_e
    return _split(profile.automatics.grey_target / (per_second * _middle_grey_cd_m2()), profile)


def _split(product_s: float, profile: Profile) -> Exposure:
    """Lengthen the exposure as far as allowed, then raise the gain (never below 1)."""
    exposure_s = min(product_s, profile.automatics.longest_s)
    return Exposure(exposure_s, min(max(product_s / exposure_s, 1.0), profile.automatics.highest_gain))


def auto_exposure(glance: NDArray[np.float32], *, profile: Profile) -> Exposure:
    """Exposure for camera R, G, B of a thinned picture, (h, w, 3) in cd/m2.

    Starts where the device starts, with a wholly middle-grey screen on target, and moves by a share of its error until
    it is inside the dead band: it stops at the first value there, not in the middle, as a real one does. The error is
    the smaller of two: mean of green to its target, and 99th percentile of the brightest channel to its limit.
    """
    rules, start = profile.automatics, resting_exposure(profile)
    per_second = _sensitivity_e(profile) / profile.sensor.full_well_e
    mean = max(float(glance[..., 1].mean()), 1e-6) * per_second
    bright = max(float(np.percentile(glance.max(axis=2), 99.0)), 1e-6) * per_second
    product_s = start.exposure_s * start.gain
    for _ in range(ROUNDS):
        error_ev = min(
            math.log2(rules.grey_target / (mean * product_s)), math.log2(rules.white_limit / (bright * product_s))
        )
        if abs(error_ev) <= rules.exposure_band_ev:
            break
        product_s *= 2.0 ** (rules.exposure_speed * error_ev)
    return _split(product_s, profile)


def auto_white_balance(glance: NDArray[np.float32], *, profile: Profile) -> tuple[float, float, float]:
    """Neutral (camera R, G, B of white, the largest 1) for camera R, G, B of a thinned picture, (h, w, 3).

    Grey world (Buchsbaum, A spatial processor model for object colour perception, 1980), trusted in part, with a dead
    band: starts at D65 and moves until red and blue are inside the band.
    """
    rules = profile.automatics
    start = np.array(daylight_neutral(profile.sensor))
    mean = glance.reshape(-1, 3).astype(np.float64).mean(axis=0)
    wanted = rules.grey_world_trust * np.log2(np.maximum(mean / max(mean[1], 1e-9), 1e-3) / start)
    moved = np.zeros(3)
    for _ in range(ROUNDS):
        error_ev = wanted - moved
        if np.abs(error_ev).max() <= rules.balance_band_ev:
            break
        moved += rules.balance_speed * error_ev
    neutral = start * 2.0**moved
    red, green, blue = (neutral / neutral.max()).tolist()
    return (red, green, blue)


def _sensitivity_e(profile: Profile) -> float:
    return electrons_per_cd_m2_s(profile.sensor, f_number=profile.lens.f_number, transmission=profile.lens.transmission)


def _middle_grey_cd_m2() -> float:
    return float(optics.luminance_table(optics.Display())[MIDDLE_GREY_CODE])


def _raw(codes: NDArray[np.uint16], profile: Profile, *, gain: float, neutral: tuple[float, float, float]) -> Raw:
    sensor = profile.sensor
    full_scale_e = sensor.full_well_e / gain
    return Raw(
        mosaic=codes,
        black_levels=(float(sensor.black_level),) * 4,
        white_level=sensor.white_level,
        pattern=sensor.pattern,
        neutral=neutral,
        xyz_to_camera=xyz_matrix(sensor),
        # Poisson: variance = mean; normalised by the full scale F in electrons: S = 1 / F, O = (read noise / F)^2.
        noise_profile=(1.0 / full_scale_e, (sensor.read_noise_e / full_scale_e) ** 2),
        make=profile.make,
        model=profile.model,
    )
