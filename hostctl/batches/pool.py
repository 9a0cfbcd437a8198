"""The side of a pool that wants devices: what is offered by other hosts, taken, and made to predict.

Dask's scheduler is the list of devices and the way to them: a worker for each device, an actor on it for whoever has
taken it. Which client has a device is decided by the lock on the device's own host (hostctl.labs.holding), so that
commands there and clients of the pool keep out of each other's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agents import errors
from device_agents.errors import BadInput, DeviceError, KitError, Unreachable
from device_agents.hashing import hash_file
from device_agents.predict import Job
from device_agents.records import Environment, Prediction, from_line, to_values
from device_agents.sidecar import read_labels
from hostctl.batches.pool_host import RESOURCE, DeviceActor
from hostctl.batches.pool_offer import need_dask, secured
from hostctl.labs.holding import all_free

ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")
CONNECT_S, OPEN_S, ASK_S = 10.0, 120.0, 60.0
PREDICT_S = 24 * 3600.0  # a job without a limit of its own
GRACE_S = 30.0  # a device gives up by itself and says why; the client waits a little longer


@dataclass(frozen=True)
class Offered:
    """A device in a pool: its name, and the worker that has it."""

    name: str
    worker: str


class PooledDevice:
    """A Predictor for a device that another host has, in our hands until released."""

    def __init__(self, name: str, actor: Any, state: Mapping[str, Any]) -> None:
        self.name, self._actor, self._state = name, actor, dict(state)

    def install(self) -> object:
        """Nothing: its own host has put the agent there."""
        return False

    def info(self) -> dict[str, Any]:
        """What the device said of itself when it was taken."""
        return dict(self._state["info"])

    @property
    def clock_offset_s(self) -> float:
        """By how many seconds the device's clock is ahead of its own host's."""
        return float(self._state["clock_offset_s"])

    def own(self, environment: Environment) -> Environment:
        """Give the environment with the device as its machine; raises DeviceError where the runtime is not there."""
        versions = self.info()["runtimes"]
        if environment.runtime not in versions:
            there = ", ".join(sorted(versions)) or "none"
            raise DeviceError(f"{self.name}: expected the runtime {environment.runtime}, got {there}")
        return replace(environment, machine=self.name, runtime_version=versions[environment.runtime])

    def predict(self, job: Job, *, limit_s: float = 0.0) -> Iterator[Prediction]:
        """Send what is lacking and predict; what was made before a failure is given before it is raised."""
        text, files = _portable(job)
        for name in self._ask("lacks", {name: path.stat().st_size for name, path in files.items()}):
            if name not in files:
                raise DeviceError(f"{self.name}: expected to be asked for files of the job, got {str(name)[:80]!r}")
            refused = self._ask("put", name, files[name].read_bytes())
            if refused:
                raise DeviceError(f"{self.name}: {refused}")
        answer = self._ask("predict", text, limit_s, timeout_s=(limit_s or PREDICT_S) + GRACE_S)
        for line in answer["predictions"]:
            yield from_line(Prediction, line)
        if answer["error"]:
            name, words = answer["error"]
            raise _error(str(name), str(words))

    def alive(self) -> bool:
        """Whether the device answers, and its host."""
        try:
            return bool(self._ask("alive"))
        except DeviceError:
            return False

    def release(self) -> None:
        """Give the device back; a host that is gone has it back already."""
        with contextlib.suppress(DeviceError):
            self._ask("close")

    def _ask(self, method: str, *arguments: Any, timeout_s: float = ASK_S) -> Any:
        try:
            return getattr(self._actor, method)(*arguments).result(timeout_s)
        except (OSError, RuntimeError, ValueError) as problem:
            words = str(problem) or type(problem).__name__
            raise Unreachable(f"{self.name}: its host in the pool does not answer: {words}") from problem


@contextlib.contextmanager
def joined(address: str, *, security: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Connect to a pool for a block; gives Dask's client. Raises BadInput, MissingExtra, Unreachable."""
    need_dask()
    if not ADDRESS.fullmatch(address):
        raise BadInput(f"--pool: expected an address such as tcp://host:8786, got '{address}'")
    if address.startswith("tls://") != bool(security):
        raise BadInput(f"--pool {address}: expected --tls-ca, --tls-cert and --tls-key with tls:// and only with it")
    from distributed import Client

    connect: Any = Client  # it has no types
    secure = secured(security)
    try:
        asyncio.run(_knock(address, secure))  # a client that never connected would not end cleanly
        client = connect(address, timeout=CONNECT_S, set_as_default=False, security=secure)
    except OSError as problem:
        raise Unreachable(f"--pool: no pool answers at {address}: {problem}; `instability pool open`") from problem
    with client, client.as_current():  # an actor's calls go through the current client
        yield client


