"""The daemon against the real adb program, and against hosts that break the protocol."""

import dataclasses
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostctl.adb import AdbServer, _environment, adb_program, connect, disconnect
from hostctl.virtual import adb_messages as wire
from hostctl.virtual.adb_messages import Message
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import FAULTS, PHONES, VirtualPhone

BIG = bytes(range(256)) * 20_000  # 5.12 MB


class Host:
    """The real adb program with a private server and three phones."""

    def __init__(self, server: AdbServer, phones: dict[str, VirtualPhone]) -> None:
        self.server, self.phones = server, phones

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.phones[name].port}"

    def adb(self, name: str, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [adb_program(), "-s", self.address(name), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=_environment(self.server.folder, self.server.port),
            check=False,
        )


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    no_shell_v2 = dataclasses.replace(PHONES["modern"], link=dataclasses.replace(PHONES["modern"].link, features=()))
    checksums = dataclasses.replace(PHONES["modern"].link, version=wire.VERSION_WITH_CHECKSUMS, max_payload=256 * 1024)
    profiles = {
        "modern": PHONES["modern"],
        "ancient": PHONES["ancient"],
        "plain": no_shell_v2,
        "checksums": dataclasses.replace(PHONES["modern"], link=checksums),
    }
    phones = {name: VirtualPhone(profile, shoot=dict) for name, profile in profiles.items()}
    with serving(list(phones.values())), AdbServer(tmp_path_factory.mktemp("adb")) as server:
        for phone in phones.values():
            connect(server, f"127.0.0.1:{phone.port}", timeout_s=30)
        yield Host(server, phones)


NAMES = ["modern", "ancient", "plain", "checksums"]


@pytest.mark.parametrize("name", NAMES)
def test_shell_with_streams_and_exit_status(host: Host, name: str) -> None:
    done = host.adb(name, "shell", "echo out; ls /nope; exit 3")
    if "shell_v2" in host.phones[name].profile.link.features:
        assert (done.stdout, done.returncode) == (b"out\n", 3)
        assert done.stderr == b"ls: /nope: No such file or directory\n"
    else:
        assert (done.stdout, done.returncode) == (b"out\nls: /nope: No such file or directory\n", 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [b"", b"x", bytes(4096), BIG], ids=["empty", "one", "block", "big"])
def test_push_and_pull_round_trip(host: Host, tmp_path: Path, name: str, data: bytes) -> None:
    if name == "ancient":
        data = data[:300_000]  # 20 MB/s at the most in blocks of 4 KiB
    (tmp_path / "in").write_bytes(data)
    assert host.adb(name, "push", str(tmp_path / "in"), "/sdcard/new folder/it's.bin").returncode == 0
    assert host.adb(name, "pull", "/sdcard/new folder/it's.bin", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out").read_bytes() == data
    assert host.adb(name, "exec-out", "cat '/sdcard/new folder/it'\"'\"'s.bin'").stdout == data


@pytest.mark.parametrize("name", NAMES)
def test_folders_and_lists(host: Host, tmp_path: Path, name: str) -> None:
    for place in ("a.txt", "sub/b.txt", "sub/deeper/c.txt"):
        (tmp_path / "tree" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / place).write_text(place)
    assert host.adb(name, "push", str(tmp_path / "tree"), "/sdcard/tree").returncode == 0
    assert host.adb(name, "pull", "/sdcard/tree", str(tmp_path / "back")).returncode == 0
    back = {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*.txt")}
    assert back == {"a.txt", "sub/b.txt", "sub/deeper/c.txt"}
    listed = host.adb(name, "ls", "/sdcard/tree").stdout.decode().splitlines()
    assert [(line.split()[1], line.split()[3]) for line in listed if line.endswith("a.txt")] == [("00000005", "a.txt")]
    host.adb(name, "shell", "rm -rf /sdcard/tree")


@pytest.mark.parametrize("name", ["modern", "ancient"])
def test_failures_are_told(host: Host, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").write_bytes(b"x" * 10_000)
    pushed = host.adb(name, "push", str(tmp_path / "in"), "/system/x")
    assert pushed.returncode == 1
    assert b"Read-only file system" in pushed.stdout + pushed.stderr
    assert host.adb(name, "pull", "/sdcard/nope", str(tmp_path / "out")).returncode == 1
    assert not (tmp_path / "out").exists()


class Echo:
    """A TCP server of the host that answers each line in capitals."""

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())

    def __exit__(self, *rest: object) -> None:
        self._thread.join(timeout=20)
        self._socket.close()


@pytest.mark.parametrize("name", ["modern", "ancient"])
def test_data_flows_through_reverse_and_forward(host: Host, name: str) -> None:
    """Host -> forward -> the phone's port -> reverse -> host's echo server, and back."""
    with Echo() as port:
        assert host.adb(name, "reverse", "tcp:8000", f"tcp:{port}").returncode == 0
        assert f"tcp:8000 tcp:{port}" in host.adb(name, "reverse", "--list").stdout.decode()
        forwarded = int(host.adb(name, "forward", "tcp:0", "tcp:8000").stdout)
        with socket.create_connection(("127.0.0.1", forwarded), timeout=20) as client:
            client.sendall(b"hello " * 5000)
            got = b""
            while len(got) < 30_000:
                got += client.recv(65536)
            assert got == b"HELLO " * 5000
    assert host.adb(name, "reverse", "--no-rebind", "tcp:8000", "tcp:1").returncode != 0
    assert host.adb(name, "reverse", "--remove", "tcp:8000").returncode == 0
    assert host.adb(name, "reverse", "--remove", "tcp:8000").returncode != 0
    given = int(host.adb(name, "reverse", "tcp:0", "tcp:9").stdout)
    assert given in host.phones[name].ports
    assert host.adb(name, "reverse", "--remove-all").returncode == 0
    assert host.adb(name, "reverse", "--list").stdout.strip() == b""
    host.adb(name, "forward", "--remove-all")


def test_reconnects_after_the_host_left(host: Host) -> None:
    for _ in range(3):
        disconnect(host.server, host.address("ancient"))
        connect(host.server, host.address("ancient"), timeout_s=30)
        assert host.adb("ancient", "shell", "echo again").stdout == b"again\n"


def exchange(phone: VirtualPhone, data: bytes) -> bytes:
    """Send bytes and give everything that the phone says until it hangs up."""
    with socket.create_connection(("127.0.0.1", phone.port), timeout=20) as client:
        client.sendall(data)
        said = b""
        try:
            while more := client.recv(65536):
                said += more
        except ConnectionResetError:
            pass
    return said


def message(command: int, arg0: int, arg1: int, data: bytes = b"") -> bytes:
    return wire.pack(Message(command, arg0, arg1, data), with_checksum=True) + data


HELLO = message(wire.CNXN, wire.VERSION, 1 << 20, b"host::\0")


@pytest.mark.parametrize(
    "babble",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes(24),
        HELLO[:-7],
        message(wire.OPEN, 1, 0, b"shell:id\0"),
        HELLO + message(wire.OPEN, 1, 0, b"shell:touch /sdcard/owned\0"),
        HELLO + message(wire.AUTH, wire.AUTH_SIGNATURE, 0, b"x") + message(wire.OPEN, 1, 0, b"shell:id\0"),
        HELLO + message(wire.AUTH, wire.AUTH_PUBLIC_KEY, 0, b"rubbish\0"),
        HELLO + struct.pack("<6I", wire.WRTE, 1, 1, 1 << 31, 0, wire.WRTE ^ 0xFFFFFFFF),
    ],
)
def test_a_host_that_breaks_the_protocol_is_cut_off_and_the_phone_lives(host: Host, babble: bytes) -> None:
    phone = host.phones["modern"]
    if babble == HELLO[:-7]:  # a host that leaves in the middle of a word
        with socket.create_connection(("127.0.0.1", phone.port), timeout=20) as client:
            client.sendall(babble)
    else:
        assert b"uid=" not in exchange(phone, babble)
    assert host.adb("modern", "shell", "[ -e /sdcard/owned ] || echo alive").stdout == b"alive\n"


def test_an_unknown_key_gets_a_new_token_each_time(host: Host) -> None:
    said = exchange(
        host.phones["modern"],
        HELLO
        + message(wire.AUTH, wire.AUTH_SIGNATURE, 0, bytes(256))
        + message(wire.AUTH, wire.AUTH_PUBLIC_KEY, 0, b"!"),
    )
    tokens = [said[place + 24 : place + 44] for place in (0, 44)]
    assert said[:4] == said[44:48] == b"AUTH"
    assert tokens[0] != tokens[1]
    assert len(said) == 88


def test_the_program_sees_an_unauthorised_phone(tmp_path: Path) -> None:
    phone = VirtualPhone(FAULTS["unauthorised"](PHONES["modern"]), shoot=dict)
    with serving([phone]) as (port,), AdbServer(tmp_path) as server:
        server.ask(f"host:connect:127.0.0.1:{port}", name="phone", timeout_s=30)
        assert server.devices() == {f"127.0.0.1:{port}": "unauthorized"}
