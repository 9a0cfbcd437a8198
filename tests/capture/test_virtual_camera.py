"""Whole photographs: repeatable, different only by noise, torn where the screen tore, readable at every angle."""

import dataclasses
import io
from datetime import datetime

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from skimage import color, data

from capture import optics
from capture import virtual_camera as cameras
from capture.isp import ISPS
from capture.profiles import PROFILES
from capture.raw import read_raw

HEIGHT, WIDTH = 720, 960
CODE = np.random.default_rng(40).integers(0, 2, 40)
# Macbeth's chart in sRGB, as its maker prints it (X-Rite ColorChecker, D65).
CHART = [
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
    (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
    (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
]  # fmt: skip


def one_layer(frame):
    return [(frame, np.ones(len(frame), np.float32))]


def grey_frame(code=128):
    return np.full((HEIGHT, WIDTH, 3), code, np.uint8)


def marker_frame():
    """A photograph on mid-grey with four ArUco markers of 1/12 height and a strip of 40 black and white cells."""
    frame, size, quiet = grey_frame(), HEIGHT // 12, HEIGHT // 60
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    left, right, top, bottom = 2 * quiet, WIDTH - size - 2 * quiet, 2 * quiet, HEIGHT - size - 2 * quiet
    for number, (x, y) in enumerate([(left, top), (right, top), (right, bottom), (left, bottom)]):
        frame[y - quiet : y + size + quiet, x - quiet : x + size + quiet] = 255
        frame[y : y + size, x : x + size] = cv2.aruco.generateImageMarker(dictionary, number, size)[..., None]
    for cell, bit in enumerate(CODE):
        frame[top : top + 30, 160 + 16 * cell : 176 + 16 * cell] = 255 * bit
    frame[104:616, 224:736] = data.astronaut()
    return frame


def decoded(shot):
    suffix = next(suffix for suffix in shot.files if suffix != ".dng")
    if suffix == ".heic":
        return np.asarray(pillow_heif.read_heif(io.BytesIO(shot.files[suffix])).to_pillow().convert("RGB"))
    return np.asarray(Image.open(io.BytesIO(shot.files[suffix])).convert("RGB"))


def photograph(name, frame, *, angle_deg=0.0, seed=0, **options):
    return cameras.photograph(
        one_layer(frame), profile=PROFILES[name], angle_deg=angle_deg, rng=np.random.default_rng(seed), **options
    )


def seen(name, points, angle_deg):
    """Where frame points fall in the photograph of a profile."""
    view = cameras.geometry_of(PROFILES[name], frame_height=HEIGHT, frame_width=WIDTH, angle_deg=angle_deg)
    return optics.project(np.asarray(points, float), view)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("angle_deg", [-30, -15, 0, 15, 30])
def test_markers_and_frame_code_are_readable(name, angle_deg):
    frame = marker_frame()
    picture = decoded(photograph(name, frame, angle_deg=angle_deg, seed=angle_deg + 90))
    sensor = PROFILES[name].sensor
    assert picture.shape == (sensor.height, sensor.width, 3)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    options = cv2.aruco.DetectorParameters()
    options.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), options)
    corners, numbers, _ = detector.detectMarkers(grey)
    assert sorted(np.ravel(numbers).tolist()) == [0, 1, 2, 3]
    # The markers lie where the geometry says: top left marker, outer edges.
    quiet, size = HEIGHT // 60, HEIGHT // 12
    first = corners[np.ravel(numbers).tolist().index(0)][0]
    outer = np.array([[0, 0], [size, 0], [size, size], [0, size]]) + 2 * quiet - 0.5
    expected = seen(name, outer, angle_deg)
    np.testing.assert_allclose(first.mean(axis=0), expected.mean(axis=0), atol=0.4)
    # Blur in linear light moves the middle of a gamma-encoded edge into the black: corners lie up to 1.3 px inside.
    np.testing.assert_allclose(first, expected, atol=1.6)
    centres = seen(name, [(168 + 16 * cell - 0.5, 2 * quiet + 14.5) for cell in range(40)], angle_deg)
    levels = np.array([grey[round(y), round(x)] for x, y in centres])
    assert np.array_equal(levels > (levels.min() + levels.max()) / 2, CODE == 1)
    edges = seen(
        name, [(-0.5, -0.5), (WIDTH - 0.5, -0.5), (WIDTH - 0.5, HEIGHT - 0.5), (-0.5, HEIGHT - 0.5)], angle_deg
    )
    assert np.all(edges >= 0)
    assert np.all(edges < [sensor.width, sensor.height])


