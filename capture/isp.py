"""ISPS: what develops a raw picture into an sRGB one: the kit's own chains, LibRaw, and outside programs.

A recipe names the settings of one of our chains; their order is always black level, white balance, demosaic, colour
matrix, tone curve, denoise, sharpen, saturation. Noise is reduced on display values, as the YUV stages of phone chips
do. All settings of all variants were fixed before any instability was computed from them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture import isp_programs as programs
from capture import isp_stages as stages
from capture.isp_area import BORDER_PX, cut_to_shared, turn_upright
from capture.isp_recipes import RECIPES, Recipe
from capture.raw import X_TRANS_CELLS, Raw, camera_to_srgb, raw_file
from device_agents.errors import BadInput, pick

__all__ = ["BORDER_PX", "ISPS", "Isp", "Recipe", "develop", "develop_libraw", "isp_version", "render"]

RGB = NDArray[np.uint8]
Isp = Callable[[Raw], RGB]

# Rows developed at a time: few enough to stay in the processor's cache, a whole number of Bayer and X-Trans cells.
STRIP_ROWS = 96
CELL_ROWS = 6

DEMOSAICS: dict[str, Callable[..., stages.Image]] = {
    "bilinear": stages.demosaic_bilinear,
    "malvar": stages.demosaic_malvar,
}


def develop(raw: Raw, *, recipe: Recipe) -> RGB:
    """Develop a raw picture by the kit's own stages; returns uint8 (height, width, 3) sRGB, turned upright.

    Works on strips of rows, each with as many more above and below as the filters reach, so that the result is that of
    the whole picture at once. An already demosaiced raw skips the demosaic; an X-Trans mosaic has its own, whatever the
    recipe's.
    """
    settle = _chain(raw, recipe)
    height, reach = raw.mosaic.shape[0], CELL_ROWS * math.ceil(_reach_px(recipe) / CELL_ROWS)
    picture = np.empty((*raw.mosaic.shape[:2], 3), dtype=np.uint8)
    for top in range(0, height, STRIP_ROWS):
        start, end = max(0, top - reach), min(height, top + STRIP_ROWS + reach)
        picture[top : top + STRIP_ROWS] = settle(raw.mosaic[start:end])[top - start : top - start + STRIP_ROWS]
    return turn_upright(picture, raw.orientation)


def _chain(raw: Raw, recipe: Recipe) -> Callable[[NDArray[np.uint16]], RGB]:
    """The stages of a recipe with their settings, from rows of sensor codes to rows of sRGB."""
    demosaic = partial(pick(DEMOSAICS, recipe.demosaic, what="demosaic"), pattern=raw.pattern)
    if len(raw.pattern) == X_TRANS_CELLS:
        demosaic = partial(stages.demosaic_x_trans, pattern=raw.pattern)
    chain: list[Callable[..., stages.Image]] = [
        partial(stages.black_level, black_levels=raw.black_levels, white_level=raw.white_level),
        partial(stages.white_balance, neutral=raw.neutral, pattern=raw.pattern),
        *([demosaic] if raw.pattern else []),
        partial(stages.colour_matrix, matrix=camera_to_srgb(raw)),
        partial(
            stages.tone_curve,
            curve=pick(stages.TONE_CURVES, recipe.tone, what="tone curve"),
            exposure=recipe.exposure,
        ),
    ]
    if recipe.luma_sigma > 0 or recipe.chroma_radius_px > 0:
        denoise = partial(stages.denoise, luma_sigma=recipe.luma_sigma, luma_radius_px=recipe.luma_radius_px)
        chain.append(partial(denoise, chroma_radius_px=recipe.chroma_radius_px))
    if recipe.sharpen > 0:
        radius, threshold = recipe.sharpen_radius_px, recipe.sharpen_threshold
        chain.append(partial(stages.sharpen, amount=recipe.sharpen, radius_px=radius, threshold=threshold))
    if recipe.saturation != 1.0:
        chain.append(partial(stages.saturation, factor=recipe.saturation))

    def settle(rows: NDArray[Any]) -> RGB:
        return stages.to_bytes(functools.reduce(lambda picture, stage: stage(picture), chain, rows))

    return settle


def _reach_px(recipe: Recipe) -> int:
    """How many rows away a pixel of the mosaic can change one of the picture."""
    denoise = max(stages.bilateral_reach_px(recipe.luma_radius_px), stages.gaussian_reach_px(recipe.chroma_radius_px))
    sharpen = stages.gaussian_reach_px(recipe.sharpen_radius_px) if recipe.sharpen > 0 else 0
    return stages.DEMOSAIC_REACH_PX + denoise + sharpen


def develop_libraw(raw: Raw) -> RGB:
    """Develop by LibRaw (AHD demosaic) with everything that depends on the picture's content switched off.

    no_auto_bright and adjust_maximum_thr=0 pin the brightness; as-shot white balance, sRGB with its own curve
    (gamma 2.4, slope 12.92). Returns uint8 (height, width, 3), upright. Raises BadInput where LibRaw gives up.
    """
    return _libraw(raw, no_auto_bright=True, adjust_maximum_thr=0.0, gamma=(2.4, 12.92))


def develop_libraw_auto_bright(raw: Raw) -> RGB:
    """Develop by LibRaw as it comes, but for the as-shot white balance: brightness from the picture's own content.

    One percent of the pixels is let clip, the curve is BT.709's, the saturation level follows the data.
    """
    return _libraw(raw)


def _libraw(raw: Raw, **settings: Any) -> RGB:
    import rawpy

    data = raw_file(raw)
    try:
        with rawpy.imread(io.BytesIO(data)) as file:
            return np.asarray(file.postprocess(use_camera_wb=True, output_bps=8, **settings), dtype=np.uint8)
    except rawpy.LibRawError as problem:
        raise BadInput(f"expected a raw that LibRaw develops, got {len(data)} bytes: {problem}") from problem


def render(raw: Raw, isp: str) -> RGB:
    """Develop a raw picture by the ISP of that name, cut to the area that all ISPs share: uint8 sRGB, upright.

    The area is LibRaw's visible one without BORDER_PX on each side, so pixels of one raw's renderings lie on each
    other. Raises KitError for an unknown ISP, a program that is missing, hangs, fails or writes no picture, and a
    picture that cannot be placed.
    """
    picture = pick(ISPS, isp, what="ISP")(raw)
    crop_px = programs.CROP_PX.get(isp, 0) if raw.pattern else 0
    return cut_to_shared(picture, raw, crop_px=crop_px, reference=develop_libraw, what=isp)


def isp_version(name: str) -> str:
    """Give the program or library behind an ISP with its version: "RawTherapee 5.9", "LibRaw 0.22.0".

    Raises BadInput for an unknown ISP, MissingExtra for a program that is absent.
    """
    pick(ISPS, name, what="ISP")
    if name in programs.VERSIONS:
        return programs.VERSIONS[name]()
    if name in RECIPES:
        return f"instability-kit {importlib.metadata.version('instability-kit')}"
    import rawpy

    return f"LibRaw {'.'.join(map(str, rawpy.libraw_version))}"


ISPS: dict[str, Isp] = {
    **{name: partial(develop, recipe=recipe) for name, recipe in RECIPES.items()},
    "libraw-pinned": develop_libraw,
    "libraw-auto-bright": develop_libraw_auto_bright,
    **programs.PROGRAMS,
}
