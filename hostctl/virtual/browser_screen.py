"""A real browser as the virtual screen: headless Chromium opens the display page, and cameras see its screenshots."""

from __future__ import annotations

import io
import os
import queue
import shutil
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from capture.screen import RGB
from device_agents.errors import BadInput, MissingExtra, TimedOut, Unreachable
from hostctl.virtual.screen_model import NO_STIMULUS, Exposure

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

PROGRAMS = ("/usr/lib/chromium/chromium", "chromium", "google-chrome")  # the first is Debian's without its wrapper
START_TIMEOUT_S = 60.0
SHOT_TIMEOUT_S = 30.0


def find_chromium() -> str:
    """Give the path of a Chromium or Chrome program; raises BadInput saying what to install."""
    for program in PROGRAMS:
        found = shutil.which(program)
        if found is not None:
            return found
    raise BadInput(f"expected a browser ({', '.join(PROGRAMS)}), found none: install the package chromium")


def launch_chromium(playwright: Playwright) -> Browser:
    """Start headless Chromium; raises BadInput if there is none, Unreachable if it does not start."""
    from playwright.sync_api import Error

    # Chromium's sandbox does not work for root; for anybody else it stays on. The colour profile is pinned, so that
    # a painted sRGB value is the same number in the screenshot.
    arguments = ["--force-color-profile=srgb", "--hide-scrollbars"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    try:
        return playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
    except Error as problem:
        raise Unreachable(f"the browser did not start: {str(problem).splitlines()[0]}") from problem


def screenshot(page: Page) -> RGB:
    """Give what a page has painted: uint8 (height, width, 3), sRGB, in device pixels."""
    png = page.screenshot(type="png", timeout=SHOT_TIMEOUT_S * 1e3)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


class BrowserScreen:
    """The display page in headless Chromium, within a with block; exposed() is what it has really painted.

    ``height`` and ``width`` are the window's pixels. Playwright belongs to the thread that started it, so a thread of
    its own does all the work, and exposed() may be called by any.
    """

    def __init__(self, url: str, *, height: int, width: int) -> None:
        self._url, self._height, self._width = url, height, width
        self._jobs: queue.Queue[Future[Exposure] | None] = queue.Queue()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="browser-screen")

    def __enter__(self) -> BrowserScreen:
        """Start the browser and open the page; raises MissingExtra, BadInput or Unreachable if that fails."""
        self._thread.start()
        try:
            self._started.result(START_TIMEOUT_S)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser and join its thread."""
        self._jobs.put(None)
        self._thread.join()

    def exposed(self, start_s: float, exposure_s: float, readout_s: float) -> Exposure:
        """Take a screenshot now: a browser has no past, so the span of time does not matter. Raises TimedOut."""
        job: Future[Exposure] = Future()
        self._jobs.put(job)
        try:
            return job.result(SHOT_TIMEOUT_S + 5)
        except TimeoutError as problem:
            raise TimedOut(f"the browser gave no screenshot within {SHOT_TIMEOUT_S:g} s") from problem

    def _work(self) -> None:
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            self._started.set_exception(MissingExtra("there is no playwright: pip install 'instability-kit[test]'"))
            return
        with sync_playwright() as playwright:
            try:
                browser = launch_chromium(playwright)
            except (BadInput, Unreachable) as problem:
                self._started.set_exception(problem)
                return
            try:
                page = browser.new_page(viewport={"width": self._width, "height": self._height})
                page.goto(self._url)
                self._started.set_result(None)
                while (job := self._jobs.get()) is not None:
                    try:
                        job.set_result(_expose(page))
                    except Error as problem:
                        job.set_exception(Unreachable(f"the browser gave no screenshot: {problem}"))
            except Error as problem:
                self._started.set_exception(Unreachable(f"the browser cannot open the display: {problem}"))
            finally:
                browser.close()


def _expose(page: Page) -> Exposure:
    painted: dict[str, Any] = page.evaluate("({...document.body.dataset})")
    rgb = screenshot(page)
    weights = np.ones(rgb.shape[0], np.float32)
    return Exposure([(rgb, weights)], int(painted.get("stimulus", NO_STIMULUS)), str(painted.get("scene", "")))
