"""Our own ISPs and LibRaw's on a virtual sensor's photographs: grey stays grey, ramps rise, pinned LibRaw agrees.

And every ISP there is on real raws: they render, lie on each other, and are upright exactly once.
"""

import dataclasses
import functools
import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from skimage import data, metrics

from capture import isp, isp_area, isp_stages
from capture.isp_programs import PROGRAMS
from capture.isp_recipes import RECIPES
from capture.optics import srgb_to_linear
from capture.profiles import PROFILES
from capture.raw import Raw, camera_to_srgb, read_raw, write_dng
from capture.sensor import mosaic_of, srgb_to_camera, xyz_matrix
from device_agents.errors import BadInput, MissingExtra

SENSOR = PROFILES["flagship-heif"].sensor
DAYLIGHT = srgb_to_camera(SENSOR).sum(axis=1)
INSIDE = [name for name in isp.ISPS if name not in PROGRAMS]
PACK = ("nikon_dsc1339_768x512.dng", "vivo_x90_3_4_1024x1024.dng", "canon_eos_6d_linear.dng")


def noiseless_raw(linear, *, exposure=0.9, **changes):
    """What the flagship's sensor would give for linear sRGB light (height, width, 3) without any noise."""
    camera = (linear @ srgb_to_camera(SENSOR).T * exposure).astype(np.float32)
    span = SENSOR.white_level - SENSOR.black_level
    codes = np.rint(SENSOR.black_level + np.clip(mosaic_of(camera, SENSOR.pattern), 0, 1) * span).astype(np.uint16)
    red, green, blue = (DAYLIGHT / DAYLIGHT.max()).tolist()
    raw = Raw(
        codes,
        (float(SENSOR.black_level),) * 4,
        SENSOR.white_level,
        SENSOR.pattern,
        (red, green, blue),
        xyz_matrix(SENSOR),
    )
    return dataclasses.replace(raw, **changes)


@pytest.mark.parametrize("name", INSIDE)
def test_a_grey_ramp_rises_and_stays_grey(name):
    steps = np.linspace(0.0, 1.0, 16) ** 2
    ramp = np.repeat(np.broadcast_to(np.repeat(steps, 24), (64, 384))[:, :, None], 3, axis=2)
    developed = isp.ISPS[name](noiseless_raw(ramp)).astype(float)
    assert developed.shape == (64, 384, 3)
    patches = np.stack([developed[16:48, 24 * step + 10 : 24 * step + 14].mean(axis=(0, 1)) for step in range(16)])
    assert np.all(np.diff(patches, axis=0) > 0)
    assert np.ptp(patches, axis=1).max() < 2.5


@pytest.mark.parametrize("name", INSIDE)
def test_the_same_raw_develops_to_the_same_picture_and_raw_is_untouched(name):
    raw = noiseless_raw(srgb_to_linear(data.astronaut()[:128, :128] / 255.0))
    before = raw.mosaic.copy()
    assert np.array_equal(isp.ISPS[name](raw), isp.ISPS[name](raw))
    assert np.array_equal(raw.mosaic, before)


def test_plain_and_pinned_libraw_agree_with_the_truth():
    picture = data.astronaut()
    raw = noiseless_raw(srgb_to_linear(picture / 255.0), exposure=1.0)
    plain, libraw = isp.ISPS["plain"](raw), isp.ISPS["libraw-pinned"](raw)
    assert metrics.peak_signal_noise_ratio(picture, plain) > 29.5  # 30.0: Malvar's demosaic, in linear light
    assert metrics.peak_signal_noise_ratio(picture, libraw) > 32.0  # 32.9: AHD's
    for developed in (plain, libraw):
        np.testing.assert_allclose(developed.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.8)


def test_the_looks_differ_from_each_other():
    raw = noiseless_raw(srgb_to_linear(data.astronaut()[:256, :256] / 255.0))
    pictures = {name: develop(raw).astype(float) for name, develop in isp.ISPS.items() if name in RECIPES}
    names = sorted(pictures)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            assert np.abs(pictures[first] - pictures[second]).mean() > 2.0, (first, second)


def test_orientation_is_applied_once_as_libraw_does():
    linear = srgb_to_linear(data.astronaut()[:128, :192] / 255.0)
    upright = isp.ISPS["plain"](noiseless_raw(linear))
    for orientation in (3, 6, 8):
        raw = noiseless_raw(linear, orientation=orientation)
        ours, theirs = isp.ISPS["plain"](raw), isp.ISPS["libraw-pinned"](raw)
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(float) - theirs).mean() < 3.0
    assert np.array_equal(isp.ISPS["plain"](noiseless_raw(linear, orientation=6)), np.rot90(upright, -1))


def test_an_unknown_stage_is_named():
    with pytest.raises(BadInput, match="unknown demosaic 'nearest'"):
        isp.develop(noiseless_raw(np.zeros((8, 8, 3))), recipe=isp.Recipe(demosaic="nearest"))


