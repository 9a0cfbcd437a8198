"""The live page's board, its addresses and who may open them, the result so far, and a session that fills it."""

import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from analysis.store import Run
from analysis.tables import to_json
from capture.display import create_app
from capture.display_access import reachable_name
from capture.display_state import Display
from device_agents.errors import DeviceError, Unreachable
from device_agents.records import Step
from hostctl import dashboard
from hostctl.dashboard import NAME, Live, Viewers, page_blueprint
from hostctl.lab import DeviceSettings, SessionSettings, parse_lab
from hostctl.labs.device import Device
from hostctl.plans import sweep
from hostctl.runner import Outcome, Session, run_session
from hostctl.runs.reporting import summarise
from hostctl.sessions.progress_board import Board
from hostctl.sessions.so_far import SoFar, so_far, told
from hostctl.sessions.vitals import THERMAL_FILE, Vitals, vitals
from hostctl.transport import Output
from tests.fakes.rack import FakeDisplay, FakeShutter, device, scenes
from tests.fakes.scripted_transport import ScriptedTransport

STORED = Path(__file__).parents[1] / "data" / "run-v1"
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


# The result so far.


@pytest.fixture
def stored(tmp_path):
    return Path(shutil.copytree(STORED, tmp_path / "stored"))


def test_the_result_so_far_is_that_of_the_summary(stored):
    with Run.open(stored, write=False) as run:
        expected = to_json(told(summarise(run)))
    with SoFar(stored) as asking:
        assert asking.ask() == expected
        assert asking.ask() == expected
    assert expected["predictions"] > 0
    assert expected["headline"]


def test_without_predictions_it_says_so(tmp_path):
    with Run.create(tmp_path / "run", settings={}, scenes=scenes(1)) as run:
        assert so_far(run.folder) == {"predictions": 0, "problem": "nothing is predicted yet"}
        assert told({"predictions": 0})["predictions"] == 0


def test_a_process_that_dies_is_told_and_a_stopped_one_is_not_started(stored):
    with SoFar(stored / "nowhere") as asking:
        assert "died" in asking.ask()["problem"]
        asking.stop()
        assert asking.ask()["problem"] == "stopped"


# Devices.


def test_a_board_tells_its_temperature_if_it_can():
    answers = [
        ("61300\n", Vitals(temperature_c=61.3)),
        ("84000\n", Vitals(temperature_c=84.0, problems=("at 84 C, expected at most 80; let it cool",))),
        (Output(b"", b"No such file", 1), Vitals()),
        (Unreachable("pi: no answer"), Vitals(problems=("pi: no answer",))),
    ]
    for answer, expected in answers:
        with ScriptedTransport([(f"cat {THERMAL_FILE}", answer)]) as transport:
            settings = DeviceSettings(name="pi", kind="ssh")
            assert vitals(Device(settings, transport, FakeShutter(FakeDisplay(), Path()), dict)) == expected


# A session.


def test_a_session_fills_the_board(tmp_path):
    display, shown = FakeDisplay(), scenes(4)
    scripts = {"good": [], "torn": ["good", "truncated"], "away": ["unreachable"]}
    devices = [device(name, display, tmp_path / "devices", script) for name, script in scripts.items()]
    steps = list(sweep([one.scene for one in shown], angles=(0,), repeats=1, devices=list(scripts), seed=1))
    (tmp_path / "spool").mkdir()
    made = Board(devices=dict.fromkeys(scripts, "local"), attempts=3)
    made.plan(dict.fromkeys(scripts, 4), dict.fromkeys(scripts, 4))
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        run.add_steps(steps)
        session = Session(
            run=run,
            scenes={one.scene: one for one in shown},
            devices=devices,
            display=display,
            settings=SessionSettings(patience_s=3.0),
            spool=tmp_path / "spool",
            display_timeout_s=10.0,
            told=made.tell,
            standing=made.trouble,
        )
        devices[2].shutter.away = lambda: True
        run_session(session, steps)
        records = {one.thumb_sha256 for one in run.picture_records()}
        attempts = run.attempts()
    state = made.state()
    assert {one["thumbnail"] for one in state["recent"]} == records
    for name in scripts:
        kinds = attempts[attempts["device"] == name]["status"].value_counts()
        found = row(made, name)
        assert [found[key] for key in ("done", "rejected", "failed")] == [
            kinds.get(status, 0) for status in ("ok", "rejected", "failed")
        ]
    assert [row(made, name)["state"] for name in scripts] == ["finished", "finished", "left out"]
    assert row(made, "away")["why"][0].startswith("left out after 3 failures in a row, the last: phone: still away")
    assert any(one["reason"].startswith("not a whole picture") for one in state["retakes"])


