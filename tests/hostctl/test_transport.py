"""The local transport: this machine as a device, and files that are complete or absent."""

import sys
from pathlib import Path

import pytest

from device_agents.errors import BadInput, TimedOut, Unreachable
from hostctl.transport import LocalTransport, Output, copy_whole


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
