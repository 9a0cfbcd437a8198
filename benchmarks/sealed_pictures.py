"""The photographs of the sealed-fault study: scenes, shot by cameras with their own noise, some with an altered ISP.

A camera is drawn from a seed: its blur, noise, exposure and white balance, and small honest differences of its ISP. An
alteration of the ISP is what is hidden in a rack. Everything is rendered small and saved as JPEG 4:2:0, quality 85.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capture.isp_stages import LUMA, TONE_CURVES, saturation, sharpen, srgb_curve
from capture.scenes import read_scenes
from device_agents.records import Scene

LONGEST_PX, SHIFT_PX = 360, 4
QUALITY, SUBSAMPLING = 85, 2
STEPS = 8191  # of a tone curve's table
MIRRORED_CROPS = 8  # versions of a drawing, where scenes are drawn: drawing one takes longer than anything else here

Light = NDArray[np.float32]
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Alteration:
    """What is wrong with an ISP: its kind, whether the kit's catalogue holds it, and its numbers."""

    kind: str
    variant: str  # what the answer should call it, "" for what the catalogue does not hold
    stage: str = "isp"
    amount: float = 0.0


@dataclass(frozen=True)
class Camera:
    """One camera: a number, honest differences drawn from it, and what is wrong with its ISP, if anything."""

    number: int
    seed: int
    alteration: Alteration | None = None

    @property
    def name(self) -> str:
        """A name for the camera and its fault, for files and tables."""
        more = f"-{self.alteration.kind}-{self.alteration.amount:+.2f}" if self.alteration else ""
        return f"camera-{self.seed}-{self.number}{more}"


