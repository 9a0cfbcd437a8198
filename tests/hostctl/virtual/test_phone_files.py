import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostctl.virtual.phone_files import STORAGE, PhoneFiles


@pytest.fixture
def files(tmp_path: Path) -> PhoneFiles:
    return PhoneFiles(tmp_path / "phone", capacity=1000, now=lambda: 1234567890.5)


def test_sdcard_has_several_names(files: PhoneFiles) -> None:
    files.write("/sdcard/a", b"abc")
    assert files.read(STORAGE + "/a") == files.read("/storage/self/primary/a") == b"abc"
    assert files.stat("/sdcard/a").st_mtime == 1234567890.5


def test_space_is_counted_and_runs_out(files: PhoneFiles) -> None:
    files.write("/sdcard/a", bytes(600))
    files.write("/sdcard/a", bytes(500))
    assert files.free == 500
    with pytest.raises(OSError) as caught:
        files.write("/sdcard/b", bytes(501))
    assert caught.value.errno == errno.ENOSPC
    files.write("/sdcard/a", bytes(100), append=True)
    files.move("/sdcard/a", "/sdcard/c")
    assert files.free == 400
    files.remove("/sdcard/c")
    assert files.free == 1000


def test_space_is_counted_again_after_a_restart(tmp_path: Path) -> None:
    PhoneFiles(tmp_path, capacity=1000, now=lambda: 0.0).write("/sdcard/a", bytes(300))
    assert PhoneFiles(tmp_path, capacity=1000, now=lambda: 0.0).free == 700


@pytest.mark.parametrize("path", ["/system/x", "/x", "/data/x", "/sdcard/../x", "/data/local/tmp/../../x"])
def test_the_system_cannot_be_written(files: PhoneFiles, path: str) -> None:
    with pytest.raises(OSError) as caught:
        files.write(path, b"x")
    assert caught.value.errno == errno.EROFS


def test_storage_itself_cannot_be_removed(files: PhoneFiles) -> None:
    with pytest.raises(OSError) as caught:
        files.remove("/sdcard", recursive=True)
    assert caught.value.errno == errno.EBUSY


def test_links_lead_nowhere(files: PhoneFiles, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (files.root / "sdcard-link").symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        files.read("/sdcard-link/secret")


def test_dots_end_at_the_root(files: PhoneFiles) -> None:
    assert files.host_path("/../../../../etc/passwd") == files.root / "etc" / "passwd"
    with pytest.raises(FileNotFoundError):
        files.read("/sdcard/../../../../../../../../etc/passwd")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "/", "", "a", "sdcard", "~", "//", "..\\", "\u2025"]), max_size=12))
def test_no_path_leaves_the_phone(files: PhoneFiles, parts: list[str]) -> None:
    path = "/".join(parts)
    place = Path(os.path.normpath(files.host_path(path)))
    assert place == files.root or files.root in place.parents
