"""The painted frame and its proof: layout by hand, and frames read back from simulated photographs."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from capture.markers import project
from capture.screen import (
    NO_PROOF,
    Layout,
    Limits,
    Proof,
    ground_frame,
    judge,
    layout_for,
    outer_corners,
    read_proof,
    rectify,
    render_frame,
    scene_box,
    thumbnail,
)
from device_agents.errors import BadInput

LAYOUT = layout_for(960, 1280)
PHOTO = (960, 1280)
EVEN = np.ones(960, np.float32)


def make_scene(height=375, width=500, seed=3):
    """A smooth colourful scene with structure at all sizes."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (24, 32, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


SCENE = make_scene()
FRAMES = {stimulus: render_frame(SCENE, stimulus=stimulus, layout=LAYOUT) for stimulus in (1, 1234567)}
BOX = FRAMES[1].scene_box


def view_matrix(angle_deg=0.0, fill=0.8, roll_deg=0.0, shift_px=(0.0, 0.0)):
    """A pinhole camera of 1.2 widths focal length in front of a screen turned about the vertical: frame -> photo."""
    angle, roll, focal = np.deg2rad(angle_deg), np.deg2rad(roll_deg), 1.2 * PHOTO[1]
    camera = np.array([[focal, 0, 639.5 + shift_px[0]], [0, focal, 479.5 + shift_px[1]], [0, 0, 1]])
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]) @ turn
    centre = np.array([[1, 0, -639.5], [0, 1, -479.5], [0, 0, 1]])
    return camera @ np.column_stack([turn[:, 0], turn[:, 1], [0, 0, focal / fill]]) @ centre


def photograph(layers, *, matrix, blur_px=0.8, noise=0.02, gain=0.9, seed=0, jpeg=True):
    """Warp, blur, vignette and disturb a blend of frames in linear light; then gamma and JPEG."""
    light = sum((frame.rgb / 255.0) ** 2.2 * weights[:, None, None] for frame, weights in layers).astype(np.float32)
    image = cv2.warpPerspective(light, matrix, PHOTO[::-1], flags=cv2.INTER_LINEAR, borderValue=(0.02, 0.02, 0.02))
    image = cv2.GaussianBlur(image, (0, 0), blur_px)
    y, x = np.mgrid[: PHOTO[0], : PHOTO[1]]
    image *= (gain / (1 + 0.35 * ((x - 639.5) ** 2 + (y - 479.5) ** 2) / 640**2))[..., None]
    rng = np.random.default_rng(seed)
    image = image + rng.standard_normal(image.shape, np.float32) * noise * np.sqrt(np.maximum(image, 0.002))
    photo = np.rint(np.clip(image, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 1) if jpeg else photo


def shoot(stimulus=1, **options):
    view = {name: options.pop(name) for name in ("angle_deg", "fill", "roll_deg", "shift_px") if name in options}
    return photograph([(FRAMES[stimulus], EVEN)], matrix=view_matrix(**view), **options)


def prove(photo, **options):
    return read_proof(photo, layout=LAYOUT, box=BOX, **options)


# Layout and rendering.


def test_layout_of_a_common_screen_by_hand():
    assert (LAYOUT.cell, LAYOUT.column, LAYOUT.strip_left) == (12, 31, 144)
    assert LAYOUT.band_tops == (12, 852)
    assert LAYOUT.area == (12, 120, 1268, 840)
    assert LAYOUT.marker_corners(0).tolist() == [[23.5, 23.5], [95.5, 23.5], [95.5, 95.5], [23.5, 95.5]]
    assert LAYOUT.marker_corners(2)[2].tolist() == [1255.5, 935.5]


@settings(max_examples=60, deadline=None)
@given(st.integers(240, 2200), st.integers(240, 3900))
def test_nothing_overlaps_on_any_screen(height, width):
    layout = Layout(height, width)
    taken = np.zeros((height, width), np.uint8)
    boxes = [layout.area]
    for marker in range(4):
        left, top = (layout.marker_corners(marker)[0] + 0.5).astype(int)
        boxes.append((left - layout.cell, top - layout.cell, left + 7 * layout.cell, top + 7 * layout.cell))
    right = layout.strip_left + 32 * layout.column + layout.cell
    boxes += [(layout.strip_left - layout.cell, top, right, top + 8 * layout.cell) for top in layout.band_tops]
    for left, top, right, bottom in boxes:
        assert 0 < left < right < width
        assert 0 < top < bottom < height
        taken[top:bottom, left:right] += 1
    assert taken.max() == 1
    assert layout.column >= 2


def test_a_tiny_screen_is_refused():
    with pytest.raises(BadInput, match="at least 240 pixels a side, got 320x200"):
        layout_for(200, 320)


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (375, 500, (160, 120, 1120, 840)),  # 1.92 x: 720 x 960, centred
        (500, 375, (370, 120, 910, 840)),  # 1.44 x
        (100, 100, (440, 280, 840, 680)),  # four times at most
        (10, 4000, (12, 478, 1268, 481)),  # a panorama, made smaller
    ],
)
def test_scene_box_by_hand(height, width, box):
    assert scene_box(height, width, LAYOUT) == box


