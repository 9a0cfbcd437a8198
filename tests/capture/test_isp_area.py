"""Turning by every EXIF orientation, and cutting pictures of any crop to the same pixels."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data

from capture import isp_area
from capture.raw import Raw
from device_agents.errors import BadInput

HEIGHT, WIDTH = 240, 320
SCENE = data.astronaut()[:HEIGHT, :WIDTH]


def raw_of(orientation=1):
    mosaic = np.zeros((HEIGHT, WIDTH), np.uint16)
    return Raw(mosaic, (0.0,) * 4, 1023, "RGGB", (1.0, 1.0, 1.0), np.eye(3), orientation=orientation)


def cut(picture, *, orientation=1, crop_px=0):
    def reference(raw):
        return isp_area.turn_upright(SCENE, raw.orientation)

    return isp_area.cut_to_shared(picture, raw_of(orientation), crop_px=crop_px, reference=reference, what="lab")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pillows_exif_transpose_and_turning_back_its_inverse(orientation):
    turned = isp_area.turn_upright(SCENE, orientation)
    picture = Image.fromarray(SCENE)
    picture.getexif()[274] = orientation
    assert np.array_equal(turned, np.asarray(ImageOps.exif_transpose(picture)))
    assert np.array_equal(isp_area.turn_back(turned, orientation), SCENE)


@pytest.mark.parametrize("orientation", [1, 6, 7])
@pytest.mark.parametrize("crop_px", [0, 4])
@pytest.mark.parametrize("odd", [0, 1])
def test_a_known_crop_is_cut_without_looking(orientation, crop_px, odd):
    whole = data.astronaut()[: HEIGHT + odd, : WIDTH + odd]
    program = whole[crop_px : HEIGHT + odd - crop_px, crop_px : WIDTH + odd - crop_px]
    got = cut(isp_area.turn_upright(program, orientation), orientation=orientation, crop_px=crop_px)
    assert np.array_equal(isp_area.turn_back(got, orientation), SCENE[4:-4, 4:-4])


@pytest.mark.parametrize(("top", "left", "bottom", "right"), [(2, 3, 1, 0), (0, 4, 3, 4), (-6, -2, -8, 1)])
@pytest.mark.parametrize("orientation", [1, 8])
def test_a_crop_that_nobody_knows_is_found_in_another_look(top, left, bottom, right, orientation):
    around = np.pad(data.astronaut(), ((8, 0), (8, 0), (0, 0)), mode="reflect")
    look = np.rint(255 * (around / 255.0) ** 0.6).astype(np.uint8)
    program = look[8 + top : 8 + HEIGHT - bottom, 8 + left : 8 + WIDTH - right]
    got = cut(isp_area.turn_upright(program, orientation), orientation=orientation)
    expected = look[12 : 4 + HEIGHT, 12 : 4 + WIDTH]
    assert np.array_equal(isp_area.turn_back(got, orientation), expected)


def test_a_picture_that_lacks_a_part_of_the_area_is_refused():
    with pytest.raises(
        BadInput, match=r"lab: expected a picture of all but 4 pixels a side of 320 x 240, got 310 x 236"
    ):
        cut(SCENE[2:-2, 6:-4])


@pytest.mark.parametrize("other", [data.coffee()[:200, :300], data.astronaut()[:10, :10], SCENE.swapaxes(0, 1)])
def test_a_picture_of_something_else_is_refused(other):
    with pytest.raises(BadInput, match="lab: expected a picture that lies on LibRaw's 320 x 240"):
        cut(np.ascontiguousarray(other))
