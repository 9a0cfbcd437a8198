"""Whatever goes wrong with a device or its link: nothing lost, doubled or wrongly accepted, and the others unharmed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from device_agents.predict import default_environment
from hostctl import adb
from hostctl.adb import AdbServer
from hostctl.agent import Agent, build_agent_zip
from hostctl.grid import Assignment, predict_run
from hostctl.phones import stock_camera
from hostctl.sessions import attendance, collect
from hostctl.ssh import SshTransport
from hostctl.virtual.board import BoardFaults, VirtualBoard, make_key
from hostctl.virtual.faults import KINDS, Fault
from hostctl.virtual.hosting import serving
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite
from tests.fakes.faulty_rack import FaultyRack, faulty_rack

SCENES = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


@pytest.fixture
def rack(tmp_path: Path, server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyRack]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))  # phones of other tests have the same serial numbers
    monkeypatch.setattr(attendance, "RETRY_S", (0.0, 0.1, 0.2, 0.4))
    monkeypatch.setattr(attendance, "REST_EVERY_S", 0.1)
    monkeypatch.setattr(collect, "HASH_TIMEOUT_S", 5.0)
    monkeypatch.setattr(adb, "connect", partial(adb.connect, timeout_s=2.0))
    monkeypatch.setattr(adb, "REVIVE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(stock_camera, "OPEN_TIMEOUT_S", 1.0)
    monkeypatch.setattr(stock_camera, "COMMAND_TIMEOUT_S", 5.0)
    with faulty_rack(tmp_path, server, count=SCENES) as made:
        yield made


@dataclass(frozen=True)
class Case:
    """A fault and what becomes of the faulty device: how many photographs (None: not all), and what is said of it.

    ``said`` maps words of a reason to the number of attempts of that kind (None: one or more). ``out``: words of the
    reason for which it takes no part in the end. ``loses``: a photograph that was on its way home when the fault struck
    may be among the lost.
    """

    faults: tuple[Fault, ...]
    accepted: int | None = SCENES
    said: dict[str, int | None] = field(default_factory=dict)
    unreached: str = ""
    out: str = ""
    loses: bool = False
    options: dict[str, object] = field(default_factory=dict)


def at(kind: str, shot: int = 2, **rest: float) -> tuple[Fault, ...]:
    return (Fault(kind, at_shot=shot, **rest),)  # type: ignore[arg-type]


RESTS = {"health_every_s": 0.2, "pace_s": 0.3, "timeout_s": 5.0}
HOT = {**RESTS, "rest_s": 0.5}
CAMERA = "expected the camera (com.android.camera2) in front, got "
PHONE_CASES = {
    # at one shot: the photograph is taken again
    "no-new-file": Case(at("no-new-file"), said={"failed: faulty: expected a new jpg": 1}),
    "late-file, in time": Case(at("late-file", seconds=0.4)),
    "late-file, too late": Case(at("late-file", seconds=1.6), said={"failed: faulty: expected a new jpg": 1}),
    "half-written, for good": Case(at("half-written"), said={"rejected: not a whole picture": 1}),
    "half-written, then whole": Case(at("half-written", seconds=0.5), said={"rejected: not a whole picture": None}),
    "outside-name": Case(at("outside-name"), said={"which leads out of it": 1}),
    "truncated": Case(at("truncated"), said={"rejected: not a whole picture": 1}),
    "not-an-image": Case(at("not-an-image"), said={"rejected: not a whole picture": 1}),
    "two-files": Case(at("two-files"), said={"failed: faulty: expected one new jpg, got 2": 1}),
    "previous-frame": Case(at("previous-frame"), said={"rejected: wrong frame: expected": 1}),
    "camera-closed": Case(at("camera-closed"), said={"with com.android.launcher3 in front": 1}),
    "screen-locked": Case(at("screen-locked"), said={"with com.android.systemui in front": 1}),
    "permission-dialog, answered": Case(
        at("permission-dialog", seconds=1.6), said={"with com.android.permissioncontroller in front": 1}
    ),
    "reboot": Case(at("reboot", seconds=0.5), said={"failed: ": None}, options={"pace_s": 0.4}),
    "offline, and back": Case(at("offline", seconds=0.5), said={"failed: ": None}, options={"pace_s": 0.4}),
    "frozen, and back": Case(at("frozen", seconds=1.0), said={"failed: ": None}),
    # for good: left out after three failures, listed as missing
    "no-new-file, always": Case((Fault("no-new-file"),), 0, {"failed: faulty: expected a new jpg": None}),
    "offline": Case(at("offline"), 1, {"failed: ": None}, out="faulty", loses=True),
    "frozen": Case(at("frozen"), 1, {"failed: ": None}, out="faulty", loses=True, options={"stall_s": 2.0}),
    "pin-locked": Case(at("pin-locked"), 1, {"with com.android.systemui in": 1}, out=CAMERA + "com.android.systemui"),
    "permission-dialog": Case(
        at("permission-dialog"),
        1,
        {"failed: faulty: expected a new jpg": 1},
        out=CAMERA + "com.android.permissioncontroller",
    ),
    "full-disk": Case(at("full-disk"), 1, {"is the storage full": None}),
    "previous-frame, always": Case(at("previous-frame", times=99), 1, {"rejected: wrong frame": None}),
    # from the start: not reached, or not prepared
    "unauthorised, from the start": Case((Fault("unauthorised"),), 0, unreached="accept"),
    "offline, from the start": Case((Fault("offline"),), 0, unreached="refused"),
    "frozen, from the start": Case((Fault("frozen"),), 0, unreached="faulty: "),
    "permission-dialog, from the start": Case((Fault("permission-dialog"),), 0, unreached=CAMERA),
    "full-disk, from the start": Case((Fault("full-disk"),), 0, {"is the storage full": None}),
    # said by health: no obstacle, or a reason to rest
    "wrong-clock": Case((Fault("wrong-clock"),)),
    "hot, and cool again": Case((Fault("hot", seconds=1.0),), options=RESTS),
    "flat-battery, and charged": Case((Fault("flat-battery", seconds=1.0),), options=RESTS),
    "hot": Case((Fault("hot"),), None, out="rests: at 46.0 C, expected at most 42; thermal status 3", options=HOT),
    "flat-battery": Case(
        (Fault("flat-battery"),), None, out="rests: battery at 4 %, expected at least 10", options=HOT
    ),
    # raws
    "late-raw, too late": Case(at("late-raw", seconds=1.6), said={"failed: faulty: ": None}, options={"raw": True}),
    "truncated-raw": Case(at("truncated-raw"), said={"rejected: not a whole raw": 1}, options={"raw": True}),
    # the link
    "link-stall": Case(at("link-stall", 1, after_bytes=60_000), said={"failed: ": None}, options={"stall_s": 1.5}),
    "link-slow": Case((Fault("link-slow"),), options={"timeout_s": 5.0}),
    "link-cut": Case(at("link-cut", 1, after_bytes=60_000), said={"failed: ": None}),
    "link-reset": Case(at("link-reset", 1, after_bytes=60_000), said={"failed: ": None}),
    "link-flip": Case(at("link-flip", 1, after_bytes=60_000), said={"failed: ": None}),
    "link-refused": Case((Fault("link-refused"),), 0, unreached="faulty: "),
}


@pytest.mark.parametrize("case", PHONE_CASES)
def test_a_phone(rack: FaultyRack, case: str) -> None:
    tell(rack, PHONE_CASES[case])


BOARD_CASES = {
    "no-new-file": Case(at("no-new-file"), said={"failed: faulty: the agent's shoot ended": 1}),
    "no-camera": Case(at("no-camera"), said={"no cameras available": 1}),
    "truncated": Case(at("truncated"), said={"the camera wrote no whole JPEG": 1}),
    "previous-frame": Case(at("previous-frame"), said={"rejected: wrong frame": 1}),
    "agent-crash": Case(at("agent-crash"), said={"exit code 139: Fatal Python error: Segmentation fault": 1}),
    "out-of-memory": Case(at("out-of-memory"), said={"exit code 137: Killed": 1}),
    "full-disk": Case(at("full-disk"), 1, {"No space left on device": None}),
    "offline": Case(at("offline"), 1, {"failed: ": None}, out="faulty", loses=True),
    "reboot": Case(at("reboot", seconds=0.3), said={"failed: ": None}, options={"pace_s": 0.4}),
    "link-reset": Case(at("link-reset", 1, after_bytes=30_000), said={"failed: ": None}),
    "link-cut": Case(at("link-cut", 1, after_bytes=30_000), said={"failed: ": None}),
    "link-flip": Case(at("link-flip", 1, after_bytes=30_000), said={"failed: ": None}),
    "link-refused": Case((Fault("link-refused"),), 0, unreached="faulty ("),
}


@pytest.mark.parametrize("case", BOARD_CASES)
def test_a_board(rack: FaultyRack, case: str) -> None:
    chosen = BOARD_CASES[case]
    tell(rack, replace(chosen, options={**chosen.options, "board": True, "timeout_s": 20.0}))


AGENT_CASES = {
    "agent-crash": "exit code 139: Fatal Python error: Segmentation fault",
    "out-of-memory": "exit code 137: Killed",
    "stray-answer": "expected one answer to each question, got another for",
    "double-answer": "expected one answer to each question, got another for",
}


def predictions(rack: FaultyRack, agent: Agent, folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Predict the good phone's photographs by a board's agent and on this host; the failures and the table."""
    model, sidecar = write_tflite(folder / "tiny.tflite"), tiny_sidecar()
    here = default_environment(sidecar, model)
    there = replace(here, machine="board")
    asked = [Assignment((there,), ("good",), agent), Assignment((here,), ("good",))]
    failures = predict_run(rack.run, model, sidecar, asked, workers=1, progress=lambda *_: None)
    return failures, rack.run.predictions()


