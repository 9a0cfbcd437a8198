"""What a hostile phone or board may say: output and files without end, names, numbers and JSON of all kinds."""

import hashlib
import posixpath
import re
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, DeviceError, TimedOut, Unreachable
from hostctl.adb import AdbServer
from hostctl.agents.checks import checked_shot
from hostctl.labs.shutter import RemoteFile
from hostctl.phones.remote_folder import check_plain, listed_sizes
from hostctl.sessions.collect import _spool_path
from hostctl.transports import adb_client, bounds
from hostctl.transports.adb_client import PACKET, SYNC_HEADER, ServerSocket
from hostctl.transports.adb_shell import AdbShellTransport
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, VirtualPhone
from tests.fakes.ssh_boards import running_sshd, transport_to

FOLDER = "/sdcard/DCIM/Camera"
SMALL = 100_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FEW = settings(deadline=None, max_examples=60)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_OUTPUT_BYTES", SMALL)
    monkeypatch.setattr(bounds, "MOST_FILE_BYTES", SMALL)


@contextmanager
def pouring(start, *, piece, pause_s=0.0):
    """An adb server whose phone says yes to everything, then ``start``, then ``piece`` for ever."""

    def serve():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.settimeout(30)
            connection.recv(1 << 16)
            connection.sendall(b"OKAY" + start)
            while not over.wait(pause_s):
                connection.sendall(piece)

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(30)


def adb(port, act, **options):
    with ServerSocket(port, name="phone", limit_s=20, **options) as server:
        return act(server)


def test_a_phone_that_prints_for_ever_is_cut_off(small):
    packet = PACKET.pack(adb_client.STDOUT, 1000) + b"y\n" * 500
    with (
        pouring(b"", piece=packet) as port,
        pytest.raises(DeviceError, match=f"phone: expected an output of at most {SMALL}"),
    ):
        adb(port, lambda server: adb_client.run_shell_v2(server, "yes"))
    with (
        pouring(b"", piece=b"y\n" * 500) as port,
        pytest.raises(DeviceError, match="phone: expected an output of at most"),
    ):
        adb(port, lambda server: adb_client.run_exec(server, "yes"))


def test_a_packet_that_says_it_holds_four_gigabytes_takes_no_memory():
    with pouring(PACKET.pack(adb_client.STDOUT, 0xFFFFFFFF), piece=b"y") as port:
        with pytest.raises(DeviceError, match="got 4294967295 or more"):
            adb(port, lambda server: adb_client.run_shell_v2(server, "yes"))


def test_a_file_without_end_is_cut_off_and_one_that_drips_too(small, monkeypatch, tmp_path):
    data = SYNC_HEADER.pack(b"DATA", 50_000) + bytes(50_000)
    with (
        pouring(b"", piece=data) as port,
        pytest.raises(DeviceError, match=f"a file of at most {SMALL} bytes, got 150000"),
    ):
        adb(port, lambda server: adb_client.receive_file(server, "/sdcard/x.jpg", tmp_path / "x"), renew=True)
    assert (tmp_path / "x").stat().st_size <= SMALL
    monkeypatch.setattr(adb_client, "TRANSFER_TIMEOUT_S", 0.5)
    with pouring(SYNC_HEADER.pack(b"DATA", 50_000), piece=b"x", pause_s=0.05) as port, pytest.raises(TimedOut):
        adb(port, lambda server: adb_client.receive_file(server, "/sdcard/x.jpg", tmp_path / "x"), renew=True)


def test_a_command_too_long_for_adb_is_not_done_in_part(tmp_path):
    """Its length has four digits; with a fifth the server would read a shorter command, and do that."""
    with pouring(b"", piece=b"") as port:
        with ServerSocket(port, name="phone", limit_s=20) as server:
            with pytest.raises(BadInput, match="a command of at most 65535 bytes, got 70005"):
                server.ask("exec:" + "x" * 70_000)
            server.ask("host:version")  # nothing of it was sent


@pytest.mark.parametrize("length", [b"zzzz", b"-001", b" 1 1", b"0x01"])
def test_a_length_that_is_none_is_a_broken_connection(length):
    def ask(server):
        server.ask("reverse:list-forward")
        server.text()

    with pouring(length, piece=b"x") as port, pytest.raises(Unreachable, match="expected the length of an answer"):
        adb(port, ask)