@dataclass(frozen=True)
class Pool:
    """The scenes of a study with their pictures' files, and how each is cut from its file."""

    scenes: tuple[Scene, ...]
    cuts: tuple[int, ...] = field(default=())

    def light(self, number: int) -> Light:
        """Give a scene's linear light, float32 (height, width, 3), LONGEST_PX + SHIFT_PX at the longest side."""
        cut = self.cuts[number] if self.cuts else 0
        with Image.open(self.scenes[number].file) as image:
            picture = image.convert("RGB")
        if cut:
            width, height = picture.size
            left, top = (cut // 2 % 2) * width // 8, (cut // 4 % 2) * height // 8
            picture = picture.crop((left, top, left + width * 7 // 8, top + height * 7 // 8))
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if cut % 2 else picture
        scale = (LONGEST_PX + SHIFT_PX) / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        values = np.asarray(picture.resize(size, Image.Resampling.LANCZOS), np.float32) / 255
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def photographs_pool(folder: Path, *, count: int, first: int = 0) -> Pool:
    """Take labelled photographs of a folder: ``count`` of them from the ``first`` on, in an order of their own."""
    scenes = read_scenes(folder)
    order = np.random.default_rng(7).permutation(len(scenes))
    return Pool(tuple(scenes[place] for place in order[first : first + count]))


def drawn_pool(folder: Path, *, count: int) -> Pool:
    """Draw scenes: a drawing for each MIRRORED_CROPS of them, cut and mirrored in as many ways."""
    from benchmarks.drawn_scenes import draw_scenes

    drawings = -(-count // MIRRORED_CROPS)
    csv = folder / f"drawn-{drawings}" / "scenes.csv"
    if not csv.exists():
        draw_scenes(csv.parent, count=drawings)
    found, cuts = [], []
    for number, scene in enumerate(read_scenes(csv) * MIRRORED_CROPS):
        cut = number // drawings
        sha256 = f"{cut:x}{scene.sha256[1:]}"  # another picture than the file's: the run needs one for each scene
        found.append(Scene(f"{scene.scene}-{cut}", scene.file, sha256, scene.labels, (), scene.cluster, scene.category))
        cuts.append(cut)
    return Pool(tuple(found[:count]), tuple(cuts[:count]))


def shoot(light: Light, camera: Camera, scene: int) -> bytes:
    """Photograph a scene: its own small shift, exposure, balance and noise, then the ISP, then the JPEG's bytes."""
    import cv2

    own = np.random.default_rng([camera.seed, camera.number])
    blur, ev, noise = own.uniform(0.40, 0.52), own.normal(0, 0.08), own.uniform(0.6, 1.8)
    colour, edges, slope = own.normal(1.04, 0.015), own.normal(0.5, 0.06), own.normal(1, 0.01)
    rng = np.random.default_rng([camera.seed, camera.number, scene])
    top, left = rng.integers(0, SHIFT_PX + 1, 2)
    height, width = light.shape[0] - SHIFT_PX, light.shape[1] - SHIFT_PX
    seen = cv2.GaussianBlur(light[top : top + height, left : left + width], (0, 0), blur)
    gains = 2 ** (ev + rng.normal(0, 0.06)) * np.array([1 + rng.normal(0, 0.015), 1, 1 + rng.normal(0, 0.015)])
    shot = seen * gains.astype(np.float32)
    spread = noise * np.sqrt(np.maximum(shot, 0) * 2.5e-4 + 4e-6)
    shot += spread * rng.standard_normal(shot.shape, dtype=np.float32)
    return encode(isp(shot, camera.alteration, colour=colour, edges=edges, slope=slope), camera.alteration)


def isp(shot: Light, wrong: Alteration | None, *, colour: float, edges: float, slope: float) -> RGB:
    """Develop a shot: tone curve, sharpening, saturation, with the alteration in its place."""
    kind, amount = (wrong.kind, wrong.amount) if wrong else ("", 0.0)
    clipped = np.clip(shot, 0, 1)
    if kind == "vignetting":
        clipped = clipped * _corners(clipped, amount)
    shown = _table(kind, slope, amount)[(clipped * STEPS).astype(np.uint16)]
    if kind == "blurring":
        import cv2

        shown = cv2.GaussianBlur(shown, (0, 0), amount)
    shown = sharpen(shown, amount=edges + (amount if kind == "over-sharpening" else 0.0), radius_px=0.9)
    shown = saturation(shown, factor=colour * (amount if kind in ("oversaturating", "pale") else 1.0))
    if kind in OUTSIDE:
        shown = OUTSIDE[kind](shown, amount)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


@functools.lru_cache(maxsize=64)
def _table(kind: str, slope: float, amount: float) -> Light:
    """The tone curve as a table of STEPS + 1 values: sRGB of light to a power about grey, or another curve."""
    light = np.linspace(0, 1, STEPS + 1)
    if kind in ("contrast", "filmic"):
        return np.asarray(TONE_CURVES[kind](light), np.float32)
    power = slope * (amount if kind == "gamma" else 1.0)
    return np.asarray(np.clip(srgb_curve((light / 0.2) ** power * 0.2), 0, 1), np.float32)


def encode(picture: RGB, wrong: Alteration | None) -> bytes:
    """Save as JPEG, quality 85 and 4:2:0 unless that is what is wrong."""
    kind, amount = (wrong.kind, wrong.amount) if wrong else ("", 0.0)
    buffer = io.BytesIO()
    quality = int(amount) if kind == "coarse coding" else QUALITY
    sampling = 0 if kind == "full chroma" else SUBSAMPLING
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=sampling)
    return buffer.getvalue()


def _corners(picture: Light, amount: float) -> Light:
    """Light that falls off to 1 - amount at the corners."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in picture.shape[:2])
    return (1 - amount * (y[:, None] ** 2 + x[None] ** 2) / 2)[..., None]


def _turned(shown: Light, amount: float) -> Light:
    """Hues turned by so many degrees."""
    luma = shown @ LUMA
    cb, cr = (shown[..., 2] - luma) * 0.564, (shown[..., 0] - luma) * 0.713
    c, s = np.cos(np.radians(amount)), np.sin(np.radians(amount))
    blue, red = luma + (c * cb - s * cr) / 0.564, luma + (s * cb + c * cr) / 0.713
    return np.stack([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], axis=-1).astype(np.float32)


def _local(shown: Light, amount: float) -> Light:
    """Local contrast: each place against its surroundings."""
    import cv2

    wide = cv2.GaussianBlur(shown @ LUMA, (0, 0), 30)
    return (shown + amount * ((shown @ LUMA) - wide)[..., None]).astype(np.float32)


def _leaking(shown: Light, amount: float) -> Light:
    """Green that leaks into blue, as behind a wrong colour matrix."""
    mixed = shown.copy()
    mixed[..., 2] += amount * (shown[..., 1] - shown[..., 2])
    return mixed


OUTSIDE: dict[str, Callable[[Any, float], Any]] = {
    "hue rotation": _turned,
    "local contrast": _local,
    "leaking green": _leaking,
}


def draw_alteration(rng: np.random.Generator, kind: str) -> Alteration:
    """Draw the size of an alteration of a kind of KINDS."""
    variant, stage, low, high = KINDS[kind]
    amount = float(rng.uniform(low, high))
    if kind == "hue rotation":
        amount *= rng.choice([-1, 1])
    if kind == "gamma" and rng.random() < 0.5:
        amount = 1 / amount
    return Alteration(kind, variant, stage, round(amount, 3))


# kind -> the answer's variant ("" = outside the catalogue), its stage, and the sizes drawn
KINDS = {
    "oversaturating": ("oversaturating", "isp", 1.25, 1.7),
    "pale": ("pale", "isp", 0.5, 0.78),
    "gamma": ("tone curve", "isp", 1.18, 1.5),
    "contrast": ("tone curve", "isp", 0, 0),
    "filmic": ("tone curve", "isp", 0, 0),
    "over-sharpening": ("over-sharpening", "isp", 1.5, 3.5),
    "blurring": ("blurring", "isp", 0.9, 1.8),
    "coarse coding": ("jpeg", "codec", 30, 72),
    "full chroma": ("4:4:4", "codec", 0, 0),
    "hue rotation": ("", "isp", 8, 25),
    "vignetting": ("", "isp", 0.3, 0.65),
    "local contrast": ("", "isp", 0.4, 0.9),
    "leaking green": ("", "isp", 0.2, 0.45),
}
