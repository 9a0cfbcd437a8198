"""How browsers come to their pages: an Android phone over its cable (adb reverse), the others by a code or a link."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from device_agents.errors import BadInput, CommandFailed, DeviceError, KitError, Unreachable
from hostctl.adb import AdbServer, AdbTransport, connect, reverse, reversed_ports, unreverse
from hostctl.transport import Output

if TYPE_CHECKING:
    from capture.display import DisplayServer

logger = logging.getLogger(__name__)
WATCH_S = 5.0  # how often it is looked whether the phone still leads here: a cable that was out takes that away
COMMAND_S = 20.0


@contextlib.contextmanager
def open_on_phone(
    server: AdbServer, serial: str, url: str, *, name: str = "", timeout_s: float = 30.0, watch_s: float = WATCH_S
) -> Iterator[str]:
    """Open a page of this host in a phone's browser through its cable, for the length of a with block.

    ``url`` is plain http on 127.0.0.1, as capture.display.DisplayServer.local_guest_url gives it. The phone's own
    127.0.0.1 leads to it at the same port, or at another if that one is taken there; yields the address on the phone,
    a secure origin without any certificate. Every ``watch_s`` seconds the way is made again if the phone lost it.
    At the end the way is taken away; the browser stays as it is.

    Raises BadInput for another kind of address, Unauthorised, Unreachable or TimedOut as the phone is, CommandFailed
    if it has no browser.
    """
    name, host_port = name or serial, _local_port(url)
    connect(server, serial, timeout_s=timeout_s, name=name)
    phone_port = _reversed(server, serial, host_port, name)
    there = url if phone_port == host_port else url.replace(f":{host_port}/", f":{phone_port}/", 1)
    over = threading.Event()
    way = (server, serial, phone_port, host_port)
    watch = threading.Thread(target=_keep, args=(*way, name, over, watch_s), name=f"way-of-{name}")
    watch.start()
    try:
        _open(AdbTransport(server, serial, name=name), there)
        yield there
    finally:
        over.set()
        watch.join()
        with contextlib.suppress(DeviceError):  # a phone that has gone away, or is frozen, took its listener with it
            unreverse(server, serial, phone_port, name=name)


@contextlib.contextmanager
def open_on_phones(server: AdbServer, pages: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Open the pages of several phones at once, each a name with its serial and address, as open_on_phone does.

    Yields why each of those that could not be opened could not, by name; a person may still open these by hand.
    """
    failures: dict[str, str] = {}

    def enter(name: str) -> contextlib.AbstractContextManager[str] | None:
        way = open_on_phone(server, *pages[name], name=name)
        try:
            way.__enter__()
        except KitError as problem:
            failures[name] = str(problem)
            return None
        return way

    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(max(1, len(pages))) as pool:
            for way in pool.map(enter, pages):
                if way is not None:
                    stack.push(way)
        yield failures


def joining_text(display: DisplayServer, *, codes: bool = True) -> str:
    """Say for a terminal where each device's page is, with its QR code; "" if the display has none.

    The links hold the tokens of this run, which end with it: this is for eyes, never for a file.
    """
    from capture.display_joining import qr_text

    parts = [f"{label}: {url}\n" + (qr_text(url) if codes else "") for label, url in display.links().items()]
    return "\n".join(parts)


def _local_port(url: str) -> int:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise BadInput(f"expected a page at http://127.0.0.1:PORT/, got an address with {problem}") from problem
    if parts.scheme != "http" or parts.hostname != "127.0.0.1" or port is None:
        raise BadInput(f"expected a page at http://127.0.0.1:PORT/, got {parts.scheme}://{parts.hostname}:{port}")
    return port


def _reversed(server: AdbServer, serial: str, host_port: int, name: str) -> int:
    """The same port if it is free there: the address is then the same on both ends, and when the way is made again."""
    try:
        return reverse(server, serial, host_port, host_port, name=name)
    except Unreachable as problem:
        if "cannot bind" not in str(problem):
            raise
        return reverse(server, serial, 0, host_port, name=name)


def _keep(
    server: AdbServer, serial: str, phone_port: int, host_port: int, name: str, over: threading.Event, watch_s: float
) -> None:
    """Make the way again whenever it is gone; a phone that is away is looked for again later."""
    while not over.wait(watch_s):
        try:
            if server.devices().get(serial) != "device":
                connect(server, serial, timeout_s=watch_s, name=name)
            if reversed_ports(server, serial, name=name).get(phone_port) != host_port:
                reverse(server, serial, phone_port, host_port, name=name)
                logger.info("%s: the way to this host is made again", name)
        except DeviceError as problem:
            logger.debug("no way to the phone now: %s", problem)


def _open(phone: AdbTransport, url: str) -> None:
    """Wake the screen and open the browser; the address is one word, which the transport quotes for the phone."""
    phone.run(["input", "keyevent", "KEYCODE_WAKEUP"], timeout_s=COMMAND_S)
    action = "android.intent.action.VIEW"
    done = phone.run(["am", "start", "-a", action, "-d", url], timeout_s=COMMAND_S)
    complaint = _complaint(done)  # am of many versions ends with status 0 whatever happened
    if done.exit_code or complaint:
        said = (complaint or "no reason given").replace(url, "the page")
        raise CommandFailed(f"{phone.name}: cannot open the page: {said}; is there a browser on the phone?")


def _complaint(done: Output) -> str:
    lines = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in lines if line.lstrip().startswith("Error")), "")
