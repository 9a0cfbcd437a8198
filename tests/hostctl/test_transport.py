"""The local transport: this machine as a device, and files that are complete or absent."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agents.errors import BadInput, KitError, TimedOut, Unreachable
from hostctl import transport
from hostctl.transport import LocalTransport, Output, Stream, copy_whole


def test_a_command_gives_its_streams_and_its_exit_code() -> None:
    code = "import sys; print(sys.argv[1:]); print('err', file=sys.stderr); sys.exit(3)"
    output = LocalTransport().run([sys.executable, "-c", code, "a b", "$HOME", ";"], timeout_s=60)
    assert (output.text, output.stderr, output.exit_code) == ("['a b', '$HOME', ';']\n", b"err\n", 3)


def test_undecodable_output_is_still_text() -> None:
    assert Output(b"a\xffb", b"", 0).text == "a�b"


def test_a_command_that_does_not_end_or_is_not_there() -> None:
    local = LocalTransport("here")
    with pytest.raises(TimedOut, match=r"here: .* did not end within 0.2 s"):
        local.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)
    with pytest.raises(Unreachable, match="here: cannot run nosuch"):
        local.run(["nosuch"], timeout_s=1)


def test_files_are_copied_whole(tmp_path: Path) -> None:
    local = LocalTransport()
    (tmp_path / "a").write_bytes(b"data")
    local.push(tmp_path / "a", str(tmp_path / "deep" / "b"))
    local.pull(str(tmp_path / "deep" / "b"), tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b"]
    local.close()
    local.close()


def test_a_file_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot copy"):
        copy_whole(tmp_path / "none", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def first_line(stream: Stream) -> bytes:
    """The first line of a stream, which may come in pieces."""
    line = next(stream)
    while not line.endswith(b"\n"):
        line += next(stream)
    return line


def test_output_comes_as_it_is_written_and_the_program_ends_with_its_reader(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    wait = f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.02)"
    code = f"import os, pathlib, time\nprint(os.getpid(), flush=True)\n{wait}\nprint('end')"
    stream = LocalTransport().stream([sys.executable, "-c", code], timeout_s=60)
    assert first_line(stream)
    seen.touch()
    assert b"".join(stream) == b"end\n"
    seen.unlink()
    stream = LocalTransport().stream([sys.executable, "-c", code], timeout_s=60)
    process = int(first_line(stream))
    stream.close()
    assert not Path(f"/proc/{process}").exists()


def test_a_streamed_command_that_is_not_there_or_too_late() -> None:
    local = LocalTransport("here")
    with pytest.raises(Unreachable, match="here: cannot run nosuch"):
        next(local.stream(["nosuch"], timeout_s=1))
    with pytest.raises(TimedOut, match=r"did not end within 0.2 s"):
        next(local.stream([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2))


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Do some work in a thread; gives it and, once it has ended, what it gave or raised."""
    found: list[object] = []

    def do() -> None:
        try:
            found.append(work())
        except KitError as problem:
            found.append(problem)

    thread = threading.Thread(target=do)
    thread.start()
    return thread, found


@pytest.mark.parametrize("how", ["run", "stream"])
def test_what_another_thread_runs_is_over_when_it_is_ended(tmp_path: Path, how: str) -> None:
    """The program writes a file for ever; at the end nobody writes it any more, and the thread has its answer."""
    local, file = LocalTransport("here"), tmp_path / "written"
    code = f"import time\nwhile True:\n    open({str(file)!r}, 'a').write('x')\n    time.sleep(0.001)"
    command = [sys.executable, "-c", code]

    def consume() -> object:
        if how == "run":
            return local.run(command, timeout_s=60)
        stream = local.stream(command, timeout_s=60)
        while True:
            try:
                next(stream)
            except StopIteration as ended:
                return ended.value

    thread, found = in_thread(consume)
    while not file.exists():
        time.sleep(0.01)
    local.end()
    size = file.stat().st_size
    thread.join(10)
    (output,) = found
    assert isinstance(output, Output)
    assert output.exit_code == -signal.SIGKILL
    assert file.stat().st_size == size


def test_after_its_end_it_does_nothing_more(tmp_path: Path) -> None:
    local = LocalTransport("here")
    (tmp_path / "a").write_bytes(b"data")
    local.end()
    local.end()
    command = [sys.executable, "-c", f"open({str(tmp_path / 'b')!r}, 'w')"]
    for ask in (
        lambda: local.run(command, timeout_s=10),
        lambda: next(local.stream(command, timeout_s=10)),
        lambda: local.push(tmp_path / "a", str(tmp_path / "b")),
        lambda: local.pull(str(tmp_path / "a"), tmp_path / "b"),
    ):
        with pytest.raises(Unreachable, match="here: expected a device at work, got one that this program has ended"):
            ask()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert LocalTransport("here").run(command, timeout_s=10).exit_code == 0, "another one is at work"


def test_its_end_waits_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copying, go_on = threading.Event(), threading.Event()

    def slow(source: Path, target: Path) -> None:
        copying.set()
        assert go_on.wait(10)
        copy_whole(source, target)

    (tmp_path / "a").write_bytes(b"data")
    monkeypatch.setattr(transport, "copy_whole", slow)
    local = LocalTransport("here")
    pushing, _ = in_thread(lambda: local.push(tmp_path / "a", str(tmp_path / "b")))
    assert copying.wait(10)
    ending, ended = in_thread(local.end)
    ending.join(0.2)
    assert not ended, "the copy goes on"
    go_on.set()
    ending.join(10)
    assert ended == [None]
    assert (tmp_path / "b").read_bytes() == b"data"
    pushing.join(10)
