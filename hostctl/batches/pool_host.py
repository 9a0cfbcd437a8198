"""One device offered to a pool: a Dask worker of its own, which holds the device for one client at a time.

Run as ``python -m hostctl.batches.pool_host`` by hostctl.batches.pool_offer, told what it offers by one JSON line on
stdin; it ends when stdin does. The device belongs to a client for as long as that client's actor lives: Dask drops it
when the client ends or its connection breaks, and with it go the device's lock (hostctl.labs.holding) and everything
that was opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, DeviceError, KitError
from device_agents.predict import read_job
from device_agents.records import to_line
from hostctl.batches.pool_offer import LOOPBACK, PRIVATE, secured
from hostctl.lab import Lab, read_lab
from hostctl.labs.holding import FOLDER, SHOWN, Holder, identity, take

RESOURCE = "instability-device"  # what a pool's workers have, and others have not
MOST_FILE_BYTES = 1 << 30
MOST_KEPT_BYTES = 4 << 30  # of models and pictures; beyond it the oldest go
FILE_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,8})?")


@dataclass(frozen=True)
class Offer:
    """What this process offers: one device of a lab."""

    lab: Lab
    device: str


OFFER: list[Offer] = []  # set once, by main: an actor is made by Dask and has no other way to learn of it


class DeviceActor:
    """The device of this process in the hands of one client; made by Dask on this host, called over the network.

    Every method takes and gives plain values, and none raises for what a device does: a client learns it from words.
    """

    def __init__(self, holder: str) -> None:
        """Hold the device for ``holder`` and open it; state() says whether that worked."""
        self._stack = contextlib.ExitStack()
        self._problem = ""
        self._kept: dict[str, int] = {}
        self.name = OFFER[0].device
        try:
            self._open(OFFER[0], holder)
        except KitError as problem:
            self._problem = str(problem)
            self._stack.close()

    def _open(self, offer: Offer, holder: str) -> None:
        from hostctl.labs.laboratory import opened, state_folder

        device = next(one for one in offer.lab.devices if one.name == offer.device)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        me = Holder(f"{holder[:SHOWN]} (by the pool)", os.getpid(), since)
        hold = take(identity(device, offer.lab), folder=state_folder() / FOLDER, holder=me)
        if isinstance(hold, Holder):
            raise DeviceError(f"held by {hold}")
        self._stack.callback(hold.release)
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="instability-pool-")))
        alone = replace(offer.lab, devices=(device,), display=replace(offer.lab.display, port=0))
        lab = self._stack.enter_context(opened(alone, folder=self._folder / "lab", waiting=None))
        if lab.failures:
            raise DeviceError(lab.failures[device.name])
        if lab.devices[0].agent is None:
            raise BadInput(f'device {device.name}: expected predicts = "agent", got predicts = "{device.predicts}"')
        self._predictor, self._transport = lab.devices[0].agent, lab.devices[0].transport

    def state(self) -> dict[str, Any]:
        """The device's name, and why it is not this client's or does not answer, or what it says of itself."""
        from hostctl.labs.device import clock_offset_s

        if self._problem:
            return {"name": self.name, "problem": self._problem}
        try:
            self._predictor.install()
            info = json.loads(json.dumps(self._predictor.info()))
            return {"name": self.name, "problem": "", "info": info, "clock_offset_s": clock_offset_s(self._transport)}
        except DeviceError as problem:
            return {"name": self.name, "problem": str(problem)}

    def lacks(self, files: Mapping[str, int]) -> list[str]:
        """Which of these files (name -> size in bytes) are to be sent; makes room for them among those kept."""
        missing = [name for name in files if name not in self._kept]
        coming = sum(files[name] for name in missing)
        for old in [name for name in self._kept if name not in files]:
            if sum(self._kept.values()) + coming <= MOST_KEPT_BYTES:
                break
            self._path(old).unlink()
            del self._kept[old]
        return missing

    def put(self, name: str, data: bytes) -> str:
        """Take a file that is called by its sha256 and suffix; gives why it was refused, "" if it was not."""
        if not FILE_NAME.fullmatch(name) or len(data) > MOST_FILE_BYTES:
            return f"expected a file of at most {MOST_FILE_BYTES} bytes, called by its sha256, got {name[:80]!r}"
        if hashlib.sha256(data).hexdigest() != name[:64]:
            return f"expected a file with sha256 {name[:64]}, got another one"
        self._path(name).parent.mkdir(exist_ok=True)
        self._path(name).write_bytes(data)
        self._kept[name] = len(data)
        return ""

    def predict(self, job: str, limit_s: float) -> dict[str, Any]:
        """Predict a job (the text of device_agents.predict.write_job, its files by their names here).

        Gives predictions, one line each, and error: the class and words of what went wrong, or None.
        """
        made: list[str] = []
        path = self._path("job.json")
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(job, encoding="utf-8")
            read = read_job(path)
            named = {Path(read.model).name, *(Path(one.file).name for one in read.pictures)}
            if not named <= set(self._kept):
                raise BadInput(f"{self.name}: expected files that were sent before, got {sorted(named)[0][:80]}")
            made.extend(map(to_line, self._predictor.predict(read, limit_s=limit_s)))
        except KitError as problem:
            return {"predictions": made, "error": [type(problem).__name__, str(problem)]}
        return {"predictions": made, "error": None}

    def alive(self) -> bool:
        """Whether the device answers."""
        return not self._problem and self._predictor.alive()

    def close(self) -> None:
        """Give the device back."""
        self._stack.close()
        self._problem = self._problem or "given back"

    def __del__(self) -> None:
        """Give the device back when Dask drops the actor, as after its client has ended; not in Dask's own thread."""
        threading.Thread(target=self._stack.close, name="pool-release").start()

    def _path(self, name: str) -> Path:
        return self._folder / "files" / name


async def serve(scheduler: str, offer: Offer, *, security: Mapping[str, str], ended: asyncio.Event) -> None:
    """Offer a device at a scheduler until ``ended``, or until the scheduler is gone."""
    from distributed import Worker

    with tempfile.TemporaryDirectory(prefix="instability-pool-") as folder:
        worker: Any = Worker(
            scheduler,
            name=offer.device,
            nthreads=1,
            resources={RESOURCE: 1},
            local_directory=folder,
            security=secured(security),
            host=LOOPBACK if LOOPBACK in scheduler else None,  # else the address by which the scheduler is reached
            dashboard_address=PRIVATE,
        )
        async with worker:
            print(json.dumps({"offered": offer.device, "at": scheduler}), flush=True)
            await asyncio.wait(
                [asyncio.ensure_future(worker.finished()), asyncio.ensure_future(ended.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )


def main() -> None:
    """Read what to offer, offer it, end when stdin ends."""
    asked = json.loads(sys.stdin.readline())
    OFFER.append(Offer(read_lab(Path(asked["lab"])), asked["device"]))

    async def work() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            sys.stdin.read()
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, name="stdin", daemon=True).start()
        await serve(asked["scheduler"], OFFER[0], security=asked["security"], ended=ended)

    asyncio.run(work())


if __name__ == "__main__":
    # Dask finds the actor's class by its module's name, so what it runs must be that module and not "__main__".
    from hostctl.batches import pool_host

    pool_host.main()
