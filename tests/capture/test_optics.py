"""The optics against hand calculations, OpenCV's camera model and the analytic MTF."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import optics
from device_agents.errors import BadInput

CLEAR = optics.Lens(2.0, 1.0, blur_px=0.7, k1=0.0, k2=0.0, p1=0.0, p2=0.0, corner_angle_deg=0.0)
BENT = optics.Lens(2.0, 1.0, blur_px=0.7, k1=-0.12, k2=0.05, p1=0.001, p2=-0.002, corner_angle_deg=25.0)
STRAIGHT = optics.Mount(0.8, 2.5, shift_x=0.0, shift_y=0.0, roll_deg=0.0, pitch_deg=0.0)
TURNED = optics.Mount(0.85, 2.6, shift_x=0.01, shift_y=-0.02, roll_deg=1.0, pitch_deg=-0.5)
DARK = optics.Display(white_cd_m2=200.0, black_cd_m2=0.0, surround_cd_m2=0.0)


def geometry(*, lens=CLEAR, mount=STRAIGHT, angle_deg=0.0, frame=(400, 600), sensor=(300, 400)):
    return optics.Geometry(frame[0], frame[1], sensor[0], sensor[1], angle_deg, lens, mount)


def test_srgb_decoding_at_values_computed_by_hand():
    # (0.5 + 0.055) / 1.055 = 0.526066; ^2.4 = 0.214041. 0.04 is on the straight part: 0.04 / 12.92.
    np.testing.assert_allclose(
        optics.srgb_to_linear(np.array([0.0, 0.04, 0.5, 1.0])), [0, 0.0030960, 0.2140411, 1], atol=1e-6
    )


def test_luminance_runs_from_black_level_to_white():
    table = optics.luminance_table(optics.Display(white_cd_m2=250.0, black_cd_m2=0.5))
    assert table[0] == pytest.approx(0.5)
    assert table[255] == pytest.approx(250.0)
    assert np.all(np.diff(table) > 0)


def test_layers_add_in_linear_light_row_by_row():
    black, white = np.zeros((4, 3, 3), np.uint8), np.full((4, 3, 3), 255, np.uint8)
    share = np.array([0.0, 0.25, 0.5, 1.0], np.float32)
    light = optics.blend([(white, share), (black, 1 - share)], display=DARK)
    np.testing.assert_allclose(light[:, 1, 2], [0, 50, 100, 200], rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        ([(np.zeros((4, 3, 3), np.uint8), np.ones(3, np.float32))], "one weight a frame row"),
        ([(np.zeros((4, 3, 3), np.uint8), np.full(4, 0.5, np.float32))], "sum to 1"),
        ([(np.zeros((4, 3), np.uint8), np.ones(4, np.float32))], "uint8 frames"),
        ([(np.zeros((4, 3, 3), np.float32), np.ones(4, np.float32))], "uint8 frames"),
    ],
)
def test_wrong_layers_are_refused(layers, message):
    with pytest.raises(BadInput, match=message):
        optics.blend(layers, display=DARK)


def test_straight_on_the_screen_fills_its_share_about_the_centre():
    # 600 frame pixels onto 400: width is tighter (0.667 < 0.75), so 320 pixels wide, 213.3 high, about (199.5, 149.5).
    corners = optics.project(np.array([[-0.5, -0.5], [599.5, 399.5], [299.5, 199.5]]), geometry())
    np.testing.assert_allclose(corners, [[39.5, 149.5 - 320 / 3], [359.5, 149.5 + 320 / 3], [199.5, 149.5]], atol=1e-9)


def test_tilted_corners_by_hand():
    # D = 2.5 * 600 = 1500, f = 0.8 * (400 / 600) * 1500 = 800. At 30 degrees the right edge (X = 300) is at depth
    # 1500 - 150 = 1350: x = 800 * 300 cos 30 / 1350 = 153.96, y = 800 * 200 / 1350 = 118.52; left: depth 1650.
    corners = optics.project(np.array([[599.5, 399.5], [-0.5, 399.5]]), geometry(angle_deg=30.0))
    right = (199.5 + 800 * 300 * math.cos(math.pi / 6) / 1350, 149.5 + 800 * 200 / 1350)
    left = (199.5 - 800 * 300 * math.cos(math.pi / 6) / 1650, 149.5 + 800 * 200 / 1650)
    np.testing.assert_allclose(corners, [right, left], atol=1e-9)


def test_distortion_is_opencvs():
    points = np.random.default_rng(1).uniform(-0.4, 0.4, (50, 2))
    ours = np.column_stack(optics.distort(points[:, 0], points[:, 1], BENT))
    world = np.column_stack([points, np.ones(50)])
    theirs, _ = cv2.projectPoints(
        world, np.zeros(3), np.zeros(3), np.eye(3), np.array([BENT.k1, BENT.k2, BENT.p1, BENT.p2])
    )
    np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-12)
    back = np.column_stack(optics.undistort(ours[:, 0], ours[:, 1], BENT))
    np.testing.assert_allclose(back, points, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.floats(-35, 35), st.sampled_from([CLEAR, BENT]), st.sampled_from([STRAIGHT, TURNED]))
def test_sampling_maps_invert_project(angle_deg, lens, mount):
    view = geometry(lens=lens, mount=mount, angle_deg=angle_deg, sensor=(30, 40))
    x, y = optics.sampling_maps(view)
    rows, columns = np.mgrid[0:30, 0:40]
    there = optics.project(np.column_stack([x.ravel(), y.ravel()]), view)
    np.testing.assert_allclose(there, np.column_stack([columns.ravel(), rows.ravel()]), atol=2e-3)


def test_shading_follows_cos4():
    falloff = optics.shading(301, 401, 30.0)
    half_diagonal = math.hypot(200.5, 150.5)
    for y, x in ((150, 200), (0, 0), (150, 400), (40, 333)):
        radius = math.hypot(x - 200, y - 150) / half_diagonal
        angle = math.atan(radius * math.tan(math.radians(30)))
        assert falloff[y, x] == pytest.approx(math.cos(angle) ** 4, rel=1e-5)


def test_a_flat_screen_shows_only_the_shading():
    view = geometry(lens=BENT, mount=optics.Mount(3.0, 2.5, 0.0, 0.0, 0.0, 0.0))
    image = optics.form_image(np.full((400, 600, 3), 80.0, np.float32), view, surround_cd_m2=0.0)
    np.testing.assert_allclose(image[..., 1], 80.0 * optics.shading(300, 400, 25.0), rtol=1e-4)


def test_the_surround_is_seen_around_the_screen():
    image = optics.form_image(np.full((400, 600, 3), 80.0, np.float32), geometry(), surround_cd_m2=2.0)
    assert image[0, 0, 0] == pytest.approx(2.0, rel=1e-4)
    assert image[150, 200, 0] == pytest.approx(80.0, rel=1e-4)


def test_wrong_light_is_refused():
    with pytest.raises(BadInput, match="expected light of shape"):
        optics.form_image(np.zeros((10, 10, 3), np.float32), geometry(), surround_cd_m2=0.0)


def slanted_edge(height, width, *, slope):
    """Light 0 to 100 across a nearly vertical edge, each frame pixel holding the share of it that is lit."""
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(height) - (height - 1) / 2
    lit = np.clip(x[None, :] - slope * y[:, None] + 0.5, 0, 1) * 100
    return np.repeat(lit[:, :, None], 3, axis=2).astype(np.float32)


def measured_mtf(image, *, slope):
    """ISO 12233 slanted-edge method: project onto the normal, four bins a pixel, differentiate, Fourier transform."""
    height, width = image.shape
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(height) - (height - 1) / 2
    distance = (x[None, :] - slope * y[:, None]) / math.hypot(1, slope)
    near = np.abs(distance) < 16
    bins = np.floor((distance[near] + 16) * 4).astype(int)
    profile = np.bincount(bins, image[near]) / np.bincount(bins)
    spread = np.diff(profile)
    frequency = np.fft.rfftfreq(len(spread), d=0.25)
    mtf = np.abs(np.fft.rfft(spread))
    # The bins (boxes 1/4 pixel wide) and the differences (1/4 pixel apart) are part of the method: divided out.
    return frequency, mtf / mtf[0] / np.sinc(frequency / 4) ** 2


@pytest.mark.parametrize(
    ("frame", "tolerance"),
    # A frame coarser than the sensor is interpolated, and cubic interpolation is not perfect.
    [((520, 690), 0.03), ((210, 280), 0.045)],
    ids=["frame finer than sensor", "frame coarser"],
)
@pytest.mark.parametrize("blur_px", [0.65, 1.1])
def test_mtf_of_a_slanted_edge_is_the_analytic_one(frame, tolerance, blur_px):
    lens = optics.Lens(2.0, 1.0, blur_px=blur_px, k1=0.0, k2=0.0, p1=0.0, p2=0.0, corner_angle_deg=0.0)
    view = geometry(lens=lens, frame=frame, sensor=(300, 400))
    image = optics.form_image(slanted_edge(*frame, slope=0.09), view, surround_cd_m2=0.0)[60:-60, 60:-60, 0]
    frequency, mtf = measured_mtf(image.astype(np.float64), slope=0.09)
    # The frame's own drawing of the edge (a box one frame pixel wide) comes on top of the camera's blur.
    variance = optics.blur_sigma_px(view) ** 2 + optics.PIXEL_VARIANCE / view.frame_px_per_pixel**2
    wanted = np.exp(-2 * math.pi**2 * variance * frequency**2)
    band = (frequency > 0.02) & (frequency < 0.45)
    assert np.abs(mtf - wanted)[band].max() < tolerance


def test_detail_finer_than_the_sensor_is_blurred_and_not_aliased():
    frame = (900, 1200)  # 2.8 frame pixels a sensor pixel
    stripes = np.where(np.arange(1200) % 4 < 2, 200.0, 0.0).astype(np.float32)  # 0.70 cycles a sensor pixel
    light = np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (*frame, 3)))
    lens = optics.Lens(2.0, 1.0, blur_px=0.6, k1=0.0, k2=0.0, p1=0.0, p2=0.0, corner_angle_deg=0.0)
    view = geometry(lens=lens, frame=frame, sensor=(300, 400))
    image = optics.form_image(light, view, surround_cd_m2=0.0)[100:200, 100:300, 0]
    cycles = view.frame_px_per_pixel / 4
    # Fundamental of a square wave: 4 / pi times its amplitude of 100.
    let_through = 100 * 4 / math.pi * math.exp(-2 * math.pi**2 * optics.blur_sigma_px(view) ** 2 * cycles**2)
    assert np.abs(image - 100).max() < 1.3 * let_through + 0.5
    assert let_through < 2.0
