"""A board's programs: one that is cut off, and cut off again while it ends, leaves nothing running and nothing open."""

import asyncio
import gc
import os
import zipfile
from pathlib import Path

import pytest

from hostctl.virtual.board_files import BoardFiles
from hostctl.virtual.board_python import BoardPython

CODE = """
import os, pathlib, sys, time
sys.stderr.write("a line\\n" * 50_000)
pathlib.Path("started").write_text(str(os.getpid()))
time.sleep(120)
"""


async def cut_off(board: BoardPython, files: BoardFiles, *, times: int) -> None:
    async def write(line: bytes) -> None:
        pytest.fail(f"nothing was printed, got {line!r}")

    await board.start()
    running = asyncio.ensure_future(board.run("python3", ["sleep.zip"], write))
    while not (files.home / "started").exists() or not (files.home / "started").read_text():
        assert not running.done()
        await asyncio.sleep(0.02)
    for _ in range(times):
        running.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await running
    await board.stop()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_program_that_is_cut_off_is_gone_however_often_that_is_said(tmp_path: Path, times: int) -> None:
    files = BoardFiles(tmp_path / "board")
    files.home.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(files.home / "sleep.zip", "w") as archive:
        archive.writestr("__main__.py", CODE)
    asyncio.run(cut_off(BoardPython(files, tmp_path / "programs", {}), files, times=times))
    with pytest.raises(ProcessLookupError):
        os.kill(int((files.home / "started").read_text()), 0)
    gc.collect()  # a transport that nobody closed would warn, and warnings are errors
