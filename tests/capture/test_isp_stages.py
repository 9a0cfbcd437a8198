"""Each ISP stage against hand calculations, other libraries, and properties that must hold for every input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data, metrics

from capture import isp_stages as stages
from capture.raw import PATTERNS
from capture.sensor import mosaic_of

DEMOSAICS = [stages.demosaic_bilinear, stages.demosaic_malvar]
LEVEL = st.floats(0.0, 1.0, width=32)


def flat(red, green, blue, shape=(16, 20)):
    picture = np.empty((*shape, 3), np.float32)
    picture[...] = (red, green, blue)
    return picture


def test_black_level_of_each_cell():
    mosaic = np.array([[64, 165], [267, 1023]], np.uint16)
    linear = stages.black_level(mosaic, black_levels=(64.0, 65.0, 67.0, 63.0), white_level=1023)
    np.testing.assert_allclose(linear, [[0, 100 / 958], [200 / 956, 1]], rtol=1e-6)
    assert stages.black_level(mosaic, black_levels=(70.0,) * 4, white_level=1023)[0, 0] < 0


def test_white_balance_lifts_the_weak_colours_and_clips():
    mosaic = mosaic_of(flat(0.25, 0.5, 0.4, (2, 2)), "GRBG")
    balanced = stages.white_balance(mosaic, neutral=(0.5, 1.0, 0.8), pattern="GRBG")
    np.testing.assert_allclose(balanced, 0.5)
    full = stages.white_balance(np.ones((2, 2), np.float32), neutral=(0.5, 1.0, 0.8), pattern="GRBG")
    np.testing.assert_array_equal(full, 1.0)


@pytest.mark.parametrize("demosaic", DEMOSAICS)
@settings(deadline=None, max_examples=15)
@given(LEVEL, LEVEL, LEVEL, st.sampled_from(PATTERNS))
def test_demosaic_of_a_flat_field_is_flat(demosaic, red, green, blue, pattern):
    grey = np.full((12, 14), green, np.float32)
    np.testing.assert_allclose(demosaic(grey, pattern=pattern), green, atol=1e-5)
    if demosaic is stages.demosaic_bilinear:
        picture = flat(red, green, blue)
        np.testing.assert_allclose(demosaic(mosaic_of(picture, pattern), pattern=pattern), picture, atol=1e-6)


def test_malvar_of_a_flat_colour_is_that_colour():
    picture = flat(0.2, 0.5, 0.7)
    np.testing.assert_allclose(stages.demosaic_malvar(mosaic_of(picture, "BGGR"), pattern="BGGR"), picture, atol=1e-6)


@pytest.mark.parametrize("demosaic", DEMOSAICS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_demosaic_of_a_grey_ramp_is_the_ramp(demosaic, pattern):
    ramp = np.add.outer(np.arange(20) * 0.01, np.arange(24) * 0.02).astype(np.float32)
    picture = demosaic(ramp, pattern=pattern)
    np.testing.assert_allclose(picture[3:-3, 3:-3], np.repeat(ramp[3:-3, 3:-3, None], 3, 2), atol=1e-6)


def test_demosaic_by_hand():
    mosaic = np.zeros((7, 7), np.float32)
    mosaic = np.pad(mosaic, ((0, 1), (0, 1)))
    mosaic[4, 4] = 8.0  # a red cell of RGGB
    bilinear = stages.demosaic_bilinear(mosaic, pattern="RGGB")
    assert bilinear[4, 4].tolist() == [8, 0, 0]
    assert bilinear[4, 5, 0] == 4
    assert bilinear[5, 5, 0] == 2
    malvar = stages.demosaic_malvar(mosaic, pattern="RGGB")
    # Figure 2 of the paper: green at red takes 4/8 of it, blue at red 6/8, red at the green beside it 4/8.
    assert malvar[4, 4].tolist() == [8, 4, 6]
    assert malvar[4, 5, 0] == 4
    assert malvar[5, 5].tolist() == [2, 0, 0]


def test_malvar_beats_bilinear_on_a_photograph_as_published():
    picture = data.astronaut()[:256, :256].astype(np.float32) / 255
    mosaic = mosaic_of(picture, "RGGB")
    bilinear, malvar = (
        metrics.peak_signal_noise_ratio(picture, demosaic(mosaic, pattern="RGGB"), data_range=1.0)
        for demosaic in DEMOSAICS
    )
    assert malvar > bilinear + 2.0
    assert malvar > 32.0


def test_colour_matrix_by_hand():
    matrix = np.array([[1, 2, 3], [0, 1, 0], [-1, 0, 1]], np.float64)
    result = stages.colour_matrix(flat(0.1, 0.2, 0.3), matrix=matrix)
    np.testing.assert_allclose(result[0, 0], [1.4, 0.2, 0.2], rtol=1e-6)


def test_srgb_curve_at_values_computed_by_hand():
    # 1.055 * 0.2140411^(1 / 2.4) - 0.055 = 0.5
    result = stages.tone_curve(flat(0.2140411, 0.001, 1.5), curve=stages.srgb_curve)
    np.testing.assert_allclose(result[0, 0], [0.5, 0.01292, 1.0], atol=1e-4)
    doubled = stages.tone_curve(flat(0.2140411 / 2, -0.1, 0.0), curve=stages.srgb_curve, exposure=2.0)
    np.testing.assert_allclose(doubled[0, 0], [0.5, 0.0, 0.0], atol=1e-4)


@pytest.mark.parametrize("name", stages.TONE_CURVES)
def test_tone_curves_rise_from_black_to_white(name):
    values = stages.TONE_CURVES[name](np.linspace(0, 1, 1001))
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[-1] == pytest.approx(1, abs=1e-6)
    assert np.all(np.diff(values) > 0)


def test_the_published_pi_curve():
    assert stages.pi_curve(np.array([32768 / 65535]))[0] == pytest.approx(54876 / 65535)


def test_denoise_removes_noise_keeps_edges_and_the_mean():
    rng = np.random.default_rng(4)
    step = np.where(np.arange(64) < 32, 0.3, 0.7).astype(np.float32)
    clean = np.repeat(np.broadcast_to(step, (64, 64))[:, :, None], 3, axis=2)
    noisy = clean + rng.normal(0, 0.02, clean.shape).astype(np.float32)
    quiet = stages.denoise(noisy, luma_sigma=0.1, luma_radius_px=1.5, chroma_radius_px=2.0)
    flat_part = np.s_[8:-8, 4:26]
    assert quiet[flat_part].std() < 0.5 * noisy[flat_part].std()
    assert quiet.mean() == pytest.approx(noisy.mean(), abs=1e-3)
    assert (quiet[:, 33].mean() - quiet[:, 30].mean()) > 0.37
    untouched = stages.denoise(noisy, luma_sigma=0.0, luma_radius_px=0.0, chroma_radius_px=0.0)
    np.testing.assert_allclose(untouched, noisy, atol=1e-4)


def test_sharpen_overshoots_at_an_edge_and_leaves_flat_alone():
    step = np.repeat(np.where(np.arange(40) < 20, 0.3, 0.7)[None, :, None], 3, axis=2).astype(np.float32)
    picture = np.ascontiguousarray(np.broadcast_to(step, (20, 40, 3)))
    sharp = stages.sharpen(picture, amount=1.0, radius_px=1.5)
    assert sharp[10, 20, 0] > 0.75
    assert sharp[10, 19, 0] < 0.25
    np.testing.assert_allclose(sharp[:, :8], 0.3, atol=1e-5)
    cored = stages.sharpen(picture, amount=1.0, radius_px=1.5, threshold=0.5)
    np.testing.assert_allclose(cored, picture, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(LEVEL, LEVEL, LEVEL, st.floats(0.0, 2.0))
def test_saturation_keeps_luma_and_grey(red, green, blue, factor):
    picture = flat(red, green, blue, (2, 2))
    result = stages.saturation(picture, factor=factor)
    np.testing.assert_allclose(result @ stages.LUMA, picture @ stages.LUMA, atol=1e-5)
    grey = flat(green, green, green, (2, 2))
    np.testing.assert_allclose(stages.saturation(grey, factor=factor), grey, atol=1e-5)


def test_to_bytes_rounds_and_clips():
    assert stages.to_bytes(flat(-0.2, 0.5, 1.3, (1, 1)))[0, 0].tolist() == [0, 128, 255]
    assert stages.to_bytes(flat(1 / 255, 1.4 / 255, 1.6 / 255, (1, 1)))[0, 0].tolist() == [1, 1, 2]
