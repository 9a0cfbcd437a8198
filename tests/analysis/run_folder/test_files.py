"""Files of a run: named by hash, whole or absent, and clear about a full disk."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.run_folder import files
from analysis.run_folder.files import ASIDE, check_space, make_folder, picture_path, put_picture, sweep, write_whole
from device_agents.errors import BadInput


def test_bytes_and_a_file_of_them_have_one_name(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "source.jpg").write_bytes(data)
    folder = tmp_path / "pictures"
    digest = put_picture(folder, tmp_path / "source.jpg")
    assert digest == hashlib.sha256(data).hexdigest() == put_picture(folder, data)
    assert picture_path(folder, digest) == folder / digest[:2] / digest
    assert picture_path(folder, digest).read_bytes() == data
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / digest[:2] / digest]


def test_a_content_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    digest = put_picture(tmp_path, b"data")
    before = picture_path(tmp_path, digest).stat().st_ino
    put_picture(tmp_path, b"data")
    assert picture_path(tmp_path, digest).stat().st_ino == before
    picture_path(tmp_path, digest).write_bytes(b"da")  # cut by something else: made whole again
    put_picture(tmp_path, b"data")
    assert picture_path(tmp_path, digest).read_bytes() == b"data"


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "a" * 62 + "/x"])
def test_nothing_but_a_hash_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="expected a sha256"):
        picture_path(tmp_path, name)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        put_picture(tmp_path / "pictures", tmp_path / "none")
    assert not list((tmp_path / "pictures").iterdir())


@pytest.mark.parametrize("content", [b"data", Path("source")])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | Path, step: str
) -> None:
    (tmp_path / "source").write_bytes(b"data")
    content = tmp_path / content if isinstance(content, Path) else content

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(BadInput, match="No space left on device; expected free space.*make room"):
        put_picture(tmp_path / "pictures", content)
    assert not [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()]


def test_other_errors_of_the_system_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(files.os, "fsync", broken)
    with pytest.raises(OSError, match="broken"):
        write_whole(tmp_path / "x", b"data")


def test_a_file_in_a_folders_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "run"):
        with pytest.raises(BadInput, match="cannot write to .*out: expected a folder that may be"):
            make_folder(folder)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_to_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "FileIO", refused)
    with pytest.raises(BadInput, match=f"{os.strerror(number)}; choose another folder"):
        write_whole(tmp_path / "x", b"data")
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(BadInput, match=f"{os.strerror(number)}; choose another folder"):
        make_folder(tmp_path / "new" / "run")


def test_a_real_limit_on_file_size_is_reported_the_same_way(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom analysis.run_folder.files import put_picture\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "put_picture(Path(sys.argv[1]), b'small')\nput_picture(Path(sys.argv[1]), b'x' * 1_000_000)\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "BadInput: cannot write to" in done.stderr
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"small"]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / f"{ASIDE}1234").write_bytes(b"half")
    digest = put_picture(tmp_path, b"data")
    sweep(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [picture_path(tmp_path, digest)]


def test_space_is_checked_before_the_start(tmp_path: Path) -> None:
    check_space(tmp_path / "not" / "yet", needed_bytes=1, reserve_bytes=1)
    with pytest.raises(
        BadInput, match=r"expected 1,000,000,000,000 MB for the run and 2,000 MB in reserve, got .* free"
    ):
        check_space(tmp_path / "not" / "yet", needed_bytes=10**18, reserve_bytes=2 * 10**9)
