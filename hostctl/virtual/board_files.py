"""A virtual board's files: its paths inside one folder of this machine, and its SFTP server, which cannot leave it."""

from __future__ import annotations

import asyncio
import errno
import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from hostctl.virtual.faults import Fault

HOME = "/home/pi"
PAUSE_S = 0.02


@dataclass(frozen=True)
class BoardFaults:
    """What goes wrong with a board.

    ``slow_bytes_s`` limits what is read over SFTP, in bytes a second (0: no limit). ``drop_after_bytes`` breaks a
    connection once so many bytes were read over it (0: never), on the first ``drops`` connections. ``fresh_host_key``
    gives it another host key at each start, as a board that was installed again. ``truncated`` writes only the first
    half of a photograph, in those of ``shots`` (counted from 1; empty: all). ``plan`` has faults of their own times.
    """

    slow_bytes_s: float = 0.0
    drop_after_bytes: int = 0
    drops: int = 1
    fresh_host_key: bool = False
    no_camera: bool = False
    truncated: bool = False
    shots: tuple[int, ...] = ()
    plan: tuple[Fault, ...] = ()

    def truncates(self, shot: int) -> bool:
        """Whether this shot is cut short."""
        return self.truncated and (not self.shots or shot in self.shots)


class BoardFiles:
    """Files by the board's paths, absolute or from its home folder; a path that leads out raises PermissionError.

    ``full``: nothing can be sent to the board any more.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.full = False
        for folder in (HOME, "/tmp", "/dev"):
            (self.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        """The name of the board's own folder, in which its files are."""
        return self.root.parent.name

    @property
    def home(self) -> Path:
        """Where the home folder lies on this machine."""
        return self.root / HOME.lstrip("/")

    def place(self, path: str) -> Path:
        """Where a board's path lies on this machine; ".." and links cannot lead out of the board."""
        if "\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        whole = posixpath.normpath(posixpath.join(HOME, path)).lstrip("/")
        found = self.root / whole
        if not found.resolve().is_relative_to(self.root):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return found

    def on_board(self, text: str) -> str:
        """The same text with this machine's paths as the board's."""
        return text.replace(f"{self.root}/", "/").replace(str(self.root), "/")


class Drops:
    """Counts what connections read, and says when one is to break."""

    def __init__(self, faults: BoardFaults) -> None:
        self._faults = faults
        self._left = faults.drops if faults.drop_after_bytes else 0

    def due(self, already_read: int) -> bool:
        """Whether a connection that has read so many bytes is to break now; each breaks once."""
        if self._left and already_read >= self._faults.drop_after_bytes:
            self._left -= 1
            return True
        return False


def sftp_factory(files: BoardFiles, faults: BoardFaults, sessions: set[object]) -> Callable[..., asyncssh.SFTPServer]:
    """Make the SFTP service of a board; all its connections share the count of those that are to break.

    ``sessions`` holds the sessions that have not ended yet.
    """
    drops = Drops(faults)

    class BoardSftp(asyncssh.SFTPServer):
        """SFTP with a board's home folder as the place where it starts."""

        def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(channel, chroot=str(files.root).encode())
            self._read = 0
            sessions.add(self)

        def exit(self) -> None:
            """End the session; its files are closed."""
            sessions.discard(self)

        def map_path(self, path: bytes) -> bytes:
            """Where the client's path lies on this machine."""
            try:
                return os.fsencode(files.place(os.fsdecode(path)))
            except OSError as problem:
                raise asyncssh.SFTPPermissionDenied(f"outside the board: {os.fsdecode(path)}") from problem

        def symlink(self, oldpath: bytes, newpath: bytes) -> None:
            """Refuse: a link could lead out of the board."""
            raise asyncssh.SFTPOpUnsupported("this board makes no links")

        def write(self, file_obj: object, offset: int, data: bytes) -> int:
            """Write a piece of a file, where there is room."""
            if files.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = super().write(file_obj, offset, data)
            assert isinstance(written, int)
            return written

        async def read(self, file_obj: object, offset: int, size: int) -> bytes:
            """Read a piece of a file, slowly or with a broken connection where the faults say so."""
            self._read += size
            if drops.due(self._read):
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("broken on purpose")
            slowed_s = size / faults.slow_bytes_s if faults.slow_bytes_s else 0.0
            while slowed_s > 0 and not self.connection.is_closed():
                await asyncio.sleep(min(slowed_s, PAUSE_S))
                slowed_s -= PAUSE_S
            answer = super().read(file_obj, offset, size)
            assert isinstance(answer, bytes)
            return answer

    return BoardSftp
