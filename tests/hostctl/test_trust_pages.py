"""The kit's web servers: who may come in, what pages may do, how long a slow client is waited for, where tokens go."""

import contextlib
import logging
import socket
import time
import urllib.error
import urllib.request
from functools import partial

import pytest

from capture import display_http
from capture.display import DisplayServer, create_app
from capture.display_access import LOOPBACK
from capture.display_state import Display
from device_agents.errors import DeviceError, Unreachable
from device_agents.records import Scene
from hostctl import dashboard
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import web_blueprint
from hostctl.dashboard import Viewers, page_blueprint
from hostctl.lab import DisplaySettings, parse_lab
from hostctl.labs.display import LabDisplay
from hostctl.runs import judging
from hostctl.runs.judging import Bench, judge_blueprint
from hostctl.sessions.progress_board import Board
from tests.hostctl.drawn_runs import draw_run

TOKENS = {"": "screen-token", "web-pixel": "pixel-token", dashboard.NAME: "live-token", judging.NAME: "judge-token"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"
DEEP = b"[" * 60_000


@pytest.fixture
def dist(tmp_path):
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "index.html").write_text("<title>NAME</title><script src=/PLACE/page.js></script>")
    (folder / "page.js").write_text("//")
    return folder


@pytest.fixture
def run(tmp_path):
    from analysis.store import Run

    draw_run(tmp_path / "run", {"one": {0: "cat", 1: EVIL}, "two": {0: "cat", 1: "dog"}})
    with Run.open(tmp_path / "run") as opened:
        yield opened


@pytest.fixture
def app(dist, run, tmp_path):
    board = Board(devices={"phone": "adb"}, attempts=3)
    board.end(f"stopped: open http://127.0.0.1:1/?token={TOKENS['']} on it")
    about = {"name": "run", "lab": EVIL, "model": "", "virtual": True, "secrets": lambda: list(TOKENS.values())}
    bench = Bench(run, judge="anna", top_n=1, everything=True)
    pages = [
        web_blueprint(WebLink("pixel", folder=tmp_path / "shots"), dist=dist),
        page_blueprint(board, about=about, thumbnail=lambda sha256: tmp_path / sha256, viewers=Viewers()),
        judge_blueprint(bench, names={}, end=lambda: None),
    ]
    guests = {name: token for name, token in TOKENS.items() if name}
    return create_app(Display(), token=TOKENS[""], blueprints=pages, guests=guests)


def paths(app):
    """Every address of the application with its methods, its places filled in."""
    for rule in app.url_map.iter_rules():
        values = {name: 1 if "int" in str(rule) else "x" for name in rule.arguments}
        yield (
            rule.build(values, append_unknown=False)[1] if values else str(rule),
            rule.methods - {"HEAD", "OPTIONS"},
            rule,
        )


def test_no_address_is_open_without_a_token_a_known_host_and_our_own_origin(app):
    client, seen = app.test_client(use_cookies=False), 0
    for path, methods, _ in paths(app):
        for method in methods:
            seen += 1
            refused = [
                (401, {}),
                (401, {"X-Display-Token": "wrong"}),
                (401, {"X-Display-Token": ""}),
                (403, {"X-Display-Token": TOKENS[""], "Host": "evil.example"}),
                (403, {"X-Display-Token": TOKENS[""], "Origin": "https://evil.example"}),
                (403, {"X-Display-Token": TOKENS[""], "Origin": "null"}),
            ]
            for status, headers in refused:
                assert client.open(path, method=method, headers=headers).status_code == status, (method, path, headers)
    assert seen > 20


def test_a_guests_token_opens_nothing_of_another(app):
    client = app.test_client(use_cookies=False)
    for path, methods, rule in paths(app):
        owner = rule.endpoint.partition(".")[0] if "." in rule.endpoint else ""
        for name, token in TOKENS.items():
            if name in ("", owner) or path == "/":
                continue
            for method in methods:
                answer = client.open(path, method=method, headers={"X-Display-Token": token})
                assert answer.status_code == 401, (name, method, path)


def test_every_answer_has_a_strict_policy_and_is_isolated(app):
    client = app.test_client(use_cookies=False)
    starts = [("/", {"X-Display-Token": token}) for token in TOKENS.values()]
    others = ["/state", "/nowhere", "/judge/questions", "/live/state", "/web-pixel/page.js", "/judge/picture/99.jpg"]
    for path, headers in [*starts, *((path, {"X-Display-Token": TOKENS[""]}) for path in others), ("/", {})]:
        with client.get(path, headers={**headers, "X-Page": "a" * 16}) as answer:
            check_headers(answer.headers)


