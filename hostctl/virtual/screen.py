"""The virtual screen: a page without a browser that speaks the display's protocol and paints on a model of a panel.

The client and the model are apart on purpose: what is acknowledged and what is painted may differ, and cameras see only
what is painted, so that a fault of synchronisation ends up in the photographs.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import secrets
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from capture.screen import RGB
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, DeviceError, KitError, Unauthorised, Unreachable
from hostctl.virtual.screen_model import Exposure, ScreenModel

__all__ = ["Exposure", "ScreenModel", "VirtualScreen"]

SILENCE_S = 20.0  # four missed signs of life
RETRY_S = 0.2
FAULTS = ("", "acknowledges-early")

logger = logging.getLogger(__name__)


class VirtualScreen:
    """A page without a browser: connects to a display server, fetches frames, paints them on a model, acknowledges.

    ``url`` is the server's address with the token. It paints ``paint_delay_s`` after it has a frame; an honest screen
    acknowledges a refresh after that; with the fault "acknowledges-early" it acknowledges before, and paints
    ``early_s`` later still. ``painted`` is told the time at which each frame is painted, and an honest screen waits
    for it before it acknowledges. Use it in a with block; it reconnects by itself. ``clock`` is the time of the model.
    """

    def __init__(
        self,
        url: str,
        model: ScreenModel,
        *,
        paint_delay_s: float = 0.008,
        fault: str = "",
        early_s: float = 0.4,
        painted: Callable[[float], None] = lambda at_s: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if fault not in FAULTS:
            raise BadInput(f"unknown screen fault '{fault}'; known: {', '.join(FAULTS[1:])}")
        address = urllib.parse.urlsplit(url)
        self.model, self.visible = model, True
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._headers = {"X-Display-Token": urllib.parse.parse_qs(address.query).get("token", [""])[0]}
        self._paint_delay_s = paint_delay_s + (early_s if fault else 0.0)
        self._honest, self._painted, self._clock = not fault, painted, clock
        self._client = secrets.token_hex(8)
        self._stop = threading.Event()
        self._stream: socket.socket | None = None
        self._kept: dict[str, RGB] = {}
        self._thread = threading.Thread(target=self._live, name="virtual-screen")
        self.problem: KitError | None = None

    def __enter__(self) -> VirtualScreen:
        """Connect in the background."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect and join the thread."""
        self._stop.set()
        self.drop()
        self._thread.join()

    def exposed(self, start_s: float, exposure_s: float, readout_s: float) -> Exposure:
        """Give what a camera sees in a span of time; see ScreenModel.exposed."""
        return self.model.exposed(start_s, exposure_s, readout_s)

    def set_visible(self, visible: bool) -> None:
        """Bring the page to the front or hide it, and say so to the display."""
        self.visible = visible
        self._hello()

    def drop(self) -> None:
        """Lose the connection, as on a bad network; it comes back by itself."""
        stream = self._stream
        if stream is not None:
            with contextlib.suppress(OSError):  # it may have ended by itself in this moment
                stream.shutdown(socket.SHUT_RDWR)

    def _live(self) -> None:
        """Follow the display until the end; only a wrong token is final."""
        while not self._stop.is_set():
            try:
                self._follow()
            except Unauthorised as problem:
                self.problem = problem
                return
            except (OSError, http.client.HTTPException, DeviceError) as problem:
                logger.debug("the virtual screen lost the display: %s", problem)
            self._stop.wait(RETRY_S)

    def _follow(self) -> None:
        """Open the stream of events, say hello, and do what each event asks for."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SILENCE_S)
        with contextlib.closing(connection):
            connection.connect()
            self._stream = connection.sock
            connection.request("GET", f"/events?client={self._client}", headers=self._headers)
            with connection.getresponse() as response:
                _check(response.status, response.reason)
                self._hello()
                for event, data in _read_events(response):
                    if event == "show":
                        self._show(json.loads(data))

    def _hello(self) -> None:
        layout = self.model.layout
        report = {"client": self._client, "height": layout.height, "width": layout.width, "visible": self.visible}
        self._post("/hello", {**report, "agent": "virtual screen"})

    def _show(self, message: Mapping[str, Any]) -> None:
        """Paint one frame and acknowledge it; then fetch the next one, as the page does."""
        if not self.visible:
            self._post("/trouble", {"client": self._client, "reason": "the page is hidden"})
            return
        fetch_s = self._clock()
        rgb = self._fetch(message["url"])
        paint_s = self._clock() + self._paint_delay_s
        self.model.paint(rgb, at_s=paint_s, stimulus=message["stimulus"], scene=message["scene"])
        if self._honest:
            self._wait_until(paint_s + 1 / self.model.refresh_hz)
            self._painted(paint_s)
        times = {"decode_ms": (paint_s - fetch_s - self._paint_delay_s) * 1e3, "paint_ms": self._paint_delay_s * 1e3}
        answer = {"client": self._client, "sequence": message["sequence"], "visible": self.visible, **times}
        self._post("/ack", answer)
        if not self._honest:
            self._painted(paint_s)
        self._kept = {message["url"]: rgb}
        if message["next"]:
            self._kept[message["next"]] = self._fetch(message["next"])

    def _wait_until(self, when_s: float) -> None:
        while (left_s := when_s - self._clock()) > 0 and not self._stop.is_set():
            self._stop.wait(left_s)

    def _fetch(self, address: str) -> RGB:
        if address in self._kept:
            return self._kept[address]
        return DECODERS["opencv"](self._ask("GET", address))

    def _post(self, address: str, values: Mapping[str, Any]) -> None:
        body = self._ask("POST", address, json.dumps(values).encode())
        refused = json.loads(body).get("refused", "")
        if refused:
            logger.info("the display refused %s of the virtual screen: %s", address, refused)

    def _ask(self, method: str, address: str, body: bytes | None = None) -> bytes:
        """Do one request on a connection of its own; 409 is an answer, other errors are raised."""
        with contextlib.closing(http.client.HTTPConnection(self._host, self._port, timeout=SILENCE_S)) as connection:
            headers = {**self._headers, "Content-Type": "application/json"}
            connection.request(method, address, body=body, headers=headers)
            with connection.getresponse() as response:
                if response.status != 409:
                    _check(response.status, f"{method} {address.split('?')[0]}: {response.reason}")
                return response.read()


def _read_events(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Give the events of a text/event-stream (HTML standard, 9.2.6): name and data; comments are signs of life."""
    event, data = "message", []
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif not name and not value:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []


def _check(status: int, reason: str) -> None:
    if status in (401, 403):
        raise Unauthorised(f"the display refused the virtual screen ({status}): is the token in the address right?")
    if status != 200:
        raise Unreachable(f"the display answered {status} to the virtual screen: {reason}")
