"""Transport to a phone by the adb-shell library, for hosts without the adb program; slower than the adb server."""

from __future__ import annotations

import base64
import io
import os
import shlex
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from device_agents.errors import BadInput, CommandFailed, DeviceError, MissingExtra, TimedOut, Unauthorised, Unreachable
from hostctl.transport import Output, Stream
from hostctl.transports.adb_client import EXIT_MARK, STATUS
from hostctl.transports.adb_streams import with_status, without_status
from hostctl.transports.bounds import TRANSFER_TIMEOUT_S, check_file, check_output

try:
    from adb_shell import exceptions as theirs
    from adb_shell.adb_device import AdbDevice
    from adb_shell.auth.keygen import encode_pubkey, keygen
    from adb_shell.auth.sign_pythonrsa import PythonRSASigner
    from adb_shell.transport.tcp_transport import TcpTransport
except ImportError as problem:
    raise MissingExtra(f"expected the library adb-shell: {problem}; pip install 'instability-kit[host]'") from problem

CONNECT_TIMEOUT_S = 20.0
STALL_TIMEOUT_S = 20.0
DEFAULT_KEYS = Path.home() / ".local" / "share" / "instability-kit" / "adb"
REFUSED = (theirs.AdbCommandFailureException, theirs.PushFailedError)
LATE = (theirs.TcpTimeoutException, theirs.AdbTimeoutError, TimeoutError)
BROKEN = (
    theirs.AdbConnectionError,
    theirs.InvalidChecksumError,
    theirs.InvalidCommandError,
    theirs.InvalidResponseError,
    OSError,
    struct.error,
)


class WholeSocket(TcpTransport):  # type: ignore[misc]
    """adb-shell's socket (0.4.4) mended: no Nagle delay (44 ms a command), whole writes, and an end that is noticed."""

    def connect(self, transport_timeout_s: float | None) -> None:
        """Connect and switch Nagle's algorithm off."""
        super().connect(transport_timeout_s)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        """Read some bytes; theirs spins for ten seconds on a closed connection, this raises ConnectionError."""
        data: bytes = super().bulk_read(numbytes, transport_timeout_s)
        if not data:
            raise ConnectionError("the phone closed the connection")
        return data

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        """Write all bytes; theirs drops what the socket does not take at once."""
        view = memoryview(data)
        while view:
            view = view[super().bulk_write(view, transport_timeout_s) :]
        return len(data)


class _Kept(io.BytesIO):
    """What adb-shell (0.4.4) takes for its own buffer: bytes go on into a file, no more and no longer than allowed."""

    def __init__(self, file: IO[bytes], *, name: str, remote: str) -> None:
        super().__init__()
        self._file, self._name, self._remote, self._size = file, name, remote, 0
        self._until = time.monotonic() + TRANSFER_TIMEOUT_S

    def write(self, data: Any) -> int:
        """Take some bytes; raises DeviceError for too many, TimeoutError when the file's time is over."""
        self._size += len(data)
        check_file(self._size, name=self._name, remote=self._remote)
        if time.monotonic() > self._until:
            raise TimeoutError("the file's time is over")
        return self._file.write(data)


