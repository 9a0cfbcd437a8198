"""Boards to test SSH against: the virtual board, and the real Debian sshd; with keys and a transport to them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import Unreachable
from hostctl.ssh import SshTransport
from hostctl.transport import Output, Stream
from hostctl.transports.host_keys import scan_host_key
from hostctl.virtual.board import VirtualBoard, make_key
from hostctl.virtual.hosting import serving

SSHD = "/usr/sbin/sshd"
LIMIT_S = 60.0


@contextlib.contextmanager
def board_of(folder: Path, **settings: object) -> Iterator[VirtualBoard]:
    public = make_key(folder / "key")
    board = VirtualBoard(folder / "board", lambda: {".jpg": b"jpeg"}, authorised_keys=[public], **settings)  # type: ignore[arg-type]
    with serving([board]):
        (folder / "known_hosts").write_text(board.known_hosts_line + "\n")
        yield board


def transport_to(port: int, folder: Path, *, user: str = "pi", **settings: object) -> SshTransport:
    return SshTransport(
        "127.0.0.1",
        port,
        user=user,
        key=folder / "key",
        known_hosts=folder / "known_hosts",
        name="board",
        **settings,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def running_sshd(folder: Path) -> Iterator[tuple[int, Path]]:
    """A real sshd as this user on a loopback port; gives the port and the folder of key and known_hosts."""
    if not Path(SSHD).exists():
        pytest.fail(f"expected {SSHD}; install openssh-server")
    (folder / "authorized_keys").write_text(make_key(folder / "key") + "\n")
    make_key(folder / "host_key")
    second = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(folder / "second_key")]
    subprocess.run(second, check=True, stdin=subprocess.DEVNULL)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "Subsystem": "sftp internal-sftp",
    }
    lines = [f"{name} {value}\n" for name, value in options.items()]
    (folder / "config").write_text("".join([*lines, f"HostKey {folder / 'second_key'}\n"]))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "config")], stdin=subprocess.DEVNULL, stderr=log
        )
    try:
        (folder / "known_hosts").write_text(wait_for_key(port, server, folder / "log") + "\n")
        yield port, folder
    finally:
        server.terminate()
        server.wait()


def wait_for_key(port: int, server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            return scan_host_key("127.0.0.1", port).known_hosts_line
        except Unreachable:
            time.sleep(0.1)
    raise AssertionError(f"sshd did not start: {log.read_text()}")


def drained(stream: Stream) -> tuple[bytes, Output]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return b"".join(pieces), end.value
