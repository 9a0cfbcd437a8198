"""The live page's board, its addresses and who may open them."""

import threading

import pytest

from capture.display import create_app
from capture.display_access import reachable_name
from capture.display_state import Display
from device_agents.records import Step
from hostctl.dashboard import NAME, Viewers, page_blueprint
from hostctl.runner import Outcome
from hostctl.sessions.progress_board import Board
from hostctl.sessions.vitals import Vitals

PATIENCE_S = 30.0
SCREEN, LOOK = "the-screens-token", "the-live-token"
THUMBNAIL = "ab" * 32


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def step(number, device="phone"):
    return Step(f"s{number}", 0, 1, device, number + 1, number, 1)


def good(number, device="phone"):
    return Outcome(step(number, device), "ok", thumbnail=f"{number:064x}")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    made = Board(devices={"phone": "adb", "board": "ssh"}, attempts=3, clock=clock)
    made.plan({"phone": 10, "board": 10}, {"phone": 8, "board": 10})
    return made


def row(board, name="phone"):
    return next(one for one in board.state()["devices"] if one["name"] == name)


# The board.


def test_a_resumed_run_counts_what_it_has(board):
    assert (row(board)["done"], row(board)["planned"]) == (2, 10)
    assert board.state()["photographs"] == {"done": 2, "total": 20, "left_s": None}


def test_the_time_left_is_the_pace_times_what_is_left(board, clock):
    board.stage("photographs", 0, 18, "")
    for number in range(5):  # every 2 s: five accepted, three left
        clock.now += 2.0
        board.tell(good(number))
    assert row(board)["left_s"] == pytest.approx(3 * 2.0)
    assert row(board, "board")["left_s"] is None  # nothing came of it yet
    assert board.state()["photographs"]["left_s"] == pytest.approx(6.0)
    clock.now += 12.0  # the next is overdue: (10 - 2) + 12 seconds for five gaps
    assert row(board)["left_s"] == pytest.approx(3 * 20 / 5)


def test_the_slowest_device_says_how_long_it_takes(board, clock):
    for number in range(3):
        clock.now += 1.0
        board.tell(good(number))
        board.tell(good(number, "board"))
    assert row(board)["left_s"] == pytest.approx(5.0)
    assert board.state()["photographs"]["left_s"] == row(board, "board")["left_s"] == pytest.approx(7.0)


def test_a_single_retake_is_no_trouble_and_two_in_a_row_are(board, clock):
    board.tell(Outcome(step(1), "rejected", "torn"))
    assert (row(board)["rejected"], row(board)["why"]) == (1, [])
    clock.now += 5.0
    board.tell(Outcome(step(2), "failed", "no answer"))
    assert row(board)["why"] == ["2 attempts in a row went wrong; the last: no answer"]
    board.tell(good(1))
    assert row(board)["why"] == []
    assert (row(board)["rejected"], row(board)["failed"], row(board)["done"]) == (1, 1, 3)
    newest, oldest = board.state()["retakes"]
    assert (newest["reason"], newest["status"], newest["ago_s"]) == ("no answer", "failed", 0.0)
    assert (oldest["scene"], oldest["attempt"], oldest["ago_s"]) == ("s1", 1, 5.0)


def test_a_step_is_given_up_after_its_attempts(board):
    for _ in range(3):
        board.tell(Outcome(step(4), "rejected", "clipped"))
    assert row(board)["given_up"] == 1
    assert row(board)["why"][-1] == "1 photograph given up, tried 3 times"
    assert [one["attempt"] for one in board.state()["retakes"]] == [3, 2, 1]


def test_a_device_that_is_left_out_has_no_time_left_and_says_why(board, clock):
    for number in range(2):
        clock.now += 1
        board.tell(good(number))
    board.trouble("phone", "left out after 3 failures in a row: no answer")
    assert (row(board)["state"], row(board)["left_s"]) == ("left out", None)
    assert row(board)["why"] == ["left out after 3 failures in a row: no answer"]
    assert not board.working("phone")
    board.trouble("board", "Connection refused")
    assert row(board, "board")["why"] == ["Connection refused"]
    board.trouble("phone", "")
    assert (row(board)["state"], row(board)["why"]) == ("working", [])
    board.trouble("phone", "rests: at 46.0 C, expected at most 42")
    assert row(board)["state"] == "resting"


def test_vitals_stand_with_the_device_and_their_problems_are_trouble(board):
    board.vitals("phone", Vitals(9, 41.5, ("battery at 9 %; charge it",)))
    found = row(board)
    assert (found["battery_percent"], found["temperature_c"]) == (9, 41.5)
    assert found["why"] == ["battery at 9 %; charge it"]


def test_a_finished_device_is_called_so(board):
    for number in range(8):
        board.tell(good(number))
    assert (row(board)["state"], row(board)["left_s"]) == ("finished", None)
    assert not board.working("phone")
    assert board.working("board")


def test_only_the_last_photographs_are_shown_and_may_be_asked_for(board):
    for number in range(20):
        board.tell(good(number % 8, ("phone", "board")[number % 2]))
    assert len(board.state()["recent"]) == 12
    assert board.has_thumbnail(f"{0:064x}")  # no longer shown, but a page may be about to ask for it
    assert not board.has_thumbnail("f" * 64)