def test_a_scene_of_the_right_size_is_painted_as_it_is():
    scene = make_scene(720, 960)
    frame = render_frame(scene, stimulus=0, layout=LAYOUT)
    assert np.array_equal(frame.rgb[120:840, 160:1120], scene)
    assert frame.rgb.shape == (960, 1280, 3)
    assert frame.rgb[5, 5].tolist() == [128, 128, 128]
    first_bit, below = frame.rgb[30, 150, 0], frame.rgb[70, 150, 0]
    assert (first_bit, below) == (0, 255)
    assert np.array_equal(frame.rgb[24:96], frame.rgb[864:936]) is False  # the markers differ,
    upper, lower = (frame.rgb[y : y + 36, 144:1136] for y in (24, 864))
    assert np.array_equal(upper, lower[:, ::-1])  # the two codes are each other's mirror
    assert (ground_frame(LAYOUT) == 128).all()


# The proof.


def test_the_frame_itself_is_proven():
    proof = prove(FRAMES[1234567].rgb)
    assert (proof.stimulus_top, proof.stimulus_bottom, proof.markers) == (1234567, 1234567, (0, 1, 2, 3))
    assert np.abs(np.array(proof.corners) - outer_corners(BOX)).max() < 0.1
    assert proof.purity == pytest.approx(1.0)
    assert (proof.clipped, proof.white_clipped, proof.inside) == (0.0, 1.0, True)
    assert judge(proof, stimulus=1234567, limits=Limits()) == ()


@pytest.mark.parametrize("angle_deg", [-30.0, 0.0, 30.0])
def test_photographs_at_an_angle_are_proven_whole_and_at_half_size(angle_deg):
    view = {"angle_deg": angle_deg, "roll_deg": 2.0, "shift_px": (11.0, -7.0)}
    photo = shoot(1234567, **view)
    truth = project(view_matrix(**view), outer_corners(BOX))
    for decode, scale in ((photo, 1.0), (np.asarray(Image.fromarray(photo).reduce(2)), 0.5)):
        proof = prove(decode, scale=scale)
        assert judge(proof, stimulus=1234567, limits=Limits()) == ()
        assert np.abs(np.array(proof.corners) - truth).max() < 1.0


def test_corners_are_steady_from_shot_to_shot():
    corners = [prove(shoot(angle_deg=20.0, seed=seed)).corners for seed in range(5)]
    assert np.std(corners, axis=0).max() < 0.15


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.floats(-40, 40), st.floats(0.35, 0.95), st.floats(-15, 15), st.floats(0.3, 5.0), st.floats(0.0, 0.15),
    st.floats(0.2, 2.0), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_photograph_shows_the_right_number_or_none(angle_deg, fill, roll_deg, blur_px, noise, gain, seed):
    photo = shoot(
        1234567, angle_deg=angle_deg, fill=fill, roll_deg=roll_deg, blur_px=blur_px, noise=noise, gain=gain, seed=seed
    )
    proof = prove(photo)
    assert {proof.stimulus_top, proof.stimulus_bottom} <= {1234567, None}
    if judge(proof, stimulus=1234567, limits=Limits()) == ():
        truth = project(view_matrix(angle_deg, fill, roll_deg), outer_corners(BOX))
        assert np.abs(np.array(proof.corners) - truth).max() < 3.0


def mix(weights):
    return photograph([(FRAMES[1], 1 - weights), (FRAMES[1234567], weights)], matrix=view_matrix())


def reasons(photo, stimulus=1234567):
    return " / ".join(judge(prove(photo), stimulus=stimulus, limits=Limits()))


@pytest.mark.parametrize("row", [100, 400, 840])
def test_a_torn_frame_has_two_codes(row):
    photo = mix((np.arange(960) < row).astype(np.float32))
    assert reasons(photo) == "torn: expected 1234567, got 1234567 above and 1 below"


@pytest.mark.parametrize("rest", [0.05, 0.2, 0.5])
def test_a_rest_of_the_frame_before_is_seen(rest):
    assert reasons(mix(EVEN * (1 - rest))).startswith("torn")


def test_the_frame_before_is_a_wrong_frame():
    assert reasons(mix(EVEN * 0.0)) == "wrong frame: expected 1234567, got 1"


def test_focus_falls_with_blur_and_hardly_depends_on_noise_or_exposure():
    focus = [prove(shoot(blur_px=blur_px)).focus for blur_px in (0.7, 1.2, 2.0)]
    assert focus == sorted(focus, reverse=True)
    same = [prove(shoot(blur_px=1.2, noise=noise, gain=gain)).focus for noise, gain in ((0.0, 0.9), (0.06, 0.4))]
    assert same == pytest.approx([focus[1]] * 2, rel=0.15)
    assert "out of focus" in reasons(shoot(1234567, blur_px=3.5))


