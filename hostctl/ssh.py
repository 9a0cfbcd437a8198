"""SshTransport: commands and files over SSH to a board whose host key is known beforehand, over one kept connection."""

from __future__ import annotations

import asyncio
import os
import shlex
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from device_agents.errors import BadInput, CommandFailed, DeviceError, TimedOut, Unauthorised, Unreachable
from hostctl.transport import Output, Stream
from hostctl.transports.bounds import TRANSFER_TIMEOUT_S, check_file, check_output
from hostctl.transports.host_keys import SSH_PORT, changed_key, new_board, pinned_kinds
from hostctl.transports.ssh_stream import SshCommand, deadline

if TYPE_CHECKING:
    import asyncssh

Answer = TypeVar("Answer")
KEEP_ALIVE_S, KEEP_ALIVE_MISSES = 10, 3
CLOSE_TIMEOUT_S = 5.0


class SshTransport:
    """A Transport to host:port as a user with a private key file, trusting only the keys in a known_hosts file.

    It connects at its first use, and again if the connection broke. One event loop in a thread of its own serves it;
    its methods may be called from any thread. ``user``'s own SSH settings and agent are left out, so that a run does
    not depend on who started it.
    """

    def __init__(
        self,
        host: str,
        port: int = SSH_PORT,
        *,
        user: str,
        key: Path,
        known_hosts: Path,
        name: str = "",
        connect_timeout_s: float = 15.0,
        transfer_timeout_s: float = TRANSFER_TIMEOUT_S,
    ) -> None:
        self.name = name or f"{host}:{port}"
        self._host, self._port, self._user = host, port, user
        self._key, self._known_hosts = key, known_hosts
        self._connect_timeout_s, self._transfer_timeout_s = connect_timeout_s, transfer_timeout_s
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()
        self._start = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run one command; each word reaches the board as it is, whatever it holds. Time to connect is not counted."""
        line = " ".join(shlex.quote(word) for word in command)
        return self._wait(self._run(line, command[0], timeout_s), f"run {command[0]}")

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run one command and give its output as it comes; closed early, or too late, the command is ended."""
        line, what = " ".join(shlex.quote(word) for word in command), f"run {command[0]}"
        self._wait(self._connected(), what)  # time to connect is not counted
        until, said = time.monotonic() + timeout_s, f"{self.name}: {command[0]}"

        async def limited(work: Coroutine[Any, Any, Answer]) -> Answer:
            async with deadline(until, said, of_s=timeout_s):
                return await work

        running = self._wait(limited(self._started(line)), what)
        try:
            while piece := self._wait(limited(running.piece()), what):
                yield piece
            output = self._wait(limited(running.end()), what)
        finally:
            if not self._closed:  # else the connection took it along
                self._wait(running.kill(), what)
        if output is None:
            raise Unreachable(f"{self.name}: the connection broke while {command[0]} ran")
        return output

    def push(self, local: Path, remote: str) -> None:
        """Copy a file onto the board, beside its place and renamed; makes the folders above it."""
        if not local.is_file():
            raise BadInput(f"{self.name}: expected a file to send, got none at {local}")
        self._wait(self._push(local, remote), f"write {remote}")

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file of the board to this machine, where it is complete or absent; a folder is refused."""
        part = local.with_name(local.name + ".part")
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            self._wait(self._pull(remote, part), f"read {remote}")
            os.replace(part, local)
        except OSError as problem:
            raise BadInput(f"{self.name}: cannot write {local}: {problem}") from problem
        finally:
            if local.parent.is_dir():
                part.unlink(missing_ok=True)

    def close(self) -> None:
        """End the connection and its thread; may be called twice."""
        with self._start:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._disconnect(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def _wait(self, work: Coroutine[Any, Any, Answer], what: str) -> Answer:
        """Do something on the event loop and wait; every failure comes out as one of the kit's errors."""
        loop = self._running_loop(work)
        future = asyncio.run_coroutine_threadsafe(self._translated(work, what), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # a Ctrl-C here must not leave the work going on there
            raise

    def _running_loop(self, work: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        with self._start:
            if self._closed:
                work.close()
                raise Unreachable(f"{self.name}: the connection was closed by this program")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=f"ssh {self.name}", daemon=True)
                self._thread.start()
            return self._loop

    async def _translated(self, work: Coroutine[Any, Any, Answer], what: str) -> Answer:
        import asyncssh

        # A reset comes through as it is, though it is an OSError and those are otherwise of this machine's files.
        lost = (asyncssh.DisconnectError, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, ConnectionError)
        try:
            return await work
        except DeviceError:
            raise
        except asyncssh.ChannelOpenError as problem:
            raise Unreachable(f"{self.name}: cannot {what}: the board opens no channel: {problem}") from problem
        except lost as problem:
            raise Unreachable(f"{self.name}: cannot {what}: the connection broke: {problem}") from problem
        except asyncssh.SFTPError as problem:
            raise CommandFailed(f"{self.name}: cannot {what}: {problem.reason}") from problem
        except OSError as problem:
            raise BadInput(f"{self.name}: cannot {what}: on this machine: {problem}") from problem

    async def _started(self, line: str) -> SshCommand:
        import asyncssh

        connection = await self._connected()
        return SshCommand(await connection.create_process(line, encoding=None, stdin=asyncssh.DEVNULL))

    async def _run(self, line: str, program: str, timeout_s: float) -> Output:
        import asyncssh

        connection = await self._connected()
        running: SshCommand | None = None
        stdout = bytearray()
        try:
            async with deadline(time.monotonic() + timeout_s, f"{self.name}: {program}", of_s=timeout_s):
                running = SshCommand(await connection.create_process(line, encoding=None, stdin=asyncssh.DEVNULL))
                while piece := await running.piece():
                    stdout += piece
                    check_output(len(stdout), name=self.name)
                output = await running.end()
        finally:
            if running is not None:
                await running.kill()
        if output is None:
            raise Unreachable(f"{self.name}: the connection broke while {program} ran")
        return replace(output, stdout=bytes(stdout))

    async def _push(self, local: Path, remote: str) -> None:
        sftp, part = await self._files(), f"{remote}.part"

        async def put() -> None:
            await sftp.makedirs(str(PurePosixPath(remote).parent), exist_ok=True)
            await sftp.put(str(local), part)
            await sftp.posix_rename(part, remote)

        await self._transfer(put(), f"writing {remote}")

    async def _pull(self, remote: str, part: Path) -> None:
        sftp = await self._files()

        def watch(_there: bytes, _here: bytes, copied: int, total: int) -> None:
            check_file(max(copied, total), name=self.name, remote=remote)

        await self._transfer(sftp.get(remote, str(part), progress_handler=watch), f"reading {remote}")

    async def _transfer(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Wait for a transfer; one that takes too long, or is given up, takes its connection with it.

        asyncssh ends a cancelled transfer by asking the board to close the file, which a stuck board never does.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=self._transfer_timeout_s)
        finally:
            late = not task.done()
            if late and self._connection is not None:
                self._connection.abort()
            await asyncio.gather(task, return_exceptions=True)
        if late:
            raise TimedOut(f"{self.name}: {what} did not end within {self._transfer_timeout_s:g} s")
        task.result()

    async def _files(self) -> asyncssh.SFTPClient:
        connection = await self._connected()
        async with self._connecting:
            if self._sftp is None:
                self._sftp = await connection.start_sftp_client()
            return self._sftp

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._sftp = None
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        import asyncssh

        where = f"{self.name} ({self._host}:{self._port})"
        key = self._read_key()
        kinds = pinned_kinds(self._host, self._port, self._known_hosts, where=where)
        there = (self._host, self._port, self._known_hosts)
        if kinds is None:
            raise await new_board(*there, where=where, timeout_s=self._connect_timeout_s)
        try:
            return await asyncssh.connect(
                self._host,
                self._port,
                username=self._user,
                client_keys=[key],
                known_hosts=str(self._known_hosts),
                server_host_key_algs=kinds,
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                connect_timeout=self._connect_timeout_s,
                login_timeout=self._connect_timeout_s,
                keepalive_interval=KEEP_ALIVE_S,
                keepalive_count_max=KEEP_ALIVE_MISSES,
            )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as problem:
            wrong = await changed_key(*there, problem, where=where, timeout_s=self._connect_timeout_s)
            raise wrong from problem
        except asyncssh.PermissionDenied as problem:
            raise Unauthorised(
                f"{where}: the board refuses user '{self._user}' with the key {self._key}; "
                "add the key's public half to that user's authorized_keys on the board"
            ) from problem
        except TimeoutError as problem:
            raise Unreachable(f"{where}: no answer within {self._connect_timeout_s:g} s") from problem
        except (OSError, asyncssh.Error) as problem:
            raise Unreachable(f"{where}: cannot connect: {problem}") from problem

    def _read_key(self) -> asyncssh.SSHKey:
        import asyncssh

        try:
            return asyncssh.read_private_key(str(self._key))
        except (OSError, asyncssh.KeyImportError) as problem:
            raise BadInput(
                f"{self.name}: expected a private key without passphrase, got {self._key}: {problem}"
            ) from problem

    async def _disconnect(self) -> None:
        if self._sftp is not None:
            self._sftp.exit()
        if self._connection is not None:
            self._connection.close()
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._connection.wait_closed()
            except TimeoutError:  # a dead board does not say goodbye
                self._connection.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