def lab_of(tmp_path):
    tables = [{"name": "phone", "kind": "local", "camera": "fake"}]
    return parse_lab({"session": {"reserve_mb": 0}, "device": tables}, folder=tmp_path)


def live_of(run, tmp_path, said):
    return Live(
        run,
        lab_of(tmp_path),
        model="m",
        scenes={},
        photographing=False,
        progress=lambda stage, done, total, note: said.append((stage, note)),
    )


def fetch_state(live, page="test"):
    base, _, token = live.url.partition("/?token=")
    asked = urllib.request.Request(f"{base}/live/state?page={page}", headers={"X-Display-Token": token})
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def test_the_address_is_said_once_and_holds_a_token_of_its_own(tmp_path):
    said = []
    with Run.create(tmp_path / "run", settings={}, scenes=scenes(1)) as run, live_of(run, tmp_path, said) as live:
        assert said == [("live page", live.url)]
        assert live.display.token not in live.url
        live.progress("predictions", 1, 2, "")
        assert said[-1] == ("predictions", "")
        assert fetch_state(live)["stages"][0]["done"] == 1
        live.viewers.saw("test", ended=True)
    with pytest.raises(urllib.error.URLError):
        fetch_state(live)


def test_a_session_that_breaks_tells_its_page_why(tmp_path):
    before, found = set(threading.enumerate()), []

    def break_off(live):
        fetch_state(live, page="watcher")
        follower = threading.Thread(target=follow, args=(live,))
        follower.start()
        raise DeviceError("the mount: stuck\nmore")

    def follow(live):
        while not found:
            state = fetch_state(live, page="watcher")
            if state["ended"]:
                found.append(state["ended"])

    with Run.create(tmp_path / "run", settings={}, scenes=scenes(1)) as run:
        with pytest.raises(DeviceError, match="stuck"), live_of(run, tmp_path, []) as live:
            break_off(live)
    assert found == ["The session has stopped: the mount: stuck. The same command goes on where it stopped."]
    for thread in set(threading.enumerate()) - before:  # another test's threads may be foreign ones, not to be joined
        thread.join(10.0)
    assert set(threading.enumerate()) <= before


def test_a_looked_at_run_gets_its_result_and_its_devices_asked(tmp_path, stored, monkeypatch):
    asked = []
    monkeypatch.setattr(dashboard, "vitals", lambda one: asked.append(one.name) or Vitals(50, 30.0))
    with Run.open(stored) as run:
        live = live_of(run, tmp_path, [])
        live.board.plan({"phone": 3}, {"phone": 3})
        devices = [device("phone", FakeDisplay(), tmp_path / "devices")]
        with live, live.watching(devices):
            for _ in range(int(PATIENCE_S / 0.2)):
                state = fetch_state(live)
                if state["answer"] and asked and state["devices"][0]["battery_percent"]:
                    break
                threading.Event().wait(0.2)
            live.end(summarise(run))
            assert fetch_state(live)["ended"].startswith("The session has ended.")
    assert asked == ["phone"]
    assert state["answer"]["predictions"] > 0
    assert state["devices"][0]["battery_percent"] == 50
