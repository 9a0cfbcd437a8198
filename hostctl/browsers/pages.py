"""The addresses of a browser device on the display's server, under its own token: /?token=... is its page.

GET  /web-NAME/FILE        the page's files        POST /web-NAME/photograph/JOB  a picture's bytes
GET  /web-NAME/job         wait for a job          POST /web-NAME/answer/JOB      one JSON object
GET  /web-NAME/file/HASH   a file of the job      POST /web-NAME/leave           the page is being closed
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import device_agents
from device_agents.errors import BadInput, Unreachable
from hostctl.browsers.checks import MOST_ANSWER_BYTES, MOST_PHOTOGRAPH_BYTES
from hostctl.browsers.link import Replaced, WebLink

if TYPE_CHECKING:
    from flask import Blueprint, Response

DIST = Path(device_agents.__file__).parent / "web" / "dist"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}
# WebAssembly may be compiled, other code not be made from text; isolated from other sites, so that timers are fine.
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
_PAGE = re.compile("[0-9a-f]{16}")


def is_built(dist: Path = DIST) -> bool:
    """Tell whether the page has been built: npm ci && npm run build in device_agents/web."""
    return (dist / "page.js").is_file()


def blueprint_name(device: str) -> str:
    """Name a device's blueprint, which is also its guest's name at DisplayServer; raises BadInput for an odd name."""
    if not _NAME.fullmatch(device):
        raise BadInput(f"expected a device name of small letters, digits, - and _, got '{device[:80]}'")
    return f"web-{device}"


def web_blueprint(link: WebLink, *, dist: Path = DIST) -> Blueprint:
    """Make a browser device's addresses; the display's server checks host, origin and token. BadInput if not built."""
    from flask import Blueprint, Response, jsonify, request, send_from_directory
    from werkzeug.exceptions import RequestEntityTooLarge

    if not is_built(dist):
        raise BadInput(f"expected the built page in {dist}: run `npm ci && npm run build` in {dist.parent}")
    pages = Blueprint(blueprint_name(link.name), __name__)
    place = f"/{pages.name}"
    files = frozenset(file.name for file in dist.iterdir() if file.suffix in TYPES)

    def page() -> Response:
        text = (dist / "index.html").read_text(encoding="utf-8")
        return Response(text.replace("/PLACE", place).replace("NAME", html.escape(link.name)), mimetype="text/html")

    def file(name: str) -> Response | tuple[str, int]:
        if name not in files:
            return "no such file\n", 404
        answer = send_from_directory(dist, name, mimetype=TYPES[Path(name).suffix], conditional=True)
        answer.headers["Cache-Control"] = "private, no-cache"  # 24 MB of WebAssembly: kept, and asked about each time
        return answer

    def job() -> tuple[Any, int]:
        try:
            values = link.next_job(_page())
        except (Replaced, Unreachable) as problem:
            return jsonify(error=str(problem)), 409 if isinstance(problem, Replaced) else 503
        return ("", 204) if values is None else (jsonify(values), 200)

    def job_file(sha256: str) -> Response:
        found = link.file(_page(), sha256)
        return send_from_directory(found.parent.absolute(), found.name, mimetype="application/octet-stream")

    def photograph(number: str) -> Response:
        request.max_content_length = MOST_PHOTOGRAPH_BYTES
        link.photograph(_page(), number, request.get_data(cache=False))
        return jsonify(taken=True)

    def answer(number: str) -> Response:
        request.max_content_length = MOST_ANSWER_BYTES
        try:
            data = request.get_data(cache=False)
        except RequestEntityTooLarge:
            link.refuse(_page(), number, f"expected at most {MOST_ANSWER_BYTES} bytes, got more")
            raise
        link.answer(_page(), number, data)
        return jsonify(taken=True)

    def leave() -> Response:
        link.leave(_page())
        return jsonify(taken=True)

    def _page() -> str:
        word = request.headers.get("X-Page", "")  # another site's form cannot send a header of its own
        if not _PAGE.fullmatch(word):
            raise BadInput("expected the header X-Page with 16 hexadecimal digits")
        return word

    def secure(response: Response) -> Response:
        response.headers.update(SECURITY)
        return response

    asked: dict[str, Callable[..., Any]] = {"": page, "<name>": file, "job": job, "file/<sha256>": job_file}
    for path, view in asked.items():
        pages.add_url_rule(f"{place}/{path}", endpoint=view.__name__, view_func=view)
    sent: dict[str, Callable[..., Any]] = {"photograph/<number>": photograph, "answer/<number>": answer, "leave": leave}
    for path, view in sent.items():
        pages.add_url_rule(f"{place}/{path}", endpoint=view.__name__, view_func=view, methods=["POST"])
    pages.after_request(secure)

    def secure_start(response: Response) -> Response:
        from flask import g

        # At / the page is made by the display's own view, which belongs to no blueprint.
        return secure(response) if request.path == "/" and getattr(g, "visitor", None) == pages.name else response

    pages.after_app_request(secure_start)
    return pages
