"""What lies before a browser's camera: the frame that the screen painted last, once it has settled, and no codec."""

import contextlib
import time

import numpy as np
import pytest

from hostctl.virtual.racked_browsers import Sights, start_browsers
from hostctl.virtual.screen_model import SETTLED_TIMES, ScreenModel


class Before:
    """A browser's camera that remembers what was put before it, and when."""

    def __init__(self):
        self.seen = []

    def see(self, picture):
        self.seen.append((time.monotonic(), picture))


def test_every_camera_sees_a_frame_when_the_panel_has_settled():
    model, cameras = ScreenModel(height=480, width=640, refresh_hz=60, response_s=0.004), [Before(), Before()]
    sights = Sights(model)
    sights.renew(time.monotonic() + 100)  # without cameras nobody waits
    for level, camera in zip((40, 200), cameras, strict=True):
        sights.add(lambda level=level: np.full((4, 6, 3), level, np.uint8), camera)
    painted_s = time.monotonic() + 0.02
    sights.renew(painted_s)
    for level, camera in zip((40, 200), cameras, strict=True):
        ((at_s, picture),) = camera.seen
        assert at_s >= painted_s + 1 / 60 + SETTLED_TIMES * 0.004
        assert picture.shape == (4, 6, 3)
        assert (picture == level).all()


def test_browsers_that_have_no_page_are_not_started(tmp_path):
    wanted = {"page": lambda: pytest.fail("nobody looks")}
    (tmp_path / "browsers" / "old").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        sights = Sights(ScreenModel(height=480, width=640))
        assert start_browsers(stack, wanted, sights, pages={}, folder=tmp_path) == {}
    assert not (tmp_path / "browsers").exists()
