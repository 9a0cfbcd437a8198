"""The live page of a run: its own server-side half, and the threads that fill the board while somebody looks.

GET /?token=LIVE       the page        GET /live/state?page=...  everything, as JSON; asked once a second
GET /live/page.js .css its two files   GET /live/thumbnail/H.jpg a photograph shown on it
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from device_agents.records import Scene
from hostctl.lab import Lab
from hostctl.labs.device import Device
from hostctl.labs.display import LabDisplay
from hostctl.printing import Progress
from hostctl.sessions.page_files import add_page_files
from hostctl.sessions.progress_board import Board
from hostctl.sessions.so_far import SoFar, told
from hostctl.sessions.vitals import vitals

if TYPE_CHECKING:
    from flask import Blueprint

PAGE = Path(__file__).parent / "dashboard_page"
NAME = "live"
LOOKING_S = 5.0  # a page asks every second; one that has been silent for so long is closed or hidden
HEALTH_EVERY_S = 60.0
RESULT_EVERY_S, RESULT_SHARE = 3.0, 5.0  # at most so often, and never more than a fifth of the time
LAST_WORD_S = 3.0  # how long the end of a run waits for the pages that are open to hear of it


class Viewers:
    """Which pages are open, and which of them know that the run has ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = threading.Condition()
        self._clock = clock
        self._seen: dict[str, tuple[float, bool]] = {}

    def saw(self, page: str, *, ended: bool) -> None:
        """Note that a page has asked, and whether it was told that the run has ended."""
        with self._changed:
            self._seen = {name: one for name, one in self._seen.items() if self._open(one)}
            self._seen[page] = (self._clock(), ended)
            self._changed.notify_all()

    def looking(self) -> bool:
        """Whether any page is open."""
        with self._changed:
            return any(self._open(one) for one in self._seen.values())

    def wait_until_told(self, timeout_s: float) -> None:
        """Wait until every open page has been told of the end; at once if none is open."""
        with self._changed:
            self._changed.wait_for(
                lambda: all(ended for at_s, ended in self._seen.values() if self._open((at_s, ended))), timeout_s
            )

    def _open(self, one: tuple[float, bool]) -> bool:
        return self._clock() - one[0] < LOOKING_S


def page_blueprint(
    board: Board, *, about: Mapping[str, Any], thumbnail: Callable[[str], Path], viewers: Viewers
) -> Blueprint:
    """Make the live page's addresses; the display's server asks for the token.

    ``about`` stands on the page unchanged: name, model, virtual, predicts, secrets (words never to be shown).
    ``thumbnail`` gives the file of a hash.
    """
    from flask import Blueprint, Response, request

    pages = Blueprint(NAME, __name__)
    hidden = about["secrets"]
    shown = {key: value for key, value in about.items() if key != "secrets"}

    def state() -> Response:
        found, name = board.state(), request.args.get("page", "")[:40]
        viewers.saw(name, ended=False)
        text = json.dumps({**shown, **found}, allow_nan=False)
        for word in hidden():  # a message for the operator may hold the screen's address, which can do more than look
            text = text.replace(word, "...")
        answer = Response(text, mimetype="application/json")
        if found["ended"]:  # known only when the last byte is out: the server waits for that before it stops
            answer.call_on_close(partial(viewers.saw, name, ended=True))
        return answer

    def picture(sha256: str) -> Response | tuple[str, int]:
        if not board.has_thumbnail(sha256):
            return "no such thumbnail\n", 404
        found = Response(thumbnail(sha256).read_bytes(), mimetype="image/jpeg")
        found.headers["Cache-Control"] = "private, max-age=3600, immutable"  # a hash never means another picture
        return found

    add_page_files(pages, PAGE)
    pages.add_url_rule(f"/{NAME}/state", view_func=state)
    pages.add_url_rule(f"/{NAME}/thumbnail/<sha256>.jpg", view_func=picture)
    return pages


