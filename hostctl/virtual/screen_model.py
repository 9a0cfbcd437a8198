"""The screen as light: what is painted when, with scan-out and panel response, and what a rolling shutter sees."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from capture.screen import RGB, Layout, ground_frame
from device_agents.errors import BadInput

Weights = NDArray[np.float32]  # (height,)
Layers = list[tuple[RGB, Weights]]

NO_STIMULUS = -1
KEPT = 8  # painted frames that an exposure may reach back to
SETTLED_TIMES = 12.0  # time constants until the rest of the old frame is e^-12, below a tenth of the darkest 8-bit step
LEAST_WEIGHT = 1e-5
AT_ONCE_S = 1e-9  # a response below it is none; dividing by it would overflow


class Exposure(NamedTuple):
    """What a camera saw: frames with a weight a row (they sum to 1), and the frame that most of the light came from."""

    layers: Layers
    stimulus: int
    scene: str


class _Painted(NamedTuple):
    start_s: float
    rgb: RGB
    stimulus: int
    scene: str


class ScreenModel:
    """A panel that is painted from top to bottom in one refresh and follows each change exponentially.

    ``refresh_hz`` is the panel's refresh rate; ``response_s`` the time constant of its pixels (0: at once). Times are
    seconds of any one clock. May be used by several threads.
    """

    def __init__(self, *, height: int, width: int, refresh_hz: float = 60.0, response_s: float = 0.004) -> None:
        self.layout = Layout(height, width)
        self.refresh_hz, self.response_s = refresh_hz, response_s
        self._lock = threading.Lock()
        ground = ground_frame(self.layout)
        ground.setflags(write=False)
        self._painted = [_Painted(-np.inf, ground, NO_STIMULUS, "")]

    def paint(self, rgb: RGB, *, at_s: float, stimulus: int = NO_STIMULUS, scene: str = "") -> None:
        """Paint a frame, its first row at at_s and its last one a refresh later; raises BadInput for another size."""
        expected = (self.layout.height, self.layout.width, 3)
        if rgb.shape != expected:
            raise BadInput(f"expected a frame of shape {expected}, got {rgb.shape}")
        with self._lock:
            after = [painted for painted in self._painted if painted.start_s <= at_s]
            self._painted = [*after, _Painted(at_s, rgb, stimulus, scene)][-KEPT:]

    def exposed(self, start_s: float, exposure_s: float, readout_s: float) -> Exposure:
        """Give what a rolling shutter integrates; to be asked once the exposure is over.

        Row r of the frame is exposed from start_s + readout_s * r / height, for exposure_s. A frame painted at s shows
        as 1 - exp(-(t - s) / response_s), so a frame's share at t is E[next] - E[own] with E[k] = exp(-(t - s_k) /
        response_s), 1 before s_k; its mean over the exposure is in closed form. Raises BadInput if exposure_s <= 0.
        """
        if not exposure_s > 0 or not readout_s >= 0:
            raise BadInput(f"expected an exposure above 0 s, a readout of at least 0 s, got {exposure_s}, {readout_s}")
        with self._lock:
            first, *rest = self._painted
        painted = [first, *(frame for frame in rest if frame.start_s < start_s + readout_s + exposure_s)]
        last = painted[-1]
        if last.start_s + 1 / self.refresh_hz + SETTLED_TIMES * self.response_s <= start_s:
            return Exposure([(last.rgb, np.ones(self.layout.height, np.float32))], last.stimulus, last.scene)
        shares = self._shares([frame.start_s for frame in painted], start_s, exposure_s, readout_s)
        most = painted[int(np.argmax(shares.mean(axis=1)))]
        kept = np.flatnonzero(shares.max(axis=1) >= LEAST_WEIGHT)
        weights = (shares[kept] / shares[kept].sum(axis=0)).astype(np.float32)
        return Exposure([(painted[at].rgb, weights[row]) for row, at in enumerate(kept)], most.stimulus, most.scene)

    def _shares(
        self, starts_s: list[float], start_s: float, exposure_s: float, readout_s: float
    ) -> NDArray[np.float64]:
        """Give each frame's share in each row's light, (frames, height)."""
        row = np.arange(self.layout.height) / self.layout.height
        begin = start_s + readout_s * row
        old = np.ones((len(starts_s) + 1, self.layout.height))  # the mean of each E; after the last frame comes none: 1
        old[0] = 0.0  # the first frame has always been there
        for at, frame_s in enumerate(starts_s[1:], start=1):
            old[at] = self._mean_rest(frame_s + row / self.refresh_hz, begin, begin + exposure_s)
        return np.diff(old, axis=0)

    def _mean_rest(
        self, switch: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Give the mean over [begin, end] of 1 before the switch and exp(-(t - switch) / response_s) after it."""
        before = np.clip(switch, begin, end) - begin
        if self.response_s > AT_ONCE_S:
            late, early = np.maximum(begin - switch, 0.0), np.maximum(end - switch, 0.0)
            before = before + self.response_s * (np.exp(-late / self.response_s) - np.exp(-early / self.response_s))
        result: NDArray[np.float64] = before / (end - begin)
        return result
