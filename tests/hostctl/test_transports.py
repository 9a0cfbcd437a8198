"""One contract for every transport, and what each kind of phone adds to it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import BadInput, CommandFailed, DeviceError, TimedOut, Unreachable
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.transport import LocalTransport, Output, Stream, Transport
from hostctl.transports.adb_shell import AdbShellTransport
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, VirtualPhone

KINDS = ["adb modern", "adb ancient", "adb-shell modern", "adb-shell ancient", "local"]
PHONE_KINDS = KINDS[:-1]


@pytest.fixture(scope="module")
def transports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Transport]]:
    phones = [VirtualPhone(PHONES[name], shoot=dict) for name in ("modern", "ancient")]
    keys = tmp_path_factory.mktemp("keys")
    with serving(phones) as ports, AdbServer(tmp_path_factory.mktemp("adb")) as server:
        addresses = [f"127.0.0.1:{port}" for port in ports]
        made: dict[str, Transport] = {"local": LocalTransport("local")}
        for phone, address in zip(phones, addresses, strict=True):
            name = phone.profile.name
            serial = connect(server, address, timeout_s=30)
            made[f"adb {name}"] = AdbTransport(server, serial, name=f"adb {name}")
            made[f"adb-shell {name}"] = AdbShellTransport(address, name=f"adb-shell {name}", keys=keys)
        yield made
        for transport in made.values():
            transport.close()
            transport.close()  # twice is allowed


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """A folder for files, which is there on this machine and is made on a phone by the first push."""
    return str(tmp_path)


def place(kind: str, remote: str, name: str) -> str:
    return f"{remote}/{name}" if kind == "local" else f"/data/local/tmp{remote}/{name}"


@pytest.mark.parametrize("kind", KINDS)
def test_gives_output_and_exit_status(transports: dict[str, Transport], kind: str) -> None:
    output = transports[kind].run(["sh", "-c", "echo out; exit 7"], timeout_s=30)
    assert (output.stdout, output.exit_code) == (b"out\n", 7)
    assert transports[kind].run(["true"], timeout_s=30).exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_standard_error(transports: dict[str, Transport], kind: str) -> None:
    output = transports[kind].run(["cat", "/no/such"], timeout_s=30)
    assert output.exit_code == 1
    assert b"/no/such: No such file or directory" in output.stdout + output.stderr
    if kind in ("adb modern", "local"):
        assert output.stdout == b""


@pytest.mark.parametrize("kind", KINDS)
def test_words_arrive_as_they_were(transports: dict[str, Transport], kind: str) -> None:
    words = ["it's", "a  b", '"', "$HOME", "`id`", "$(id)", "; exit 5", "*", "&&", "", "ä€", "\\n"]
    output = transports[kind].run(["echo", *words], timeout_s=30)
    assert output.text.replace("\\n", "\n") == " ".join(words).replace("\\n", "\n") + "\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
def test_files_go_and_come_whole(
    transports: dict[str, Transport], tmp_path: Path, remote: str, kind: str, size: int
) -> None:
    if "ancient" in kind:
        size //= 20  # adb-shell moves 5 to 10 MB/s in blocks of 4 KiB
    data = os.urandom(size)
    (tmp_path / "in").write_bytes(data)
    there = place(kind, remote, "some new/file's.bin")
    transports[kind].push(tmp_path / "in", there)
    transports[kind].pull(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert transports[kind].run(["cat", there], timeout_s=60).stdout == data
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_leaves_nothing(transports: dict[str, Transport], tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput if kind == "local" else CommandFailed, match="No such file"):
        transports[kind].pull("/sdcard/none.jpg", tmp_path / "back")
    assert not list(tmp_path.iterdir())
    with pytest.raises(BadInput, match=r"none\.jpg"):
        transports[kind].push(tmp_path / "none.jpg", "/sdcard/x")


@pytest.mark.parametrize("kind", PHONE_KINDS)
def test_a_folder_is_not_a_file(transports: dict[str, Transport], tmp_path: Path, kind: str) -> None:
    with pytest.raises(CommandFailed, match=f"{kind}: cannot pull /sdcard: .*Is a directory"):
        transports[kind].pull("/sdcard", tmp_path / "back")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", PHONE_KINDS)
def test_the_phone_says_why_it_does_not_take_a_file(
    transports: dict[str, Transport], tmp_path: Path, kind: str
) -> None:
    (tmp_path / "in").write_bytes(bytes(1_000_000))
    with pytest.raises(CommandFailed, match=f"{kind}: cannot push in to /system/x: .*Read-only file system"):
        transports[kind].push(tmp_path / "in", "/system/x")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_takes_too_long_is_given_up(transports: dict[str, Transport], kind: str) -> None:
    with pytest.raises(TimedOut, match=kind):
        transports[kind].run(["sleep", "30"], timeout_s=0.5)
    assert transports[kind].run(["echo", "still here"], timeout_s=30).text == "still here\n"


@pytest.mark.parametrize("kind", KINDS)
def test_output_comes_in_pieces_as_it_is_written(transports: dict[str, Transport], kind: str) -> None:
    pieces, output = drained(transports[kind].stream(["sh", "-c", "echo out; exit 7"], timeout_s=30))
    assert (pieces, output.stdout, output.exit_code) == (b"out\n", b"", 7)
    with pytest.raises(TimedOut, match=kind):
        drained(transports[kind].stream(["sleep", "30"], timeout_s=0.5))
    assert transports[kind].run(["echo", "still here"], timeout_s=30).text == "still here\n"
    left = transports[kind].stream(["sleep", "30"], timeout_s=30)
    left.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_stream_comes_whole(transports: dict[str, Transport], tmp_path: Path, remote: str, kind: str) -> None:
    data = os.urandom(300_000)
    (tmp_path / "in").write_bytes(data)
    there = place(kind, remote, "large")
    transports[kind].push(tmp_path / "in", there)
    pieces, output = drained(transports[kind].stream(["cat", there], timeout_s=60))
    assert (pieces, output.exit_code) == (data, 0)


def drained(stream: Stream) -> tuple[bytes, Output]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return b"".join(pieces), end.value


def test_an_unknown_command_is_127_on_a_phone(transports: dict[str, Transport]) -> None:
    for kind in PHONE_KINDS:
        assert transports[kind].run(["python3", "--version"], timeout_s=30).exit_code == 127
    with pytest.raises(Unreachable, match="no-such-program"):
        transports["local"].run(["no-such-program"], timeout_s=30)


def test_errors_are_one_line_and_end_with_code_three(transports: dict[str, Transport], tmp_path: Path) -> None:
    for kind in PHONE_KINDS:
        with pytest.raises(DeviceError) as caught:
            transports[kind].pull("/nope", tmp_path / "x")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 3