def test_the_library_without_the_adb_program_has_the_same_limits(small, tmp_path):
    phone = VirtualPhone(PHONES["modern"], shoot=dict)
    with serving([phone]) as (port,):
        transport = AdbShellTransport(f"127.0.0.1:{port}", name="phone", keys=tmp_path / "keys")
        (tmp_path / "large").write_bytes(bytes(SMALL + 1))
        (tmp_path / "fits").write_bytes(bytes(SMALL))
        try:
            for name in ("large", "fits"):
                transport.push(tmp_path / name, f"/sdcard/{name}")
            with pytest.raises(DeviceError, match=f"phone: expected a file of at most {SMALL} bytes"):
                transport.pull("/sdcard/large", tmp_path / "home")
            assert not (tmp_path / "home").exists()
            with pytest.raises(DeviceError, match=f"phone: expected an output of at most {SMALL} bytes"):
                transport.run(["cat", "/sdcard/large"], timeout_s=30)
            transport.pull("/sdcard/fits", tmp_path / "home")  # and it goes on
            assert (tmp_path / "home").stat().st_size == SMALL
            assert transport.run(["echo", "$(id)", "a'b"], timeout_s=30).text == "$(id) a'b\n"
        finally:
            transport.close()
    assert (tmp_path / "keys" / "adbkey").stat().st_mode & 0o077 == 0
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_a_board_behind_a_real_sshd_has_the_same_limits(small, tmp_path):
    from getpass import getuser

    (tmp_path / "large").write_bytes(bytes(SMALL + 1))
    with running_sshd(tmp_path) as (port, folder):
        board = transport_to(port, folder, user=getuser())
        try:
            with pytest.raises(DeviceError, match=f"board: expected an output of at most {SMALL} bytes"):
                board.run(["yes"], timeout_s=60)
            with pytest.raises(DeviceError, match=f"board: expected a file of at most {SMALL} bytes, got {SMALL + 1}"):
                board.pull(str(tmp_path / "large"), tmp_path / "home")
            assert not (tmp_path / "home").exists()
            words = ["printf", "%s|", "a b", "it's", '"', "$(id)", "`id`", "a\nb", "-n", "*", "~", "", "\\", ";id"]
            assert board.run(words, timeout_s=60).text == "".join(f"{word}|" for word in words[2:])
        finally:
            board.close()


# Names of files.

NAME = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), min_size=1, max_size=40)


@FEW
@given(NAME)
def test_no_name_that_a_phone_lists_leads_out_of_its_folder(name):
    line = f"-rw-rw---- 1 u0_a12 media_rw 7 2026-11-22 07:00 {name}\n"
    for found in listed_sizes(line, device="phone"):
        with suppress(DeviceError):
            check_plain(found, folder=FOLDER, device="phone")
            assert posixpath.dirname(posixpath.normpath(posixpath.join(FOLDER, found))) == FOLDER


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b.jpg", "x/y.jpg"])
def test_names_that_do_are_refused(name):
    with pytest.raises(DeviceError, match="do not trust this phone"):
        check_plain(name, folder=FOLDER, device="phone")


@FEW
@given(st.text(max_size=60))
def test_a_file_of_a_device_lies_in_the_spool_under_our_name(path):
    step, phone = SimpleNamespace(key="s|0|0|d"), SimpleNamespace(name="phone")
    photograph = SimpleNamespace(step=step, attempt=1, device=phone)
    spool = Path("/spool")
    with suppress(DeviceError):
        kept = _spool_path(photograph, RemoteFile(f"{FOLDER}/{path}", 1), spool)
        assert kept.parent == spool
        assert re.fullmatch(r"[0-9a-f]{24}\.[a-z0-9]{1,8}", kept.name)


@FEW
@given(st.dictionaries(st.sampled_from(["path", "size", "settings", "x"]), JSON | st.text(max_size=60), max_size=4))
def test_whatever_an_agent_says_of_a_shot_only_our_names_are_taken(values):
    with suppress(DeviceError):
        name, size = checked_shot(values, stem="shot00", device="board")
        assert re.fullmatch(r"shot00\.[A-Za-z0-9]{1,8}", name)
        assert 0 <= size <= bounds.MOST_FILE_BYTES


@pytest.mark.parametrize(
    "path",
    ["shot00.jpg/../../../x", "shot00.<img src=x>", "shot00.jpg\n", "shot00.", "shot00", "shot00.tar.gz",
     "shot00.$(id)", "shot00.aaaaaaaaa", "shot01.jpg", "../shot00/.jpg", "shot00.j'g", "-shot00.jpg"],
)  # fmt: skip
def test_odd_names_of_a_shot_are_refused(path):
    with pytest.raises(DeviceError, match=r"expected the path and size of a file shot00\.\*"):
        checked_shot({"path": path, "size": 3}, stem="shot00", device="board")


def test_time_is_bounded_where_a_phone_says_nothing_more():
    with pouring(b"", piece=b"") as port:
        began = time.monotonic()
        with ServerSocket(port, name="phone", limit_s=0.5) as server, pytest.raises(TimedOut):
            adb_client.run_shell_v2(server, hashlib.sha256(b"").hexdigest())
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("status", [b"9" * 5000, b"x", b"", b"-1", b"1e3"])
def test_an_exit_status_is_a_small_number(status):
    with pouring(b"out" + adb_client.EXIT_MARK + status, piece=b"") as port:
        with pytest.raises((Unreachable, TimedOut)), ServerSocket(port, name="phone", limit_s=1) as server:
            adb_client.run_exec(server, "true")


@pytest.mark.skipif(sys.platform != "linux", reason="who listens where is read from /proc")
def test_our_adb_server_listens_on_this_machine_only_and_its_keys_are_its_users_alone(tmp_path):
    (tmp_path / "adb").mkdir(mode=0o755)
    with AdbServer(tmp_path / "adb", usb=False) as server:
        listening = {}
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                address, port = line.split()[1].split(":")
                if line.split()[3] == "0A" and int(port, 16) == server.port:  # 0A: it listens
                    listening[address] = table
        assert list(listening) == ["0100007F"]  # 127.0.0.1
    assert (tmp_path / "adb").stat().st_mode & 0o777 == 0o700
    for key in (tmp_path / "adb" / ".android").glob("adbkey"):
        assert key.stat().st_mode & 0o077 == 0