def whole_chain(raw, recipe):
    """The stages on the whole picture at once, as written in the papers, without strips."""
    picture = isp_stages.black_level(raw.mosaic, black_levels=raw.black_levels, white_level=raw.white_level)
    picture = isp_stages.white_balance(picture, neutral=raw.neutral, pattern=raw.pattern)
    if raw.pattern:
        picture = isp.DEMOSAICS[recipe.demosaic](picture, pattern=raw.pattern)
    picture = isp_stages.colour_matrix(picture, matrix=camera_to_srgb(raw))
    picture = isp_stages.tone_curve(picture, curve=isp_stages.TONE_CURVES[recipe.tone], exposure=recipe.exposure)
    if recipe.luma_sigma or recipe.chroma_radius_px:
        radii = {"luma_radius_px": recipe.luma_radius_px, "chroma_radius_px": recipe.chroma_radius_px}
        picture = isp_stages.denoise(picture, luma_sigma=recipe.luma_sigma, **radii)
    if recipe.sharpen:
        amounts = {"amount": recipe.sharpen, "radius_px": recipe.sharpen_radius_px}
        picture = isp_stages.sharpen(picture, threshold=recipe.sharpen_threshold, **amounts)
    if recipe.saturation != 1:
        picture = isp_stages.saturation(picture, factor=recipe.saturation)
    return isp_stages.to_bytes(picture)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("rows", [512, 194, 98, 40])
def test_strips_give_what_the_whole_picture_gives(name, rows):
    raw = noiseless_raw(srgb_to_linear(data.astronaut()[:rows, :200] / 255.0))
    whole, strips = whole_chain(raw, RECIPES[name]), isp.ISPS[name](raw)
    difference = np.abs(whole.astype(int) - strips)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize(("name", "black"), [("plain", 1000.0), ("plain", 0.0), ("libraw-pinned", 0.0)])
def test_a_linear_raw_is_developed_without_demosaic(name, black):
    # LibRaw 0.22 leaves a linear raw that has a black level darker: its white is not moved with the black.
    picture = data.astronaut()
    linear = srgb_to_linear(picture / 255.0)
    codes = np.rint(black + np.clip(linear @ srgb_to_camera(SENSOR).T, 0, 1) * (16383 - black)).astype(np.uint16)
    mosaic = noiseless_raw(linear, exposure=1.0)
    raw = dataclasses.replace(mosaic, mosaic=codes, pattern="", black_levels=(black,) * 3, white_level=16383)
    difference = np.abs(isp.ISPS[name](raw).astype(int) - picture)
    assert difference.max() <= 2  # only roundings: nothing is interpolated
    assert difference.mean() < 0.5


def test_an_x_trans_raw_is_developed():
    picture = data.astronaut()
    linear = srgb_to_linear(picture / 255.0)
    pattern = "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"
    camera = linear @ srgb_to_camera(SENSOR).T
    rows, columns = np.indices(camera.shape[:2])
    colours = np.array(["RGB".index(colour) for colour in pattern]).reshape(6, 6)[rows % 6, columns % 6]
    light = np.take_along_axis(camera, colours[..., None], axis=2)[..., 0]
    codes = np.rint(SENSOR.black_level + light * (SENSOR.white_level - SENSOR.black_level)).astype(np.uint16)
    bayer = noiseless_raw(linear, exposure=1.0)
    raw = dataclasses.replace(bayer, mosaic=codes, pattern=pattern, black_levels=(float(SENSOR.black_level),) * 36)
    ours, theirs = isp.ISPS["plain"](raw), isp.ISPS["libraw-pinned"](raw)
    assert metrics.peak_signal_noise_ratio(picture, ours) > 24.0
    np.testing.assert_allclose(ours.mean(axis=(0, 1)), theirs.mean(axis=(0, 1)), atol=2.0)


def test_a_raw_that_libraw_cannot_develop_is_one_error():
    raw = dataclasses.replace(noiseless_raw(np.zeros((8, 8, 3))), source=b"no raw")
    for name in ("libraw-pinned", "libraw-auto-bright"):
        with pytest.raises(BadInput, match="expected a raw that LibRaw develops, got 6 bytes"):
            isp.ISPS[name](raw)


def test_an_unknown_isp_is_named():
    raw = noiseless_raw(np.zeros((16, 16, 3)))
    with pytest.raises(BadInput, match="unknown ISP 'photoshop'"):
        isp.render(raw, "photoshop")
    with pytest.raises(BadInput, match="unknown ISP 'photoshop'"):
        isp.isp_version("photoshop")


# Real raws and real programs.


def present(name):
    """Skip the test where an ISP's program is absent."""
    try:
        return isp.isp_version(name)
    except MissingExtra as problem:
        pytest.skip(str(problem))


