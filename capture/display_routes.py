"""What the display page and its server say to each other: the addresses of capture.display's application."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.display_access import OWNER, cookie_name
from capture.display_joining import qr_picture
from capture.display_state import Display
from capture.screen_report import read_report
from device_agents.errors import BadInput, pick
from device_agents.records import Scene

if TYPE_CHECKING:
    from flask import Flask, Request, Response

PAGE = Path(__file__).parent / "display_page"
ASKED_STIMULI = 1 << 23  # scenes that devices ask for are numbered from here; plans count from 0
ASKED_TIMEOUT_S = 30.0


def add_page(app: Flask, tokens: Mapping[str, str]) -> None:
    """Add the page and its two files; a guest's token gives the guest's page in its place."""
    from flask import Response, g, make_response, request

    @app.get("/")
    def page() -> Response:
        if g.visitor == OWNER:
            response = Response((PAGE / "index.html").read_bytes(), mimetype="text/html")
        else:
            response = make_response(app.view_functions[f"{g.visitor}.page"]())
        name, token = cookie_name(request, g.visitor), tokens[g.visitor]
        response.set_cookie(name, token, httponly=True, samesite="Strict", secure=request.is_secure)
        return response

    @app.get("/page.js")
    def script() -> Response:
        return Response((PAGE / "page.js").read_bytes(), mimetype="text/javascript")

    @app.get("/page.css")
    def style() -> Response:
        return Response((PAGE / "page.css").read_bytes(), mimetype="text/css")


def add_link(app: Flask, display: Display) -> None:
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


def add_joining(app: Flask, display: Display, links: Callable[[], Mapping[str, str]]) -> None:
    """Let the screen show where the devices' pages are, as QR codes, until the first frame is asked for."""
    from flask import jsonify

    @app.get("/joining")
    def joining() -> Response:
        shown = {} if display.begun else links()
        return jsonify(codes=[{"name": name, "picture": qr_picture(link)} for name, link in shown.items()])


def add_asking(app: Flask, display: Display, scenes: Mapping[str, Scene]) -> None:
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