@pytest.mark.parametrize("name", PROFILES)
def test_a_photograph_is_sanely_exposed(name):
    picture = decoded(photograph(name, marker_frame()))
    assert 50 < picture.mean() < 140
    assert (picture.max(axis=2) >= 254).mean() < 0.02
    assert (picture == 255).mean() < 0.01


@pytest.mark.parametrize("name", PROFILES)
def test_the_same_generator_repeats_every_byte(name):
    first, again, other = (photograph(name, marker_frame(), seed=seed) for seed in (5, 5, 6))
    assert first.files == again.files
    assert (first.exposure_s, first.gain, first.raw.neutral) == (other.exposure_s, other.gain, other.raw.neutral)
    assert first.files != other.files


def test_two_shots_differ_only_by_noise_of_the_stated_size():
    shots = [photograph("board-plain", marker_frame(), seed=seed) for seed in (1, 2)]
    raw = shots[0].raw
    span = raw.white_level - raw.black_levels[0]
    first, second = ((shot.raw.mosaic - shot.raw.black_levels[0]) / span for shot in shots)
    signal = (first + second) / 2
    scale, offset = raw.noise_profile
    # Variance S x + O of DNG's noise profile, and 1/12 of a code from rounding.
    sigma = np.sqrt(2 * (scale * np.maximum(signal, 0) + offset + (1 / span) ** 2 / 12))
    normalised = (first - second) / sigma
    assert abs(normalised.mean()) < 5 / np.sqrt(normalised.size)
    assert normalised.std() == pytest.approx(1.0, abs=0.02)
    for low, high in ((0.02, 0.06), (0.1, 0.2), (0.4, 0.8)):
        assert normalised[(signal > low) & (signal < high)].std() == pytest.approx(1.0, abs=0.05)


