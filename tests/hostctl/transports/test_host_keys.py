"""Host keys: a new board, a board with another key, and what OpenSSH says of the same server."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import Unauthorised
from hostctl.transports.host_keys import scan_host_key
from hostctl.virtual.board import VirtualBoard, make_key
from hostctl.virtual.hosting import serving
from tests.fakes.ssh_boards import LIMIT_S, board_of, running_sshd, transport_to


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with board_of(tmp_path) as board:
        yield board


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A real sshd as this user on a loopback port; gives the port and the folder of key and known_hosts."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as port_and_folder:
        yield port_and_folder


def test_a_wrong_host_key_is_refused_with_what_to_do(board: VirtualBoard, tmp_path: Path) -> None:
    public = make_key(tmp_path / "other")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{board.port} {public}\n")
    got = scan_host_key("127.0.0.1", board.port)
    with contextlib.closing(transport_to(board.port, tmp_path)) as transport, pytest.raises(Unauthorised) as caught:
        transport.run(["pwd"], timeout_s=LIMIT_S)
    for words in ("board (127.0.0.1:", "does not match", got.fingerprint, "ssh-keygen -lf", "do not connect"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[127.0.0.1]:1 ssh-ed25519 AAAA\n", None])
def test_a_new_board_is_refused_until_its_key_is_pinned_as_told(
    board: VirtualBoard, tmp_path: Path, content: str | None
) -> None:
    if content is None:
        (tmp_path / "known_hosts").unlink()
    else:
        (tmp_path / "known_hosts").write_text(content)
    with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
        with pytest.raises(Unauthorised) as caught:
            transport.run(["pwd"], timeout_s=LIMIT_S)
        told = str(caught.value)
        shown = scan_host_key("127.0.0.1", board.port)
        assert f"got none for this address; the board shows ssh-ed25519 {shown.fingerprint}" in told
        assert "\n" not in told
        command = told.rpartition("if it is the same: ")[2]
        subprocess.run(["/bin/sh", "-c", command], check=True, cwd="/")
        assert transport.run(["pwd"], timeout_s=LIMIT_S).text == "/home/pi\n"


def test_the_host_keys_comment_stays_out_of_the_command(tmp_path: Path) -> None:
    """The server's own text never stands in a command that a person is to copy."""
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519", comment="x; rm -rf /")
    board = VirtualBoard(tmp_path / "board", dict, authorised_keys=[make_key(tmp_path / "key")], host_key=key)
    with serving([board]) as [port]:
        assert len(scan_host_key("127.0.0.1", port).known_hosts_line.split()) == 3


def test_a_host_key_of_another_kind_is_refused(board: VirtualBoard, tmp_path: Path) -> None:
    import asyncssh

    line = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{board.port} {line}")
    with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
        with pytest.raises(Unauthorised, match="does not match"):
            transport.run(["pwd"], timeout_s=LIMIT_S)


def test_scan_gives_what_openssh_gives(sshd: tuple[int, Path]) -> None:
    port, folder = sshd
    key = scan_host_key("127.0.0.1", port)
    listed = subprocess.run(["ssh-keygen", "-lf", str(folder / "known_hosts")], capture_output=True, text=True).stdout
    assert key.fingerprint in listed
    scanned = subprocess.run(["ssh-keyscan", "-p", str(port), "127.0.0.1"], capture_output=True, text=True).stdout
    assert key.known_hosts_line.split()[:3] in [line.split()[:3] for line in scanned.splitlines()]