class AdbShellTransport:
    """Commands and files over one connection of our own, at "host:port"; one call at a time, others wait.

    ``keys`` is the folder of the key that the phone accepts once; it is made where there is none. Standard error comes
    mixed into standard output, since adb-shell does not speak the shell protocol. After a failure the next call
    connects anew.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str = "",
        keys: Path = DEFAULT_KEYS,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit():
            raise BadInput(f"{name or address}: expected an address host:port, got '{address}'")
        self.name = name or address
        self._address = (host, int(port))
        self._keys = keys
        self._connect_timeout_s = connect_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._device: AdbDevice | None = None
        self._lock = threading.RLock()

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run a command; each word is quoted, so that the phone's shell sees exactly these words."""
        line, until, data = with_status(shlex.join(command)).encode(), time.monotonic() + timeout_s, bytearray()
        with self._connected(timeout_s) as device:
            # Its public call gathers without a limit (0.4.4).
            for piece in _until(device._streaming_service(b"exec", line, timeout_s, timeout_s, decode=False), until):
                data += piece
                check_output(len(data), name=self.name)
            output, mark, status = bytes(data).rpartition(EXIT_MARK)
            if not mark or not STATUS.fullmatch(status):
                raise ConnectionError("it broke before the command ended")
        return Output(output, b"", int(status))

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run a command and give its output as it comes, over a connection of its own: other calls need not wait."""
        until = time.monotonic() + timeout_s
        with self._translated(timeout_s):
            device = self._connect()
            try:
                # Its public streaming call asks for a terminal, which turns line ends over (0.4.4).
                service = device._streaming_service(
                    b"exec", with_status(shlex.join(command)).encode(), timeout_s, timeout_s, decode=False
                )
                status = yield from without_status(_until(service, until))
            finally:
                device.close()
        if status is None:
            raise Unreachable(f"{self.name}: the connection broke before the command ended")
        return Output(b"", b"", status)

    def push(self, local: Path, remote: str) -> None:
        """Copy a file onto the phone; raises BadInput if it cannot be read, CommandFailed with the phone's reason."""
        if not local.is_file():
            raise BadInput(f"{self.name}: cannot push {local}: no such file")
        with self._connected(self._stall_timeout_s, what=f"cannot push {local.name} to {remote}") as device:
            device.push(
                str(local),
                remote,
                mtime=int(local.stat().st_mtime),
                transport_timeout_s=self._stall_timeout_s,
                read_timeout_s=self._stall_timeout_s,
            )

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file of the phone into ``local``, complete or absent; raises CommandFailed with the reason."""
        part = local.with_name(local.name + ".part")
        try:
            with (
                self._connected(self._stall_timeout_s, what=f"cannot pull {remote}") as device,
                part.open("wb") as file,
            ):
                kept = _Kept(file, name=self.name, remote=remote)
                device.pull(
                    remote, kept, transport_timeout_s=self._stall_timeout_s, read_timeout_s=self._stall_timeout_s
                )
            os.replace(part, local)
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """End the connection; may be called twice."""
        with self._lock:
            device, self._device = self._device, None
            if device is not None:
                device.close()

    @contextmanager
    def _connected(self, timeout_s: float, *, what: str = "") -> Iterator[AdbDevice]:
        """Give the connected device; whatever goes wrong becomes one of the kit's errors and ends the connection."""
        with self._lock:
            try:
                with self._translated(timeout_s, what=what):
                    if self._device is None:
                        self._device = self._connect()
                    yield self._device
            except DeviceError:
                self.close()
                raise

    @contextmanager
    def _translated(self, timeout_s: float, *, what: str = "") -> Iterator[None]:
        """Turn adb-shell's exceptions into the kit's errors."""
        try:
            yield
        except REFUSED as problem:
            raise CommandFailed(f"{self.name}: {what}: {_reason(problem)}") from problem
        except LATE as problem:
            raise TimedOut(
                f"{self.name}: expected an answer within {timeout_s:g} s, got none; is the phone frozen?"
            ) from problem
        except BROKEN as problem:
            raise Unreachable(f"{self.name}: the connection was refused or broke: {problem}") from problem

    def _connect(self) -> AdbDevice:
        """Connect and authenticate; raises Unauthorised if the phone asks its owner and nobody answers in time."""
        device = AdbDevice(WholeSocket(*self._address), default_transport_timeout_s=self._stall_timeout_s)
        asked: list[object] = []
        try:
            device.connect(
                rsa_keys=[_signer(self._keys)],
                transport_timeout_s=self._connect_timeout_s,
                read_timeout_s=self._connect_timeout_s,
                auth_timeout_s=self._connect_timeout_s,
                auth_callback=asked.append,
            )
        except (theirs.DeviceAuthError, *LATE) as problem:
            device.close()
            if not asked:
                raise
            raise Unauthorised(
                f"{self.name}: the phone has not accepted this host's key within {self._connect_timeout_s:g} s; "
                "unlock it, tap 'Allow'"
            ) from problem
        except BROKEN:
            device.close()
            raise
        return device


def _signer(keys: Path) -> PythonRSASigner:
    """Give the signer of this folder's key, which is made and put there in one step if there is none."""
    path = keys / "adbkey"
    if not path.exists():
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=keys) as aside:
            fresh = Path(aside) / "adbkey"
            keygen(str(fresh))
            fresh.chmod(0o600)
            with suppress(FileExistsError):  # another connection made it meanwhile: all use that one
                os.link(fresh, path)
    public = base64.b64encode(encode_pubkey(str(path))) + b" instability-kit@host"
    return PythonRSASigner(pub=public, priv=path.read_bytes())


def _until(pieces: Iterable[bytes], until: float) -> Iterator[bytes]:
    """Give the pieces; raises TimeoutError for one that comes after a time of time.monotonic."""
    for piece in pieces:
        if time.monotonic() > until:
            raise TimeoutError("the command's time is over")
        yield bytes(piece)


def _reason(problem: Exception) -> str:
    """Give the phone's own words out of an adb-shell exception."""
    words = problem.args[0] if problem.args else problem
    text = words.decode("utf-8", "replace") if isinstance(words, (bytes, bytearray)) else str(words)
    return text.removeprefix("Command failed:").strip() or type(problem).__name__
