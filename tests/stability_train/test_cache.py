from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from device_agents.errors import BadInput, TimedOut
from stability_train.cache import cache_folder, locked, new_folder, sha256_of, write_whole


def test_the_argument_goes_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("INSTABILITY_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "instability-kit"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_a_relative_xdg_cache_home_is_ignored(monkeypatch, tmp_path, value):
    monkeypatch.delenv("INSTABILITY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "instability-kit"


def test_sha256_of_a_file_is_hashlibs(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "new" / "file", b"first")
    write_whole(tmp_path / "new" / "file", b"second")
    assert (tmp_path / "new" / "file").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        (folder / "one").write_text("1")
    with pytest.raises(FileExistsError), new_folder(tmp_path / "model") as folder:
        folder.mkdir()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["one"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_new_folder_replaces_the_old_one_and_what_a_killed_writer_left(tmp_path):
    (tmp_path / "model.partial-killed").mkdir()
    for name in ("one", "two"):
        with new_folder(tmp_path / "model") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


HOLD = """
import sys
from pathlib import Path
from stability_train.cache import locked
with locked(Path(sys.argv[1]), "thing"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_keeps_another_process_out_and_says_so(tmp_path, holder):
    said: list[str] = []
    with (
        pytest.raises(TimedOut, match="still holds it"),
        locked(tmp_path, "thing", timeout_s=0.3, progress=said.append),
    ):
        pytest.fail("two processes held the same lock")
    assert said == ["waiting for another process that is working on thing"]


def test_a_lock_is_free_once_its_holder_is_killed(tmp_path, holder):
    holder.kill()
    holder.wait(60)
    with locked(tmp_path, "thing", timeout_s=30):
        pass


@pytest.mark.skipif(os.name == "nt", reason="a file in the folder's place gives another error there")
def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with (
        pytest.raises(BadInput, match="expected a cache folder that can be written"),
        locked(tmp_path / "file", "thing"),
    ):
        pass
