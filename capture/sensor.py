"""The physics of an image sensor: light on its pixels to the codes of a Bayer mosaic.

Photons make electrons, electrons are counted with Poisson and read noise, amplified, clipped at the full well and
digitised (EMVA Standard 1288, release 4.0, chapter 2: the linear camera model). What differs from pixel to pixel but
not from shot to shot (PRNU, dark current, hot pixels) is fixed for a device by its name.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.raw import SRGB_TO_XYZ

Image = NDArray[np.float32]

# Below this mean number of electrons the Poisson law is drawn itself; above it a normal one of equal variance, whose
# missing skewness is then less than 1 / sqrt(50) = 0.14.
NORMAL_FROM_E = 50.0


@dataclass(frozen=True)
class Sensor:
    """A Bayer sensor; e stands for electrons.

    responsivity_e        electrons in a green pixel for each lux second of D65 light and square micrometre
    full_well_e           electrons at which a pixel saturates, at gain 1; read_noise_e: standard deviation, at any gain
    prnu                  standard deviation of the pixels' relative sensitivity (0.01 = 1 %)
    dark_e_per_s          mean dark current; hot_share of the pixels has hot_e_per_s instead
    readout_s             time from the first row's to the last row's readout: the rolling shutter
    xyz_to_camera         CIE XYZ (D65) to camera R, G, B, nine numbers row by row: DNG's ColorMatrix for illuminant 21
    """

    width: int
    height: int
    pattern: str
    bits: int
    black_level: int
    pixel_um: float
    responsivity_e: float
    full_well_e: float
    read_noise_e: float
    prnu: float
    dark_e_per_s: float
    hot_share: float
    hot_e_per_s: float
    readout_s: float
    xyz_to_camera: tuple[float, ...]

    @property
    def white_level(self) -> int:
        """The highest code."""
        return int(2**self.bits - 1)

    def codes_per_e(self, gain: float) -> float:
        """System gain K of EMVA 1288 in codes per electron: the full well at gain 1 fills the codes above black."""
        return gain * (self.white_level - self.black_level) / self.full_well_e


def xyz_matrix(sensor: Sensor) -> NDArray[np.float64]:
    """The sensor's colour matrix XYZ to camera, (3, 3) float64."""
    return np.array(sensor.xyz_to_camera, dtype=np.float64).reshape(3, 3)


def srgb_to_camera(sensor: Sensor) -> NDArray[np.float64]:
    """Linear sRGB to camera R, G, B, (3, 3), scaled so that green answers white (1, 1, 1) with 1."""
    matrix = xyz_matrix(sensor) @ SRGB_TO_XYZ
    return np.asarray(matrix / matrix[1].sum(), dtype=np.float64)


def daylight_neutral(sensor: Sensor) -> tuple[float, float, float]:
    """What camera R, G, B a neutral surface gives under D65, green being 1."""
    red, green, blue = srgb_to_camera(sensor).sum(axis=1).tolist()
    return (red, green, blue)


def electrons_per_cd_m2_s(sensor: Sensor, *, f_number: float, transmission: float) -> float:
    """Electrons in a green pixel for each cd/m2 of a distant white surface and each second.

    Illuminance on the axis E = pi L T / (4 N^2) (ISO 12232:2019, annex A, without its vignetting and distance terms).
    """
    illuminance_lx = math.pi * transmission / (4.0 * f_number**2)
    return illuminance_lx * sensor.responsivity_e * sensor.pixel_um**2


def mosaic_of(colours: Image, pattern: str) -> Image:
    """Keep of float32 (height, width, 3) R, G, B only the colour that each pixel's filter passes: (height, width)."""
    mosaic = np.empty(colours.shape[:2], dtype=np.float32)
    for cell, colour in enumerate(pattern):
        part = np.s_[cell // 2 :: 2, cell % 2 :: 2]
        mosaic[part] = colours[..., "RGB".index(colour)][part]
    return mosaic


@functools.lru_cache(maxsize=8)
def fixed_pattern(sensor: Sensor, device: str) -> tuple[Image, Image]:
    """What is peculiar to each pixel of one device: relative sensitivity (about 1) and dark current in e/s.

    Two float32 arrays (height, width), drawn once from a generator seeded by the device's name; do not write into them.
    Dark current varies from pixel to pixel as an exponential law (chosen; real ones have such a long tail).
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(device.encode()).digest()[:8], "big"))
    shape = (sensor.height, sensor.width)
    sensitivity = 1.0 + np.float32(sensor.prnu) * rng.standard_normal(shape, dtype=np.float32)
    dark = np.float32(sensor.dark_e_per_s) * rng.standard_exponential(shape, dtype=np.float32)
    hot = rng.choice(dark.size, size=round(sensor.hot_share * dark.size), replace=False)
    dark.ravel()[hot] = sensor.hot_e_per_s
    for array in (sensitivity, dark):
        array.setflags(write=False)
    return sensitivity, dark


def expose(
    mean_e: Image, sensor: Sensor, *, device: str, exposure_s: float, gain: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """One exposure: mean photo-electrons of an ideal sensor, float32 (height, width), to codes, uint16.

    Code = black + K * min(electrons, full well / gain) with electrons = Poisson(mean) + read noise (EMVA 1288, eqs. 2
    to 13, the quantiser being the rounding). The same generator state gives the same codes.
    """
    sensitivity, dark = fixed_pattern(sensor, device)
    mean = mean_e * sensitivity
    mean += dark * np.float32(exposure_s)
    electrons = noisy_electrons(mean, read_noise_e=sensor.read_noise_e, rng=rng)
    electrons *= np.float32(sensor.codes_per_e(gain))
    electrons += np.float32(sensor.black_level)
    np.rint(electrons, out=electrons)
    return np.clip(electrons, 0, sensor.white_level, out=electrons).astype(np.uint16)


def noisy_electrons(mean_e: Image, *, read_noise_e: float, rng: np.random.Generator) -> Image:
    """Add photon noise and Gaussian read noise to mean electron counts; float32 of the same shape.

    Photon noise is Poisson below NORMAL_FROM_E and normal with variance = mean above, in one draw with the read noise.
    """
    dim = mean_e < NORMAL_FROM_E
    variance = np.where(dim, np.float32(0), mean_e)
    variance += np.float32(read_noise_e**2)
    noisy = rng.standard_normal(mean_e.shape, dtype=np.float32)
    noisy *= np.sqrt(variance, out=variance)
    counts = rng.poisson(np.maximum(mean_e[dim], 0.0)).astype(np.float32)
    noisy += mean_e
    noisy[dim] += counts - mean_e[dim]
    return noisy
