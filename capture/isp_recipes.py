"""RECIPES: the settings of the kit's own chains, as data."""

from __future__ import annotations

from dataclasses import dataclass


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

RECIPES: dict[str, Recipe] = {
    "plain": PLAIN,
    "soft": SOFT,
    "crisp": CRISP,
    "balanced": BALANCED,
    "smeared": SMEARED,
    "board": BOARD,
}
