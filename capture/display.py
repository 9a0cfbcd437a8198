"""The display server: a page that shows scenes full screen, pushed by server-sent events and acknowledged when painted.

GET  /?token=...          the page                       POST /hello   its size, zoom and visibility
GET  /events?client=...   which frame to show            POST /ack     this frame is painted
GET  /frame/N.png?key=... the frame of stimulus N        POST /trouble what is wrong
GET  /state               what is wrong now, if anything POST /show    a device asks for a scene (if the host lets it)
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from capture.display_access import OWNER, cookie_name, known_origin, reachable_name, visitor
from capture.display_state import Display, Shown
from capture.screen import Layout
from capture.screen_report import ScreenReport, read_report
from device_agents.errors import BadInput, KitError, pick
from device_agents.records import Scene

if TYPE_CHECKING:
    from flask import Blueprint, Flask, Request, Response

    from capture.display_http import CleanServer

PAGE = Path(__file__).parent / "display_page"
MOST_BODY_BYTES = 65536
ASKED_STIMULI = 1 << 23  # scenes that devices ask for are numbered from here; plans count from 0
ASKED_TIMEOUT_S = 30.0
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
) -> Flask:
    """Make the WSGI application around a display.

    Every address asks for the ``token`` (query, header X-Display-Token, or the cookie that the page sets). With
    ``scenes`` devices may ask for one by name. ``blueprints`` add pages from above under the same rules. ``hosts`` are
    names, besides localhost and any IP address, under which the server may be called. ``guests`` gives a blueprint by
    its name a token of its own, which opens nothing but that blueprint, and at / its endpoint "page".
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

    _add_page(app, tokens)
    _add_link(app, display)
    if scenes is not None:
        _add_asking(app, display, scenes)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _add_page(app: Flask, tokens: Mapping[str, str]) -> None:
    """Add the page and its two files; a guest's token gives the guest's page in its place."""
    from flask import Response, g, make_response, request

    @app.get("/")
    def page() -> Response:
        if g.visitor == OWNER:
            response = Response((PAGE / "index.html").read_bytes(), mimetype="text/html")
        else:
            response = make_response(app.view_functions[f"{g.visitor}.page"]())
        response.set_cookie(cookie_name(request, g.visitor), tokens[g.visitor], httponly=True, samesite="Strict")
        return response

    @app.get("/page.js")
    def script() -> Response:
        return Response((PAGE / "page.js").read_bytes(), mimetype="text/javascript")

    @app.get("/page.css")
    def style() -> Response:
        return Response((PAGE / "page.css").read_bytes(), mimetype="text/css")


def _add_link(app: Flask, display: Display) -> None:
    """Add what the page and the display say to each other."""
    from flask import Response, jsonify, request

    @app.post("/hello")
    def hello() -> Response:
        return jsonify(refused=display.hello(read_report(_body(request))))

    @app.get("/events")
    def events() -> Response:
        return Response(display.events(_text(request.args, "client")), mimetype="text/event-stream")

    @app.get("/frame/<int:stimulus>.png")
    def frame(stimulus: int) -> Response | tuple[str, int]:
        png = display.frame(request.args.get("key", ""))
        return ("no such frame\n", 404) if png is None else Response(png, mimetype="image/png")

    @app.post("/ack")
    def acknowledge() -> tuple[Response, int]:
        body = _body(request)
        times = {name: _number(body, name) for name in ("decode_ms", "paint_ms")}
        sequence, visible = int(_number(body, "sequence")), body.get("visible") is True
        refused = display.acknowledge(_text(body, "client"), sequence, visible=visible, **times)
        return jsonify(refused=refused), 409 if refused else 200

    @app.post("/trouble")
    def trouble() -> Response:
        body = _body(request)
        display.complain(_text(body, "client"), _text(body, "reason"))
        return jsonify(refused="")

    @app.get("/state")
    def state() -> Response:
        return jsonify(trouble=display.trouble)


def _add_asking(app: Flask, display: Display, scenes: Mapping[str, Scene]) -> None:
    """Let devices ask for a scene by name, as the apps of the paper did."""
    from flask import jsonify, request

    numbers = itertools.count(ASKED_STIMULI)

    @app.post("/show")
    def show() -> Response:
        body = _body(request)
        scene = pick(scenes, _text(body, "scene"), what="scene")
        stimulus = int(_number(body, "stimulus")) if "stimulus" in body else next(numbers)
        shown = display.show(scene, stimulus, timeout_s=ASKED_TIMEOUT_S)
        return jsonify(scene=shown.scene, stimulus=shown.stimulus, sequence=shown.sequence)


def _body(request: Request) -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadInput("expected a JSON object with Content-Type application/json")
    return body


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 300:
        raise BadInput(f"expected '{name}' to be a text of 1 to 300 characters, got {str(value)[:40]!r}")
    return value


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:
        raise BadInput(f"expected '{name}' to be a number, got {str(value)[:40]!r}")
    return value


class DisplayServer:
    """The display on a port, within a with block: .url for the screen's browser, .show() for the host.

    ``port`` 0 takes a free one. ``host`` is the address to listen on, this machine only by default; ``name`` the one to
    put into the url if it is another. ``settle_ms`` is waited after each acknowledgement, since a frame that the
    browser has painted is not yet lit: two refreshes and the panel's response; a virtual screen needs less.
    A server started again with the same ``port`` and ``token`` gets its pages back without anyone touching them.
    ``blueprints`` and ``guests`` are as for create_app; guest_url() is where a guest's page is.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "",
        token: str = "",
        settle_ms: float = 150.0,
        scenes: Mapping[str, Scene] | None = None,
        blueprints: Iterable[Blueprint] = (),
        guests: Mapping[str, str] | None = None,
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.display = Display(settle_s=settle_ms / 1e3)
        self.port = port
        self._host, self._name = host, name or reachable_name(host)
        self._scenes, self._blueprints, self._guests = scenes, tuple(blueprints), dict(guests or {})
        self._server: CleanServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> DisplayServer:
        """Start to listen; raises BadInput if the port is taken."""
        from capture.display_http import CleanServer

        app = create_app(
            self.display,
            token=self.token,
            scenes=self._scenes,
            blueprints=self._blueprints,
            hosts=(self._name,),
            guests=self._guests,
        )
        try:
            self._server = CleanServer(self._host, self.port, app)
        except OSError as problem:
            self.display.close()
            raise BadInput(f"the display cannot listen on {self._host}:{self.port}: {problem}") from problem
        self.port = self._server.server_address[1]
        self.display.address = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="display-server")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, end every stream and join all threads."""
        self.display.close()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()

    @property
    def url(self) -> str:
        """The address to open on the screen, with the token."""
        return self._url(self.token)

    def guest_url(self, name: str) -> str:
        """The address of a guest's page, with its token."""
        return self._url(self._guests[name])

    def _url(self, token: str) -> str:
        return f"http://{self._name}:{self.port}/?token={token}"

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
        if self._server is not None:
            self._server.drop_connections()