def check_headers(headers):
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert set(policy["script-src"].split()) <= {"'self'", "'wasm-unsafe-eval'"}
    assert policy["style-src"] == "'self'"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    if "no-cache" not in headers["Cache-Control"]:
        assert headers["Cache-Control"] == "no-store"
    for cookie in headers.getlist("Set-Cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


def test_text_of_devices_and_strangers_reaches_the_pages_as_json_only(app):
    client = app.test_client(use_cookies=False)
    for path in ("/judge/questions", "/live/state?page=a"):
        answer = client.get(path, headers={"X-Display-Token": TOKENS[""]})
        assert answer.mimetype == "application/json"
        assert EVIL in (
            answer.get_json()["lab"] if "live" in path else [one["label"] for one in answer.get_json()["questions"]]
        )


def test_no_answer_holds_a_token(app):
    client = app.test_client(use_cookies=False)
    for path, methods, _ in paths(app):
        if "GET" in methods and not path.startswith(("/events", "/web-pixel/job")):
            with client.get(path, headers={"X-Display-Token": TOKENS[""], "X-Page": "a" * 16}) as answer:
                text = answer.get_data()
            assert not [token for token in TOKENS.values() if token.encode() in text], path


@pytest.mark.parametrize(
    "body", [DEEP, b"{", b"\xff", b"null", b"[]", b'{"question": 1e999}', b'{"question": true}', b""]
)
def test_bodies_that_are_no_such_json_are_refused(app, body):
    client = app.test_client(use_cookies=False)
    app.testing = False
    app.logger.setLevel(logging.CRITICAL)
    headers = {"X-Display-Token": TOKENS[""], "Content-Type": "application/json", "X-Page": "a" * 16}
    for path in ("/hello", "/ack", "/trouble", "/judge/verdict", "/web-pixel/answer/x"):
        answer = client.post(path, data=body, headers=headers)
        assert answer.status_code in (400, 409, 503), (path, answer.status_code)  # 503: not the newest page


def test_servers_listen_on_this_machine_only_unless_told(tmp_path):
    lab = parse_lab({"name": "lab", "device": [{"name": "a", "kind": "adb", "serial": "x"}]}, folder=tmp_path)
    assert lab.display.host == DisplaySettings().host == LOOPBACK
    with DisplayServer() as server:
        assert server.url.startswith(f"http://{LOOPBACK}:")
        assert {made.server_address[0] for made in server._servers} == {LOOPBACK}


# Slow clients.


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(display_http, "HEAD_S", 0.5)
    with DisplayServer() as server:
        yield server


def ended(connection, *, by_s=30.0):
    """Whether the server ends a connection in time."""
    connection.settimeout(by_s)
    with contextlib.suppress(ConnectionError):
        return connection.recv(1000) == b""
    return True


def test_a_client_that_says_nothing_or_drips_is_cut_off_and_others_are_served(fast):
    address = (LOOPBACK, fast.port)
    with socket.create_connection(address) as silent, socket.create_connection(address) as dripping:
        end = time.monotonic() + 30
        with contextlib.suppress(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000:
                dripping.sendall(bytes([byte]))
                time.sleep(0.02)
                assert time.monotonic() < end, "a client that drips was never cut off"
        assert ended(silent)
    assert status(fast, fast.url) == 200


def test_there_are_so_many_connections_and_no_more(monkeypatch):
    monkeypatch.setattr(display_http, "MOST_CONNECTIONS", 4)
    with DisplayServer() as server, contextlib.ExitStack() as stack:
        address = (LOOPBACK, server.port)
        for _ in range(4):
            stack.enter_context(socket.create_connection(address))
        end = time.monotonic() + 30
        while len(server._servers[0]._open) < 4:
            assert time.monotonic() < end, "connections were not taken"
            time.sleep(0.01)
        assert ended(stack.enter_context(socket.create_connection(address)))
    assert not server._servers[0]._open


def status(server, url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


# Tokens.


def test_what_is_wrong_with_a_display_or_a_page_is_said_without_its_token(tmp_path, dist, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("hostctl.labs.display.web_blueprint", partial(web_blueprint, dist=dist))
    lab = parse_lab({"name": "lab", "device": [{"name": "pixel", "kind": "web", "camera": "canvas"}]}, folder=tmp_path)
    with LabDisplay(lab, folder=tmp_path, port=0) as display:
        said = [display.display.trouble]
        scene = Scene("s", "s.png", "0" * 64, ("cat",))
        for act in (
            lambda: display.show(scene, 1, timeout_s=0.05),
            lambda: display.wait_for_screen(timeout_s=0.05),
            lambda: display.pages["pixel"].wait_for_page(timeout_s=0.05),
            lambda: list(display.pages["pixel"].do({"kind": "info"}, silence_s=1)),
        ):
            with pytest.raises(DeviceError) as found:
                act()
            said.append(str(found.value))
        status(display, display.url)
        status(display, f"http://127.0.0.1:{display.port}/nowhere?token={display.token}")
        tokens = display.tokens
        assert all(f"http://127.0.0.1:{display.port}/ by its whole" in one for one in (said[0], said[1], said[3]))
    assert isinstance(found.value, Unreachable)
    assert len(set(tokens)) == 2
    for text in [*said, caplog.text]:
        assert not [token for token in tokens if token in text], text
