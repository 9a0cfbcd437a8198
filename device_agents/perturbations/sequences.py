"""SEQUENCES: ImageNet-P's perturbations frame by frame, "{name}-frame-{number}", and the reference's further ones.

Frames 00 to 30 (translate: to 40). All frames of a sequence have one stream, so that one snow falls over all of them;
noise draws anew for each frame. Frame 00 of noise and zoom blur is the picture itself. Definitions and amplitudes are
those of make_imagenet_p.py (Hendrycks and Dietterich, ICLR 2019, github.com/hendrycks/robustness); its frames are coded
as H.264 afterwards, these are not. Names with -2 and -3 are its stronger noises.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

from device_agents.decode import RGB
from device_agents.perturbations import corruptions_noise as noise
from device_agents.perturbations import sequences_moved as moved
from device_agents.perturbations.corruptions_blur import gaussian_blur
from device_agents.perturbations.corruptions_filters import enlarged, gaussian, motion_blur
from device_agents.perturbations.corruptions_weather import brightness, snowed, watered, whitened
from device_agents.perturbations.families import RESIZED, VIEWED, Memory, Perturbation

FRAMES, TRANSLATED = 31, 41
SMEAR = (0.05, 0.1, 0.15, 0.7)  # how water runs down from frame to frame


def noise_frame(picture: RGB, rng: np.random.Generator, *, frame: int, kind: Callable[..., RGB]) -> RGB:
    """Give frame 0 as it is and the others with noise of their own: the generator is split by the frame's number."""
    own = np.random.default_rng([int(rng.integers(2**63)), frame])
    return kind(picture, own) if frame else picture


def motion_blur_frame(picture: RGB, rng: np.random.Generator, *, frame: int) -> RGB:
    """Blur along a line that turns by 4 degrees a frame, from -120 to 0; rounded, as ImageMagick does."""
    blurred = motion_blur(picture.astype(np.float64), radius=10, sigma=3, angle=(frame - 30) * 4)
    return np.asarray(np.rint(blurred), np.uint8)


def zoom_blur_frame(picture: RGB, rng: np.random.Generator, *, frame: int, memory: Optional[Memory] = None) -> RGB:
    """Average the picture with its enlargements of 0.4 % to ``frame`` times 0.4 %, about the centre.

    The sums are whole numbers below 2^24, so that it does not matter where they go on from.
    """
    done, total = (memory or {}).get("enlarged", (0, None))
    if total is None or done > frame:
        done, total = 0, picture.astype(np.float32)
    for number in range(done + 1, frame + 1):
        total = total + moved.affine(picture, scale=1 + 0.004 * number)
    if memory is not None:
        memory["enlarged"] = frame, total
    return np.asarray(total / (frame + 1), np.uint8)


def snow_frame(picture: RGB, rng: np.random.Generator, *, frame: int, memory: Optional[Memory] = None) -> RGB:
    """Let one snow fall over all frames, its direction turning by 4 degrees a frame, from -150 to -30."""
    memory = {} if memory is None else memory
    if not memory:
        flakes = enlarged(rng.normal(0.05, 0.3, picture.shape[:2])[..., None], 3, centred=True)[..., 0]
        flakes[flakes < 0.5] = 0
        memory["flakes"] = np.floor(np.clip(flakes, 0, 1) * 255)
        memory["whitened"] = whitened(picture, clear=0.85)
    blurred = motion_blur(memory["flakes"], radius=14, sigma=4, angle=frame * 4 - 150)
    return snowed(memory["whitened"], np.rint(blurred) / 255)


def brightness_frame(picture: RGB, rng: np.random.Generator, *, frame: int) -> RGB:
    """Add -30 % to 30 % to the value of HSV, 2 % a frame; frame 15 is the picture but for rounding."""
    return brightness(picture, rng, offset=(frame - 15) * 2 / 100.0)


def gaussian_blur_frame(picture: RGB, rng: np.random.Generator, *, frame: int) -> RGB:
    """Blur by a Gaussian of 0.25 to 1.3 pixels, 0.035 a frame, cut at 6 sigma."""
    return gaussian_blur(picture, rng, sigma=0.25 + 0.035 * frame, truncate=6.0)


def spatter_frame(picture: RGB, rng: np.random.Generator, *, frame: int, memory: Optional[Memory] = None) -> RGB:
    """Spatter with water that runs down a little from frame to frame."""
    done, liquid = (memory or {}).get("liquid", (0, None))
    if liquid is None or done > frame:
        done, liquid = 0, gaussian(rng.normal(0.65, 0.27, picture.shape[:2]), (3.7, 3.7))
        liquid[liquid < 0.69] = 0
    height = liquid.shape[0]
    for _ in range(done, frame):
        wide = np.pad(liquid, ((2, 1), (0, 0)))  # nothing beyond the edges
        liquid = np.add.reduce([share * wide[3 - tap : 3 - tap + height] for tap, share in enumerate(SMEAR)])
    if memory is not None:
        memory["liquid"] = frame, liquid
    return watered(picture, liquid, strength=0.6)


_NOISES: Dict[str, Callable[..., RGB]] = {
    "gaussian-noise": partial(noise.gaussian_noise, deviation=0.03),
    "gaussian-noise-2": partial(noise.gaussian_noise, deviation=0.05),
    "gaussian-noise-3": partial(noise.gaussian_noise, deviation=0.08),
    "shot-noise": partial(noise.shot_noise, photons=300),
    "shot-noise-2": partial(noise.shot_noise, photons=120),
    "shot-noise-3": partial(noise.shot_noise, photons=60),
    "speckle-noise": partial(noise.speckle_noise, deviation=0.05),
    "speckle-noise-2": partial(noise.speckle_noise, deviation=0.10),
    "speckle-noise-3": partial(noise.speckle_noise, deviation=0.15),
}

# name: the function of a frame, and what it is applied to
_KINDS: Dict[str, Tuple[Callable[..., Any], str]] = {
    **{name: (partial(noise_frame, kind=kind), RESIZED) for name, kind in _NOISES.items()},
    "motion-blur": (motion_blur_frame, RESIZED),
    "zoom-blur": (zoom_blur_frame, RESIZED),
    "snow": (snow_frame, RESIZED),
    "brightness": (brightness_frame, RESIZED),
    "translate": (moved.translate_frame, VIEWED),
    "rotate": (moved.rotate_frame, VIEWED),
    "tilt": (moved.tilt_frame, VIEWED),
    "scale": (moved.scale_frame, VIEWED),
    "gaussian-blur": (gaussian_blur_frame, RESIZED),
    "spatter": (spatter_frame, RESIZED),
    "shear": (moved.shear_frame, VIEWED),
}

_REMEMBERING = ("zoom-blur", "snow", "spatter")  # whose frames go on from the frame before, or share a layer

SEQUENCES: Dict[str, Perturbation] = {
    f"{name}-frame-{frame:02d}": Perturbation(
        partial(apply, frame=frame), f"{name}-frames", of, remembers=name in _REMEMBERING
    )
    for name, (apply, of) in _KINDS.items()
    for frame in range(TRANSLATED if name == "translate" else FRAMES)
}
