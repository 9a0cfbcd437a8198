import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_agents.errors import DeviceError, MissingExtra, TimedOut, Unauthorised, Unreachable
from hostctl import adb
from hostctl.adb import AdbServer, AdbTransport, connect, disconnect, reverse
from hostctl.transport import Transport
from hostctl.transports.adb_shell import AdbShellTransport
from hostctl.virtual.adbd import Link
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import FAULTS, PHONES, VirtualPhone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as running:
        yield running


def phone_with(**link: object) -> VirtualPhone:
    return VirtualPhone(dataclasses.replace(PHONES["modern"], link=dataclasses.replace(Link(), **link)), shoot=dict)


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


MAKERS: dict[str, Callable[[AdbServer, str, Path], Transport]] = {
    "adb": lambda server, address, keys: AdbTransport(
        server, connect(server, address, timeout_s=3, name="it"), name="it", stall_timeout_s=2.0
    ),
    "adb-shell": lambda server, address, keys: AdbShellTransport(
        address, name="it", keys=keys, connect_timeout_s=3, stall_timeout_s=2.0
    ),
}
both = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@both
def test_a_phone_that_nobody_unlocks_is_unauthorised(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    with (
        serving([phone_with(accept_delay_s=None)]) as (port,),
        pytest.raises(Unauthorised, match=r"it: the phone has not accepted .* tap 'Allow'"),
    ):
        make(server, f"127.0.0.1:{port}", tmp_path).run(["true"], timeout_s=10)


@both
def test_a_key_that_is_accepted_late_is_known_from_then_on(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    phone = phone_with(accept_delay_s=0.7)
    with serving([phone]) as (port,):
        for _ in range(2):
            transport = make(server, f"127.0.0.1:{port}", tmp_path)
            assert transport.run(["echo", "yes"], timeout_s=10).text == "yes\n"
            transport.close()
            disconnect(server, f"127.0.0.1:{port}")
        assert len(phone.daemon.keys) == 1


@both
def test_nothing_listens_there(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=r"it: .*refused"):
        make(server, f"127.0.0.1:{port}", tmp_path).run(["true"], timeout_s=10)


@both
def test_a_frozen_phone_times_out(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    phone = phone_with()
    with serving([phone]) as (port,):
        transport = make(server, f"127.0.0.1:{port}", tmp_path)
        phone.files.write("/sdcard/x", bytes(100))
        assert transport.run(["true"], timeout_s=10).exit_code == 0
        phone.daemon.freeze()
        with pytest.raises(TimedOut, match=r"it: expected an answer within 0\.4 s, got none; is the phone frozen"):
            transport.run(["true"], timeout_s=0.4)
        if isinstance(transport, AdbTransport):
            with pytest.raises(TimedOut, match="within 2 s"):
                transport.pull("/sdcard/x", tmp_path / "x")
        assert not list(tmp_path.glob("x*"))
        phone.daemon.freeze(False)
        transport.close()


@both
def test_a_dropped_transfer_leaves_nothing_and_the_next_call_connects_again(
    server: AdbServer, tmp_path: Path, make: Callable
) -> None:
    phone = phone_with(drop_after_bytes=2_000_000, drops=1)
    with serving([phone]) as (port,):
        phone.files.write("/sdcard/x", os.urandom(5_000_000))
        transport = make(server, f"127.0.0.1:{port}", tmp_path)
        with pytest.raises(Unreachable, match="it: the connection"):
            transport.pull("/sdcard/x", tmp_path / "x")
        assert not list(tmp_path.glob("x*"))
        wait_until(lambda: _pulls(transport, tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == phone.files.read("/sdcard/x")
        transport.close()


def _pulls(transport: Transport, local: Path) -> bool:
    """Whether a pull succeeds; the adb server may need a moment to notice that the old connection is dead."""
    try:
        transport.pull("/sdcard/x", local)
    except Unreachable:
        return False
    return True


@both
def test_a_slow_phone_is_not_given_up_while_bytes_come(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    """The transfer takes longer than the longest silence that is allowed, two seconds."""
    phone = phone_with(bytes_per_s=1e6, max_payload=64 * 1024)
    with serving([phone]) as (port,):
        phone.files.write("/sdcard/x", os.urandom(3_000_000))
        transport = make(server, f"127.0.0.1:{port}", tmp_path)
        transport.pull("/sdcard/x", tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == phone.files.read("/sdcard/x")
        transport.close()


@both
def test_no_space_left_is_told(server: AdbServer, tmp_path: Path, make: Callable) -> None:
    phone = VirtualPhone(FAULTS["full-disk"](PHONES["modern"]), shoot=dict)
    (tmp_path / "in").write_bytes(bytes(1_000_000))
    with serving([phone]) as (port,):
        transport = make(server, f"127.0.0.1:{port}", tmp_path)
        with pytest.raises(DeviceError, match=r"it: cannot push in to /sdcard/in: .*No space left on device"):
            transport.push(tmp_path / "in", "/sdcard/in")
        transport.close()


def test_a_restarted_phone_is_found_again(server: AdbServer, tmp_path: Path) -> None:
    with serving([phone_with()]) as (port,):
        transport = AdbTransport(server, connect(server, f"127.0.0.1:{port}"), name="it")
        assert transport.run(["true"], timeout_s=10).exit_code == 0
    with pytest.raises(DeviceError):
        transport.run(["true"], timeout_s=2)
    again = phone_with()

    def answers() -> bool:
        try:
            return transport.run(["true"], timeout_s=10).exit_code == 0
        except DeviceError:
            return False

    with _serving_at(again, port):
        wait_until(answers)


def _serving_at(phone: VirtualPhone, port: int):
    """Host a phone on a given port: its start is told the port that its owner would have kept."""
    start = phone.start
    phone.start = lambda: start(port)  # type: ignore[method-assign,assignment]
    return serving([phone])


def test_an_unknown_serial_names_those_that_are_there(server: AdbServer) -> None:
    with serving([phone_with()]) as (port,):
        serial = connect(server, f"127.0.0.1:{port}")
        with pytest.raises(Unreachable, match=rf"it: expected a phone with serial 'ABC', got: .*{serial} \(device\)"):
            connect(server, "ABC", timeout_s=0.2, name="it")
        with pytest.raises(Unreachable, match=r"it: .*'ABC' not found"):
            AdbTransport(server, "ABC", name="it").run(["true"], timeout_s=5)
        disconnect(server, serial)
        disconnect(server, serial)  # twice is allowed


def test_reverse_brings_the_phone_to_a_server_of_this_host(server: AdbServer) -> None:
    phone = phone_with()
    with serving([phone]) as (port,), socket.create_server(("127.0.0.1", 0)) as listener:
        here = listener.getsockname()[1]
        serial = connect(server, f"127.0.0.1:{port}")
        assert reverse(server, serial, 8000, here) == 8000
        assert reverse(server, serial, 0, here) in phone.ports
        with socket.create_connection(("127.0.0.1", phone.ports[8000]), timeout=20) as app:
            connection, _ = listener.accept()
            with connection:
                app.sendall(b"hello " * 50_000)
                app_said = b""
                while len(app_said) < 300_000:
                    app_said += connection.recv(65536)
                assert app_said == b"hello " * 50_000
                connection.sendall(b"goodbye")
                assert app.recv(7, socket.MSG_WAITALL) == b"goodbye"


def test_several_threads_use_one_phone(server: AdbServer, tmp_path: Path) -> None:
    phone = phone_with()
    problems: list[str] = []
    with serving([phone]) as (port,):
        data = os.urandom(300_000)
        phone.files.write("/sdcard/x", data)
        transport = AdbTransport(server, connect(server, f"127.0.0.1:{port}"))

        def work(number: int) -> None:
            for _ in range(5):
                if transport.run(["echo", str(number)], timeout_s=30).text != f"{number}\n":
                    problems.append("mixed up output")
                transport.pull("/sdcard/x", tmp_path / str(number))
                if (tmp_path / str(number)).read_bytes() != data:
                    problems.append("mixed up file")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert problems == []


def test_keys_are_kept_and_the_server_is_gone_afterwards(tmp_path: Path) -> None:
    phone = phone_with()
    with serving([phone]) as (port,):
        for _ in range(2):
            with AdbServer(tmp_path) as server:
                connect(server, f"127.0.0.1:{port}")
                here = server.port
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", here), timeout=5).close()
        assert len(phone.daemon.keys) == 1
    assert (tmp_path / ".android" / "adbkey").stat().st_mode & 0o077 == 0


def test_the_users_own_server_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: AdbServer) -> None:
    """Another server stands for the user's; its address in our environment must not lead ours to it."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{server.port}")
    monkeypatch.setenv("ANDROID_SERIAL", "nonsense")
    with serving([phone_with()]) as (port,), AdbServer(tmp_path) as ours:
        serial = connect(ours, f"127.0.0.1:{port}")
        assert ours.port != server.port
        assert serial not in server.devices()
    assert server.ask("host:version", name="users", timeout_s=10) != ""


def test_a_program_that_is_no_adb_is_told_with_its_words(tmp_path: Path) -> None:
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\necho 'cannot bind' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Unreachable, match="the adb server did not start; its last words: cannot bind"):
        AdbServer(tmp_path / "folder", program=str(program)).start()


OWNER = """
import os, signal, sys
from pathlib import Path
from hostctl.adb import AdbServer
server = AdbServer(Path(sys.argv[1])).start()
print(server.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_server_ends_with_its_killed_owner(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", OWNER, str(tmp_path)], capture_output=True, check=False)

    def gone() -> bool:
        try:
            socket.create_connection(("127.0.0.1", int(killed.stdout)), timeout=5).close()
        except ConnectionError:
            return True
        return False

    wait_until(gone)


def test_ctrl_c_does_not_reach_the_server(tmp_path: Path) -> None:
    """A terminal interrupts its whole foreground group; the photographs in flight still need the server."""
    with AdbServer(tmp_path) as running:
        assert running._child is not None
        assert os.getpgid(running._child.pid) != os.getpgid(0)


def test_without_the_package_and_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbutils", None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/adb")
    assert adb.adb_program() == "/usr/bin/adb"
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'instability-kit\[host\]'"):
        adb.adb_program()
