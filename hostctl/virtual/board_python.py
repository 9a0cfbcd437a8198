"""Python on a virtual board: the real zipped agent in a child process, whose camera programs ask the board to shoot.

The child's PATH holds only the board's own programs: small scripts that send their words to the board over a loopback
port, with a token that no one else is told. The child has the rights of the user who runs the board.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hmac
import json
import os
import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from hostctl.transport import Output
from hostctl.virtual.agent_faults import SPOILED, spoil
from hostctl.virtual.board_commands import failed
from hostctl.virtual.board_files import BoardFiles
from hostctl.virtual.faults import AWAY, Fault, hitting, tell

Write = Callable[[bytes], Awaitable[None]]
LINE_BYTES = 1 << 24
PYTHONS = ("python3", "python")
RUNNABLE = (".zip", ".py")
ADDRESS_VARIABLE = "VIRTUAL_BOARD"
PROGRAM = '''"""Ask the virtual board to run one of its camera programs."""
import base64, json, os, socket, sys

port, token = os.environ["%s"].split()
with socket.create_connection(("127.0.0.1", int(port))) as board:
    board.sendall(json.dumps({"token": token, "words": sys.argv[1:]}).encode() + b"\\n")
    answer = json.loads(board.makefile().readline())
for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
    stream.buffer.write(base64.b64decode(answer[name]))
    stream.flush()
sys.exit(answer["exit_code"])
'''


class BoardPython:
    """Runs a zip or a script that lies on the board; ``start`` and ``stop`` belong to one running asyncio loop."""

    def __init__(
        self,
        files: BoardFiles,
        folder: Path,
        programs: Mapping[str, Callable[[list[str]], Output]],
        *,
        plan: Sequence[Fault] = (),
        strike: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        """``folder`` is for the scripts, beside the board's files; ``plan`` has the agent's faults.

        ``strike`` lets a fault befall the whole board, while it predicts.
        """
        self._files, self._folder, self._programs, self._plan = files, folder, programs, plan
        self._strike = strike
        self._jobs = 0
        self._token = secrets.token_hex(16)
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen for the camera programs, and write them."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self._folder.mkdir(parents=True, exist_ok=True)
        script = self._folder / "ask_board.py"
        script.write_text(PROGRAM % ADDRESS_VARIABLE)
        for name in self._programs:
            program = self._folder / name
            words = [sys.executable, "-I", str(script.absolute()), name]
            program.write_text(f'#!/bin/sh\nexec {" ".join(map(shlex.quote, words))} "$@"\n')
            program.chmod(0o755)

    async def stop(self) -> None:
        """Stop listening; programs that are still asking get no answer."""
        if self._server is not None:
            self._server.close()
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)
            await asyncio.sleep(0)  # their connections close in the loop's next round
            await self._server.wait_closed()

    async def run(self, program: str, words: list[str], write: Write) -> Output:
        """Run "agent.zip ..." in a child process, which dies with this call, by the board's Python or an environment's.

        Its output goes to ``write`` line by line; that of a job with a fault is in the Output, once it is spoiled.
        """
        try:
            python = sys.executable if program in PYTHONS else self._environments(program)
            places = [self._on_host(word) for word in words]
        except OSError as problem:
            return failed(f"{program}: {problem.filename}: {problem.strerror}", exit_code=2)
        if not words or not words[0].endswith(RUNNABLE) or not self._files.place(words[0]).is_file():
            return failed("python3: this board runs only a zip or a script that lies on it", exit_code=2)
        return await self._child([python, *places], write, faults=self._faults_of(words))

    def _environments(self, program: str) -> str:
        """The Python of an environment that lies on the board: a link to this machine's, so its folder is looked up."""
        path = PurePosixPath(program)
        place = self._files.place(str(path.parent)) / path.name
        if not place.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
        return str(place)

    def _faults_of(self, words: Sequence[str]) -> Mapping[str, Fault]:
        """The faults of this job, by kind; shots and predictions are counted."""
        if words[1:2] not in (["shoot"], ["predict"]):
            return {}
        self._jobs += 1
        found = hitting(self._plan, self._jobs)
        tell(self._files.name, sorted(set(found) & set(SPOILED)), self._jobs)
        if words[1] == "predict":  # what befalls a board that shoots does so at its camera
            away = [fault for fault in found.values() if fault.kind in AWAY and fault.at_shot == self._jobs]
            tell(self._files.name, [fault.kind for fault in away], self._jobs)
            for fault in away:
                self._strike(fault)
            self._files.full = any(fault.kind == "full-disk" and fault.at_shot <= self._jobs for fault in self._plan)
        return found

    async def _child(self, words: Sequence[str], write: Write, *, faults: Mapping[str, Fault]) -> Output:
        child = await asyncio.create_subprocess_exec(
            *words,
            cwd=self._files.home,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        said: list[bytes] = []
        listening = asyncio.ensure_future(_all_of(child.stderr))
        try:
            assert child.stdout is not None
            while line := await child.stdout.readline():
                if set(faults) & set(SPOILED):
                    said.append(self._spoken(line))
                else:
                    await write(self._spoken(line))
            stderr = await listening
            await child.wait()
        finally:
            if child.returncode is None:
                await _killed(child, listening)
        code = child.returncode or 0
        return spoil(Output(b"".join(said), self._spoken(stderr), code if code >= 0 else 128 - code), faults)

    def _on_host(self, word: str) -> str:
        """A word for the child: a path of the board, alone or after "--option=", becomes the place on this machine."""
        option, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
        leads_away = path.startswith("/") or ".." in PurePosixPath(path).parts
        return f"{option}{equals}{self._files.place(path)}" if leads_away else word

    def _spoken(self, output: bytes) -> bytes:
        return self._files.on_board(output.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _environment(self) -> dict[str, str]:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        kept = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        return {
            **kept,
            "PATH": str(self._folder.absolute()),
            "HOME": str(self._files.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            ADDRESS_VARIABLE: f"{port} {self._token}",
        }

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one camera program; who does not know the token gets no answer."""
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            asked = json.loads(await reader.readline() or b"{}")
            if not hmac.compare_digest(str(asked.get("token")), self._token):
                return
            program, *words = [self._files.on_board(word) for word in asked["words"]]
            output = await asyncio.to_thread(self._programs[program], words)
            answer = {"stdout": output.stdout, "stderr": output.stderr}
            coded = {name: base64.b64encode(data).decode() for name, data in answer.items()}
            writer.write(json.dumps({**coded, "exit_code": output.exit_code}).encode() + b"\n")
            await writer.drain()
        finally:
            self._answering.discard(task)
            writer.close()


async def _killed(child: asyncio.subprocess.Process, listening: asyncio.Future[bytes]) -> None:
    """Kill a child and wait until it is gone, also if this is cancelled again meanwhile: it ends at once."""
    child.kill()
    listening.cancel()  # only one may read
    cancelled = None
    while child.returncode is None:
        try:
            await asyncio.wait([listening])
            await child.communicate()
        except asyncio.CancelledError as problem:
            cancelled = problem
    if cancelled is not None:
        raise cancelled


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    return await stream.read()
