"""The live page's result so far, and the sessions that fill its board."""

import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from analysis.store import Run
from analysis.tables import to_json
from device_agents.errors import DeviceError, Unreachable
from hostctl import dashboard
from hostctl.dashboard import Live
from hostctl.lab import DeviceSettings, SessionSettings, parse_lab
from hostctl.labs.device import Device
from hostctl.plans import sweep
from hostctl.runner import Session, run_session
from hostctl.runs.reporting import summarise
from hostctl.sessions.progress_board import Board
from hostctl.sessions.so_far import SoFar, so_far, told
from hostctl.sessions.vitals import THERMAL_FILE, Vitals, vitals
from hostctl.transport import Output
from tests.fakes.rack import FakeDisplay, FakeShutter, device, scenes
from tests.fakes.scripted_transport import ScriptedTransport

STORED = Path(__file__).parents[1] / "data" / "run-v1"
PATIENCE_S = 30.0


def row(board, name="phone"):
    return next(one for one in board.state()["devices"] if one["name"] == name)


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
