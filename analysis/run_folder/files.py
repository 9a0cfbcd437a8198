"""Files of a run: written aside, made durable and renamed; pictures are named by their sha256."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from device_agents.errors import BadInput

ASIDE = ".aside-"
CHUNK_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
# A full disk, a full quota, and a file larger than this process may write.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A read-only disk, another owner's folder, and a file where a folder should be.
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
_named: set[tuple[str, int, int]] = set()  # folders whose own names this process has made durable: path, device, inode


def check_space(folder: Path, *, needed_bytes: int, reserve_bytes: int) -> None:
    """Raise BadInput unless the disk of a folder (which need not exist yet) has needed_bytes + reserve_bytes free."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes + reserve_bytes:
        raise BadInput(
            f"not enough space at {existing}: expected {_mb(needed_bytes)} for the run and {_mb(reserve_bytes)} in "
            f"reserve, got {_mb(free)} free; make room, choose another folder, or lower the reserve"
        )


def picture_path(folder: Path, sha256: str) -> Path:
    """Where a picture file of this hash lives; raises BadInput unless it is 64 lower-case hexadecimal digits.

    Names are hashes and nothing else, so no name from a device can point outside the folder.
    """
    if not SHA256.fullmatch(sha256):
        raise BadInput(f"expected a sha256 of 64 lower-case hexadecimal digits, got {sha256[:80]!r}")
    return folder / sha256[:2] / sha256


def put_picture(folder: Path, content: bytes | Path) -> str:
    """Store a file's content under its sha256, and give that; a content already stored is not written again.

    Raises BadInput if the disk is full or a source file cannot be read; nothing half-written keeps a real name.
    """
    if isinstance(content, bytes):
        digest = hashlib.sha256(content).hexdigest()
        if not _is_stored(folder, digest, len(content)):
            _write(picture_path(folder, digest), content, aside=folder)
        return digest
    with _aside(folder) as stream:
        digest, size = _copy(content, stream)
        if not _is_stored(folder, digest, size):
            _settle(stream, picture_path(folder, digest))
    return digest


def write_whole(target: Path, content: bytes) -> None:
    """Write a file aside, fsync and rename it, so that it is whole or absent.

    Raises BadInput if the disk is full or the folder may not be written to.
    """
    _write(target, content, aside=target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing, and their names durable; once a folder and process.

    One that is there may be the work of a process that was killed before it could do that, or is about to do it. A
    parent that may not be read belongs to somebody else, who made the folder. Raises BadInput for one that cannot be.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        with explained(folder):
            folder.mkdir(exist_ok=True)
    found = folder.stat()
    mark = (str(folder), found.st_dev, found.st_ino)
    if mark not in _named:
        if os.access(folder.parent, os.R_OK):
            _sync_folder(folder.parent)
        _named.add(mark)


def sweep(folder: Path) -> None:
    """Remove what a killed writer left aside; only the holder of the run's lock may call it."""
    for part in folder.glob(f"{ASIDE}*"):
        part.unlink(missing_ok=True)


@contextmanager
def explained(where: Path) -> Iterator[None]:
    """Turn a full disk, or one that may not be written to, into one clear error; other errors of the system pass."""
    try:
        yield
    except OSError as problem:
        if problem.errno in REFUSED:
            raise BadInput(
                f"cannot write to {where}: expected a folder that may be written to, got: {problem.strerror}; choose "
                "another folder or allow it"
            ) from problem
        if problem.errno not in FULL:
            raise
        raise BadInput(
            f"cannot write to {where}: {problem.strerror}; expected free space, got none; nothing recorded is lost: "
            "make room and run the same command again"
        ) from problem


@contextmanager
def _aside(folder: Path) -> Iterator[FileIO]:
    """Open a new file in a folder; it is gone at the end unless it was renamed."""
    with explained(folder):
        make_folder(folder)
        path = folder / f"{ASIDE}{secrets.token_hex(8)}"
        try:
            with FileIO(path, "xb") as stream:
                yield stream
        finally:
            path.unlink(missing_ok=True)


def _write(target: Path, content: bytes, *, aside: Path) -> None:
    with _aside(aside) as stream:
        _write_all(stream, content)
        _settle(stream, target)


def _copy(source: Path, stream: FileIO) -> tuple[str, int]:
    """Copy a file into an open one, hashing on the way; give the sha256 and the size in bytes."""
    digest, size = hashlib.sha256(), 0
    try:
        reader = source.open("rb")
    except OSError as problem:
        raise BadInput(f"cannot read {source}: {problem.strerror}") from problem
    with reader:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            _write_all(stream, chunk)
    return digest.hexdigest(), size


def _write_all(stream: FileIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[stream.write(view) :]


def _settle(stream: FileIO, target: Path) -> None:
    """Make the content durable before its name, and its name before the ledger hears of it."""
    os.fsync(stream.fileno())
    stream.close()  # Windows does not rename an open file
    make_folder(target.parent)
    os.replace(str(stream.name), target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows gives no handle on a folder; NTFS journals the rename itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_stored(folder: Path, digest: str, size: int) -> bool:
    path = picture_path(folder, digest)
    return path.is_file() and path.stat().st_size == size


def _mb(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
