"""VirtualBoard: an edge board behind a real SSH server on a loopback port, with a camera and the real zipped agent.

No command string reaches this machine's shell: it is split into words, and the first is looked up in a table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from hostctl.transport import Output
from hostctl.virtual.board_camera import BoardCamera, Shoot
from hostctl.virtual.board_commands import failed, parse, run_command
from hostctl.virtual.board_files import PAUSE_S, BoardFaults, BoardFiles, sftp_factory
from hostctl.virtual.board_python import PYTHONS, BoardPython, Write
from hostctl.virtual.faults import AWAY, Fault

__all__ = ["BoardFaults", "VirtualBoard", "make_key"]

USER = "pi"
KEY_KIND = "ssh-ed25519"


class VirtualBoard:
    """A board whose files live in ``folder``; ``start`` and ``stop`` belong to one running asyncio loop.

    ``shoot`` gives the files of one photograph by suffix and is called in a thread at the moment of exposure.
    ``host_key`` is made anew if none is given. ``authorised_keys`` are lines as in the file of that name; only ``user``
    may log in, with one of them.
    """

    def __init__(
        self,
        folder: Path,
        shoot: Shoot,
        *,
        authorised_keys: Sequence[str],
        host_key: asyncssh.SSHKey | None = None,
        user: str = USER,
        faults: BoardFaults | None = None,
    ) -> None:
        self.user = user
        self._faults = faults or BoardFaults()
        self._host_key = host_key or asyncssh.generate_private_key(KEY_KIND)
        self._authorised = asyncssh.import_authorized_keys("\n".join(authorised_keys) + "\n")
        self.files = BoardFiles(folder / "files")
        self._camera = BoardCamera(self.files, shoot, self._faults, self._struck)
        self._python = BoardPython(
            self.files, folder / "programs", self._camera.programs, plan=self._faults.plan, strike=self._struck
        )
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._answers: set[asyncio.Task[None]] = set()
        self._sftp_sessions: set[object] = set()
        self._returning: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    @property
    def known_hosts_line(self) -> str:
        """The line of a known_hosts file that this board, while it listens, is known by."""
        return self.known_hosts_at(self.port)

    def known_hosts_at(self, port: int) -> str:
        """The same line for another port of 127.0.0.1 that leads to the board."""
        return f"[127.0.0.1]:{port} {self._host_key.export_public_key().decode().strip()}"

    async def start(self, port: int = 0) -> None:
        """Listen on a port of 127.0.0.1, 0 for any free one."""
        if self._faults.fresh_host_key:
            self._host_key = asyncssh.generate_private_key(KEY_KIND)
        await self._python.start()
        await self._listen(port)
        self._loop = asyncio.get_running_loop()
        for fault in self._faults.plan:
            if fault.kind in AWAY and not fault.at_shot:
                await self._leave()

    async def _listen(self, port: int) -> None:
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=lambda: _Server(self.user, self._authorised, self._connections),
            server_host_keys=[self._host_key],
            process_factory=self._start_answer,
            sftp_factory=sftp_factory(self.files, self._faults, self._sftp_sessions),
            encoding=None,
            config=None,
        )
        self.port = self._acceptor.get_port()

    async def stop(self) -> None:
        """Break all connections and stop listening."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        await self._leave()
        await asyncio.gather(*self._answers, return_exceptions=True)
        while self._sftp_sessions:
            await asyncio.sleep(PAUSE_S)
        await self._python.stop()

    async def _leave(self) -> None:
        """Stop listening and break all connections."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        for connection in list(self._connections):
            connection.abort()
            await connection.wait_closed()

    def _struck(self, fault: Fault) -> None:
        """Be away for the time of a fault; called in any thread."""
        assert self._loop is not None, "start the board first"
        self._loop.call_soon_threadsafe(self._go_away, fault)

    def _go_away(self, fault: Fault) -> None:
        self._returning.append(asyncio.get_running_loop().create_task(self._away(fault)))

    async def _away(self, fault: Fault) -> None:
        await self._leave()
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
            await self._listen(self.port)

    async def run(self, line: str, write: Write) -> Output:
        """Run one command line as the board does; never through a shell. What it says early goes to ``write``."""
        try:
            words = parse(line)
        except ValueError as problem:
            return failed(f"bash: line 1: {problem}: `{line}'", exit_code=2)
        if not words:
            return Output(b"", b"", 0)
        if words[0] in PYTHONS or words[0].endswith("/bin/python"):
            return await self._python.run(words[0], words[1:], write)
        if words[0] in self._camera.programs:
            return await asyncio.to_thread(self._camera.programs[words[0]], words[1:])
        return await asyncio.to_thread(run_command, self.files, words)

    def _start_answer(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(process))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Answer one command; if the client goes away meanwhile, what it started ends too."""
        if process.command is None:
            process.stderr.write(b"this board has no interactive shell; give it a command\n")
            process.exit(1)
            return

        async def write(piece: bytes) -> None:
            process.stdout.write(piece)
            await process.stdout.drain()

        work = asyncio.ensure_future(self.run(process.command, write))
        gone = asyncio.ensure_future(process.wait_closed())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
        try:
            if not work.cancelled():
                output = work.result()
                process.stdout.write(output.stdout)
                process.stderr.write(output.stderr)
                process.exit(output.exit_code)
        finally:
            process.close()


class _Server(asyncssh.SSHServer):
    """Lets one user in with one of the authorised keys, and keeps the list of connections."""

    def __init__(
        self, user: str, keys: asyncssh.SSHAuthorizedKeys, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._user, self._keys, self._connections = user, keys, connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        if username == self._user:
            self._connection.set_authorized_keys(self._keys)
        return True


def make_key(path: Path) -> str:
    """Write a new private key that only its owner may read, and give its public half as a line for authorised_keys."""
    key = asyncssh.generate_private_key(KEY_KIND)
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    return key.export_public_key().decode().strip()