@functools.lru_cache(maxsize=3)
def pack_raw(name):
    root = os.environ.get("INSTABILITY_DATA")
    if not root:
        pytest.skip("INSTABILITY_DATA is not set")
    return read_raw((Path(root) / "raw" / name).read_bytes())


@functools.lru_cache(maxsize=64)
def rendered(file, name):
    return isp.render(pack_raw(file), name)


def shift_px(one, other):
    """By how much two pictures lie apart (x, y), and the response of the phase correlation."""
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (one, other)]
    window = cv2.createHanningWindow(greys[0].shape[::-1], cv2.CV_32F)
    shift, response = cv2.phaseCorrelate(*greys, window)
    return shift, response


@pytest.mark.parametrize("name", isp.ISPS)
def test_versions_name_the_program(name):
    version = present(name)
    assert any(character.isdigit() for character in version)
    wanted = name.split("-")[0] if name in PROGRAMS or name.startswith("libraw") else "instability"
    assert version.lower().startswith(wanted)


@pytest.mark.parametrize("file", PACK)
@pytest.mark.parametrize("name", isp.ISPS)
def test_a_real_raw_renders_through_every_isp_and_lies_on_pinned_libraw(name, file):
    present(name)
    raw, picture = pack_raw(file), rendered(file, name)
    height, width = raw.mosaic.shape[:2]
    assert picture.shape == (height - 2 * isp.BORDER_PX, width - 2 * isp.BORDER_PX, 3)
    assert 10 < picture.mean() < 200
    assert picture.std() > 15
    shift, response = shift_px(rendered(file, "libraw-pinned"), picture)
    assert response > 0.5
    assert np.abs(shift).max() < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("file", PACK)
def test_every_pair_of_isps_lies_on_each_other(file):
    names = [name for name in isp.ISPS if name not in PROGRAMS or is_there(name)]
    middles = {name: np.ascontiguousarray(rendered(file, name)[100:400, 100:500]) for name in names}
    for one, other in itertools.combinations(names, 2):
        shift, response = shift_px(middles[one], middles[other])
        assert response > 0.3, (one, other)
        assert np.abs(shift).max() < 0.6, (one, other)


def is_there(name):
    try:
        isp.isp_version(name)
    except MissingExtra:
        return False
    return True


@functools.lru_cache(maxsize=64)
def without_source(file, name):
    return isp.render(dataclasses.replace(pack_raw(file), source=b""), name)


# A linear raw and mirroring, because a program fails at one of them and we do its work there.
TURNED = [(name, file, 6) for name in isp.ISPS for file in (PACK[0], PACK[2])]
TURNED += [(name, PACK[0], orientation) for name in ("plain", "rawtherapee-neutral") for orientation in (2, 5, 7)]


@pytest.mark.parametrize(("name", "file", "orientation"), TURNED)
def test_a_turned_raw_is_upright_exactly_once(name, file, orientation):
    present(name)
    turned = dataclasses.replace(pack_raw(file), source=b"", orientation=orientation)
    picture = isp.render(read_raw(write_dng(turned)), name)
    upright = isp_area.turn_upright(without_source(file, name), orientation)
    assert picture.shape == upright.shape
    assert np.abs(picture.astype(int) - upright).mean() < 0.1  # a DNG's ratios are rounded


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_default_crop_changes_nothing(name, monkeypatch):
    present(name)
    write = tifffile.imwrite
    tags = [(50719, "2I", 2, (12, 1, 6, 1), True), (50720, "2I", 2, (740, 1, 490, 1), True)]
    raw = dataclasses.replace(pack_raw(PACK[0]), source=b"")
    with monkeypatch.context() as patch:
        patch.setattr(
            tifffile, "imwrite", lambda *data, extratags, **more: write(*data, extratags=extratags + tags, **more)
        )
        cropped = read_raw(write_dng(raw))
    assert np.abs(isp.render(cropped, name).astype(int) - without_source(PACK[0], name)).mean() < 0.1


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_the_same_pixels_every_time(name):
    present(name)
    assert np.array_equal(rendered(PACK[0], name), isp.render(pack_raw(PACK[0]), name))


def test_the_stock_converters_share_a_look_and_the_other_programs_do_not():
    names = ["dcraw", "imagemagick", "rawtherapee-film-curve", "darktable-scene-referred", "darktable-display-referred"]
    for name in names:
        present(name)
    stock, *others = (rendered(PACK[1], name).astype(float) for name in ["libraw-auto-bright", *names])
    apart = [np.abs(stock - other).mean() for other in others]
    assert apart[0] < 0.01
    assert apart[1] < 0.5
    assert min(apart[2:]) > 5
    neutral = np.abs(rendered(PACK[1], "libraw-pinned").astype(float) - rendered(PACK[1], "rawtherapee-neutral")).mean()
    assert neutral < 2.5
