"""CORRUPTIONS: ImageNet-C's 15 corruptions and 4 more at 5 severities, and "stored-jpeg-85".

Each takes uint8 (height, width, 3) sRGB of any size and a generator, and gives the same size. Parameters are those of
Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019
(make_imagenet_c.py); the elastic transform and what depends on the size are of imagecorruptions 1.1.2.
docs/corruptions.md says how far results are from the reference's.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Sequence, Tuple

from device_agents.perturbations import corruptions_blur as blur
from device_agents.perturbations import corruptions_digital as digital
from device_agents.perturbations import corruptions_noise as noise
from device_agents.perturbations import corruptions_weather as weather
from device_agents.perturbations.families import Perturbation

STORED_QUALITY = 85  # make_imagenet_c.py writes its pictures so: optimize=True changes no pixel


def _at(apply: Callable[..., Any], names: str, rows: Sequence[Sequence[Any]]) -> List[Callable[..., Any]]:
    """Bind a corruption's parameters for severities 1 to 5."""
    return [partial(apply, **dict(zip(names.split(), row))) for row in rows]


def _each(*values: Any) -> List[Tuple[Any]]:
    return [(value,) for value in values]


_SEVERITIES = {
    "gaussian-noise": _at(noise.gaussian_noise, "deviation", _each(0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot-noise": _at(noise.shot_noise, "photons", _each(60, 25, 12, 5, 3)),
    "impulse-noise": _at(noise.impulse_noise, "amount", _each(0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus-blur": _at(blur.defocus_blur, "radius smooth", [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)]),
    "glass-blur": _at(
        blur.glass_blur, "sigma reach rounds", [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)]
    ),
    "motion-blur": _at(blur.motion_blur_picture, "radius sigma", [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)]),
    "zoom-blur": _at(
        blur.zoom_blur, "most step", [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)]
    ),
    "snow": _at(
        weather.snow,
        "density deviation size least radius sigma clear",
        [
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ],
    ),
    "frost": _at(weather.frost, "clear ice", [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)]),
    "fog": _at(weather.fog, "amount decay", [(1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)]),
    "brightness": _at(weather.brightness, "offset", _each(0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": _at(digital.contrast, "factor", _each(0.4, 0.3, 0.2, 0.1, 0.05)),
    "elastic-transform": _at(digital.elastic_transform, "strength", _each(12.5, 16.25, 21.25, 25.0, 30.0)),
    "pixelate": _at(digital.pixelate, "share", _each(0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg-compression": _at(digital.jpeg, "quality", _each(25, 18, 15, 10, 7)),
    "speckle-noise": _at(noise.speckle_noise, "deviation", _each(0.15, 0.2, 0.35, 0.45, 0.6)),
    "gaussian-blur": _at(blur.gaussian_blur, "sigma", _each(1, 2, 3, 4, 6)),
    "spatter": _at(
        weather.spatter,
        "mean deviation sigma least strength mud",
        [
            (0.65, 0.3, 4, 0.69, 0.6, False),
            (0.65, 0.3, 3, 0.68, 0.6, False),
            (0.65, 0.3, 2, 0.68, 0.5, False),
            (0.65, 0.3, 1, 0.65, 1.5, True),
            (0.67, 0.4, 1, 0.65, 1.5, True),
        ],
    ),
    "saturate": _at(digital.saturate, "factor offset", [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)]),
}

_MOVING = ("elastic-transform",)  # by 1.3 to 3.2 of 224 pixels on average, by 12 at the most
_REMEMBERING = ("elastic-transform", "frost", "zoom-blur")  # whose severities share a layer or a sum

CORRUPTIONS: Dict[str, Perturbation] = {
    **{
        f"{name}-{severity}": Perturbation(apply, name, moves=name in _MOVING, remembers=name in _REMEMBERING)
        for name, applies in _SEVERITIES.items()
        for severity, apply in enumerate(applies, 1)
    },
    "stored-jpeg-85": Perturbation(partial(digital.jpeg, quality=STORED_QUALITY), "stored-jpeg"),
}
