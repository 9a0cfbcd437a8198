from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from device_agents.colour import COLOURS
from device_agents.errors import BadInput
from device_agents.yuv import pack_420, round_trip, split_yuv, spread, thin_out, unpack_420, yuv_matrix

PHOTOGRAPH = np.ascontiguousarray(data.astronaut()[100:356, 100:356])
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
PICTURES = pytest.mark.parametrize("picture", [PHOTOGRAPH, NOISE], ids=["photograph", "noise"])
YUV_COLOURS = [name for name in COLOURS if name != "rgb"]
ROW = np.array([[0, 8, 16, 24]] * 2, np.uint8)


def furthest(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


def planes_420(picture: np.ndarray, siting: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    luma, blue, red = split_yuv(picture, standard="bt601", full_range=False)
    return luma, thin_out(blue, siting=siting), thin_out(red, siting=siting)


@pytest.mark.parametrize(
    ("standard", "full_range", "rgb", "yuv"),
    [
        # BT.709, limited: 16 + 219 * 0.2126, 128 - 224 * 0.2126 / 1.8556, 128 + 224 / 2; and so for green.
        ("bt709", False, (255, 0, 0), (63, 102, 240)),
        ("bt709", False, (0, 255, 0), (173, 42, 26)),
        ("bt709", False, (255, 255, 255), (235, 128, 128)),
        # BT.601, full: 255 * 0.299, 128 - 76.245 / 1.772, and 128 + 178.755 / 1.402 = 255.5, clipped.
        ("bt601", True, (255, 0, 0), (76, 85, 255)),
        ("bt601", True, (255, 255, 255), (255, 128, 128)),
        ("bt709", True, (0, 0, 255), (18, 255, 116)),
    ],
)
def test_forward_by_hand(standard: str, full_range: bool, rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    planes = split_yuv(np.array([[rgb]], np.uint8), standard=standard, full_range=full_range)
    assert tuple(int(plane[0, 0]) for plane in planes) == yuv


def test_the_matrices_are_those_of_the_papers_equations() -> None:
    matrix, offsets = yuv_matrix(standard="bt601", full_range=False)
    assert offsets.tolist() == [16, 128, 128]
    equation_5 = [[0.256788, 0.504129, 0.097906], [-0.148223, -0.290993, 0.439216], [0.439216, -0.367788, -0.071427]]
    equation_6 = [[1.164383, 0, 1.596027], [1.164383, -0.391762, -0.812968], [1.164383, 2.017232, 0]]
    np.testing.assert_allclose(matrix, equation_5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.inv(matrix), equation_6, atol=1e-6)


def test_halves_round_up_whatever_the_last_bits_say() -> None:
    # Exact halves by BT.601's full range: 0.114 * 250 = 28.5 for Y, and 128 + 250 / 2 for U.
    planes = split_yuv(np.array([[[0, 0, 250]]], np.uint8), standard="bt601", full_range=True)
    assert [int(plane[0, 0]) for plane in planes[:2]] == [29, 253]


@PICTURES
@pytest.mark.parametrize(("arithmetic", "name"), [("float", "bt601-float"), ("integer", "bt601-integer")])
def test_limited_444_is_the_papers_round_trip_but_for_ties(picture: np.ndarray, arithmetic: str, name: str) -> None:
    # The paper rounds its coefficients to six places; the standard's own land on exact halves now and then.
    ours = round_trip(picture, standard="bt601", subsampling="4:4:4", arithmetic=arithmetic)
    assert furthest(ours, COLOURS[name](picture)) <= 2
    assert (ours != COLOURS[name](picture)).mean() < 0.001


@pytest.mark.parametrize(("siting", "expected"), [("centre", [4, 20]), ("left", [2, 16]), ("corner", [0, 16])])
def test_thinning_by_hand(siting: str, expected: list[int]) -> None:
    assert thin_out(ROW, siting=siting).tolist() == [expected]


@pytest.mark.parametrize(
    ("siting", "how", "expected"),
    [
        ("centre", "nearest", [0, 0, 16, 16]),
        ("centre", "bilinear", [0, 4, 12, 16]),
        ("left", "bilinear", [0, 8, 16, 16]),
        ("corner", "bilinear", [0, 8, 16, 16]),
    ],
)
def test_spreading_by_hand(siting: str, how: str, expected: list[int]) -> None:
    assert spread(np.array([[0, 16]], np.uint8), siting=siting, how=how).tolist() == [expected] * 2


def test_left_is_between_rows_and_corner_on_them() -> None:
    column = np.array([[0], [16]], np.uint8)
    assert spread(column, siting="left", how="bilinear")[:, 0].tolist() == [0, 4, 12, 16]
    assert spread(column, siting="corner", how="bilinear")[:, 0].tolist() == [0, 8, 16, 16]


@pytest.mark.parametrize("siting", ["centre", "left", "corner"])
def test_a_ramp_of_chroma_keeps_its_place_where_thinning_and_spreading_agree(siting: str) -> None:
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (8, 1))
    back = spread(thin_out(ramp, siting=siting), siting=siting, how="bilinear")
    assert furthest(back[:, 4:-4], ramp[:, 4:-4]) == 0


def test_nv12_nv21_and_i420_hold_the_same_samples_in_other_orders() -> None:
    luma, blue, red = np.full((2, 4), 9, np.uint8), np.array([[1, 2]], np.uint8), np.array([[5, 6]], np.uint8)
    chroma = {name: pack_420((luma, blue, red), layout=name)[2].tolist() for name in ("i420", "nv12", "nv21")}
    assert chroma == {"i420": [1, 2, 5, 6], "nv12": [1, 5, 2, 6], "nv21": [5, 1, 6, 2]}
    one = round_trip(PHOTOGRAPH, standard="bt601", layout="nv12")
    for layout in ("nv21", "i420"):
        np.testing.assert_array_equal(round_trip(PHOTOGRAPH, standard="bt601", layout=layout), one)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["i420", "nv12", "nv21"]), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_unpacking_undoes_packing(height: int, width: int, layout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    planes = (
        rng.integers(0, 256, (2 * height, 2 * width), dtype=np.uint8),
        rng.integers(0, 256, (height, width), dtype=np.uint8),
        rng.integers(0, 256, (height, width), dtype=np.uint8),
    )
    for plane, again in zip(planes, unpack_420(pack_420(planes, layout=layout), layout=layout), strict=True):
        np.testing.assert_array_equal(again, plane)


@pytest.mark.parametrize("name", YUV_COLOURS)
@given(st.integers(1, 300), st.integers(1, 5), st.integers(0, 255), st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_any_size_keeps_its_shape_and_an_even_colour_stays(
    name: str, height: int, width: int, level: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    colour = np.array([level, 255 - level, rng.integers(0, 256)], np.uint8)
    picture = np.broadcast_to(colour, (height, width, 3)).copy()
    back = COLOURS[name](picture)
    assert back.shape == picture.shape
    assert back.dtype == np.uint8
    assert (back == back[0, 0]).all()
    # Half a step of rounding in Y, U and V each, times the largest row of the way back (2.11 for BT.709), plus 2.
    assert furthest(back, picture) <= 0.5 * (1.164384 + 2.112402) + 2


@pytest.mark.parametrize("name", YUV_COLOURS)
def test_greys_have_no_chroma_to_lose(name: str) -> None:
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    back = COLOURS[name](greys)
    assert (back[..., :1] == back).all()
    assert furthest(back, greys) <= 1


@PICTURES
def test_nv12_forward_is_opencvs_i420_within_1_where_the_corner_pixel_gives_the_chroma(picture: np.ndarray) -> None:
    frame = pack_420(planes_420(picture, "corner"), layout="i420")
    assert furthest(frame, cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)) <= 1


@PICTURES
@pytest.mark.parametrize(("layout", "code"), [("nv12", cv2.COLOR_YUV2RGB_NV12), ("nv21", cv2.COLOR_YUV2RGB_NV21)])
def test_nearest_from_nv12_and_nv21_is_opencvs_within_1(picture: np.ndarray, layout: str, code: int) -> None:
    frame = pack_420(planes_420(picture, "centre"), layout=layout)
    for name in ("bt601-nv12-nearest", "bt601-nv12-nearest-integer"):
        assert furthest(COLOURS[name](picture), cv2.cvtColor(frame, code)) <= 1


@PICTURES
def test_corner_is_opencvs_whole_round_trip_within_4(picture: np.ndarray) -> None:
    # One level of difference in Y, U and V on the way there makes up to 4 on the way back; on average 0.1.
    theirs = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), cv2.COLOR_YUV2RGB_I420)
    ours = COLOURS["bt601-nv12-corner"](picture)
    assert furthest(ours, theirs) <= 4
    assert np.abs(ours.astype(int) - theirs).mean() < 0.15


@PICTURES
def test_full_444_is_opencvs_ycrcb_within_1_there_and_2_back(picture: np.ndarray) -> None:
    theirs = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    planes = np.stack(split_yuv(picture, standard="bt601", full_range=True), axis=-1)
    assert furthest(planes, theirs[..., [0, 2, 1]]) <= 1
    assert furthest(COLOURS["bt601-full-444"](picture), cv2.cvtColor(theirs, cv2.COLOR_YCrCb2RGB)) <= 2


def swscale(picture: np.ndarray, standard: str, full_range: bool, pixels: str) -> np.ndarray:
    """FFmpeg's way to YUV and back: bilinear, its most accurate arithmetic, chroma at full horizontal resolution."""
    how = (
        Interpolation.BILINEAR
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT
        | Interpolation.FULL_CHR_H_INP
    )
    space, levels = {"bt601": "ITU601", "bt709": "ITU709"}[standard], 2 if full_range else 1
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    yuv = frame.reformat(
        format=pixels, dst_colorspace=space, src_color_range=2, dst_color_range=levels, interpolation=how
    )
    back = yuv.reformat(
        format="rgb24", src_colorspace=space, src_color_range=levels, dst_color_range=2, interpolation=how
    )
    return back.to_ndarray()


@PICTURES
@pytest.mark.parametrize("standard", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_444_is_ffmpegs_within_4(picture: np.ndarray, standard: str, full_range: bool) -> None:
    ours = round_trip(picture, standard=standard, full_range=full_range, subsampling="4:4:4")
    theirs = swscale(picture, standard, full_range, "yuv444p")
    assert furthest(ours, theirs) <= 4
    assert np.abs(ours.astype(int) - theirs).mean() < 0.8


@pytest.mark.parametrize("standard", ["bt601", "bt709"])
def test_nv12_bilinear_is_nearer_to_ffmpeg_than_nearest_is_and_within_16_on_a_photograph(standard: str) -> None:
    # swscale thins the chroma out with its own filters, so that edges differ.
    theirs = swscale(PHOTOGRAPH, standard, False, "yuv420p").astype(int)
    ours = COLOURS[f"{standard}-nv12-bilinear"](PHOTOGRAPH)
    assert furthest(ours, theirs) <= 16
    means = [np.abs(COLOURS[f"{standard}-nv12-{how}"](PHOTOGRAPH) - theirs).mean() for how in ("bilinear", "nearest")]
    assert means[0] < 0.7
    assert means[0] < 0.7 * means[1]


def test_every_variant_gives_other_pixels() -> None:
    results = {COLOURS[name](PHOTOGRAPH).tobytes() for name in COLOURS}
    assert len(results) == len(COLOURS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"standard": "bt2020"}, "unknown YUV standard 'bt2020'; known: bt601, bt709"),
        ({"subsampling": "4:1:1"}, "expected the subsampling '4:4:4' or '4:2:0', got '4:1:1'"),
        ({"layout": "yv12"}, "unknown YUV layout 'yv12'"),
        ({"siting": "right"}, "unknown chroma siting 'right'"),
        ({"upsampling": "cubic"}, "expected the upsampling 'nearest' or 'bilinear', got 'cubic'"),
        ({"arithmetic": "half"}, "unknown arithmetic 'half'; known: float, integer"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        round_trip(NOISE, **{"standard": "bt601", **options})  # type: ignore[arg-type]
