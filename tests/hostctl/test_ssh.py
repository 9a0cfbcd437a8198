"""SshTransport against the virtual board, and against the real Debian sshd."""

import contextlib
import getpass
import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from device_agents.errors import BadInput, CommandFailed, KitError, TimedOut, Unauthorised, Unreachable
from hostctl.ssh import SshTransport
from hostctl.transports.host_keys import scan_host_key
from hostctl.virtual.board import BoardFaults, VirtualBoard, make_key
from hostctl.virtual.hosting import serving
from tests.fakes.ssh_boards import LIMIT_S, board_of, running_sshd, transport_to


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with board_of(tmp_path) as board:
        yield board


@pytest.fixture
def transport(board: VirtualBoard, tmp_path: Path) -> Iterator[SshTransport]:
    with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
        yield transport


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A real sshd as this user on a loopback port; gives the port and the folder of key and known_hosts."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as port_and_folder:
        yield port_and_folder


def test_words_reach_the_board_as_they_are(transport: SshTransport) -> None:
    words = ["a b", "c'd", 'e"f', "$HOME", ";", "*", "&& rm -rf", "\\n", "é"]
    output = transport.run(["echo", *words], timeout_s=LIMIT_S)
    assert (output.text, output.stderr, output.exit_code) == (" ".join(words) + "\n", b"", 0)


def test_exit_codes_and_both_streams_come_back(transport: SshTransport) -> None:
    output = transport.run(["cat", "none"], timeout_s=LIMIT_S)
    assert (output.stdout, output.exit_code) == (b"", 1)
    assert b"No such file" in output.stderr
    assert transport.run(["nosuch"], timeout_s=LIMIT_S).exit_code == 127


def test_files_go_there_and_come_back_whole(transport: SshTransport, board: VirtualBoard, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    (tmp_path / "up").write_bytes(data)
    transport.push(tmp_path / "up", "new/folder/x.bin")
    transport.push(tmp_path / "up", "new/folder/x.bin")  # replaces
    assert sorted(path.name for path in (board.files.home / "new" / "folder").iterdir()) == ["x.bin"]
    transport.pull("/home/pi/new/folder/x.bin", tmp_path / "deep" / "down")
    assert (tmp_path / "deep" / "down").read_bytes() == data
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["down"]


def test_a_missing_file_is_named_and_leaves_nothing(transport: SshTransport, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="board: cannot read none: No such file"):
        transport.pull("none", tmp_path / "x")
    with pytest.raises(CommandFailed, match="cannot read"):
        transport.pull("/home", tmp_path / "x")
    with pytest.raises(BadInput, match="expected a file to send"):
        transport.push(tmp_path / "none", "x")
    assert not list(tmp_path.glob("x*"))


def test_one_connection_serves_many_threads(transport: SshTransport, board: VirtualBoard, tmp_path: Path) -> None:
    def work(number: int) -> bool:
        (tmp_path / f"up{number}").write_bytes(bytes([number]) * 50_000)
        transport.push(tmp_path / f"up{number}", f"x{number}")
        transport.pull(f"x{number}", tmp_path / f"down{number}")
        there = transport.run(["sha256sum", f"x{number}"], timeout_s=LIMIT_S).text.split()[0]
        return there == hashlib.sha256((tmp_path / f"down{number}").read_bytes()).hexdigest()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(24)))
    assert len(board._connections) == 1


def test_a_wrong_key_and_a_wrong_user_are_refused(board: VirtualBoard, tmp_path: Path) -> None:
    with contextlib.closing(transport_to(board.port, tmp_path, user="root")) as transport:
        with pytest.raises(Unauthorised, match="refuses user 'root'"):
            transport.run(["pwd"], timeout_s=LIMIT_S)
    make_key(tmp_path / "key")
    with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
        with pytest.raises(Unauthorised, match="authorized_keys"):
            transport.run(["pwd"], timeout_s=LIMIT_S)


def test_a_key_that_cannot_be_read_is_bad_input(board: VirtualBoard, tmp_path: Path) -> None:
    for make in (lambda path: path.unlink(), lambda path: path.write_text("no key")):
        make(tmp_path / "key")
        with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
            with pytest.raises(BadInput, match="expected a private key"):
                transport.run(["pwd"], timeout_s=LIMIT_S)


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    make_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("")
    with contextlib.closing(transport_to(port, tmp_path)) as transport:
        with pytest.raises(Unreachable, match="cannot connect"):
            transport.run(["pwd"], timeout_s=LIMIT_S)
    with pytest.raises(Unreachable, match="expected an SSH server"):
        scan_host_key("127.0.0.1", port)


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with contextlib.closing(transport_to(port, tmp_path, connect_timeout_s=1.0)) as transport:
            with pytest.raises(Unreachable, match="no answer within 1 s"):
                transport.run(["pwd"], timeout_s=LIMIT_S)


def test_a_transfer_that_breaks_leaves_nothing_and_the_next_one_reconnects(tmp_path: Path) -> None:
    with board_of(tmp_path, faults=BoardFaults(drop_after_bytes=200_000)) as board:
        board.files.place("x").write_bytes(b"x" * 1_000_000)
        with contextlib.closing(transport_to(board.port, tmp_path)) as transport:
            with pytest.raises(Unreachable, match="board: cannot read x: the connection broke"):
                transport.pull("x", tmp_path / "x")
            assert not list(tmp_path.glob("x*"))
            transport.pull("x", tmp_path / "x")
            assert (tmp_path / "x").stat().st_size == 1_000_000