@pytest.mark.parametrize("way", [(1, 0), (0, 1), (1, 1), (1, -1)])
def test_motion_is_seen_along_diagonals_too(way):
    # Edges as wide as 1/75 of the screen's shorter side, 10 to 90 %: 0.8 of the way moved.
    frame, length = FRAMES[1234567], 960 / 75 / 0.8
    steps = np.linspace(-0.5, 0.5, 33)[:, None] * length * np.array(way) / np.hypot(*way)
    linear = (frame.rgb / 255.0) ** 2.2
    moved = [cv2.warpAffine(linear, np.float64([[1, 0, x], [0, 1, y]]), linear.shape[1::-1]) for x, y in steps]
    photo = np.rint(np.mean(moved, axis=0) ** (1 / 2.2) * 255).astype(np.uint8)
    assert "torn" not in reasons(photo)
    assert reasons(photo).startswith(("out of focus", "no markers"))
    sharp = prove(shoot(1234567, blur_px=1.2))
    assert sharp.haze < 0.05
    assert prove(photo).haze > 0.15 or prove(photo).focus < 125


def test_an_exposure_that_clips_the_ground_is_rejected():
    proof = prove(shoot(gain=8.0))
    assert proof.clipped > 0.5
    assert any(reason.startswith("clipped") for reason in judge(proof, stimulus=1, limits=Limits()))


def test_a_photograph_without_the_screen_has_no_markers():
    proof = prove(make_scene(960, 1280))
    assert (proof.corners, proof.stimulus_top) == ((), None)
    assert judge(proof, stimulus=1, limits=Limits())[0].startswith("no markers: expected at least 3")


def test_a_scene_cut_off_by_the_edge_is_not_whole():
    wide = render_frame(make_scene(300, 520), stimulus=1, layout=LAYOUT)
    photo = photograph([(wide, EVEN)], matrix=view_matrix(fill=0.8, roll_deg=8.0, shift_px=(120.0, 0.0)))
    proof = read_proof(photo, layout=LAYOUT, box=wide.scene_box)
    assert (proof.inside, proof.markers) == (False, (0, 2, 3))
    assert judge(proof._replace(focus=300.0), stimulus=1, limits=Limits()) == (
        "scene not whole: a corner of it lies outside the photograph",
    )


GOOD = Proof(7, 7, ((0.0, 0.0),) * 4, 300.0, 0.0, (0, 1, 2, 3), 0.0, 0.99, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"stimulus_top": 6, "stimulus_bottom": 6}, "wrong frame: expected 7, got 6"),
        ({"stimulus_top": None, "stimulus_bottom": 6}, "wrong frame: expected 7, got 6"),
        ({"stimulus_bottom": 6}, "torn: expected 7, got 7 above and 6 below"),
        ({"stimulus_bottom": None}, "torn: expected 7, got no readable frame code below"),
        ({"stimulus_top": None}, "torn: expected 7, got no readable frame code above"),
        ({"stimulus_top": None, "stimulus_bottom": None}, "torn: expected 7, got no readable frame code"),
        ({"purity": 0.5}, "torn: two frames are mixed, contrast 0.50, at least 0.90"),
        ({"clipped": 0.5}, "clipped: 50% of the grey ground, at most 2%"),
        ({"ground": 240.0}, "overexposed: the grey ground at 240 of 255, at most 230"),
        ({"white": 90.0}, "underexposed: white at 90 of 255, at least 120"),
        ({"departure": 0.5}, "covered: the grey around the scene departs by 50%, something is before it"),
        ({"focus": 50.0}, "out of focus: 50 edge widths, at least 125"),
        ({"haze": 0.3}, "out of focus: narrow black lines at 30% of white, at most 15%"),
        ({"focus": 50.0, "haze": 0.3}, "out of focus: 50 edge widths, at least 125"),
        ({"markers": (0, 2), "inside": False}, "no markers: expected at least 3 of 0, 1, 2, 3, got 0, 2"),
    ],
)
def test_each_reason_in_words(changes, reason):
    given_reasons = judge(GOOD._replace(**changes), stimulus=7, limits=Limits())
    assert given_reasons == ((reason,) if reason else ())


def test_limits_are_settings():
    strict = Limits(most_white_clipped=0.1, least_focus=400.0)
    assert len(judge(GOOD._replace(white_clipped=0.5), stimulus=7, limits=strict)) == 2
    assert judge(NO_PROOF, stimulus=7, limits=strict)[0].endswith("got none")


# What is kept of a photograph.


def test_a_rectified_photograph_looks_like_its_scene():
    crop = rectify(shoot(angle_deg=25.0, noise=0.0), prove(shoot(angle_deg=25.0)).corners)
    shown = cv2.resize(SCENE, crop.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(shown.ravel(), crop.ravel())[0, 1] > 0.97
    with pytest.raises(BadInput, match="unknown view"):
        rectify(SCENE, (), view="sideways")


def test_a_thumbnail_keeps_the_ratio_and_never_grows():
    assert thumbnail(SCENE, 100).shape == (75, 100, 3)
    assert np.array_equal(thumbnail(SCENE, 1000), SCENE)
