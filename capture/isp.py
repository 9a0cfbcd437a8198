"""ISPS: named chains that develop a raw picture into an sRGB one.

A recipe names the stages' settings; the chain's order is always black level, white balance, demosaic, colour matrix,
tone curve, denoise, sharpen, saturation. Noise is reduced on display values, as the YUV stages of phone chips do.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from capture import isp_stages as stages
from capture.raw import Raw, camera_to_srgb, write_dng
from device_agents.errors import pick

RGB = NDArray[np.uint8]
Isp = Callable[[Raw], RGB]

QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # counter-clockwise, for EXIF orientations without mirroring


@dataclass(frozen=True)
class Recipe:
    """The settings of one chain; the defaults do nothing beyond what every raw needs.

    exposure multiplies linear light before the tone curve; radii are standard deviations in pixels.
    """

    demosaic: str = "malvar"
    tone: str = "srgb"
    exposure: float = 1.0
    luma_sigma: float = 0.0
    luma_radius_px: float = 0.0
    chroma_radius_px: float = 0.0
    sharpen: float = 0.0
    sharpen_radius_px: float = 1.0
    sharpen_threshold: float = 0.0
    saturation: float = 1.0


DEMOSAICS: dict[str, Callable[..., stages.Image]] = {
    "bilinear": stages.demosaic_bilinear,
    "malvar": stages.demosaic_malvar,
}

# What each look is, not which maker it is: all numbers are chosen, the curve of "board" is published.
PLAIN = Recipe()
SOFT = Recipe(  # a cheap phone: blurs noise away, then sharpens what is left with a wide halo
    demosaic="bilinear",
    tone="contrast",
    exposure=1.1,
    luma_sigma=0.06,
    luma_radius_px=1.6,
    chroma_radius_px=3.0,
    sharpen=0.9,
    sharpen_radius_px=1.8,
    sharpen_threshold=0.01,
    saturation=1.1,
)
CRISP = Recipe(  # a phone that sells sharpness and colour
    tone="contrast",
    exposure=1.05,
    luma_sigma=0.03,
    luma_radius_px=1.0,
    chroma_radius_px=1.5,
    sharpen=1.6,
    sharpen_radius_px=1.0,
    sharpen_threshold=0.006,
    saturation=1.25,
)
BALANCED = Recipe(  # a flagship: lifted shadows, held highlights, little noise, little sharpening
    tone="filmic",
    exposure=0.85,
    luma_sigma=0.02,
    luma_radius_px=1.2,
    chroma_radius_px=2.0,
    sharpen=0.5,
    sharpen_radius_px=0.8,
    sharpen_threshold=0.004,
    saturation=1.12,
)
SMEARED = Recipe(  # an old phone in dim light: strong noise reduction on a bilinear demosaic, pale colour
    demosaic="bilinear",
    tone="srgb",
    luma_sigma=0.10,
    luma_radius_px=1.3,
    chroma_radius_px=4.0,
    sharpen=0.5,
    sharpen_radius_px=1.3,
    saturation=0.9,
)
BOARD = Recipe(  # the Raspberry Pi's published curve, mild noise reduction and sharpening
    tone="pi",
    exposure=0.85,
    luma_sigma=0.03,
    luma_radius_px=1.0,
    chroma_radius_px=1.0,
    sharpen=0.8,
    sharpen_radius_px=1.0,
    sharpen_threshold=0.008,
)


def develop(raw: Raw, *, recipe: Recipe) -> RGB:
    """Develop a raw picture by the kit's own stages; returns uint8 (height, width, 3) sRGB, turned upright."""
    linear = stages.black_level(raw.mosaic, black_levels=raw.black_levels, white_level=raw.white_level)
    balanced = stages.white_balance(linear, neutral=raw.neutral, pattern=raw.pattern)
    picture = pick(DEMOSAICS, recipe.demosaic, what="demosaic")(balanced, pattern=raw.pattern)
    picture = stages.colour_matrix(picture, matrix=camera_to_srgb(raw))
    curve = pick(stages.TONE_CURVES, recipe.tone, what="tone curve")
    picture = stages.tone_curve(picture, curve=curve, exposure=recipe.exposure)
    if recipe.luma_sigma > 0 or recipe.chroma_radius_px > 0:
        picture = stages.denoise(
            picture,
            luma_sigma=recipe.luma_sigma,
            luma_radius_px=recipe.luma_radius_px,
            chroma_radius_px=recipe.chroma_radius_px,
        )
    if recipe.sharpen > 0:
        picture = stages.sharpen(
            picture,
            amount=recipe.sharpen,
            radius_px=recipe.sharpen_radius_px,
            threshold=recipe.sharpen_threshold,
        )
    if recipe.saturation != 1.0:
        picture = stages.saturation(picture, factor=recipe.saturation)
    return np.ascontiguousarray(np.rot90(stages.to_bytes(picture), QUARTER_TURNS[raw.orientation]))


def develop_libraw(raw: Raw) -> RGB:
    """Develop by LibRaw (AHD demosaic) with everything that depends on the picture's content switched off.

    no_auto_bright and adjust_maximum_thr=0 pin the brightness; as-shot white balance, sRGB with its own curve
    (gamma 2.4, slope 12.92). Returns uint8 (height, width, 3).
    """
    import rawpy

    with rawpy.imread(io.BytesIO(write_dng(raw))) as file:
        picture = file.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            output_color=rawpy.ColorSpace.sRGB,
            gamma=(2.4, 12.92),
            output_bps=8,
        )
    return np.asarray(picture, dtype=np.uint8)


ISPS: dict[str, Isp] = {
    "plain": partial(develop, recipe=PLAIN),
    "soft": partial(develop, recipe=SOFT),
    "crisp": partial(develop, recipe=CRISP),
    "balanced": partial(develop, recipe=BALANCED),
    "smeared": partial(develop, recipe=SMEARED),
    "board": partial(develop, recipe=BOARD),
    "libraw-pinned": develop_libraw,
}
