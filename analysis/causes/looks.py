"""How the photographs of one scene by several devices differ in look: exposure, tone, colour, shading, edges, noise.

Photographs are compared at 32 x 32 cells, where noise and small shifts of the view average out. The look of each scene
is the median over the devices; a device's difference from it is fitted scene by scene, tone first, then chroma on what
the tone explains (a curve applied to R, G and B changes the saturation too), so that one cause has one name. Edges and
noise come from a larger copy.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRID = 32
LARGE_PX = 512  # the longest side of the copy that edges and noise are measured on
FINE_PX, COARSE_PX = 1.0, 4.0  # standard deviations of the blurs: what is finer than the first, and between the two
STRONG, EDGES, FLATS = 0.97, 0.75, 0.3  # quantiles of the coarse band: edges lie between the first two, flats below
DARK, BRIGHT = 0.03, 0.96  # display values beyond which a pixel may be clipped
MIDDLE = 1.5  # minus the natural logarithm of linear light around which tone is expanded: 22 % grey
LEAST_RANGE, LEAST_CHROMA = 0.15, 0.008  # a scene of one grey says nothing of tone, one without colours nothing of hue
LEAST_REST = 1e-3  # display values: what is less than a level of a byte is no difference
LEAST_ROUND = 0.05  # of 1: how far a scene's colours must be from lying on one line
LUMA = np.array([0.299, 0.587, 0.114])

# exposure: natural logarithm of light; tone, curve: slope - 1 and bend of log light against log light; shading: change
# of log light at the corners; chroma: logarithm of the gain; hue: degrees; stretch, shear: how much more one colour
# gains than another, as a share; cast_blue, cast_red: levels 0..1 of Cb, Cr;
# edge, noise, rest: logarithm of the strength of edges, of the noise in flat parts, of what is not explained.
MEASURES = (
    *("exposure", "tone", "curve", "shading", "chroma", "hue", "stretch", "shear", "cast_blue", "cast_red"),
    *("edge", "noise", "rest"),
)

Array = NDArray[np.float64]
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """One photograph: small, float16 (GRID, GRID, 3), display values 0..1; edge and noise as strengths."""

    small: NDArray[np.float16]
    edge: float
    noise: float


def look_of(picture: RGB) -> Look:
    """Measure a photograph, or the part of it that shows the scene: uint8 (height, width, 3)."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, LARGE_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    large = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else picture
    small = cv2.resize(large.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA) / 255
    luma = cv2.transform(large, LUMA[None].astype(np.float32)).astype(np.float32)
    first, second = (cv2.GaussianBlur(luma, (0, 0), radius) for radius in (FINE_PX, COARSE_PX))
    fine, coarse = luma - first, np.abs(first - second)
    flat_at, edge_at, most = np.quantile(coarse[::2, ::2], (FLATS, EDGES, STRONG))
    whole = (luma > 255 * 2 * DARK) & (luma < 255 * (1 - 2 * DARK))  # a clipped edge has lost its strength
    edges, flats = (coarse >= edge_at) & (coarse <= most) & whole, coarse <= flat_at
    if not edges.any():
        return Look(small.astype(np.float16), float("nan"), float("nan"))
    noise = float(np.median(np.abs(fine[flats])))
    edge = float(np.median(np.abs(fine[edges]))) / float(np.median(coarse[edges]))
    return Look(small.astype(np.float16), edge + 1e-3, noise + 0.05)


