"""What the screen shows and what it has said: the state behind the display server, without any HTTP.

One screen at a time: of all pages connected the one that was loaded last. It says hello with its size, gets one message
for each frame, and acknowledges the message's sequence number once the frame is painted.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from capture.frames import Frames, Rendered
from capture.screen import Box, Layout
from capture.screen_report import ScreenReport, refusal
from device_agents.errors import DeviceError, TimedOut, Unreachable
from device_agents.records import Scene

KEEP_ALIVE_S = 5.0
RETRY_MS = 300


@dataclass(frozen=True)
class Shown:
    """A frame that the screen has acknowledged: what, how it lies on the screen, and when (clock seconds)."""

    scene: str
    stimulus: int
    sequence: int
    layout: Layout
    box: Box
    asked_s: float
    painted_s: float
    ready_s: float
    decode_ms: float
    paint_ms: float


@dataclass(frozen=True)
class _Wanted:
    """What the host wants to have on the screen, and after it."""

    scene: Scene
    stimulus: int
    following: tuple[Scene, int] | None


@dataclass(frozen=True)
class _Message:
    """One frame as it was sent to the screen."""

    sequence: int
    layout: Layout
    frame: Future[Rendered]
    data: bytes


@dataclass(frozen=True)
class _Answer:
    sequence: int
    painted_s: float
    decode_ms: float
    paint_ms: float


class Display:
    """The one screen: show() for the host; hello, events, frame, acknowledge and complain for the page."""

    def __init__(self, *, settle_s: float = 0.15, clock: Callable[[], float] = time.monotonic) -> None:
        self.settle_s = settle_s
        self.address = "the display page"
        self._clock = clock
        self._frames = Frames()
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._closed = False
        self._streams: Counter[str] = Counter()
        self._reports: dict[str, ScreenReport] = {}  # in the order in which the pages first said hello
        # A random start, so that a late answer to an earlier server fits nothing.
        self._sequence = secrets.randbelow(1 << 30)
        self._wanted: _Wanted | None = None
        self._message: _Message | None = None
        self._answer: _Answer | None = None
        self._failure: BaseException | None = None
        self._said = ""

    # The host's side.

    def show(
        self, scene: Scene, stimulus: int, *, next_scene: tuple[Scene, int] | None = None, timeout_s: float
    ) -> Shown:
        """Show a scene and wait until the screen has painted it and has settled; prepare the next one meanwhile.

        ``stimulus`` is the number in the frame code, 0..2**24-1. Raises Unreachable if no screen is connected,
        TimedOut with what the screen last said, BadInput if the scene cannot be read or the number is too large.
        """
        asked_s = self._clock()
        if not self._turn.acquire(timeout=timeout_s):
            raise TimedOut(
                f"stimulus {stimulus} was not shown within {timeout_s:g} s: another one was still being shown"
            )
        try:
            with self._changed:
                self._wanted, self._said = _Wanted(scene, stimulus, next_scene), ""
                self._publish()
            while True:
                message, answer = self._wait_for_answer(stimulus, asked_s + timeout_s - self._clock(), timeout_s)
                time.sleep(self.settle_s)
                with self._changed:
                    if self._answer is answer:  # else the screen changed while it settled, and has to answer again
                        break
        finally:
            self._turn.release()
        box = message.frame.result().box
        times = (asked_s, answer.painted_s, self._clock(), answer.decode_ms, answer.paint_ms)
        return Shown(scene.scene, stimulus, message.sequence, message.layout, box, *times)

    def wait_for_screen(self, *, timeout_s: float) -> ScreenReport:
        """Wait until a usable screen is connected; raises Unreachable or TimedOut with what is wrong with it."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._usable() is not None, timeout_s):
                raise self._explain("no usable screen", timeout_s)
            report = self._usable()
            if report is None:
                raise Unreachable("the display server is closed")
            return report

    @property
    def trouble(self) -> str:
        """What keeps the screen from showing anything now, in words for the operator; "" if nothing does."""
        with self._changed:
            screen = self._screen()
            if screen is None:
                return f"no screen is connected: open {self.address} on it"
            return refusal(screen) or self._said

    @property
    def begun(self) -> bool:
        """Whether a frame was ever asked for: from then on nothing but frames may be on the screen."""
        with self._changed:
            return self._wanted is not None

    def close(self) -> None:
        """End all streams and waits; may be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._frames.close()

    # The page's side.

    def hello(self, report: ScreenReport) -> str:
        """Take a page's report of itself; give why it is refused, or ""."""
        with self._changed:
            before = self._usable()
            self._reports[report.client] = report
            after = self._usable()
            if after is None:
                self._message = self._answer = None
            elif before is None or before.identity != after.identity:
                self._publish()
            self._changed.notify_all()
        return refusal(report)

    def events(self, client: str) -> Iterator[bytes]:
        """Give a page's server-sent events: the current frame at once, each new one, and a sign of life every 5 s."""
        with self._changed:
            self._streams[client] += 1
            self._follow_screen()
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            sent = None
            while (message := self._next_message(client, sent)) != "closed":
                if isinstance(message, _Message):
                    sent = message.sequence
                    yield b"event: show\ndata: " + message.data + b"\n\n"
                else:
                    yield b": still here\n\n"
        finally:
            with self._changed:
                self._streams[client] -= 1
                if not self._streams[client]:
                    del self._streams[client]
                self._follow_screen()

    def frame(self, key: str, *, timeout_s: float = 30.0) -> bytes | None:
        """Give a frame's PNG by the key in its address, waiting for it to be rendered; None if it is unknown."""
        return self._frames.png(key, timeout_s=timeout_s)

    def acknowledge(self, client: str, sequence: int, *, decode_ms: float, paint_ms: float, visible: bool) -> str:
        """Take a page's word that a frame is painted; give why it does not count, or ""."""
        with self._changed:
            screen = self._screen()
            if screen is None or screen.client != client:
                return "another page is the screen now"
            if not visible or refusal(screen):
                self._said = refusal(dataclasses.replace(screen, visible=visible))
                return self._said
            if self._message is None or sequence != self._message.sequence:
                return f"expected sequence {self._message and self._message.sequence}, got {sequence}"
            if self._answer is None:
                self._said = ""
                self._answer = _Answer(sequence, self._clock(), decode_ms, paint_ms)
                self._changed.notify_all()
            return ""

    def complain(self, client: str, reason: str) -> None:
        """Keep what a page says is wrong, for the message of a show() that runs out of time."""
        with self._changed:
            screen = self._screen()
            if screen is not None and screen.client == client:
                self._said = reason[:300]

    # With the lock held.

    def _screen(self) -> ScreenReport | None:
        """Give the page that is the screen: of those connected, the one loaded last."""
        connected = [report for client, report in self._reports.items() if client in self._streams]
        return connected[-1] if connected else None

    def _usable(self) -> ScreenReport | None:
        screen = self._screen()
        return None if screen is None or refusal(screen) else screen

    def _follow_screen(self) -> None:
        """After a stream came or went: send the frame again if another page is the screen now, or another size."""
        screen = self._usable()
        if screen is None:
            self._message = self._answer = None
        elif self._message is None or self._message.layout != Layout(screen.height, screen.width):
            self._publish()
        self._changed.notify_all()

    def _publish(self) -> None:
        """Send what is wanted to the screen under a new sequence number; without a usable screen it waits for one."""
        screen, wanted = self._usable(), self._wanted
        self._message = self._answer = self._failure = None
        if screen is None or wanted is None or self._closed:
            return
        layout = Layout(screen.height, screen.width)
        key, frame = self._frames.request(wanted.scene, wanted.stimulus, layout)
        following = ""
        if wanted.following is not None:
            following_key, _ = self._frames.request(*wanted.following, layout)
            following = _address(wanted.following[1], following_key)
        self._sequence += 1
        fields = {
            "sequence": self._sequence, "stimulus": wanted.stimulus, "scene": wanted.scene.scene,
            "height": layout.height, "width": layout.width, "url": _address(wanted.stimulus, key), "next": following,
        }  # fmt: skip
        self._message = _Message(self._sequence, layout, frame, json.dumps(fields).encode())
        frame.add_done_callback(self._note_failure)
        self._changed.notify_all()

    def _note_failure(self, frame: Future[Rendered]) -> None:
        """Let show() know that its frame could not be rendered."""
        failure = None if frame.cancelled() else frame.exception()
        with self._changed:
            if failure is not None and self._message is not None and self._message.frame is frame:
                self._failure = failure
                self._changed.notify_all()

    def _next_message(self, client: str, sent: int | None) -> _Message | str:
        """Wait for a message that this page has not had: give it, or "quiet" after 5 s, or "closed"."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._due(client, sent) is not None, KEEP_ALIVE_S)
            return "closed" if self._closed else self._due(client, sent) or "quiet"

    def _due(self, client: str, sent: int | None) -> _Message | None:
        screen = self._screen()
        if self._message is None or screen is None or screen.client != client or self._message.sequence == sent:
            return None
        return self._message

    def _wait_for_answer(self, stimulus: int, left_s: float, timeout_s: float) -> tuple[_Message, _Answer]:
        """Wait for the answer to the current message, whichever re-sent one that is."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._failure or self._answer, max(left_s, 0.0))
            if self._failure is not None:
                raise self._failure
            if self._message is None or self._answer is None:
                raise self._explain(f"stimulus {stimulus} was not shown", timeout_s)
            return self._message, self._answer

    def _explain(self, what: str, timeout_s: float) -> DeviceError:
        if self._closed:
            return Unreachable(f"{what}: the display server is closed")
        screen = self._screen()
        if screen is None:
            return Unreachable(f"{what} within {timeout_s:g} s: no screen is connected; open {self.address} on it")
        said = refusal(screen) or self._said or "nothing"
        return TimedOut(f"{what} within {timeout_s:g} s; the screen last said: {said}")


def _address(stimulus: int, key: str) -> str:
    return f"/frame/{stimulus}.png?key={key}"