def test_a_torn_frame_is_torn_at_its_row():
    share = np.zeros(HEIGHT, np.float32)
    share[:300] = 1.0  # the first 300 rows were integrated while the white frame was up
    layers = [(grey_frame(200), share), (grey_frame(60), 1 - share)]
    shot = cameras.photograph(layers, profile=PROFILES["board-plain"], angle_deg=0.0, rng=np.random.default_rng(3))
    centre = WIDTH / 2 - 0.5
    (_, row), (_, above), (_, below) = seen("board-plain", [(centre, 299.5), (centre, 290), (centre, 309)], 0.0)
    column = decoded(shot)[:, PROFILES["board-plain"].sensor.width // 2, 1].astype(float)
    steepest = np.abs(np.diff(column[100:-100])).argmax() + 100.5
    assert steepest == pytest.approx(row, abs=1.5)
    assert column[int(above)] > column[int(below) + 1] + 50


def test_exposure_shares_blend_in_linear_light():
    # Half black, half white, in linear light, is code 188 of sRGB.
    half = np.full(HEIGHT, 0.5, np.float32)
    layers = [(grey_frame(0), half), (grey_frame(255), half)]
    blended = cameras.photograph(layers, profile=PROFILES["board-plain"], angle_deg=0.0, rng=np.random.default_rng(3))
    same = photograph("board-plain", grey_frame(188), seed=3)
    assert np.abs(decoded(blended).astype(float) - decoded(same)).mean() < 1.0


@pytest.mark.parametrize("name", PROFILES)
def test_automatics_stop_at_the_first_value_inside_their_dead_band(name):
    profile = PROFILES[name]
    rules = profile.automatics
    colours = np.array(cameras.daylight_neutral(profile.sensor), np.float32)
    grey = np.full((40, 50, 3), optics.luminance_table(optics.Display())[128], np.float32) * colours
    at_rest = cameras.auto_exposure(grey, profile=profile)
    assert at_rest == cameras.resting_exposure(profile)
    # A little brighter, inside the band: nothing moves. Far brighter: it moves, and stops near the band's edge.
    inside = cameras.auto_exposure(grey * 2 ** (0.9 * rules.exposure_band_ev), profile=profile)
    assert inside == at_rest
    moved = cameras.auto_exposure(grey * 4.0, profile=profile)
    ratio_ev = np.log2(4.0 * moved.exposure_s * moved.gain / (at_rest.exposure_s * at_rest.gain))
    assert 0 < ratio_ev <= rules.exposure_band_ev
    assert at_rest.exposure_s <= rules.longest_s
    dark = cameras.auto_exposure(np.zeros((4, 4, 3), np.float32), profile=profile)
    assert (dark.exposure_s, dark.gain) == (rules.longest_s, rules.highest_gain)


@pytest.mark.parametrize("name", PROFILES)
def test_white_balance_rests_on_grey_and_follows_a_strong_cast_part_of_the_way(name):
    profile = PROFILES[name]
    daylight = np.array(cameras.daylight_neutral(profile.sensor))
    grey = np.full((40, 50, 3), 50.0, np.float32) * daylight.astype(np.float32)
    assert cameras.auto_white_balance(grey, profile=profile) == pytest.approx(tuple(daylight / daylight.max()))
    warm = grey * np.array([2.0, 1.0, 0.5], np.float32)
    neutral = np.array(cameras.auto_white_balance(warm, profile=profile))
    shift_ev = np.log2(neutral / neutral[1] / daylight)
    trust, band = profile.automatics.grey_world_trust, profile.automatics.balance_band_ev
    assert trust - band <= shift_ev[0] <= trust
    assert -trust <= shift_ev[2] <= -trust + band


def test_vignetting_and_black_level_are_in_the_raw():
    profile = PROFILES["old-noisy"]
    wide = dataclasses.replace(profile, mount=dataclasses.replace(profile.mount, fill=1.8))
    shot = cameras.photograph(one_layer(grey_frame(200)), profile=wide, angle_deg=0.0, rng=np.random.default_rng(1))
    signal = shot.raw.mosaic.astype(float) - shot.raw.black_levels[0]
    corner = np.mean([signal[:40, :40], signal[-40:, :40], signal[:40, -40:], signal[-40:, -40:]])
    falloff = optics.shading(profile.sensor.height, profile.sensor.width, profile.lens.corner_angle_deg)
    assert corner / signal[500:580, 680:760].mean() == pytest.approx(falloff[:40, :40].mean(), rel=0.02)
    darkness = optics.Display(white_cd_m2=1e-3, black_cd_m2=0.0, surround_cd_m2=0.0)
    black = photograph("old-noisy", grey_frame(0), display=darkness)
    assert np.median(black.raw.mosaic) == pytest.approx(black.raw.black_levels[0], abs=3)


@pytest.mark.parametrize("name", PROFILES)
def test_colours_of_a_chart_through_sensor_and_pinned_isp(name):
    profile = PROFILES[name]
    even = dataclasses.replace(profile, lens=dataclasses.replace(profile.lens, corner_angle_deg=0.0))
    frame = grey_frame()
    boxes = [(60 + 120 * row, 60 + 140 * column) for row in range(4) for column in range(6)]
    for (y, x), patch in zip(boxes, CHART, strict=True):
        frame[y : y + 100, x : x + 120] = patch
    shot = cameras.photograph(one_layer(frame), profile=even, angle_deg=0.0, rng=np.random.default_rng(2))
    daylight = np.array(cameras.daylight_neutral(profile.sensor))
    red, green, blue = (daylight / daylight.max()).tolist()
    developed = ISPS["libraw-pinned"](dataclasses.replace(shot.raw, neutral=(red, green, blue)))
    linear = optics.srgb_to_linear(developed / 255.0)
    centres = seen(name, [(x + 59.5, y + 49.5) for y, x in boxes], 0.0).round().astype(int)
    measured = np.stack([linear[y - 15 : y + 15, x - 15 : x + 15].mean(axis=(0, 1)) for x, y in centres])
    truth = optics.srgb_to_linear(np.array(CHART) / 255.0)
    # Only the exposure is free: one factor for all patches.
    measured *= (measured * truth).sum() / (measured**2).sum()
    lab_measured = color.xyz2lab(measured @ color.colorconv.xyz_from_rgb.T)
    lab_truth = color.xyz2lab(truth @ color.colorconv.xyz_from_rgb.T)
    error = color.deltaE_ciede2000(lab_truth, lab_measured)
    # Measured: mean 0.10 (flagship) to 0.53 (old and noisy), worst patch 1.4.
    assert error.mean() < 0.8
    assert error.max() < 2.5


def test_files_say_who_took_them_and_the_dng_is_the_raw():
    taken = datetime(2026, 11, 22, 10, 0, 0)
    shot = photograph("board-plain", marker_frame(), taken=taken)
    assert list(shot.files) == [".jpg", ".dng"]
    exif = Image.open(io.BytesIO(shot.files[".jpg"])).getexif()
    assert (exif[271], exif[272]) == ("Virtual", "Board")
    assert exif.get_ifd(0x8769)[36867] == "2026:11:22 10:00:00"
    raw = read_raw(shot.files[".dng"])
    assert np.array_equal(raw.mosaic, shot.raw.mosaic)
    # The saved raw, developed again by the profile's ISP, is the photograph (neutral and matrix are rounded in a DNG).
    again = ISPS["board"](raw).astype(float)
    assert np.abs(again - ISPS["board"](shot.raw)).mean() < 0.1
    assert list(photograph("flagship-heif", marker_frame()).files) == [".heic"]