async def _knock(address: str, security: Any) -> None:
    """Connect to a scheduler once; raises OSError where nobody answers, or not to us."""
    from distributed import comm

    meet: Any = comm
    arguments = security.get_connection_args("client") if security else {}
    there = await meet.connect(address, timeout=CONNECT_S, **arguments)
    await there.close()


def offers(client: Any) -> dict[str, Offered]:
    """The devices that a pool has now, by name."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    ours = {str(one["name"]): address for address, one in workers.items() if RESOURCE in one["resources"]}
    return {name: Offered(name, ours[name]) for name in sorted(ours)}


def offered_rows(client: Any) -> list[dict[str, Any]]:
    """The devices that a pool has now, one row each: device, host."""
    return [{"device": one.name, "host": one.worker.partition("://")[2]} for one in offers(client).values()]


def offered_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay the offers out for a person."""
    if not rows:
        return "nothing is offered; `instability pool offer lab.toml` on a host with devices"
    width = max(len(row["device"]) for row in rows)
    return "\n".join(f"{row['device']:{width}}  {row['host']}" for row in rows)


@contextlib.contextmanager
def taken(
    client: Any,
    wants: Sequence[tuple[int, Sequence[str]]],
    *,
    name: str,
    wait_s: float = 0.0,
    said: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[list[PooledDevice]]]:
    """Take devices of a pool for a block: for each want as many of its devices as it says, the first that are free.

    ``name`` is what others are told of this holder. Raises DeviceError saying who has them, or what is wrong with them,
    where they are not free within ``wait_s``; see hostctl.labs.holding.all_free.
    """

    def take_one(device: str) -> PooledDevice | str:
        offered = offers(client).get(device)
        return _take(client, offered, name) if offered else f"{device} is not offered"

    got = all_free(wants, take_one, PooledDevice.release, wait_s=wait_s, said=said, clock=clock, sleep=sleep)
    try:
        yield got
    finally:
        for device in itertools.chain(*got):
            device.release()


def _take(client: Any, offered: Offered, name: str) -> PooledDevice | str:
    """Take one device; gives why not where that does not work."""
    future = client.submit(
        DeviceActor, name, actor=True, workers=[offered.worker], allow_other_workers=False, pure=False, retries=0
    )
    try:
        actor = future.result(OPEN_S)
        state = actor.state().result(OPEN_S)
    except (OSError, RuntimeError, ValueError) as problem:
        future.cancel()
        return f"{offered.name}: its host does not answer: {str(problem) or type(problem).__name__}"
    if state["problem"]:
        actor.close().result(ASK_S)
        return f"{offered.name}: {state['problem']}"
    return PooledDevice(offered.name, actor, state)


def _portable(job: Job) -> tuple[str, dict[str, Path]]:
    """A job as text whose files are called by their sha256 and suffix, and the files by those names."""
    labels = job.labels
    if labels is None and job.sidecar.labels:
        labels = read_labels(Path(job.model).parent / job.sidecar.labels)
    names = {path: f"{hash_file(Path(path))}{Path(path).suffix.lower()}" for path in _paths(job)}
    pictures = tuple(replace(one, file=names[one.file]) for one in job.pictures)
    sent = replace(job, model=names[job.model], pictures=pictures, labels=labels)
    return json.dumps(to_values(sent), ensure_ascii=False), {name: Path(path) for path, name in names.items()}


def _paths(job: Job) -> list[str]:
    return sorted({job.model, *(one.file for one in job.pictures)})


def _error(name: str, words: str) -> KitError:
    """The error that a host tells of; one of another name is the infrastructure's."""
    kind = getattr(errors, name, None)
    known = isinstance(kind, type) and issubclass(kind, (DeviceError, BadInput))
    found: KitError = kind(words) if known else DeviceError(words)  # type: ignore[misc]
    return found