@pytest.mark.parametrize("kind", [*AGENT_CASES, "wrong-answer"])
def test_an_agent_that_predicts(rack: FaultyRack, tmp_path: Path, kind: str) -> None:
    rack.sit()
    with agent_of(tmp_path / "a", Fault(kind, at_shot=1)) as agent:
        failures, table = predictions(rack, agent, tmp_path)
        count = table.groupby("machine").size().to_dict()
        if kind == "wrong-answer":  # it stands under its own machine's name, where the host's answers show it
            assert failures == []
            assert count == {"board": SCENES, "host": SCENES}
            first = table.pivot(index="picture", columns="machine", values="label_1")
            assert (first["board"] != first["host"]).all()
            return
        assert len(failures) == 1
        assert AGENT_CASES[kind] in failures[0]
        assert count == {"host": SCENES}  # nothing of what it said before it died or lied
        failures, table = predictions(rack, agent, tmp_path)  # the fault is over: what is missing is done, and once
    assert failures == []
    assert table.groupby("machine").size().to_dict() == {"board": SCENES, "host": SCENES}
    first = table.pivot(index="picture", columns="machine", values="label_1")
    assert (first["board"] == first["host"]).all()


@contextmanager
def agent_of(folder: Path, *faults: Fault) -> Iterator[Agent]:
    """The agent on a virtual board with faults."""
    folder.mkdir()
    key = folder / "key"
    board = VirtualBoard(folder / "b", dict, authorised_keys=[make_key(key)], faults=BoardFaults(plan=faults))
    hosts = folder / "known_hosts"
    with serving([board]) as [port]:
        hosts.write_text(board.known_hosts_line)
        ssh = SshTransport("127.0.0.1", port, user="pi", key=key, known_hosts=hosts, name="board")
        with closing(ssh):
            agent = Agent(ssh, build_agent_zip(folder / "agent.zip"))
            agent.install()
            yield agent


