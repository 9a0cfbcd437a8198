"""ADB's file service, "sync:": stat, list, send and receive, in both versions (SYNC.TXT, file_sync_protocol.h)."""

from __future__ import annotations

import errno
import os
import posixpath
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from hostctl.virtual.adb_stream import Stream
from hostctl.virtual.phone_files import PhoneFiles

CHUNK = 64 * 1024  # the largest DATA block that a host accepts
LONGEST_PATH = 1024
WORD_AND_SIZE = struct.Struct("<4sI")
STAT_1 = struct.Struct("<4sIII")  # id, mode, size, mtime
STAT_2 = struct.Struct("<4sIQQIIIIQqqq")  # id, error, dev, ino, mode, nlink, uid, gid, size, atime, mtime, ctime
# A host of today knows other numbers for some errors than Linux on x86; those used here agree (errno_to_wire.h).
Request = Callable[[Stream, PhoneFiles, str], Awaitable[None]]


async def serve_sync(stream: Stream, files: PhoneFiles) -> None:
    """Answer requests until QUIT; raises StreamClosed if the host goes away."""
    while True:
        word, size = WORD_AND_SIZE.unpack(await stream.read_exactly(WORD_AND_SIZE.size))
        if word == b"QUIT":
            return
        request = REQUESTS.get(word)
        if request is None or size > LONGEST_PATH:
            await _fail(stream, f"unknown request {word!r}" if request is None else "path too long")
            return
        path = (await stream.read_exactly(size)).decode("utf-8", "surrogateescape")
        await request(stream, files, path)


async def _stat_1(stream: Stream, files: PhoneFiles, path: str) -> None:
    found = _stat(files, path)
    fields = (0, 0, 0) if isinstance(found, int) else _short(found)
    await stream.write(STAT_1.pack(b"STAT", *fields))


async def _stat_2(stream: Stream, files: PhoneFiles, path: str) -> None:
    await stream.write(STAT_2.pack(b"STA2", *_long(_stat(files, path))))


async def _lstat_2(stream: Stream, files: PhoneFiles, path: str) -> None:
    await stream.write(STAT_2.pack(b"LST2", *_long(_stat(files, path))))


async def _list_1(stream: Stream, files: PhoneFiles, path: str) -> None:
    answer = b""
    for name, found in _entries(files, path):
        if not isinstance(found, int):
            answer += STAT_1.pack(b"DENT", *_short(found)) + _counted(name)
    await stream.write(answer + b"DONE" + bytes(STAT_1.size))  # as long as an entry with no name


async def _list_2(stream: Stream, files: PhoneFiles, path: str) -> None:
    answer = b"".join(STAT_2.pack(b"DNT2", *_long(found)) + _counted(name) for name, found in _entries(files, path))
    await stream.write(answer + b"DONE" + bytes(STAT_2.size))


async def _receive(stream: Stream, files: PhoneFiles, path: str) -> None:
    """Send a file to the host, DATA blocks packed into messages."""
    try:
        place = files.host_path(path)
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file = place.open("rb")
    except OSError as problem:
        await _fail(stream, f"open failed: {problem.strerror}")
        return
    with file:
        # Only full messages before the last: small ones in a row meet Nagle's delay in the adb server, 40 ms each.
        full = stream.connection.max_payload
        waiting = bytearray()
        while chunk := file.read(CHUNK):
            waiting += WORD_AND_SIZE.pack(b"DATA", len(chunk)) + chunk
            while len(waiting) >= full:
                await stream.write(bytes(waiting[:full]))
                del waiting[:full]
    await stream.write(bytes(waiting) + WORD_AND_SIZE.pack(b"DONE", 0))


async def _send(stream: Stream, files: PhoneFiles, spec: str) -> None:
    """Take a file from the host; ``spec`` is its path, a comma and its mode. A failure is told once all data came."""
    path, _, mode = spec.rpartition(",")
    try:
        mode_bits = int(mode, 0) & 0o777
        place = files.writable(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        old = place.stat().st_size if place.exists() else 0
        files.reserve(-old)
        failure = await _take_data(stream, files, place)
        if not failure:
            place.chmod(mode_bits | 0o600)
    except ValueError:
        failure = await _take_nothing(stream, f"missing , in ID_SEND: {spec}")
    except OSError as problem:
        failure = await _take_nothing(stream, f"couldn't create file: {problem.strerror}")
    await (_fail(stream, failure) if failure else stream.write(WORD_AND_SIZE.pack(b"OKAY", 0)))


async def _take_data(stream: Stream, files: PhoneFiles, place: Path) -> str:
    """Write the host's DATA blocks into a file and set its time; give why that failed, or ""."""
    written = 0
    with place.open("wb") as file:
        while True:
            word, size = WORD_AND_SIZE.unpack(await stream.read_exactly(WORD_AND_SIZE.size))
            if word != b"DATA":
                break
            data = await stream.read_exactly(size)
            try:
                files.reserve(len(data))
                written += len(data)
                file.write(data)
            except OSError as problem:
                place.unlink()
                files.reserve(-written)
                return await _take_nothing(stream, f"couldn't write to file: {problem.strerror}")
    os.utime(place, (size, size))  # DONE carries the time where DATA carries the size
    return ""


async def _take_nothing(stream: Stream, failure: str) -> str:
    """Read the host's DATA blocks to their end and forget them; give the failure back."""
    while True:
        word, size = WORD_AND_SIZE.unpack(await stream.read_exactly(WORD_AND_SIZE.size))
        if word != b"DATA":
            return failure
        await stream.read_exactly(size)


async def _fail(stream: Stream, why: str) -> None:
    encoded = why.encode()
    await stream.write(WORD_AND_SIZE.pack(b"FAIL", len(encoded)) + encoded)


def _stat(files: PhoneFiles, path: str) -> os.stat_result | int:
    """Describe a path, or give the errno."""
    try:
        return files.stat(path)
    except OSError as problem:
        return problem.errno or errno.EIO


def _entries(files: PhoneFiles, path: str) -> list[tuple[str, os.stat_result | int]]:
    try:
        names = files.names(path)
    except OSError:
        return []  # SYNC.TXT has no failure here: a folder that cannot be read lists as empty
    planted = files.planted.get(files.absolute(path), [])
    return [(name, _stat(files, path if name in planted else posixpath.join(path, name))) for name in names]


def _counted(name: str) -> bytes:
    encoded = os.fsencode(name)
    return struct.pack("<I", len(encoded)) + encoded


def _short(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime) & 0xFFFFFFFF


def _long(found: os.stat_result | int) -> tuple[int, ...]:
    if isinstance(found, int):
        return (found, *([0] * 10))
    times = int(found.st_atime), int(found.st_mtime), int(found.st_ctime)
    return (0, 1, found.st_ino, found.st_mode, found.st_nlink, 0, 0, found.st_size, *times)


REQUESTS: dict[bytes, Request] = {
    b"STAT": _stat_1,
    b"STA2": _stat_2,
    b"LST2": _lstat_2,
    b"LIST": _list_1,
    b"LIS2": _list_2,
    b"RECV": _receive,
    b"SEND": _send,
}
