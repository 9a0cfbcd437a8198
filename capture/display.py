"""The display server: a page that shows scenes full screen, pushed by server-sent events and acknowledged when painted.

GET  /?token=...          the page                       POST /hello   its size, zoom and visibility
GET  /events?client=...   which frame to show            POST /ack     this frame is painted
GET  /frame/N.png?key=... the frame of stimulus N        POST /trouble what is wrong
GET  /state               what is wrong now, if anything POST /show    a device asks for a scene (if the host lets it)
GET  /joining             the devices' QR codes, until the first frame
"""

from __future__ import annotations

import contextlib
import secrets
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from capture.display_access import ANYWHERE, LOOPBACK, OWNER, known_origin, reachable_name, visitor
from capture.display_joining import AUTHORITY_LABEL, create_authority_app, device_label
from capture.display_routes import add_asking, add_joining, add_link, add_page
from capture.display_state import Display, Shown
from capture.screen import Layout
from capture.screen_report import ScreenReport
from device_agents.errors import BadInput, KitError
from device_agents.records import Scene

if TYPE_CHECKING:
    from flask import Blueprint, Flask, Response

    from capture.display_http import CleanServer

MOST_BODY_BYTES = 65536
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    display: Display,
    *,
    token: str,
    scenes: Mapping[str, Scene] | None = None,
    blueprints: Iterable[Blueprint] = (),
    hosts: Iterable[str] = (),
    guests: Mapping[str, str] | None = None,
    links: Callable[[], Mapping[str, str]] = dict,
) -> Flask:
    """Make the WSGI application around a display.

    Every address asks for the ``token`` (query, header X-Display-Token, or the cookie that the page sets). With
    ``scenes`` devices may ask for one by name. ``blueprints`` add pages from above under the same rules. ``hosts`` are
    names, besides localhost and any IP address, under which the server may be called. ``guests`` gives a blueprint by
    its name a token of its own, which opens nothing but that blueprint, and at / its endpoint "page". ``links`` gives
    the addresses by name that the screen shows as QR codes before the first frame.
    """
    from flask import Flask, g, jsonify, request

    app = Flask("capture.display", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES
    names = frozenset(name.lower() for name in hosts)
    tokens = {OWNER: token, **(guests or {})}

    @app.before_request
    def check() -> tuple[str, int] | None:
        if not known_origin(request, names):
            return "unknown host or origin\n", 403
        g.visitor = visitor(request, tokens)
        if g.visitor is None or (g.visitor not in (OWNER, request.blueprint) and request.path != "/"):
            return "the token is missing or wrong\n", 401
        return None

    @app.after_request
    def secure(response: Response) -> Response:
        for header, value in SECURITY.items():
            response.headers.setdefault(header, value)
        return response

    @app.errorhandler(KitError)
    def refuse(problem: KitError) -> tuple[Response, int]:
        return jsonify(error=str(problem)), 400 if isinstance(problem, BadInput) else 503

    @app.errorhandler(RecursionError)
    def refuse_nest(_problem: RecursionError) -> tuple[str, int]:
        return "expected JSON of a few levels\n", 400

    add_page(app, tokens)
    add_link(app, display)
    add_joining(app, display, links)
    if scenes is not None:
        add_asking(app, display, scenes)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


class DisplayServer:
    """The display on a port, within a with block: .url for the screen's browser, .show() for the host.

    ``port`` 0 takes a free one. ``host`` is the address to listen on, this machine only by default; ``name`` the one to
    put into the url if it is another. ``settle_ms`` is waited after each acknowledgement, since a frame that the
    browser has painted is not yet lit: two refreshes and the panel's response; a virtual screen needs less.
    A server started again with the same ``port`` and ``token`` gets its pages back without anyone touching them.
    ``blueprints`` and ``guests`` are as for create_app; guest_url() is where a guest's page is, and those of the
    guests called web-NAME are shown as QR codes on the screen until the first frame.

    With ``tls``, the files of a certificate and of its key (both PEM), it speaks https and nothing else on that port;
    ``hosts`` are further names under which it may be called. Programs and cables of this machine have the same pages
    at ``local_url``, always plain http on 127.0.0.1. ``authority``, the certificate (PEM) of whoever signed, is
    offered to phones at ``authority_url``: plain http on ``host``, a second port, and nothing else there.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        name: str = "",
        token: str = "",
        settle_ms: float = 150.0,
        scenes: Mapping[str, Scene] | None = None,
        blueprints: Iterable[Blueprint] = (),
        guests: Mapping[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
        authority: Path | None = None,
        hosts: Iterable[str] = (),
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.display = Display(settle_s=settle_ms / 1e3)
        self.port = port
        self.local_port = self.authority_port = 0
        self._host, self._name, self._tls, self._authority = host, name or reachable_name(host), tls, authority
        self._names = (self._name, *hosts)
        self._scenes, self._blueprints, self._guests = scenes, tuple(blueprints), dict(guests or {})
        self._servers: list[CleanServer] = []
        self._running = contextlib.ExitStack()

    def __enter__(self) -> DisplayServer:
        """Start to listen; raises BadInput if the port is taken, or the certificate is not one for its key."""
        app = create_app(
            self.display,
            token=self.token,
            scenes=self._scenes,
            blueprints=self._blueprints,
            hosts=self._names,
            guests=self._guests,
            links=self.links,
        )
        with contextlib.ExitStack() as started:
            started.callback(self.display.close)
            self.port = self._listen(started, self._host, self.port, app, tls=self._tls)
            self.local_port = self.port
            if self._tls is not None or self._host not in (LOOPBACK, ANYWHERE):
                self.local_port = self._listen(started, LOOPBACK, 0, app)
            if self._authority is not None:
                offer = create_authority_app(self._authority, hosts=self._names, security=SECURITY)
                self.authority_port = self._listen(started, self._host, 0, offer)
            started.callback(self.display.close)  # first of all: it ends the streams, whose threads are waited for
            self._running = started.pop_all()
        place = self.url.partition("?")[0]  # what is wrong is recorded and shown to devices: never with the token
        self.display.address = f"{place} by its whole address, which was shown at the start,"
        return self

    def _listen(
        self, started: contextlib.ExitStack, host: str, port: int, app: Flask, *, tls: tuple[Path, Path] | None = None
    ) -> int:
        from capture.display_http import serving

        context = None if tls is None else _context(*tls)
        try:
            server = started.enter_context(serving(host, port, app, context=context))
        except OSError as problem:
            raise BadInput(f"the display cannot listen on {host}:{port}: {problem}") from problem
        self._servers.append(server)
        return int(server.server_address[1])

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, end every stream and join all threads."""
        self.display.close()
        self._running.close()

    @property
    def url(self) -> str:
        """The address to open on the screen, with the token."""
        return self._url(self.token)

    @property
    def local_url(self) -> str:
        """The same for a browser on this machine: plain http on 127.0.0.1."""
        return f"http://{LOOPBACK}:{self.local_port}/?token={self.token}"

    @property
    def authority_url(self) -> str:
        """Where a phone fetches the authority's certificate; "" if none is offered. No token is needed there."""
        return f"http://{self._name}:{self.authority_port}/authority" if self._authority is not None else ""

    def guest_url(self, name: str) -> str:
        """The address of a guest's page, with its token."""
        return self._url(self._guests[name])

    def local_guest_url(self, name: str) -> str:
        """The same over 127.0.0.1: for this machine's browsers, and for phones whose cable leads here (adb reverse)."""
        return f"http://{LOOPBACK}:{self.local_port}/?token={self._guests[name]}"

    def links(self) -> dict[str, str]:
        """The addresses of the devices' pages by the devices' names, first the authority's if there is one."""
        known = {AUTHORITY_LABEL: self.authority_url} if self._authority is not None else {}
        return known | {label: self.guest_url(name) for name in self._guests if (label := device_label(name))}

    def _url(self, token: str) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self._name}:{self.port}/?token={token}"

    def show(
        self, scene: Scene, stimulus: int, *, next_scene: tuple[Scene, int] | None = None, timeout_s: float
    ) -> Shown:
        """Show a scene and wait until it is painted and settled; see Display.show."""
        return self.display.show(scene, stimulus, next_scene=next_scene, timeout_s=timeout_s)

    def wait_for_screen(self, *, timeout_s: float) -> ScreenReport:
        """Wait for a usable screen; see Display.wait_for_screen."""
        return self.display.wait_for_screen(timeout_s=timeout_s)

    def layout(self, *, timeout_s: float) -> Layout:
        """Give the layout of frames on the connected screen."""
        report = self.wait_for_screen(timeout_s=timeout_s)
        return Layout(report.height, report.width)

    def drop_connections(self) -> None:
        """Cut every open connection, as a lost network does; pages come back by themselves."""
        for server in self._servers:
            server.drop_connections()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make what a TLS server needs; raises BadInput if a file cannot be read, or the key is another certificate's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as problem:  # ssl.SSLError is one
        raise BadInput(
            f"expected a certificate and its own key in {certificate} and {key}, got: {problem.strerror or problem}; "
            "run `instability devices certificate`"
        ) from problem
    return context
