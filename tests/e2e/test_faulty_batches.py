"""Whatever goes wrong in a batch: the right status, blame where it belongs, each picture once, the others unharmed."""

import dataclasses
import json
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl import ssh
from hostctl.batch import Request, batch
from hostctl.batches import work as batch_work
from hostctl.browsers import predictor as web_predictor
from hostctl.browsers.pages import is_built
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

PICTURES = 12
DISPLAY = '[display]\nscreen = "virtual"\nwidth = 640\nheight = 480\n'
DEVICE = '[[device]]\nname = "{}"\nkind = "{}"\ncamera = "instant"\npredicts = "agent"\n'
PATIENCE_S = 120.0
PAGE_PICTURES = 60
OK, PARTLY, TIMEOUT = ("OK", 0), ("PARTIAL", 11), ("TIMEOUT", 12)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(batch_work, "LOOK_S", 0.1)
    monkeypatch.setattr(ssh, "KEEP_ALIVE_S", 1)
    monkeypatch.setattr(web_predictor, "PREDICTION_SILENCE_S", 15.0)


def write_inputs(folder: Path, *, faults: str = "", page: bool = False, pictures: int = PICTURES) -> dict[str, object]:
    """A lab with a faulty board and a good one, or a page, and what a batch on it is asked."""
    (folder / "in").mkdir()
    rng = np.random.default_rng(1)
    for number in range(pictures):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "in" / f"p{number:03}.jpg", quality=80)
    rows = [f"p{number:03}.jpg,{number}" for number in range(pictures)]
    (folder / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    model = write_tflite(folder / "tiny.tflite")
    card = tiny_sidecar(resizer="pillow-bilinear")
    (folder / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(card)))
    faulty = DEVICE.format("faulty", "virtual-board") + (f"faults = [{faults}]\n" if faults else "")
    good = DEVICE.format("good", "virtual-board")
    others = DEVICE.format("page", "virtual-browser") if page else ""
    (folder / "lab.toml").write_text(DISPLAY + faulty + good + others)
    return {
        "models": (str(model),), "scenes": folder / "in" / "labels.csv", "lab": folder / "lab.toml",
        "out": folder / "run", "patience_s": 5.0,
    }  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What a fault does to a batch of both boards (``shared``), and to one of the faulty board alone (None: not tried).

    ``blamed``: the outcome of the shard that it struck, "" if none is; ``says``: words of its reason.
    """

    faults: str
    shared: tuple[str, int] = OK
    alone: tuple[str, int] | None = None
    blamed: str = ""
    says: str = ""
    options: dict[str, object] = field(default_factory=dict)


def at(kind: str, job: int = 1, **rest: object) -> str:
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in {"kind": kind, "at_shot": job, **rest}.items())


CASES = {
    # the agent's, or the model's: never tried again in the same command
    "agent-crash": Case(at("agent-crash"), PARTLY, None, "failed", "exit code 139: Fatal Python error"),
    "agent-crash, always": Case(at("agent-crash", 0), PARTLY, PARTLY, "failed", "exit code 139"),
    "out-of-memory": Case(at("out-of-memory"), PARTLY, None, "failed", "exit code 137: Killed"),
    "out-of-memory, always": Case(at("out-of-memory", 0), PARTLY, ("FAILED", 10), "failed", "exit code 137"),
    "stray-answer": Case(at("stray-answer"), PARTLY, None, "failed", "expected one answer to each question"),
    "double-answer": Case(at("double-answer"), PARTLY, None, "failed", "expected one answer to each question"),
    # nobody can know it from one answer: it stands under its own machine's name
    "wrong-answer": Case(at("wrong-answer")),
    # the laboratory's: tried again, on another device where there is one
    "reboot": Case(at("reboot", seconds=0.5), OK, OK, "infra"),
    "offline": Case(at("offline"), OK, ("INFRA", 20), "infra"),
    "offline, at the second shard": Case(at("offline", 2), OK, PARTLY, "infra"),
    "offline, from the start": Case(at("offline", 0), OK, ("OFFLINE", 13)),
    "full-disk": Case(at("full-disk"), OK, PARTLY, "infra", "No space left on device"),
    "link-cut": Case(at("link-cut", after_bytes=12_000), OK, OK, "infra"),
    "link-reset": Case(at("link-reset", after_bytes=12_000), OK, None, "infra"),
    "link-flip": Case(at("link-flip", after_bytes=12_000), OK, None, "infra"),
    "link-stall": Case(at("link-stall", after_bytes=12_000), OK, None, "infra"),
    "link-slow": Case(at("link-slow", 0)),
    "link-refused, from the start": Case(at("link-refused", 0), OK, ("OFFLINE", 13)),
    # time: a device that answers and is too slow is never asked again
    "too slow": Case(at("link-slow", 0), TIMEOUT, None, "timeout", options={"shard_timeout_s": 0.05}),
}
BOTH = [(name, False) for name in CASES] + [(name, True) for name, case in CASES.items() if case.alone]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alone"), BOTH)
def test_a_board(tmp_path, name, alone):
    case = CASES[name]
    asked = write_inputs(tmp_path, faults=f"{{{case.faults}}}")
    found = batch(Request(**asked, devices="faulty" if alone else "faulty+good", **case.options))
    expected = case.alone if alone else case.shared
    assert (found["status"], found["exit_code"]) == expected, found
    table = check(tmp_path / "run", found)
    struck = [one for one in found["attempts"] if one["device"] == "faulty" and one["outcome"] != "ok"]
    assert {one["outcome"] for one in struck} == ({case.blamed} if case.blamed else set()), struck
    assert all(case.says in one["reason"] for one in struck)
    good = [one for one in found["attempts"] if one["device"] == "good"]
    assert expected == TIMEOUT or {one["outcome"] for one in good} <= {"ok"}, "the other board is unharmed"
    assert alone or good
    if case.blamed == "failed":
        assert all(one["final"] for one in struck), "a real failure is not tried again"
    if case.blamed == "infra" and not alone:
        assert not any(one["final"] for one in struck), "the other board makes good for it"
    if "wrong-answer" in case.faults:
        assert {"faulty", "good"} == set(table["machine"])
    if alone or expected != OK:  # mended: the same command does what is missing, and nothing twice
        mend(tmp_path)
        again = batch(Request(**asked, devices="faulty" if alone else "faulty+good"))
        assert (again["status"], again["exit_code"]) == OK, again
        assert len(check(tmp_path / "run", again)) == PICTURES
        assert sum(one["made"] for one in again["attempts"]) == PICTURES - len(table)


@pytest.mark.slow
@pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there")
def test_a_page_that_is_closed_in_the_middle(tmp_path):
    asked = write_inputs(tmp_path, page=True, pictures=PAGE_PICTURES)
    closing = threading.Thread(target=close_page, args=(tmp_path / "run",))
    closing.start()
    found = batch(Request(**asked, devices="page,good"))
    closing.join()
    rows = {row["devices"]: row for row in found["rows"]}
    assert (rows["good"]["status"], rows["good"]["good"]) == ("OK", PAGE_PICTURES), "the board is unharmed"
    assert (rows["page"]["status"], found["status"], found["exit_code"]) == ("PARTIAL", *PARTLY)
    assert {one["outcome"] for one in found["attempts"] if one["device"] == "page"} == {"ok", "infra"}
    check(tmp_path / "run", found)
    again = batch(Request(**asked, devices="page,good"))
    assert (again["status"], again["exit_code"]) == OK, again
    table = check(tmp_path / "run", again)
    assert table.groupby("machine").size().to_dict() == {"page": PAGE_PICTURES, "good": PAGE_PICTURES}
    answers = table.pivot(index="picture", columns="machine", values="label_1")
    assert (answers["page"] == answers["good"]).all()


def check(folder, result):
    """What holds whatever went wrong: each picture once, and what is said of them is true. Gives the table."""
    with Run.open(folder, write=False) as run:
        table = run.predictions(["picture", "machine", "environment", "label_1", "error"])
    assert not table.duplicated(["picture", "machine"]).any()
    assert (table["error"].fillna("") == "").all()
    assert sum(row["good"] for row in result["rows"]) == len(table)
    groups = {row["devices"]: row["devices"].split("+") for row in result["rows"]}
    for devices in groups.values():  # those that share work do not do it twice
        assert not table[table["machine"].isin(devices)].duplicated("picture").any()
    return table


def mend(folder):
    """Take the faults out of the lab."""
    lab = folder / "lab.toml"
    lab.write_text("\n".join(line for line in lab.read_text().splitlines() if not line.startswith("faults")))


def close_page(folder):
    """Kill the page's browser when the page has made its first predictions, with what the browser started."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if page_has_predicted(folder):
            browsers = [one for one in psutil.process_iter(["cmdline"]) if is_browser_of(one, folder)]
            for browser in browsers:
                browser.send_signal(signal.SIGKILL)
            return
        time.sleep(0.02)


def page_has_predicted(folder):
    try:
        with Run.open(folder, write=False) as run:
            return bool((run.predictions(["machine"])["machine"] == "page").any())
    except BadInput:  # not made yet
        return False


def is_browser_of(process, folder):
    return any(str(folder) in word for word in process.info["cmdline"] or ())
