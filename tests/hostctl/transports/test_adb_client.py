"""The client against a scripted adb server: what a broken or hostile one may send."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_agents.errors import CommandFailed, DeviceError, TimedOut, Unauthorised, Unreachable
from hostctl.transport import Output
from hostctl.transports import adb_client
from hostctl.transports.adb_client import PACKET, SYNC_HEADER, ServerSocket, host_request


@contextlib.contextmanager
def scripted(*script: tuple[bytes, bytes]) -> Iterator[int]:
    """Serve one connection: receive exactly these bytes, send those, and so on; then close. Fails on anything else."""
    problems: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for expected, answer in script:
                got = b""
                while len(got) < len(expected) and (more := connection.recv(len(expected) - len(got))):
                    got += more
                if got != expected:
                    problems.append(f"expected {expected!r}, got {got!r}")
                    return
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=20)
    assert problems == []


def opened(port: int, act: Callable[[ServerSocket], object]) -> object:
    with ServerSocket(port, name="it", limit_s=10) as server:
        return act(server)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("device unauthorized.\nThis adb server's key...", Unauthorised, r"\(device unauthorized\.\); unlock it"),
        ("device still authorizing", Unauthorised, "tap 'Allow'"),
        ("device 'X' not found", Unreachable, "it: device 'X' not found; check the serial"),
        ("device offline", Unreachable, "it: device offline"),
        ("", Unreachable, "it: no reason given"),
    ],
)
def test_a_refusal_becomes_the_error_that_fits(words: str, error: type[DeviceError], said: str) -> None:
    answer = b"FAIL" + f"{len(words):04x}{words}".encode()
    with scripted((b"0010host:transport:X", answer)) as port, pytest.raises(error, match=said):
        opened(port, lambda server: server.ask("host:transport:X"))


def test_a_text_answer() -> None:
    with scripted((b"000chost:version", b"OKAY00040029")) as port:
        assert host_request(port, "host:version", name="it", timeout_s=10) == "0029"


def test_nonsense_and_silence_and_nobody() -> None:
    with scripted((b"000chost:version", b"HTTP/1.1")) as port, pytest.raises(Unreachable, match="expected OKAY to"):
        host_request(port, "host:version", name="it", timeout_s=10)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TimedOut, match=r"it: expected an answer within 0\.2 s"):
            host_request(port, "host:version", name="it", timeout_s=0.2)
    with pytest.raises(Unreachable, match="it: the adb server on port .* is gone"):
        host_request(port, "host:version", name="it", timeout_s=1)


SHELL = b"0011shell,v2,raw:true"


def test_shell_packets_in_pieces() -> None:
    packets = (
        PACKET.pack(1, 2) + b"ou" + PACKET.pack(2, 3) + b"err" + PACKET.pack(9, 1) + b"?" + PACKET.pack(1, 1) + b"t"
    )
    with scripted((SHELL, b"OKAY" + packets + PACKET.pack(3, 1) + b"\x07")) as port:
        got = opened(port, lambda server: adb_client.run_shell_v2(server, "true"))
    assert got == Output(b"out", b"err", 7)


def test_a_shell_that_ends_without_a_status_broke() -> None:
    with (
        scripted((SHELL, b"OKAY" + PACKET.pack(1, 2) + b"ou")) as port,
        pytest.raises(Unreachable, match="it: .*broke"),
    ):
        opened(port, lambda server: adb_client.run_shell_v2(server, "true"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"out\ninstability-exit:5\n", Output(b"out\n", b"", 5)),
        (b"no line end\x00instability-exit:0\r\n", Output(b"no line end\x00", b"", 0)),
        (b"instability-exit:1\ninstability-exit:0\n", Output(b"instability-exit:1\n", b"", 0)),
    ],
)
def test_the_status_behind_the_mark(said: bytes, expected: Output) -> None:
    with scripted((b"0020exec:x; echo instability-exit:$?", b"OKAY" + said)) as port:
        assert opened(port, lambda server: adb_client.run_exec(server, "x")) == expected


@pytest.mark.parametrize("said", [b"out\n", b"out instability-exit:", b"out instability-exit:x"])
def test_no_whole_mark_means_that_it_broke(said: bytes) -> None:
    with (
        scripted((b"0020exec:x; echo instability-exit:$?", b"OKAY" + said)) as port,
        pytest.raises(Unreachable, match="broke before the command ended"),
    ):
        opened(port, lambda server: adb_client.run_exec(server, "x"))


RECV = SYNC_HEADER.pack(b"RECV", 2) + b"/x"


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (SYNC_HEADER.pack(b"FAIL", 7) + b"no file", CommandFailed, "it: cannot pull /x: no file"),
        (SYNC_HEADER.pack(b"DATA", 1 << 31), Unreachable, "cannot pull /x: expected a file, got b'DATA'"),
        (SYNC_HEADER.pack(b"FAIL", 1 << 31), Unreachable, "got b'FAIL'"),
        (SYNC_HEADER.pack(b"DNT2", 5), Unreachable, "got b'DNT2'"),
        (SYNC_HEADER.pack(b"DATA", 10) + b"half", Unreachable, "it: the connection broke"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, said: bytes, error: type[DeviceError], words: str) -> None:
    with scripted((b"0005sync:", b"OKAY"), (RECV, said)) as port, pytest.raises(error, match=words):
        opened(port, lambda server: adb_client.receive_file(server, "/x", tmp_path / "x"))


def test_a_file_in_blocks(tmp_path: Path) -> None:
    blocks = SYNC_HEADER.pack(b"DATA", 3) + b"abc" + SYNC_HEADER.pack(b"DATA", 0) + SYNC_HEADER.pack(b"DATA", 1) + b"d"
    with scripted((b"0005sync:", b"OKAY"), (RECV, blocks + SYNC_HEADER.pack(b"DONE", 0))) as port:
        opened(port, lambda server: adb_client.receive_file(server, "/x", tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"abcd"
