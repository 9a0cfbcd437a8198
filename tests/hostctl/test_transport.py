"""The local transport: this machine as a device, and files that are complete or absent."""

import sys
from pathlib import Path

import pytest

from device_agents.errors import BadInput, TimedOut, Unreachable
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
