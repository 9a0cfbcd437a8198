from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from device_agents.errors import DeviceError, TimedOut
from hostctl.adb import AdbServer
from hostctl.phones.logcat import FILES, LARGEST, Logcat
from hostctl.phones.stock_camera import StockCamera
from hostctl.transport import Output
from hostctl.virtual.phone import FAULTS, PHONES
from tests.fakes.phones import phone, reach
from tests.fakes.scripted_transport import ScriptedTransport

EPOCH = "logcat -d -t 2000 -v epoch"


def logcat(transport: ScriptedTransport, folder: Path, name: str = "../it") -> Logcat:
    return Logcat(transport, folder, name=name, clock=lambda: 110.0, now=lambda: datetime(2026, 11, 22, tzinfo=UTC))


def test_lines_since_the_shot_are_kept_under_a_name_of_ours(tmp_path: Path) -> None:
    text = "--------- beginning of main\n  989.0 1 old\n  991.0 1 first\nwithout a time\n  995.5 1 last\n"
    with ScriptedTransport([("date +%s", "1000\n"), (EPOCH, text)]) as transport:
        name = logcat(transport, tmp_path).keep(began=101.0, reason="no file")
    (path,) = (tmp_path / "logcat").iterdir()
    assert name == f"lab/logcat/{path.name}"
    assert path.name.endswith("-20261122T000000Z-1.txt")
    lines = path.read_text().splitlines()
    assert lines[0] == "# ../it: no file"
    assert lines[2:] == ["  991.0 1 first", "without a time", "  995.5 1 last"]


def test_an_old_phone_gives_all_its_lines(tmp_path: Path) -> None:
    refused = Output(b"", b"Invalid parameter\n", 255)
    script = [("date +%s", "1000\n"), (EPOCH, refused), ("logcat -d -t 2000 -v time", "11-22 07:00:00 I it\n")]
    with ScriptedTransport(script) as transport:
        assert logcat(transport, tmp_path).keep(began=101.0, reason="x")
    assert "cannot" not in next((tmp_path / "logcat").iterdir()).read_text().splitlines()[2]


def test_size_and_number_are_bounded_and_a_silent_phone_is_no_failure(tmp_path: Path) -> None:
    huge = "".join(f" 1000.0 1 {'x' * 4000} {number}\n" for number in range(2500))
    small = [("date +%s", "1000\n"), (EPOCH, " 1000.0 1 x\n")] * (FILES - 1)
    script = [*small, ("date +%s", "1000\n"), (EPOCH, huge)]
    with ScriptedTransport([*script, ("date +%s", TimedOut("no answer"))]) as transport:
        kept = logcat(transport, tmp_path)
        names = [kept.keep(began=110.0, reason="x") for _ in range(FILES + 1)]
        assert logcat(transport, tmp_path).keep(began=110.0, reason="x") == ""
    assert names[-1] == ""
    assert len(set(names)) == FILES + 1
    assert all(path.stat().st_size < LARGEST + 300 for path in (tmp_path / "logcat").iterdir())
    (last,) = (tmp_path / "logcat").glob(f"*-{FILES}.txt")
    assert last.stat().st_size > LARGEST
    assert last.read_text().endswith("x 2499\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


@pytest.mark.parametrize("name", ["instant", "ancient"])
def test_the_log_of_a_failed_shot_is_named_by_its_reason(server: AdbServer, tmp_path: Path, name: str) -> None:
    with phone(FAULTS["full-disk"](PHONES[name])) as (_, address):
        transport = reach(server, address)
        camera = StockCamera(transport, logcat=Logcat(transport, tmp_path, name="it"))
        camera.prepare()
        with pytest.raises(TimedOut, match=r"expected a new jpg .*; its log: lab/logcat/\w+-\w+-1\.txt$") as caught:
            camera.shoot(timeout_s=1)
        path = tmp_path / str(caught.value).rsplit("lab/", 1)[1]
        assert "shot 1 failed: [Errno 28] No space left" in path.read_text()


def test_a_frozen_phone_is_not_asked_for_its_log(server: AdbServer, tmp_path: Path) -> None:
    with phone(PHONES["instant"]) as (virtual, address):
        transport = reach(server, address)
        camera = StockCamera(transport, logcat=Logcat(transport, tmp_path, name="it"))
        camera.prepare()
        virtual.daemon.freeze()
        with pytest.raises(DeviceError) as caught:
            camera.shoot(timeout_s=0.6)
        virtual.daemon.freeze(False)
        assert "log:" not in str(caught.value)
    assert not (tmp_path / "logcat").exists()
