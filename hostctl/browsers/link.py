"""The link to one browser page: the job it is to do, who may take it, and what came back; without any HTTP."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from device_agents.errors import BadInput, DeviceError, TimedOut, Unreachable
from hostctl.browsers.checks import checked_photograph, read_answer

POLL_S = 10.0  # how long a page's question for a job stays open
SILENCE_S = POLL_S + 10.0  # a page that has not asked for so long is gone
MOST_PAGES = 64  # pages that were replaced and are remembered, so that none of them takes the device back
LAST = frozenset(("info", "shot", "done", "error"))  # what a page says last of a job
MOST_TIMES = 3  # a page that loses the answer to its question asks again, and gets the job again


class Replaced(DeviceError):
    """Another page has been opened for this device since."""


@dataclass
class _Running:
    """A job on its way: its number, its values for the page, files it may fetch, and the answers so far."""

    id: str
    values: dict[str, Any]
    files: Mapping[str, Path]
    left: int  # answers that may still come
    answers: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    page: str = ""
    times: int = 0
    ended: bool = False
    photograph: Path | None = None


class WebLink:
    """One device's page: next_job, file, photograph and answer for the page; do() for the host.

    Of all pages opened for the device the newest counts. ``folder`` takes the photographs, under names of ours.
    """

    def __init__(self, name: str, *, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.folder = name, folder
        self.address = "the device's page"
        self._clock = clock
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._pages: list[str] = []  # as they came; the last is the one that counts
        self._seen_s = -1e9
        self._left = False  # the newest page has said that it is being closed
        self._asking = 0
        self._running: _Running | None = None
        self._closed = False

    def __enter__(self) -> WebLink:
        """Nothing to start: the server of the display listens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the pages' open questions, so that the server's threads end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # The page's side.

    def next_job(self, page: str, *, timeout_s: float = POLL_S) -> dict[str, Any] | None:
        """Wait for a job for ``page``, None if there is none; raises Replaced, and Unreachable once closed."""
        with self._changed:
            self._welcome(page)
            self._asking += 1
            try:
                self._changed.wait_for(lambda: self._ended(page) or self._free(), timeout_s)
            finally:
                self._asking -= 1
                self._seen_s = self._clock()
            if self._closed:
                raise Unreachable(f"{self.name}: the host has ended")
            self._check_page(page)
            return self._hand_out(page) if self._free() and not self._left else None

    def leave(self, page: str) -> None:
        """Take a page's word that it is being closed or loaded again: its job ends now, and it counts as gone."""
        with self._changed:
            self._check_page(page)
            self._left = True
            self._drop("the page was closed or loaded again meanwhile")
            self._changed.notify_all()

    def file(self, page: str, sha256: str) -> Path:
        """Give a file of the running job by its hash; raises BadInput for any other."""
        with self._changed:
            self._check_page(page)
            if self._running is None or sha256 not in self._running.files:
                raise BadInput("expected the hash of a file of the running job")
            return self._running.files[sha256]

    def photograph(self, page: str, job: str, data: bytes) -> None:
        """Take a photograph for a running job; raises BadInput if it is no picture, or no job asks for one."""
        suffix = checked_photograph(data)
        with self._changed:
            running = self._of(page, job)
            if running.values["kind"] != "shoot":
                raise BadInput("expected a photograph only for a job that asks for one")
            path = self.folder / f"{job}.{suffix}"
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            if running.photograph is not None and running.photograph != path:
                running.photograph.unlink()
            running.photograph = path

    def answer(self, page: str, job: str, data: bytes) -> None:
        """Take one answer for a running job; raises BadInput for one too many, or a wrong one, which ends the job."""
        try:
            values = read_answer(data)
        except BadInput as problem:
            self.refuse(page, job, str(problem))
            raise
        with self._changed:
            running = self._of(page, job)
            running.left -= 1
            if running.left < 0:
                raise BadInput("expected no more answers to this job")
            running.ended = running.ended or not LAST.isdisjoint(values)
            running.answers.put(values)

    def refuse(self, page: str, job: str, why: str) -> None:
        """End a running job because of what its page sent; the host hears why instead of waiting for better."""
        with self._changed:
            self._of(page, job)
            self._drop(f"its answer was refused: {why}")

    # The host's side.

    def wait_for_page(self, *, timeout_s: float) -> None:
        """Wait until a page is open for the device; raises Unreachable saying what to open."""
        with self._changed:
            if not self._changed.wait_for(self._open, timeout_s):
                place = self.address.partition("?")[0]  # an error is recorded, so it must not hold the token
                raise Unreachable(
                    f"{self.name}: no page is open; open {place} by its whole link, which was shown at the start, on "
                    "the device and leave it open"
                )

    def do(
        self, values: Mapping[str, Any], *, files: Mapping[str, Path] | None = None, most: int = 1, silence_s: float
    ) -> Iterator[tuple[dict[str, Any], Path | None]]:
        """Give the page a job and yield its answers, with the photograph so far, until the caller has enough.

        ``most`` answers are taken from one delivery. Raises Unreachable without a page, DeviceError with the page's
        own words if the job fails there, TimedOut if ``silence_s`` seconds pass without an answer.
        """
        with self._turn:
            self.wait_for_page(timeout_s=0)
            running = _Running(secrets.token_hex(8), dict(values), dict(files or {}), most * MOST_TIMES)
            with self._changed:
                self._running = running
                self._changed.notify_all()
            try:
                while True:
                    yield self._next(running, silence_s), running.photograph
            finally:
                with self._changed:
                    self._running = None

    def _next(self, running: _Running, silence_s: float) -> dict[str, Any]:
        kind = running.values["kind"]
        try:
            values = running.answers.get(timeout=silence_s)
        except queue.Empty:
            _forget(running)
            raise TimedOut(
                f"{self.name}: the page gave no answer to '{kind}' within {silence_s:g} s; is it in front, and the "
                "screen on?"
            ) from None
        if "error" in values:
            _forget(running)
            raise DeviceError(f"{self.name}: {kind} failed in the page: {str(values['error'])[:300]}")
        return values

    def _welcome(self, page: str) -> None:
        if page in self._pages:
            self._check_page(page)
            self._left = False  # a page that was kept by the browser and is shown again
            return
        self._pages = [*self._pages[-MOST_PAGES:], page]
        self._drop("the page was closed or loaded again meanwhile")
        self._left = False
        self._seen_s = self._clock()
        self._changed.notify_all()

    def _drop(self, why: str) -> None:
        """End the job that a page has taken, if there is one; one that nobody took waits for the next page."""
        if self._running is not None and self._running.page:
            self._running.answers.put({"error": why})
            self._running = None

    def _ended(self, page: str) -> bool:
        return self._closed or self._left or page != self._pages[-1]

    def _check_page(self, page: str) -> None:
        if not self._pages or page != self._pages[-1]:
            raise Replaced(f"{self.name}: this page is not the newest one of the device")

    def _open(self) -> bool:
        busy = self._running is not None and self._running.page != ""
        return (
            bool(self._pages)
            and not self._left
            and (busy or self._asking > 0 or self._clock() - self._seen_s < SILENCE_S)
        )

    def _free(self) -> bool:
        return self._running is not None and not self._running.ended

    def _hand_out(self, page: str) -> dict[str, Any]:
        running = self._running
        assert running is not None
        running.page = page
        running.times += 1
        if running.times > MOST_TIMES:
            self._drop(f"the job was taken {MOST_TIMES} times and never answered")
        return {"id": running.id, **running.values}

    def _of(self, page: str, job: str) -> _Running:
        self._check_page(page)
        if self._running is None or not secrets.compare_digest(self._running.id.encode(), job.encode()):
            raise BadInput("expected an answer to the running job; this one has ended")
        return self._running


def _forget(running: _Running) -> None:
    if running.photograph is not None:
        running.photograph.unlink(missing_ok=True)
