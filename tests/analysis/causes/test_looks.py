"""Looks of drawn pictures whose differences are put in by hand."""

import cv2
import numpy as np
import pytest

from analysis.causes.looks import MEASURES, deviations, look_of
from capture.isp_stages import saturation, sharpen, srgb_curve

HEIGHT, WIDTH = 120, 160


def scene(seed):
    """Patches of colour on a ramp through a lens, in linear light: float32 (height, width, 3), 0.03 to 0.6."""
    rng = np.random.default_rng(seed)
    light = np.repeat(np.linspace(0.05, 0.5, WIDTH)[None, :, None], HEIGHT, axis=0) * np.ones(3)
    for _ in range(40):
        y, x = rng.integers(0, HEIGHT - 20), rng.integers(0, WIDTH - 30)
        light[y : y + rng.integers(8, 20), x : x + rng.integers(8, 30)] = rng.uniform(0.03, 0.6, 3)
    return cv2.GaussianBlur(light.astype(np.float32), (0, 0), 0.8)


def bytes_of(shown):
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


def plain(light):
    return srgb_curve(light.astype(np.float64)).astype(np.float32)


CHANGES = {
    "chroma": (lambda light: saturation(plain(light), factor=1.3), np.log(1.3)),
    "exposure": (lambda light: plain(light * 1.2), np.log(1.2)),
    "tone": (lambda light: plain((light / 0.22) ** 1.2 * 0.22), 0.2),
    "edge": (lambda light: sharpen(plain(light), amount=4.0, radius_px=1.0), None),
}


def measured(change, scenes=12):
    """The medians of one changed device among four, the others with a little noise."""
    rng = np.random.default_rng(1)
    seen = []
    for device in range(4):
        develop = change if device == 3 else plain
        rows = [look_of(bytes_of(develop(scene(n)) + rng.normal(0, 0.004, (HEIGHT, WIDTH, 3)))) for n in range(scenes)]
        seen.append(rows)
    small = np.stack([[look.small for look in rows] for rows in seen])
    edge, noise = (np.array([[getattr(look, name) for look in rows] for rows in seen]) for name in ("edge", "noise"))
    return small, edge, noise


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_shows_in_its_own_measure_with_its_size_and_in_no_other(name):
    change, size = CHANGES[name]
    found = deviations(*measured(change))
    assert set(found) == set(MEASURES)
    medians = {measure: np.nanmedian(values, axis=1) for measure, values in found.items()}
    if size is None:
        assert medians[name][3] > 0.3
    else:
        assert medians[name][3] == pytest.approx(size, abs=0.1 * abs(size))
    quiet = {"tone": 0.04, "curve": 0.02, "shading": 0.03, "chroma": 0.04, "hue": 1.0, "stretch": 0.03, "shear": 0.03}
    for other, limit in quiet.items():
        if other != name:
            assert abs(medians[other][3]) < limit, (other, medians[other])
    for other, limit in quiet.items():
        assert np.all(np.abs(medians[other][:3]) < limit)


def test_a_turn_of_hues_and_colours_that_gain_unequally_are_told_apart():
    def turned(light):
        shown, luma = plain(light), plain(light) @ np.array([0.299, 0.587, 0.114], np.float32)
        blue, red = shown[..., 2] - luma, shown[..., 0] - luma
        cb, cr = 0.564 * blue, 0.713 * red
        c, s = np.cos(np.radians(12)), np.sin(np.radians(12))
        b, r = luma + (c * cb - s * cr) / 0.564, luma + (s * cb + c * cr) / 0.713
        return np.stack([r, (luma - 0.299 * r - 0.114 * b) / 0.587, b], axis=-1)

    def blue_alone(light):
        shown, luma = plain(light), plain(light) @ np.array([0.299, 0.587, 0.114], np.float32)
        b = luma + 0.6 * (shown[..., 2] - luma)
        return np.stack([shown[..., 0], (luma - 0.299 * shown[..., 0] - 0.114 * b) / 0.587, b], axis=-1)

    turn = {name: np.nanmedian(values[3]) for name, values in deviations(*measured(turned)).items()}
    assert turn["hue"] == pytest.approx(12, abs=1.0)
    assert abs(turn["stretch"]) < 0.03
    blue = {name: np.nanmedian(values[3]) for name, values in deviations(*measured(blue_alone)).items()}
    assert blue["stretch"] == pytest.approx(-0.25, abs=0.03)  # gains 0.6 and 1: a = 0.8, b = -0.2
    assert blue["chroma"] == pytest.approx(np.log(0.8), abs=0.03)


def test_corners_that_are_darker_show_as_shading_of_their_size():
    y, x = np.linspace(-1, 1, HEIGHT), np.linspace(-1, 1, WIDTH)
    radius = (y[:, None] ** 2 + x[None] ** 2) / 2
    found = deviations(*measured(lambda light: plain(light * np.exp(-0.5 * radius)[..., None])))
    assert np.nanmedian(found["shading"][3]) == pytest.approx(-0.5, abs=0.05)


def test_those_that_do_not_count_are_measured_against_those_that_do():
    small, edge, noise = measured(CHANGES["chroma"][0])
    pulled = deviations(small[[0, 3, 3]], edge[[0, 3, 3]], noise[[0, 3, 3]])
    assert np.nanmedian(pulled["chroma"][0]) < -0.2  # the majority is what is right
    among = np.array([True, True, True, False])
    found = deviations(small, edge, noise, among=among)
    assert np.nanmedian(found["chroma"][3]) == pytest.approx(np.log(1.3), abs=0.02)


def test_scenes_without_colour_or_range_or_photograph_say_nothing_of_it():
    small, edge, noise = measured(plain, scenes=3)
    small = small.copy()
    small[:, 0] = small[:, 0].mean(axis=-1, keepdims=True)  # grey
    small[:, 1] = 0.5  # flat
    small[2, 2] = np.nan  # not taken
    found = deviations(small, edge, noise)
    assert np.isnan(found["chroma"][:, 0]).all()
    assert np.isnan(found["tone"][:, 1]).all()
    assert np.isnan(found["exposure"][2, 2])
    assert np.isfinite(found["chroma"][0, 2])


def test_a_black_picture_has_a_look():
    look = look_of(np.zeros((40, 60, 3), np.uint8))
    assert np.isnan(look.edge)
    assert float(look.small.max()) == 0.0