def test_a_transfer_that_takes_too_long(tmp_path: Path) -> None:
    with board_of(tmp_path, faults=BoardFaults(slow_bytes_s=1000)) as board:
        board.files.place("x").write_bytes(b"x" * 1_000_000)
        with contextlib.closing(transport_to(board.port, tmp_path, transfer_timeout_s=0.5)) as transport:
            with pytest.raises(TimedOut, match=r"reading x did not end within 0.5 s"):
                transport.pull("x", tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


def test_the_board_restarts_between_two_commands(tmp_path: Path) -> None:
    import asyncssh

    public, key = make_key(tmp_path / "key"), asyncssh.generate_private_key("ssh-ed25519")
    settings = {"authorised_keys": [public], "host_key": key}
    first = VirtualBoard(tmp_path / "1", dict, **settings)  # type: ignore[arg-type]
    with serving([first]) as [port]:
        (tmp_path / "known_hosts").write_text(first.known_hosts_line)
        transport = transport_to(port, tmp_path)
        assert transport.run(["pwd"], timeout_s=LIMIT_S).exit_code == 0
    with pytest.raises(Unreachable):
        transport.run(["pwd"], timeout_s=LIMIT_S)

    class Same(VirtualBoard):
        async def start(self, ignored: int = 0) -> None:
            await super().start(port)

    with serving([Same(tmp_path / "1", dict, **settings)]):  # type: ignore[arg-type]
        assert transport.run(["pwd"], timeout_s=LIMIT_S).exit_code == 0
        transport.close()


def test_a_closed_transport_says_so_and_leaves_no_thread(board: VirtualBoard, tmp_path: Path) -> None:
    transport = transport_to(board.port, tmp_path)
    transport.run(["pwd"], timeout_s=LIMIT_S)
    assert any(thread.name == "ssh board" for thread in threading.enumerate())
    transport.close()
    transport.close()
    assert not any(thread.name == "ssh board" for thread in threading.enumerate())
    with pytest.raises(Unreachable, match="was closed"):
        transport.run(["pwd"], timeout_s=LIMIT_S)


def test_every_failure_is_one_of_the_kits_errors(transport: SshTransport, board: VirtualBoard, tmp_path: Path) -> None:
    assert transport.run(["pwd"], timeout_s=LIMIT_S).exit_code == 0
    (tmp_path / "up").write_bytes(b"x")
    with pytest.raises(KitError):
        transport.push(tmp_path / "up", "/tmp")  # a folder stands there
    (tmp_path / "file").write_text("")
    board.files.place("x").write_text("x")
    with pytest.raises(BadInput, match="cannot write"):
        transport.pull("x", tmp_path / "file" / "x")
    (tmp_path / "known_hosts").write_text("x\n")
    with contextlib.closing(transport_to(board.port, tmp_path)) as other:
        with pytest.raises(BadInput, match="Invalid known hosts entry"):
            other.run(["pwd"], timeout_s=LIMIT_S)


def test_real_sshd_commands_files_and_timeouts(sshd: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = sshd
    with contextlib.closing(transport_to(port, folder, user=getpass.getuser())) as transport:
        words = ["printf", "%s|", "a b", "c'd", "$HOME", ";", "*", "\n", ""]
        assert transport.run(words, timeout_s=LIMIT_S).text == "a b|c'd|$HOME|;|*|\n||"
        output = transport.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=LIMIT_S)
        assert (output.stdout, output.stderr, output.exit_code) == (b"out\n", b"err\n", 7)
        data = os.urandom(5_000_000)
        (tmp_path / "up").write_bytes(data)
        transport.push(tmp_path / "up", str(tmp_path / "there" / "x"))
        transport.push(tmp_path / "up", str(tmp_path / "there" / "x"))
        assert (tmp_path / "there" / "x").read_bytes() == data
        transport.pull(str(tmp_path / "there" / "x"), tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == data
        with pytest.raises(TimedOut, match=r"board: sleep did not end within 0.5 s"):
            transport.run(["sleep", "120"], timeout_s=0.5)
        assert transport.run(["echo", "alive"], timeout_s=LIMIT_S).text == "alive\n"
        assert transport.run(["sh", "-c", "kill -9 $$"], timeout_s=LIMIT_S).exit_code == -9
        with pytest.raises(CommandFailed, match="No such file"):
            transport.pull(str(tmp_path / "none"), tmp_path / "x")


def test_real_sshd_refuses_a_wrong_host_key(sshd: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = sshd
    shutil.copy(folder / "key", tmp_path / "key")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {make_key(tmp_path / 'other')}\n")
    with contextlib.closing(transport_to(port, tmp_path, user=getpass.getuser())) as transport:
        with pytest.raises(Unauthorised, match="does not match"):
            transport.run(["true"], timeout_s=LIMIT_S)


def test_a_pinned_key_that_is_not_the_servers_first_will_do(sshd: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = sshd
    shutil.copy(folder / "key", tmp_path / "key")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'second_key.pub').read_text()}")
    with contextlib.closing(transport_to(port, tmp_path, user=getpass.getuser())) as transport:
        assert transport.run(["true"], timeout_s=LIMIT_S).exit_code == 0
