"""ImageNet-P's frames: their names, what changes from frame to frame, and second calculations with other libraries."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv

from device_agents.perturbations.families import generator
from device_agents.perturbations.sequences import SEQUENCES, SMEAR, spatter_frame
from device_agents.resize import RESIZERS

NAMES = tuple(dict.fromkeys(name.split("-frame-")[0] for name in SEQUENCES))
TEN = {"gaussian-noise", "shot-noise", "motion-blur", "zoom-blur", "snow", "brightness"}
TEN |= {"translate", "rotate", "tilt", "scale"}
MOVED = {"translate", "rotate", "tilt", "scale", "shear"}


def frame(name, number, picture, *, file="ab", side=64):
    one = SEQUENCES[f"{name}-frame-{number:02d}"]
    rng = generator(file, one.stream)
    if one.of == "viewed":
        return one.apply(picture, RESIZERS["pillow-bilinear"], side, side, rng)
    return one.apply(picture, rng)


@pytest.fixture(scope="module")
def picture():
    coarse = np.random.default_rng(2).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    return RESIZERS["pillow-bicubic"](coarse, 64, 64)


def test_names_and_lengths():
    assert set(NAMES) > TEN
    for name in NAMES:
        frames = [one for one in SEQUENCES if one.startswith(f"{name}-frame-")]
        assert frames == [f"{name}-frame-{number:02d}" for number in range(41 if name == "translate" else 31)]
        assert len({SEQUENCES[one].stream for one in frames}) == 1
        assert {SEQUENCES[one].of for one in frames} == {"viewed" if name in MOVED else "resized"}


@pytest.mark.parametrize("name", NAMES)
def test_frames_have_the_models_size_and_are_the_same_again(name, picture):
    for number in (0, 1, 17, 30):
        first = frame(name, number, picture)
        assert (first.shape, first.dtype) == ((64, 64, 3), np.uint8)
        assert np.array_equal(first, frame(name, number, picture))


@pytest.mark.parametrize("name", [name for name in NAMES if "noise" in name])
def test_noise_is_new_in_every_frame_and_absent_from_the_first(name, picture):
    assert np.array_equal(frame(name, 0, picture), picture)
    errors = [frame(name, number, picture).astype(float) - picture for number in (1, 2, 3)]
    assert abs(np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1]) < 0.05
    assert errors[1].std() == pytest.approx(errors[2].std(), rel=0.05)


def test_noise_has_the_references_strength():
    grey = np.full((96, 96, 3), 102, np.uint8)  # 0.4 of the range
    for name, deviation in {
        "gaussian-noise": 0.03 * 255,
        "gaussian-noise-3": 0.08 * 255,
        "shot-noise": np.sqrt(0.4 / 300) * 255,
        "shot-noise-2": np.sqrt(0.4 / 120) * 255,
        "speckle-noise": 0.4 * 0.05 * 255,
    }.items():
        assert frame(name, 5, grey).astype(float).std() == pytest.approx(deviation, rel=0.03), name


@pytest.mark.parametrize("number", [0, 7, 15, 22, 30])
def test_brightness_is_hsvs_value(number, picture):
    colours = rgb2hsv(picture / 255.0)
    colours[..., 2] = np.clip(colours[..., 2] + (number - 15) * 0.02, 0, 1)
    expected = np.uint8(hsv2rgb(colours) * 255)
    assert np.abs(frame("brightness", number, picture).astype(int) - expected).max() <= 1


def test_motion_blur_turns_by_four_degrees_a_frame(picture):
    point = np.zeros((61, 61, 3), np.uint8)
    point[30, 30] = 255
    for number, angle in ((0, -120), (15, -60), (30, 0)):
        light = frame("motion-blur", number, point)[..., 0].astype(float)
        y, x = ndimage.center_of_mass(light)
        # taps read along the angle (y downwards), so that light is drawn out against it; they lie at whole pixels
        assert np.degrees(np.arctan2(y - 30, x - 30)) == pytest.approx(angle + 180, abs=8)


def test_zoom_blur_is_the_picture_and_then_flatter_towards_the_edges(picture):
    assert np.array_equal(frame("zoom-blur", 0, picture), picture)
    change = np.abs(frame("zoom-blur", 30, picture).astype(int) - picture).mean(axis=2)
    assert change[24:40, 24:40].mean() < change[:8].mean()
    flat = np.full((64, 64, 3), 77, np.uint8)
    assert np.array_equal(frame("zoom-blur", 30, flat), flat)


def test_one_snow_falls_over_all_frames():
    dark = np.zeros((64, 64, 3), np.uint8)
    light = [frame("snow", number, dark).astype(float).sum() for number in (0, 10, 20, 30)]
    assert max(light) < 1.1 * min(light)
    first, other = (frame("snow", 15, dark, file=file) for file in ("ab", "cd"))
    assert not np.array_equal(first, other)
    assert np.array_equal(first, np.rot90(first, 2))  # flakes and the same turned by half a turn


@pytest.mark.parametrize("number", [0, 10, 30])
def test_gaussian_blur_is_scipys(number, picture):
    sigma = 0.25 + 0.035 * number
    expected = np.uint8(255 * ndimage.gaussian_filter(picture / 255.0, (sigma, sigma, 0), mode="nearest", truncate=6.0))
    assert np.abs(frame("gaussian-blur", number, picture).astype(int) - expected).max() <= 1


def test_water_runs_as_numpys_convolution(monkeypatch, picture):
    seen = []
    monkeypatch.setattr(
        "device_agents.perturbations.sequences.watered", lambda picture, liquid, *, strength: seen.append(liquid)
    )
    for number in (0, 3):
        spatter_frame(picture, generator("ab", "spatter-frames"), frame=number)
    expected = seen[0]
    for _ in range(3):
        expected = np.apply_along_axis(np.convolve, 0, expected, np.array(SMEAR), "same")
    assert seen[0].max() > 0.69
    assert np.allclose(seen[1], expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (3, 8)])
def test_tiny_pictures_give_a_result(name, size):
    for number in (0, 30):
        got = frame(name, number, np.full((*size, 3), 200, np.uint8), side=8)
        assert got.dtype == np.uint8
        assert got.shape == ((8, 8, 3) if name in MOVED else (*size, 3))


@pytest.mark.parametrize("name", ["zoom-blur", "snow", "spatter"])
def test_what_frames_leave_one_another_changes_no_bit(name, picture):
    plain = {number: frame(name, number, picture) for number in (0, 1, 2, 9, 30)}
    for order in (sorted(plain), sorted(plain, reverse=True), [2, 30, 9, 9, 0, 1]):
        memory = {}
        for number in order:
            one = SEQUENCES[f"{name}-frame-{number:02d}"]
            assert one.remembers
            assert np.array_equal(one.apply(picture, generator("ab", one.stream), memory=memory), plain[number]), order


@pytest.mark.parametrize("number", [0, 3, 15, 30])
def test_brightness_of_a_table_is_the_formula_of_every_pixel(number):
    pixels = np.random.default_rng(3).integers(0, 256, (61, 47, 3)).astype(np.uint8)
    pixels[0], pixels[1], pixels[2, :, :2] = 0, 255, 7
    values = pixels / 255.0
    value = values.max(axis=2, keepdims=True)
    changed = np.clip(value + (number - 15) * 2 / 100.0, 0, 1)
    expected = changed - (value - values) * (changed / np.where(value == 0, 1.0, value))
    assert np.array_equal(frame("brightness", number, pixels), (np.clip(expected, 0, 1) * 255).astype(np.uint8))