def deviations(
    small: NDArray[Any], edge: Array, noise: Array, *, among: NDArray[np.bool_] | None = None
) -> dict[str, Array]:
    """Give each measure of MEASURES of every device and scene against the scene's median device: (devices, scenes).

    small: (devices, scenes, GRID, GRID, 3), NaN where a device has no photograph of a scene; edge, noise: (devices,
    scenes). among: (devices,) whose median counts, two at least (default: all). NaN where a scene says nothing of a
    measure.
    """
    devices, scenes = small.shape[:2]
    inside = np.ones(devices, dtype=bool) if among is None else among
    pictures = small.reshape(devices, scenes, GRID * GRID, 3).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a scene that nobody has is NaN
        reference = np.nanmedian(pictures[inside], axis=0)
    fits = [_fit(pictures[device], reference) for device in range(devices)]
    found = {name: np.stack([fit[name] for fit in fits]) for name in fits[0]}
    for name, values in (
        ("edge", np.log(edge)),
        ("noise", np.log(noise)),
        ("rest", np.log(found["rest"] + LEAST_REST)),
    ):
        found[name] = values
    # Who helped to make the reference is nearer to it: of m alike, by (m - 1) / m of a variance and not (m + 1) / m.
    m = max(2, int(inside.sum()))
    found["rest"][~inside] -= 0.5 * np.log((m + 1) / (m - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        # Against the median device once more: of three devices the median picture lies between two, never on one.
        return {name: found[name] - np.nanmedian(found[name][inside], axis=0) for name in MEASURES}


def _fit(device: Array, reference: Array) -> dict[str, Array]:
    """Fit a device's pictures (scenes, pixels, 3) from the reference's: tone and shading, chroma, and the rest."""
    ours, theirs = device @ LUMA, reference @ LUMA
    good: NDArray[np.bool_] = _inside(ours) & _inside(theirs)
    level = np.log(_linear(np.where(good, theirs, 0.5)))
    change = np.log(_linear(np.where(good, ours, 0.5))) - level
    x, radius = level + MIDDLE, _radius()
    terms = np.stack([np.ones_like(x), x, x * x, np.broadcast_to(radius, x.shape)], axis=-1)
    values = _robust(terms, change, good)
    spread = np.where(good, x, np.nan)
    dull = _quiet_std(spread) < LEAST_RANGE
    values[dull, 1:] = np.nan
    exposure, tone, curve, shading = values.T
    predicted = _toned(reference, np.nan_to_num(values), radius)
    colours = _chroma(device, predicted)
    gap = (ours - predicted @ LUMA) ** 2 + colours.pop("left")
    rest = np.sqrt(np.where(good, gap, 0).sum(axis=1) / np.maximum(good.sum(axis=1), 1))
    rest = np.where(good.any(axis=1), rest, np.nan)
    return {"exposure": exposure, "tone": tone, "curve": curve, "shading": shading, **colours, "rest": rest}


def _robust(terms: Array, values: Array, good: NDArray[np.bool_], rounds: int = 3) -> Array:
    """Fit values (scenes, pixels) by terms (scenes, pixels, n), outliers weighed down (Huber): (scenes, n)."""
    weights = good.astype(np.float64)
    found = np.full((len(values), terms.shape[-1]), np.nan)
    enough = good.sum(axis=1) >= 4 * terms.shape[-1]
    for _ in range(rounds):
        weighted = terms * weights[..., None]
        matrix = np.einsum("spi,spj->sij", weighted, terms) + 1e-6 * np.eye(terms.shape[-1])
        found = np.linalg.solve(matrix, np.einsum("spi,sp->si", weighted, values)[..., None])[..., 0]
        gap = np.abs(values - np.einsum("spi,si->sp", terms, found))
        typical = (
            np.nanmedian(np.where(good, gap, np.nan), axis=1, keepdims=True) if bool(good.any(axis=1).all()) else 0.02
        )
        limit = np.maximum(1.5 * np.nan_to_num(typical), 1e-3)
        weights = good * np.minimum(1.0, limit / np.maximum(gap, 1e-9))
    found[~enough] = np.nan
    return found


def _toned(reference: Array, values: Array, radius: Array) -> Array:
    """Apply a fitted tone and shading to each channel of the reference: display values."""
    level = np.log(_linear(np.clip(np.nan_to_num(reference, nan=0.5), 0.004, 1.0)))
    x = level + MIDDLE
    exposure, tone, curve, shading = (values[:, place, None, None] for place in range(4))
    light = level + exposure + tone * x + curve * np.clip(x, -4, 4) ** 2 + shading * radius[None, :, None]
    return _display(np.exp(np.minimum(light, 0.5)))


def _chroma(device: Array, predicted: Array) -> dict[str, Array]:
    """Fit a device's chroma w, a complex number, from the predicted z: w = a z + b z* + c, scene by scene.

    a is gain and turn, b what a gain alone cannot do (one colour gains more than another), c a cast. Gives chroma, hue,
    stretch, shear, casts, and "left": the squares of what the fit leaves (scenes, pixels).
    """
    ours, theirs = _complex(np.nan_to_num(device, nan=0.5)), _complex(predicted)
    good = _inside(np.minimum(device.min(axis=-1), predicted.min(axis=-1)))
    good &= _inside(np.maximum(device.max(axis=-1), predicted.max(axis=-1)))
    count = np.maximum(good.sum(axis=1, keepdims=True), 1)
    mean, other = (np.where(good, one, 0).sum(axis=1, keepdims=True) / count for one in (ours, theirs))
    w, z = (np.where(good, one - middle, 0) for one, middle in ((ours, mean), (theirs, other)))
    # Normal equations of w = a z + b z*: with p = sum |z|^2 and q = sum z^2.
    p, q = (np.abs(z) ** 2).sum(axis=1), (z * z).sum(axis=1)
    u, v = (w * z.conj()).sum(axis=1), (w * z).sum(axis=1)
    whole = p * p - np.abs(q) ** 2
    narrow = (good.sum(axis=1) < 40) | (np.sqrt(p / count[:, 0]) < LEAST_CHROMA)
    oneway = whole < LEAST_ROUND * np.maximum(p, 1e-12) ** 2  # all colours of a scene lie on one line: b says nothing
    safe = np.where(oneway, 1.0, whole)
    b = np.where(oneway, 0, (v * p - u * q) / safe)
    a = np.where(oneway, u / np.maximum(p, 1e-12), (u * p - v * q.conj()) / safe)
    a = np.where(narrow, np.nan, a)
    b = np.where(narrow | oneway, np.nan, b)
    plain, mixed = np.nan_to_num(a, nan=1.0)[:, None], np.nan_to_num(b, nan=0.0)[:, None]
    cast = np.where(good.any(axis=1), (mean - plain * other - mixed * other.conj())[:, 0], np.nan)
    turned = np.full(b.shape, complex(np.nan, np.nan))
    np.divide(b, a, out=turned, where=np.isfinite(a) & np.isfinite(b))
    left = np.where(good, np.abs(w - plain * z - mixed * z.conj()) ** 2, 0)
    return {
        "chroma": np.log(np.abs(a)),
        "hue": np.degrees(np.angle(a)),
        "stretch": turned.real,
        "shear": turned.imag,
        "cast_blue": cast.real,
        "cast_red": cast.imag,
        "left": left,
    }


def _complex(picture: Array) -> NDArray[np.complex128]:
    """Chroma of display values as Cb + i Cr (ITU-R BT.601)."""
    luma = picture @ LUMA
    return np.asarray((picture[..., 2] - luma) * 0.564 + 1j * (picture[..., 0] - luma) * 0.713)


def _inside(values: Array) -> NDArray[np.bool_]:
    return np.asarray((values > DARK) & (values < BRIGHT))


def _linear(values: Array) -> Array:
    """The sRGB EOTF, IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _display(light: Array) -> Array:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _radius() -> Array:
    """The squared distance of each cell from the middle, 1 at the corners, less its mean: (GRID * GRID,)."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    squared = (axis[:, None] ** 2 + axis[None, :] ** 2).ravel() / 2
    return np.asarray(squared - squared.mean())


def _quiet_std(values: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nan_to_num(np.nanstd(values, axis=1)))
