from collections.abc import Iterator

import pytest

from device_agents.errors import TimedOut, Unauthorised, Unreachable
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.phones.health import Health, health, unhealthy
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import FAULTS, PHONES, VirtualPhone
from tests.fakes.scripted_transport import ScriptedTransport

GETPROP = "[ro.product.manufacturer]: [Maker]\n[ro.product.model]: [Phone 7]\n[ro.build.version.release]: [12]\n"
BATTERY = "  level: 55\n  scale: 100\n  voltage: 4000\n  temperature: 391\n"
DF = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/fuse 100 40 60 40% /storage/emulated\n"


def test_reads_what_a_phone_prints() -> None:
    script = [
        ("getprop", GETPROP),
        ("date +%s.%N", "1000.500000000\n"),
        ("dumpsys media.camera", "Number of camera devices: 3\n"),
        ("df -k /sdcard", DF),
        ("dumpsys battery", BATTERY),
        ("dumpsys thermalservice", "Thermal Status: 2\n"),
    ]
    times = iter([0.0, 1000.0, 1000.2, 0.4])
    with ScriptedTransport(script) as transport:
        got = health(transport, now=lambda: next(times))
    assert got.model == "Maker Phone 7"
    assert (got.camera, got.free_bytes, got.battery_percent, got.battery_c) == (True, 61_440, 55, 39.1)
    assert got.thermal_status == 2
    assert got.clock_offset_s == pytest.approx(0.4)
    assert len(got.problems) == 3
    assert "0 MB free" in got.problems[0]
    assert got.problems[1:] == (
        "battery at 39.1 C, expected at most 38; let it cool",
        "thermal status 2, expected 0; let it cool",
    )


@pytest.mark.parametrize(
    ("problem", "reachable"),
    [(Unauthorised("x: tap 'Allow'"), True), (Unreachable("x: gone"), False), (TimedOut("x: frozen"), False)],
)
def test_a_phone_that_does_not_answer_is_not_an_exception(problem: Exception, reachable: bool) -> None:
    with ScriptedTransport([("getprop", problem)]) as transport:
        got = health(transport, name="x")
    assert got == Health("x", reachable=reachable, authorised=False, problems=(str(problem),))
    assert got == unhealthy("x", problem)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as running:
        yield running


def of_virtual(server: AdbServer, phone: VirtualPhone) -> Health:
    with serving([phone]) as (port,):
        return health(AdbTransport(server, connect(server, f"127.0.0.1:{port}"), name="it"))


@pytest.mark.parametrize("name", PHONES)
def test_every_virtual_phone_is_fit(server: AdbServer, name: str) -> None:
    got = of_virtual(server, VirtualPhone(PHONES[name], shoot=dict))
    assert got.problems == ()
    assert (got.model, got.camera, got.battery_percent) == (f"Kit {PHONES[name].model}", True, 83)
    assert (got.thermal_status is None) == (name == "ancient")
    assert got.free_bytes == pytest.approx(64 * 1024**3, rel=1e-3)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hot", ["battery at 46.0 C", "thermal status 3"]),
        ("flat-battery", ["battery at 4 %"]),
        ("full-disk", ["only 0 MB free"]),
        ("wrong-clock", ["its clock is off by -3600."]),
    ],
)
def test_faults_are_seen(server: AdbServer, fault: str, words: list[str]) -> None:
    got = of_virtual(server, VirtualPhone(FAULTS[fault](PHONES["modern"]), shoot=dict))
    assert len(got.problems) == len(words)
    assert all(said.startswith(word) for said, word in zip(got.problems, words, strict=True))
