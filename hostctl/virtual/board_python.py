"""Python on a virtual board: the real zipped agent in a child process, whose camera programs ask the board to shoot.

The child's PATH holds only the board's own programs: small scripts that send their words to the board over a loopback
port, with a token that no one else is told. The child has the rights of the user who runs the board.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from hostctl.transport import Output
from hostctl.virtual.agent_faults import spoil
from hostctl.virtual.board_commands import failed
from hostctl.virtual.board_files import BoardFiles
from hostctl.virtual.faults import Fault, hitting

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
    """Runs a zip that lies on the board; ``start`` and ``stop`` belong to one running asyncio loop."""

    def __init__(
        self,
        files: BoardFiles,
        folder: Path,
        programs: Mapping[str, Callable[[list[str]], Output]],
        *,
        plan: Sequence[Fault] = (),
    ) -> None:
        """``folder`` is for the scripts, beside the board's files; ``plan`` has the agent's faults."""
        self._files, self._folder, self._programs, self._plan = files, folder, programs, plan
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

    async def run(self, words: list[str]) -> Output:
        """Run "agent.zip ..." in a child process, which dies with this call."""
        try:
            places = [self._on_host(word) for word in words]
        except OSError as problem:
            return failed(f"python3: {problem.filename}: {problem.strerror}", exit_code=2)
        if not words or not words[0].endswith(".zip") or not self._files.place(words[0]).is_file():
            return failed("python3: this board runs only a zip that lies on it", exit_code=2)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *places,
            cwd=self._files.home,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.communicate()
        code = child.returncode or 0
        output = Output(self._spoken(stdout), self._spoken(stderr), code if code >= 0 else 128 - code)
        if words[1:2] not in (["shoot"], ["predict"]):
            return output
        self._jobs += 1
        return spoil(output, hitting(self._plan, self._jobs))

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
