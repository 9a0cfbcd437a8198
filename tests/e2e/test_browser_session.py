"""Real Chromium as a device of a lab file: in a run beside a phone, in a batch beside a board; gone with its rack."""

import json
import signal
import time
from pathlib import Path

import pytest

from analysis.store import Run
from hostctl import commands
from hostctl.browsers.pages import is_built
from hostctl.lab import read_lab
from hostctl.labs.display import LabDisplay
from hostctl.virtual.rack import Rack
from tests.fakes.command import instability, start, write_lab
from tests.fakes.photos import packaged

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PAGE = '[[device]]\nname = "page"\nkind = "virtual-browser"\ncamera = "{}"\npredicts = "agent"\n'
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))


def processes_of(mark):
    """The processes with a text in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if mark.encode() in words:
            found.append(int(folder.name))
    return found


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_a_browser_photographs_and_predicts_beside_a_phone(tmp_path):
    lab = write_lab(tmp_path, extra=PAGE.format("midrange-sharp"))
    scenes = packaged(tmp_path, 3)
    done = instability("run", lab, "--scenes", scenes, "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["devices"], found["pictures"], found["predictions"]) == (2, 6, 6)
    assert (found["photographs_missing"], found["failures"]) == (0, [])
    assert set(found["accuracy"]) == {"phone", "page"}
    assert found["instability"]["items"] == 3, "the page's rows are compared with the phone's"
    assert processes_of(str(tmp_path)) == []
    assert not list((tmp_path / "run" / "lab").rglob("*.y4m"))
    report = json.loads(instability("report", "run", "--json", cwd=tmp_path).stdout)
    assert "page" in (tmp_path / report["report"]).read_text("utf-8")

    commands.predict(run=tmp_path / "run", model="mobilenet-v2", workers=1)
    with Run.open(tmp_path / "run", write=False) as run:
        assert list(run.attempts()["status"]) == ["ok"] * 6, "each photograph was right at the first attempt"
        assert {one.suffix for one in run.picture_records({"device": "page"})} == {".png"}
        table = run.predictions()
    assert (table["error"].fillna("") == "").all()
    mine = table[table["device"] == "page"].set_index("picture").sort_index()
    there, here = mine[mine["machine"] == "page"], mine[mine["machine"] == "host"]
    assert set(there["runtime"]) == {"litert-js"}
    assert set(there["view"]) == {"rectified-pillow"}
    assert list(there["tensor_fingerprint"]) == list(here["tensor_fingerprint"]), "it sees the same scene, to the bit"
    assert list(there["label_1"]) == list(here["label_1"])
    assert set(table.loc[table["device"] == "phone", "machine"]) == {"host"}


def test_a_batch_on_a_board_and_a_browser(tmp_path):
    board = '[[device]]\nname = "board"\nkind = "virtual-board"\ncamera = "instant"\npredicts = "agent"\n'
    lab = write_lab(tmp_path, extra=board + PAGE.format("instant"))
    asked = ("--model", "mobilenet-v2", "--scenes", packaged(tmp_path, 6), "--lab", lab, "--out", "run", "--json")
    done = instability("batch", *asked, "--devices", "each:2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(row["devices"], row["status"], row["good"]) for row in found["rows"]] == [
        ("board", "OK", 6),
        ("page", "OK", 6),
    ]
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions()
        assert run.summary()["pictures"] == 6
    board, page = (table[table["machine"] == name].set_index("picture").sort_index() for name in ("board", "page"))
    assert (set(board["decoder"]), set(page["decoder"])) == ({"pillow"}, {"create-image-bitmap"})
    assert (set(board["runtime"]), set(page["runtime"])) == ({"litert"}, {"litert-js"})
    assert list(board["label_1"]) == list(page["label_1"])
    again = json.loads(instability("batch", *asked, "--devices", "page+board", cwd=tmp_path).stdout)
    assert (again["status"], again["attempts"]) == ("OK", []), "what either has made is not made again"


def test_no_browser_outlives_a_rack_that_is_killed(tmp_path):
    lab = read_lab(write_lab(tmp_path, extra=PAGE.format("instant")))
    with LabDisplay(lab, folder=tmp_path / "run", port=0) as display:
        pages = {"page": display.page_url_here("page")}
        with Rack(lab, url=display.local_url, folder=tmp_path / "rack", pages=pages) as rack:
            display.pages["page"].wait_for_page(timeout_s=PATIENCE_S)
            assert processes_of(str(tmp_path / "rack"))
            rack.child.kill()
            wait_for(lambda: not processes_of(str(tmp_path / "rack")))


def test_a_second_run_is_refused_or_waits_and_a_killed_one_leaves_its_devices_free(tmp_path):
    lab, scenes = write_lab(tmp_path, repeats=50), packaged(tmp_path, 6)
    first = start("run", lab, "--scenes", scenes, "--out", "first", "--no-predict", cwd=tmp_path)
    try:
        wait_for(lambda: list((tmp_path / "first" / "pictures").rglob("*")))
        few = write_lab(tmp_path, repeats=1)
        asked = ("run", few, "--scenes", packaged(tmp_path, 1), "--out", "second", "--no-predict")
        refused = instability(*asked, cwd=tmp_path)
        assert refused.returncode == 3
        assert f"phone is held by 'instability run into first' (process {first.pid}, since " in refused.stderr
        batch = ("batch", "--model", "mobilenet-v2", "--scenes", scenes, "--lab", lab, "--devices", "phone")
        assert instability(*batch, cwd=tmp_path).returncode == 2, "a phone that predicts nothing is no batch device"
        waiting = start(*asked, "--wait", PATIENCE_S, cwd=tmp_path)
        wait_for(lambda: (tmp_path / "second").is_dir())
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert waiting.wait(PATIENCE_S) == 0
    finally:
        first.kill()
        first.wait()