class Live:
    """A run's display server with the live page on it, within a with block.

    .display is the server, .board what the page shows, .progress reports to both the page and the terminal. ``model``
    is the model's name, "" where nothing is predicted. ``photographing`` says whether the screen is needed: if not,
    the server takes any free port. Where the block is left by an error, the page says so.
    """

    def __init__(
        self,
        run: Run,
        lab: Lab,
        *,
        model: str,
        scenes: Mapping[str, Scene],
        photographing: bool,
        progress: Progress,
    ) -> None:
        self.board = Board(devices={device.name: device.kind for device in lab.devices}, attempts=lab.session.attempts)
        self.viewers = Viewers()
        self._terminal = progress
        self._so_far = SoFar(run.folder)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work_out_results, name="live-results")
        about = {
            "name": run.folder.name,
            "lab": lab.name,
            "model": model,
            "virtual": lab.virtual,
            "secrets": lambda: self.display.tokens,
        }
        pages = page_blueprint(self.board, about=about, thumbnail=run.file, viewers=self.viewers)
        self.display: LabDisplay = LabDisplay(
            lab,
            folder=run.folder / "lab",
            port=lab.display.port if photographing else 0,
            scenes=scenes,
            blueprints=[pages],
            guests={NAME: secrets.token_urlsafe(24)},
        )
        steps, missing = run.steps(), run.steps_missing()
        self.board.plan(Counter(step.device for step in steps), Counter(step.device for step in missing))

    @property
    def url(self) -> str:
        """The live page's address, with its token."""
        return self.display.guest_url(NAME)

    def __enter__(self) -> Live:
        """Start the server, and say in the terminal where the page is."""
        self.display.__enter__()
        self._thread.start()
        self._terminal("live page", 0, 0, self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the open pages hear of the end, then stop the server."""
        self.board.end(_last_words(problem))
        self._over.set()
        try:
            self.viewers.wait_until_told(LAST_WORD_S)
        finally:
            self._so_far.stop()
            self._thread.join()
            self._so_far.__exit__(kind, problem, trace)
            self.display.__exit__(kind, problem, trace)

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Take a long command's progress, for the board and the terminal."""
        self.board.stage(stage, done, total, note)
        self._terminal(stage, done, total, note)

    def end(self, summary: dict[str, Any]) -> None:
        """Show a run's summary as its result, and that nothing more will come."""
        from analysis.tables import to_json

        self.board.answer(to_json(told(summary)))
        missing = summary["photographs_missing"]
        words = f"{missing} photographs are missing; run the same command again to retry them." if missing else ""
        self.board.end(f"The session has ended. {words}".strip())

    @contextmanager
    def watching(self, devices: Sequence[Device]) -> Iterator[None]:
        """While the block runs and somebody looks, ask each device once a minute how it is."""
        over = threading.Event()
        thread = threading.Thread(target=self._ask_devices, args=(devices, over), name="live-health")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _ask_devices(self, devices: Sequence[Device], over: threading.Event) -> None:
        asked: dict[str, float] = {}
        while not over.wait(1.0):
            for device in devices if self.viewers.looking() else ():
                due = time.monotonic() - asked.get(device.name, float("-inf")) >= HEALTH_EVERY_S
                if due and not over.is_set() and self.board.working(device.name):
                    self.board.vitals(device.name, vitals(device))
                    asked[device.name] = time.monotonic()

    def _work_out_results(self) -> None:
        """Whenever somebody looks and more is predicted: work the result out again, not too often.

        While photographs are taken nothing is predicted, so then it happens once at most.
        """
        known, pause_s = -1, 0.5
        while not self._over.wait(pause_s):
            pause_s, predicted = 0.5, self.board.predicted()
            if predicted == known or not self.viewers.looking():
                continue
            begun = time.monotonic()
            found = self._so_far.ask()
            if self._over.is_set():
                return
            self.board.answer(found)
            known, pause_s = predicted, max(RESULT_EVERY_S, RESULT_SHARE * (time.monotonic() - begun))


def _last_words(problem: BaseException | None) -> str:
    if problem is None:
        return "The session has ended."
    reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return f"The session has stopped: {reason}. The same command goes on where it stopped."