def test_every_fault_has_a_test() -> None:
    phone = {fault.kind for case in PHONE_CASES.values() for fault in case.faults}
    board = {fault.kind for case in BOARD_CASES.values() for fault in case.faults} | set(AGENT_CASES)
    assert phone >= {kind for kind, (devices, _) in KINDS.items() if "virtual-phone" in devices}
    assert board | {"wrong-answer"} >= {kind for kind, (devices, _) in KINDS.items() if devices == ("virtual-board",)}


def tell(rack: FaultyRack, case: Case) -> None:
    raw = bool(case.options.get("raw"))
    session = rack.sit(*case.faults, **case.options)  # type: ignore[arg-type]
    rack.check(raw=raw)
    told = [f"{status}: {reason}" for status, reason in rack.attempts("faulty")]
    bad = [words for words in told if words != "ok: "]
    most = SCENES - 1 if case.accepted is None else case.accepted
    assert (0 if case.accepted is None else most - case.loses) <= rack.accepted("faulty") <= most, bad
    assert case.unreached in rack.unreached.get("faulty", ""), rack.unreached
    assert bool(case.unreached) == ("faulty" in rack.unreached)
    for words, count in case.said.items():
        found = sum(words in one for one in bad)
        assert found == count if count is not None else found, (words, bad)
    assert bad == [] or case.said, bad
    assert case.out in session.out.get("faulty", ""), session.out
    assert most < SCENES or "faulty" not in session.out, session.out
    lacking = [] if case.unreached else [one for one in session.missing if one.step.device == "faulty"]
    assert len(lacking) == (0 if case.unreached else SCENES - rack.accepted("faulty"))
    assert all(one.reason for one in lacking)
    if most < SCENES:  # mended, the device does what is missing
        rack.unreached.clear()
        rack.sit(**case.options)  # type: ignore[arg-type]
        assert rack.accepted("faulty") == SCENES
        rack.check(raw=raw)
