"""Commands read piece by piece from the real Debian sshd: pieces come early, and left commands end."""

import contextlib
import getpass
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import TimedOut
from hostctl.transport import KEPT_STDERR_BYTES
from tests.fakes.ssh_boards import LIMIT_S, drained, running_sshd, transport_to


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A real sshd as this user on a loopback port; gives the port and the folder of key and known_hosts."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as port_and_folder:
        yield port_and_folder


def test_the_output_comes_as_it_is_written(sshd: tuple[int, Path]) -> None:
    """The program goes on only after its first line was seen here."""
    port, folder = sshd
    seen = folder / f"seen-{os.getpid()}"
    script = f"echo first; while [ ! -e {seen} ]; do sleep 0.05; done; echo second; echo bad >&2; exit 3"
    with contextlib.closing(transport_to(port, folder, user=getpass.getuser())) as transport:
        stream = transport.stream(["sh", "-c", script], timeout_s=LIMIT_S)
        assert next(stream) == b"first\n"
        seen.touch()
        pieces, output = drained(stream)
        assert (pieces, output.stderr, output.exit_code) == (b"second\n", b"bad\n", 3)


def test_a_stream_that_is_left_or_late_ends_its_command(sshd: tuple[int, Path]) -> None:
    port, folder = sshd
    script = "echo $$; while sleep 0.05; do echo more; done"  # sshd passes no signal on to root's commands
    with contextlib.closing(transport_to(port, folder, user=getpass.getuser())) as transport:
        stream = transport.stream(["sh", "-c", script], timeout_s=LIMIT_S)
        left = int(next(stream).split()[0])
        stream.close()
        stream = transport.stream(["sh", "-c", script], timeout_s=1.0)
        late = int(next(stream).split()[0])
        with pytest.raises(TimedOut, match=r"board: sh did not end within 1 s"):
            drained(stream)
        assert transport.run(["echo", "alive"], timeout_s=LIMIT_S).text == "alive\n"
    end = time.monotonic() + LIMIT_S
    while any(Path(f"/proc/{process}").exists() for process in (left, late)):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_command_that_writes_much_to_both_streams_does_not_stand_still(sshd: tuple[int, Path]) -> None:
    port, folder = sshd
    script = "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero; echo end >&2"
    with contextlib.closing(transport_to(port, folder, user=getpass.getuser())) as transport:
        pieces, output = drained(transport.stream(["sh", "-c", script], timeout_s=LIMIT_S))
    assert len(pieces) == 5_000_000
    assert len(output.stderr) == KEPT_STDERR_BYTES
    assert output.stderr.endswith(b"\0end\n")