def test_the_stages_of_predicting_have_their_own_time_left(board, clock):
    board.stage("predictions", 4, 20, "")
    clock.now += 8.0
    board.stage("predictions", 8, 20, "")
    (stage,) = board.state()["stages"]
    assert (stage["done"], stage["total"], stage["left_s"]) == (8, 20, pytest.approx(24.0))
    board.stage("predictions", 0, 0, "one failed")  # a note does not take the count back
    (stage,) = board.state()["stages"]
    assert (stage["done"], stage["note"]) == (8, "one failed")
    assert board.predicted() == 8


def test_after_the_end_the_result_stays(board):
    board.answer({"predictions": 1})
    board.end("The session has ended.")
    board.answer({"predictions": 0, "problem": "stopped"})
    board.end("something later")
    assert board.state()["answer"] == {"predictions": 1}
    assert board.state()["ended"] == "The session has ended."


# Who may open what.


@pytest.fixture
def viewers(clock):
    return Viewers(clock)


@pytest.fixture
def client(board, viewers, tmp_path):
    (tmp_path / "thumbnail").write_bytes(b"a JPEG")
    about = {"name": "monday", "lab": "rack", "model": "m", "virtual": False, "secrets": lambda: (SCREEN,)}
    pages = page_blueprint(board, about=about, thumbnail=lambda sha256: tmp_path / "thumbnail", viewers=viewers)
    display = Display(settle_s=0.0)
    app = create_app(display, token=SCREEN, scenes={}, blueprints=[pages], guests={NAME: LOOK}, hosts=["rack.lan"])
    yield app.test_client()
    display.close()


def get(client, path, token=LOOK, **options):
    return client.get(path, headers={"X-Display-Token": token} if token else {}, **options)


@pytest.mark.parametrize("path", ["/", "/live/", "/live/state", "/live/page.js", "/live/page.css"])
def test_every_live_address_asks_for_a_token(client, path):
    assert get(client, path, token="").status_code == 401
    assert get(client, path, token="wrong").status_code == 401
    assert get(client, path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/page.js"), ("GET", "/events?client=x"), ("POST", "/hello"), ("POST", "/ack"), ("POST", "/trouble"),
     ("POST", "/show"), ("GET", "/frame/1.png?key=x"), ("GET", "/state"), ("GET", "/nothing")],
)  # fmt: skip
def test_who_may_look_cannot_touch_the_screen(client, method, path):
    assert client.open(path, method=method, headers={"X-Display-Token": LOOK}, json={}).status_code == 401


def test_the_root_is_the_page_of_whose_token_it_is(client):
    assert b"/live/page.js" in client.get(f"/?token={LOOK}").data
    assert client.get("/live/page.css").status_code == 200  # by the cookie
    assert b"/live/page.js" in client.get("/").data
    assert b'src="/page.js"' in client.get(f"/?token={SCREEN}").data
    assert client.get("/page.css").status_code == 200
    assert b"/live/page.js" in client.get(f"/?token={LOOK}").data  # both cookies there: the address decides
    assert client.get("/live/page.css").status_code == 200
    for host, status in (("evil.example", 403), ("192.168.7.2:8000", 200), ("rack.lan", 200)):
        assert client.get(f"/?token={LOOK}", headers={"Host": host}).status_code == status


def test_its_answers_allow_nothing_from_elsewhere(client):
    for path in ("/", "/live/state"):
        answer = get(client, path)
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    page = get(client, "/").text + get(client, "/live/page.css").text + get(client, "/live/page.js").text
    assert "http:" not in page
    assert "https:" not in page
    assert "innerHTML" not in page


def test_the_state_is_json_with_the_run_and_without_the_screens_token(client, board):
    board.tell(Outcome(step(1), "failed", f"open http://127.0.0.1:1/?token={SCREEN} </script> \N{SNOWMAN}"))
    board.stage("screen", 0, 0, f"open http://127.0.0.1:1/?token={SCREEN} on the screen")
    answer = get(client, "/live/state?page=a")
    assert answer.mimetype == "application/json"
    assert SCREEN not in answer.text
    assert answer.json["name"] == "monday"
    assert answer.json["retakes"][0]["reason"] == "open http://127.0.0.1:1/?token=... </script> \N{SNOWMAN}"
    assert "secrets" not in answer.json


def test_only_thumbnails_on_the_board_are_given(client, board):
    assert get(client, f"/live/thumbnail/{THUMBNAIL}.jpg").status_code == 404
    board.tell(Outcome(step(1), "ok", thumbnail=THUMBNAIL))
    found = get(client, f"/live/thumbnail/{THUMBNAIL}.jpg")
    assert (found.data, found.mimetype) == (b"a JPEG", "image/jpeg")
    assert "immutable" in found.headers["Cache-Control"]
    assert get(client, "/live/thumbnail/..%2f..%2fledger.jpg").status_code in (404, 401)


def test_open_pages_are_known_and_hear_of_the_end(client, board, viewers, clock):
    assert not viewers.looking()
    get(client, "/live/state?page=a")
    assert viewers.looking()
    clock.now += 100
    assert not viewers.looking()
    get(client, "/live/state?page=b")
    board.end("The session has ended.")
    waited = threading.Event()

    def wait():
        viewers.wait_until_told(10 * PATIENCE_S)
        waited.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not waited.wait(0.2)
    get(client, "/live/state?page=b").close()  # the last byte is out
    assert waited.wait(PATIENCE_S)
    waiting.join()


def test_a_server_for_all_interfaces_names_an_address_that_others_reach():
    assert reachable_name("127.0.0.1") == "127.0.0.1"
    assert reachable_name("rack.lan") == "rack.lan"
    assert reachable_name("0.0.0.0") != "0.0.0.0"
