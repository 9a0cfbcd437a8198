"""A virtual phone's file system: the phone's paths inside one folder of this machine, which no path can leave."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

STORAGE = "/storage/emulated/0"
ALIASES = {"/sdcard": STORAGE, "/storage/self/primary": STORAGE, "/mnt/sdcard": STORAGE}
TEMPORARY = "/data/local/tmp"
TERMUX_HOME = "/data/data/com.termux/files/home"
FOLDERS = ("/system/bin", "/dev", "/proc", STORAGE + "/DCIM/Camera", STORAGE + "/Pictures", STORAGE + "/Download")
WRITABLE = (STORAGE, TEMPORARY, TERMUX_HOME, "/dev/null")
# How a planted name is described: a file of 4096 bytes of 1970, which is nowhere.
PLANTED = os.stat_result((stat.S_IFREG | 0o660, 0, 0, 1, 0, 0, 4096, 0, 0, 0), {"st_mtime": 0.0, "st_blocks": 8})


class PhoneFiles:
    """Files by the phone's absolute paths; every failure is an OSError with the errno that a phone would give.

    ``now`` is the phone's clock in seconds since 1970, which times new files. ``capacity`` is in bytes.
    """

    def __init__(self, root: Path, *, capacity: int, now: Callable[[], float]) -> None:
        self.root = root.resolve()
        self._root = str(self.root)
        self.capacity = capacity
        self.now = now
        self.planted: dict[str, list[str]] = {}  # names that a folder lists beside its own: a fault of a hostile phone
        for folder in (*FOLDERS, TEMPORARY, TERMUX_HOME):
            self.host_path(folder).mkdir(parents=True, exist_ok=True)
        self._used = sum(file.stat().st_size for file in self.root.rglob("*") if file.is_file())

    @property
    def free(self) -> int:
        """Bytes left."""
        return max(0, self.capacity - self._used)

    def fill(self) -> None:
        """Leave no byte free from now on."""
        self.capacity = self._used

    def absolute(self, path: str, *, cwd: str = "/") -> str:
        """Give a path's canonical form: absolute, without "..", with /sdcard spelt out."""
        whole = posixpath.normpath(posixpath.join(cwd, path))
        whole = "/" + whole.lstrip("/")
        for alias, target in ALIASES.items():
            if whole == alias or whole.startswith(alias + "/"):
                return target + whole[len(alias) :]
        return whole

    def host_path(self, path: str) -> Path:
        """Where a phone's path lies on this machine; raises PermissionError if a link leads out of the phone."""
        if "\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        place = os.path.join(self._root, self.absolute(path).lstrip("/"))
        # Each command asks this, and pathlib takes several times as long.
        if not (os.path.realpath(place) + "/").startswith(self._root + "/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return Path(place)

    def stat(self, path: str) -> os.stat_result:
        """Describe a file or folder."""
        return self.host_path(path).stat()

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted."""
        return sorted(os.listdir(self.host_path(path))) + self.planted.get(self.absolute(path), [])

    def entries(self, path: str) -> list[tuple[str, os.stat_result]]:
        """List a folder's names, sorted, each with its description; links are not followed."""
        with os.scandir(self.host_path(path)) as found:
            own = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in found)
        return own + [(name, PLANTED) for name in self.planted.get(self.absolute(path), [])]

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of this path."""
        return self.host_path(path).is_dir()

    def read(self, path: str) -> bytes:
        """Give a file's bytes."""
        return b"" if self.absolute(path) == "/dev/null" else self.host_path(path).read_bytes()

    def writable(self, path: str) -> Path:
        """Where on this machine a path may be written; raises OSError where a phone's partition is read-only."""
        whole = self.absolute(path)
        if not any(whole == place or whole.startswith(place + "/") for place in WRITABLE):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return self.host_path(whole)

    def reserve(self, size: int) -> None:
        """Take so many bytes of the free space (give them back if negative); raises OSError if there are too few."""
        if size > self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._used = max(0, self._used + size)

    def write(self, path: str, data: bytes, *, append: bool = False, mtime: float | None = None) -> None:
        """Write a file (its folder must be there); mtime defaults to the phone's clock."""
        place = self.writable(path)
        if self.absolute(path) == "/dev/null":
            return
        old = place.stat().st_size if place.exists() else 0
        self.reserve(len(data) if append else len(data) - old)
        with place.open("ab" if append else "wb") as file:
            file.write(data)
        self.touch(path, mtime=mtime)

    def touch(self, path: str, *, mtime: float | None = None) -> None:
        """Set a file's time, making an empty file if there is none."""
        place = self.writable(path)
        if not place.exists():
            place.touch()
        when = self.now() if mtime is None else mtime
        os.utime(place, (when, when))

    def make_folder(self, path: str, *, parents: bool = False) -> None:
        """Make a folder; with parents it may exist already."""
        self.writable(path).mkdir(parents=parents, exist_ok=parents)

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or with recursive a folder and all in it."""
        place = self.writable(path)
        if self.absolute(path) in WRITABLE:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        size = _size(place)
        if place.is_dir() and recursive:
            shutil.rmtree(place)
        else:
            place.unlink()
        self._used = max(0, self._used - size)

    def move(self, source: str, target: str) -> None:
        """Rename a file or folder, replacing a file of the target's name."""
        old, new = self.writable(source), self.writable(target)
        replaced = new.stat().st_size if new.is_file() else 0
        old.rename(new)
        self._used = max(0, self._used - replaced)


def _size(place: Path) -> int:
    if place.is_dir():
        return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return place.stat().st_size
