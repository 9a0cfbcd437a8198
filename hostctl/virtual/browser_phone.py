"""A real browser as a virtual phone: headless Chromium opens a browser device's page, its camera a file of ours."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

import numpy as np

from capture.screen import RGB
from device_agents.errors import BadInput, MissingExtra, Unreachable
from hostctl.virtual.browser_screen import START_TIMEOUT_S, find_chromium

PHONE = {"width": 390, "height": 844}
FRAMES_PER_S, FRAMES = 10, 2
# ITU-R BT.601-7, 2.5: from R, G, B of 0..1 to the levels of Y, Cb, Cr.
BT_601 = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
OFFSETS = np.array([16.0, 128.0, 128.0])


class BrowserPhone:
    """A page in headless Chromium, within a with block; see() is what its camera sees from the next opening on.

    ``url`` is the device's address with its token, ``folder`` holds the camera's file. ``said`` are the page's errors.
    """

    def __init__(self, url: str, *, folder: Path, picture: RGB) -> None:
        self.said: list[str] = []
        self._url, self._file = url, folder / "camera.y4m"
        self._ended, self._started = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="browser-phone")
        self.see(picture)

    def see(self, picture: RGB) -> None:
        """Put a picture before the camera, uint8 (height, width, 3); Chromium reads it when the camera is opened."""
        part = self._file.with_suffix(".part")
        part.write_bytes(as_y4m(picture))
        os.replace(part, self._file)

    def __enter__(self) -> BrowserPhone:
        """Start the browser and open the page; raises MissingExtra, BadInput or Unreachable if that fails."""
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S) or self._failure is not None:
            self.__exit__(None, None, None)
            raise self._failure or Unreachable(f"the browser did not start within {START_TIMEOUT_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser and join its thread."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            self._failure = MissingExtra("there is no playwright: pip install 'instability-kit[test]'")
            self._started.set()
            return
        arguments = [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={self._file.absolute()}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's sandbox does not work for root
        ]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
                page = browser.new_page(viewport={"width": PHONE["width"], "height": PHONE["height"]})
                page.on("pageerror", lambda error: self.said.append(str(error)))
                page.goto(self._url)
                self._started.set()
                while not self._ended.is_set():
                    page.wait_for_timeout(100)  # playwright hears of the page's errors only while it waits
                browser.close()
        except Error as problem:
            self._failure = Unreachable(f"the browser cannot open the device's page: {str(problem).splitlines()[0]}")
        except BadInput as problem:
            self._failure = problem
        finally:
            self._started.set()


def as_y4m(picture: RGB) -> bytes:
    """Give a video of a still picture, uint8 (height, width, 3), cut to even sizes: 4:2:0, BT.601, limited range.

    The format is MJPEG tools' YUV4MPEG2, yuv4mpeg(5); the levels 16..235 and 16..240 are ITU-R BT.601's, which
    Chromium assumes of such a file whatever its header says. Raises BadInput for less than 2 x 2 pixels.
    """
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    if not height or not width:
        raise BadInput(f"expected 2 x 2 pixels or more, got {picture.shape[1]} x {picture.shape[0]}")
    levels = OFFSETS + picture[:height, :width] @ (BT_601.T / 255)
    quarters = levels[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3))
    luma, chroma = np.rint(levels[..., 0]).astype(np.uint8), np.rint(quarters).astype(np.uint8)
    frame: bytes = b"FRAME\n" + luma.tobytes() + chroma[..., 0].tobytes() + chroma[..., 1].tobytes()
    head = f"YUV4MPEG2 W{width} H{height} F{FRAMES_PER_S}:1 Ip A1:1 C420jpeg\n".encode("ascii")
    return head + frame * FRAMES
