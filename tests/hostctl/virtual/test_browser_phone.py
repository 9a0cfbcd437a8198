import numpy as np
import pytest

from device_agents.errors import BadInput
from hostctl.virtual.browser_phone import FRAMES, as_y4m


@pytest.mark.parametrize(
    ("rgb", "ycc"),
    [((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128)), ((255, 0, 0), (81, 91, 240))],
    ids=["black", "white", "red"],
)
def test_levels_are_those_of_bt_601(rgb, ycc):
    # ITU-R BT.601's 8-bit levels: red is Y 81.5, Cb 90.2, Cr 240.
    head, frame = as_y4m(np.full((5, 7, 3), rgb, np.uint8)).split(b"FRAME\n")[:2]
    assert head == b"YUV4MPEG2 W6 H4 F10:1 Ip A1:1 C420jpeg\n"
    planes = np.frombuffer(frame, np.uint8)
    assert planes.size == 6 * 4 * 3 // 2
    for part, level in zip(np.split(planes, [24, 30]), ycc, strict=True):
        assert abs(part.astype(int) - level).max() <= 1


def test_every_frame_is_there():
    assert as_y4m(np.zeros((2, 2, 3), np.uint8)).count(b"FRAME\n") == FRAMES


def test_a_picture_of_one_line_is_refused():
    with pytest.raises(BadInput, match="2 x 2 pixels or more"):
        as_y4m(np.zeros((1, 9, 3), np.uint8))
