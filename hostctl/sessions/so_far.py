"""The result so far of a run that is still being written, worked out in a process of its own for the live page.

A thread would take turns at the interpreter with the session; this process only reads, waits behind everything else
(nice), and ends with its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from device_agents.errors import KitError

END_TIMEOUT_S = 30.0


def so_far(folder: Path) -> dict[str, Any]:
    """Give a run's answer as it stands: "predictions", "headline", "instability", "accuracy" by device; all JSON.

    Where it cannot be worked out, "problem" says why, and only "predictions" stands beside it.
    """
    from analysis.run_folder.homes import at_home
    from analysis.store import Run
    from analysis.tables import study

    with Run.open(folder, write=False) as run:
        predictions = at_home(run.predictions()).sort_values(["order", "place", "picture"], ignore_index=True)
    if predictions.empty:
        return {"predictions": 0, "problem": "nothing is predicted yet"}
    try:
        return told(study(predictions).summary)
    except KitError as problem:
        return {"predictions": len(predictions), "problem": str(problem)}


def told(summary: dict[str, Any]) -> dict[str, Any]:
    """Give what the live page shows of a run's summary (hostctl.runs.reporting.summarise)."""
    from analysis.pages.answer import headline

    if not summary["predictions"]:
        return {"predictions": 0, "problem": "nothing is predicted"}
    return {
        "predictions": summary["predictions"],
        "headline": headline(summary),
        "instability": summary["instability"],
        "accuracy": summary["accuracy"],
    }


class SoFar:
    """The process that works out results, started when it is first asked; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Name the run's folder."""
        self._folder = folder
        self._stopped = False
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> SoFar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process and wait for it."""
        self.stop()
        if self._child is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.communicate(timeout=END_TIMEOUT_S)

    def stop(self) -> None:
        """End the process now, in the middle of its work if need be; an ask() that waits comes back with a problem."""
        self._stopped = True
        if self._child is not None:
            self._child.terminate()  # it only reads, so nothing is left half done

    def ask(self) -> dict[str, Any]:
        """Give so_far() of the run now; if the process has died, its "problem" says so."""
        if self._stopped:
            return {"predictions": 0, "problem": "stopped"}
        if self._child is None:
            # A session of its own keeps the terminal's Ctrl-C away; the end of its input ends it.
            self._child = subprocess.Popen(
                [sys.executable, "-m", "hostctl.sessions.so_far", str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):  # it has died: then there is no answer either
            self._child.stdin.write("now\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        if not line:
            return {"predictions": 0, "problem": "the process that works out the result has died; the run goes on"}
        found: dict[str, Any] = json.loads(line)
        return found


def main() -> None:
    """Answer each line with the result so far as one JSON line, until standard input ends."""
    from analysis.tables import to_json

    if hasattr(os, "nice"):
        os.nice(15)
    for _ in sys.stdin:
        print(json.dumps(to_json(so_far(Path(sys.argv[1])))), flush=True)


if __name__ == "__main__":
    main()
