"""Where fetched and made files live: whole or absent, one writer at a time.

A file or folder is written aside and renamed, so that a reader sees all of it or nothing, and a killed writer leaves
only a ``.partial`` name that the next writer removes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from device_agents.errors import BadInput, TimedOut

Progress = Callable[[str], None]

_POLL_S = 0.2


def silent(message: str) -> None:
    """Report progress to nobody."""


def cache_folder(cache: Path | None = None) -> Path:
    """Give the cache folder: the argument, else $INSTABILITY_CACHE, else instability-kit in the user's own cache.

    The user's own cache is $XDG_CACHE_HOME, or ~/.cache where that is not set (XDG Base Directory Specification 0.8,
    which also says that a relative path there is to be ignored). The folder need not exist yet.
    """
    if cache is not None:
        return cache.expanduser().absolute()
    if named := os.environ.get("INSTABILITY_CACHE"):
        return Path(named).expanduser().absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "instability-kit"


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file's bytes in hexadecimal; reads a block at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.partial-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(aside, 0o644)  # mkstemp's 0600 would lock other users out of a shared cache
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes ``path`` (replacing what was there) if the block ends without error.

    Call under ``locked``: what a killed writer left beside ``path`` is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f"{path.name}.partial-*"):
        shutil.rmtree(left_over)
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.partial-"))
    try:
        yield aside
        aside.chmod(0o755)
        if path.exists():
            os.replace(path, Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.partial-")) / "old")
        os.replace(aside, path)
    finally:
        for left_over in path.parent.glob(f"{path.name}.partial-*"):
            shutil.rmtree(left_over)


@contextmanager
def locked(folder: Path, name: str, *, timeout_s: float = 1800.0, progress: Progress = silent) -> Iterator[None]:
    """Hold a lock between processes while the block runs; the system frees it when its holder ends or is killed.

    Waits at most timeout_s seconds and says so once through ``progress``; raises TimedOut, and BadInput where the
    folder cannot be written. The lock is the file folder/locks/NAME, which stays: removing it would let two processes
    hold two locks of the same name.
    """
    with _lock_file(folder, name) as stream:
        deadline_s = time.monotonic() + timeout_s
        waited = False
        while not _try_lock(stream):
            if not waited:
                progress(f"waiting for another process that is working on {name}")
            waited = True
            if time.monotonic() > deadline_s:
                raise TimedOut(
                    f"expected {stream.name} to become free within {timeout_s:g} s; another process still holds it"
                )
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            _unlock(stream)


def _lock_file(folder: Path, name: str) -> IO[bytes]:
    path = folder / "locks" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b")
    except OSError as problem:
        raise BadInput(
            f"expected a cache folder that can be written, got {folder}: {problem}; name another in INSTABILITY_CACHE"
        ) from problem


def _try_lock(stream: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(stream: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_UN)
