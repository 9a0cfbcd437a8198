"""The rack's browsers: headless Chromium for each, before whose camera lies what the rack's screen has painted last."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from capture.screen import RGB
from hostctl.virtual.browser_phone import BrowserPhone
from hostctl.virtual.screen_model import SETTLED_TIMES, ScreenModel

KIND = "virtual-browser"
Sight = Callable[[], RGB]


class Sights:
    """What lies before the cameras of browsers, which are files that Chromium reads when it opens a camera."""

    def __init__(self, model: ScreenModel) -> None:
        """Look at the screen of this model."""
        self._model = model
        self._cameras: list[tuple[Sight, BrowserPhone]] = []

    def add(self, sight: Sight, browser: BrowserPhone) -> None:
        """Put before a browser's camera, from the next painted frame on, what ``sight`` sees then."""
        self._cameras.append((sight, browser))

    def renew(self, painted_s: float) -> None:
        """Show every browser the frame that was painted at this time of time.monotonic, once the panel has settled."""
        if not self._cameras:
            return
        settled_s = painted_s + 1 / self._model.refresh_hz + SETTLED_TIMES * self._model.response_s
        time.sleep(max(0.0, settled_s - time.monotonic()))
        with ThreadPoolExecutor(len(self._cameras)) as pool:
            list(pool.map(_look, self._cameras))


def start_browsers(
    stack: contextlib.ExitStack,
    wanted: Mapping[str, Sight],
    sights: Sights,
    *,
    pages: Mapping[str, str],
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """Open the page of each wanted browser that is in ``pages`` (address by name), and give how each is used.

    Raises MissingExtra, BadInput or Unreachable where a browser does not start.
    """
    root = folder / "browsers"
    shutil.rmtree(root, ignore_errors=True)  # of a rack that was killed
    stack.callback(shutil.rmtree, root, ignore_errors=True)
    names = [name for name in wanted if name in pages]
    for name in names:
        home = root / name
        home.mkdir(parents=True)
        browser = BrowserPhone(pages[name], folder=home, picture=wanted[name]())
        sights.add(wanted[name], stack.enter_context(browser))
    return {name: {"kind": "web", "camera": "canvas"} for name in names}


def _look(camera: tuple[Sight, BrowserPhone]) -> None:
    sight, browser = camera
    browser.see(sight())
