"""The display: the state with a scripted page, the HTTP rules with Flask's client."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flask
import numpy as np
import pytest
from PIL import Image

from capture.display import create_app
from capture.display_state import Display
from capture.frames import render_png
from capture.screen import layout_for, render_frame, scene_box
from capture.screen_report import ScreenReport
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, TimedOut, Unreachable
from device_agents.records import Scene

PATIENCE_S = 20.0
TOKEN = "a-token"


@pytest.fixture
def scenes(tmp_path):
    made = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        made.append(Scene(f"scene{number}", str(tmp_path / f"{number}.png"), f"hash{number}", ("label",)))
    return made


@pytest.fixture
def display():
    made = Display(settle_s=0.0)
    yield made
    made.close()


class Page:
    """A scripted page in a thread: collects messages; acknowledges each unless told otherwise."""

    def __init__(self, display, client="page", answers=True, **report):
        self.display, self.client, self.answers = display, client, answers
        self.messages, self.arrived = [], threading.Condition()
        self.report = ScreenReport(**{"client": client, "height": 480, "width": 640, **report})
        self.refused = display.hello(self.report)
        self.stream = display.events(client)
        next(self.stream)  # the retry line; the page is connected from here on
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        for chunk in self.stream:
            if chunk.startswith(b"event: show"):
                message = json.loads(chunk.partition(b"data: ")[2])
                with self.arrived:
                    self.messages.append(message)
                    self.arrived.notify_all()
                if self.answers:
                    self.acknowledge(message["sequence"])

    def acknowledge(self, sequence, visible=True):
        return self.display.acknowledge(self.client, sequence, decode_ms=1.0, paint_ms=2.0, visible=visible)

    def wait(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.messages) >= count, PATIENCE_S)
            return self.messages[count - 1]


@pytest.fixture
def open_page(display):
    pages = []

    def make(**options):
        pages.append(Page(display, **options))
        return pages[-1]

    yield make
    display.close()
    for page in pages:
        page.thread.join(PATIENCE_S)
        assert not page.thread.is_alive()


# The state.


def test_show_waits_for_the_acknowledgement_of_its_own_sequence(display, open_page, scenes):
    page = open_page()
    first = display.show(scenes[0], 7, timeout_s=PATIENCE_S)
    second = display.show(scenes[1], 8, next_scene=(scenes[2], 9), timeout_s=PATIENCE_S)
    assert [message["stimulus"] for message in page.messages] == [7, 8]
    assert [message["sequence"] for message in page.messages] == [first.sequence, second.sequence]
    assert (first.scene, first.stimulus, first.decode_ms, first.paint_ms) == ("scene0", 7, 1.0, 2.0)
    assert (first.layout, first.box) == (layout_for(480, 640), scene_box(40, 60, layout_for(480, 640)))
    assert first.asked_s <= first.painted_s <= first.ready_s
    assert page.messages[0]["next"] == ""
    assert page.messages[1]["next"].startswith("/frame/9.png?key=")


def test_the_frame_on_offer_is_the_rendered_one_marked_as_srgb(display, open_page, scenes):
    page = open_page()
    display.show(scenes[0], 7, timeout_s=PATIENCE_S)
    png = display.frame(page.messages[0]["url"].partition("key=")[2])
    expected = render_frame(
        DECODERS["pillow"](Path(scenes[0].file).read_bytes()), stimulus=7, layout=layout_for(480, 640)
    )
    assert np.array_equal(DECODERS["pillow"](png), expected.rgb)
    assert b"sRGB" in png[:64]
    assert display.frame("stranger") is None


def test_no_answer_is_a_timeout_with_what_the_page_said(display, open_page, scenes):
    page = open_page(answers=False)
    with pytest.raises(TimedOut, match=r"stimulus 3 was not shown within 0\.2 s; the screen last said: nothing"):
        display.show(scenes[0], 3, timeout_s=0.2)
    with ThreadPoolExecutor(1) as host:
        showing = host.submit(display.show, scenes[0], 4, timeout_s=1.0)
        page.wait(2)
        display.complain("page", "the frame could not be loaded")
        display.complain("somebody else", "nonsense")
        with pytest.raises(TimedOut, match="last said: the frame could not be loaded"):
            showing.result(PATIENCE_S)


def test_no_screen_is_unreachable(display, scenes):
    with pytest.raises(Unreachable, match="no screen is connected; open the display page"):
        display.show(scenes[0], 1, timeout_s=0.05)
    with pytest.raises(Unreachable, match="no usable screen"):
        display.wait_for_screen(timeout_s=0.05)
    assert display.trouble.startswith("no screen is connected")


def test_a_late_or_foreign_acknowledgement_does_not_count(display, open_page, scenes):
    page = open_page(answers=False)
    with ThreadPoolExecutor(1) as host:
        showing = host.submit(display.show, scenes[0], 1, timeout_s=PATIENCE_S)
        sequence = page.wait(1)["sequence"]
        assert "expected sequence" in page.acknowledge(sequence - 1)
        assert "expected sequence" in page.acknowledge(sequence + 1)
        refused = display.acknowledge("stranger", sequence, decode_ms=0.0, paint_ms=0.0, visible=True)
        assert refused == "another page is the screen now"
        assert "hidden" in page.acknowledge(sequence, visible=False)
        assert not showing.done()
        assert page.acknowledge(sequence) == ""
        assert showing.result(PATIENCE_S).sequence == sequence


def test_a_hidden_page_is_refused_and_gets_the_frame_again_when_it_is_back(display, open_page, scenes):
    page = open_page(visible=False)
    assert page.refused == "the page is hidden: bring it to the front"
    with pytest.raises(TimedOut, match="the page is hidden"):
        display.show(scenes[0], 1, timeout_s=0.1)
    assert page.messages == []
    with ThreadPoolExecutor(1) as host:
        showing = host.submit(display.show, scenes[0], 2, timeout_s=PATIENCE_S)
        assert display.hello(ScreenReport("page", 480, 640)) == ""
        assert showing.result(PATIENCE_S).stimulus == 2
    assert display.trouble == ""


def test_a_changed_size_renders_the_frame_again(display, open_page, scenes):
    page = open_page(answers=False)
    with ThreadPoolExecutor(1) as host:
        showing = host.submit(display.show, scenes[0], 1, timeout_s=PATIENCE_S)
        old = page.wait(1)
        display.hello(ScreenReport("page", 600, 800))
        new = page.wait(2)
        assert (new["height"], new["width"], new["stimulus"]) == (600, 800, 1)
        assert "expected sequence" in page.acknowledge(old["sequence"])
        page.acknowledge(new["sequence"])
        shown = showing.result(PATIENCE_S)
    assert (shown.layout, shown.box) == (layout_for(600, 800), scene_box(40, 60, layout_for(600, 800)))


def test_the_page_loaded_last_is_the_screen(display, open_page, scenes):
    first, second = open_page(client="first"), open_page(client="second", width=800, height=600)
    assert display.show(scenes[0], 1, timeout_s=PATIENCE_S).layout.width == 800
    assert (len(first.messages), len(second.messages)) == (0, 1)


def test_a_new_stream_gets_the_current_frame_again(display, open_page, scenes):
    open_page()
    shown = display.show(scenes[0], 1, timeout_s=PATIENCE_S)
    again = Page(display)
    assert again.wait(1)["sequence"] == shown.sequence
    display.close()
    again.thread.join(PATIENCE_S)


def test_a_picture_that_cannot_be_read_is_said_at_once(display, open_page, tmp_path, scenes):
    open_page(answers=False)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    broken = Scene("broken", str(tmp_path / "broken.jpg"), "x", ("label",))
    with pytest.raises(BadInput, match="scene 'broken' cannot be shown"):
        display.show(broken, 1, timeout_s=PATIENCE_S)
    with pytest.raises(BadInput, match="16777215"):
        display.show(scenes[0], 2**24, timeout_s=PATIENCE_S)


def test_closing_ends_a_show_that_waits(display, open_page, scenes):
    page = open_page(answers=False)
    with ThreadPoolExecutor(1) as host:
        showing = host.submit(display.show, scenes[0], 1, timeout_s=PATIENCE_S)
        page.wait(1)
        display.close()
        with pytest.raises(Unreachable, match="the display server is closed"):
            showing.result(PATIENCE_S)


def test_rendering_is_the_same_every_time(scenes):
    layout = layout_for(480, 640)
    assert render_png(scenes[0], 5, layout) == render_png(scenes[0], 5, layout)


# HTTP.


@pytest.fixture
def client(display, scenes):
    extra = flask.Blueprint("extra", "extra")
    extra.add_url_rule("/live", view_func=lambda: "live")
    app = create_app(
        display, token=TOKEN, scenes={scene.scene: scene for scene in scenes}, blueprints=[extra], hosts=["rack.lan"]
    )
    return app.test_client()


def ask(client, method, path, *, token=TOKEN, **options):
    headers = {**options.pop("headers", {}), **({"X-Display-Token": token} if token else {})}
    return client.open(path, method=method, headers=headers, **options)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/page.js"), ("GET", "/events?client=x"), ("POST", "/hello"), ("POST", "/ack"),
     ("POST", "/trouble"), ("POST", "/show"), ("GET", "/frame/1.png"), ("GET", "/state"), ("GET", "/live"),
     ("GET", "/nothing")],
)  # fmt: skip
def test_every_address_asks_for_the_token(client, method, path):
    for token in (None, "wrong", "a-tokem", "ä"):
        assert ask(client, method, path, token=token and token.encode().decode("latin-1")).status_code == 401


def test_the_token_counts_in_query_header_and_cookie(client):
    assert client.get(f"/state?token={TOKEN}").status_code == 200
    assert ask(client, "GET", "/state").status_code == 200
    assert client.get("/state").status_code == 401
    page = client.get(f"/?token={TOKEN}")
    assert page.status_code == 200
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/page.css").status_code == 200
    assert client.get("/live").text == "live"


def test_security_headers_stand_on_every_answer(client):
    for answer in (ask(client, "GET", "/"), ask(client, "GET", "/live"), client.get("/state")):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_needs_nothing_from_elsewhere(client):
    text = "".join(ask(client, "GET", path).text for path in ("/", "/page.js", "/page.css"))
    assert re.findall(r"https?://[^\s\"']+", text) == []
    assert ask(client, "GET", "/page.js").mimetype == "text/javascript"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:80", None, 200),
        ("localhost", "http://localhost", 200),
        ("192.168.1.20:8000", "http://192.168.1.20:8000", 200),
        ("[::1]:8000", None, 200),
        ("rack.lan:8000", None, 200),
        ("evil.example:80", None, 403),
        ("127.0.0.1:80", "http://evil.example", 403),
        ("127.0.0.1:80", "null", 403),
    ],
)
def test_only_our_own_names_and_origins_are_answered(client, host, origin, status):
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    assert ask(client, "GET", "/state", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/hello", "[]", "JSON object"),
        ("/hello", '{"client": "c"}', "wrong: height, width"),
        ("/ack", '{"client": "c", "sequence": "1", "decode_ms": 1, "paint_ms": 1}', "'sequence' to be a number"),
        ("/ack", '{"client": "c", "sequence": NaN, "decode_ms": 1, "paint_ms": 1}', "'sequence' to be a number"),
        ("/trouble", '{"client": "", "reason": "x"}', "'client' to be a text"),
        (
            "/show",
            '{"scene": "scene9"}',
            "known: scene0, scene1, scene2",
        ),
    ],
)
def test_bad_bodies_are_explained(client, path, body, words):
    answer = ask(client, "POST", path, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert words in answer.json["error"]


def test_bodies_have_a_limit_and_unknown_frames_are_not_found(client):
    answer = ask(client, "POST", "/trouble", data=b"x" * 70000, content_type="application/json")
    assert answer.status_code in (400, 413)
    assert ask(client, "GET", "/frame/1.png?key=0").status_code == 404


def test_a_device_asks_for_a_scene(client, open_page):
    page = open_page()
    answer = ask(client, "POST", "/show", json={"scene": "scene1"})
    assert (answer.status_code, answer.json["scene"], answer.json["stimulus"]) == (200, "scene1", 1 << 23)
    assert ask(client, "POST", "/show", json={"scene": "scene1", "stimulus": 5}).json["stimulus"] == 5
    assert [message["stimulus"] for message in page.messages] == [1 << 23, 5]


def test_asking_is_off_unless_the_host_lets_devices_ask(display):
    closed = create_app(display, token=TOKEN).test_client()
    assert ask(closed, "POST", "/show", json={"scene": "scene1"}).status_code == 404
