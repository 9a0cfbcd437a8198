"""The side of a pool that has the devices: the scheduler that knows them all, and a process for each device offered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, MissingExtra, pick
from hostctl.lab import read_lab

AGAIN_S = 5.0  # after an offer ended, as when the scheduler was restarted
END_S = 20.0
LOOPBACK = "127.0.0.1"
PRIVATE = f"{LOOPBACK}:0"  # Dask's own status pages: on any port, for this machine only


def need_dask() -> None:
    """Raise MissingExtra where Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as problem:
        raise MissingExtra("a pool needs Dask: pip install 'instability-kit[cluster]'") from problem


def secured(files: Mapping[str, str] | None) -> Any:
    """Dask's security by its files (tls_ca_file and so on), which then nobody does without; None without files."""
    from distributed import security

    logging.getLogger("distributed").setLevel(logging.WARNING)
    make: Any = security.Security  # it has no types
    return make(**files, require_encryption=True) if files else None


def open_pool(
    *, host: str = LOOPBACK, port: int = 8786, security: Mapping[str, str] | None = None, said: Callable[[str], None]
) -> None:
    """Keep a pool's list of devices, by Dask's scheduler, until Ctrl-C; ``said`` is told its address.

    ``security`` are Dask's tls_ca_file, tls_scheduler_cert and tls_scheduler_key. Whoever reaches the port without
    them can run any program on the pool's hosts. Raises BadInput where the port is taken.
    """
    need_dask()
    from distributed import Scheduler

    async def keep() -> None:
        scheduler: Any = Scheduler(host=host, port=port, security=secured(security), dashboard_address=PRIVATE)
        async with scheduler:
            said(scheduler.address)
            await scheduler.finished()

    try:
        asyncio.run(keep())
    except OSError as problem:
        raise BadInput(f"pool: expected a free port {port} on {host}, got: {problem}") from problem
    except KeyboardInterrupt:
        return


def offer(
    lab: Path,
    names: Sequence[str],
    *,
    scheduler: str,
    security: Mapping[str, str] | None = None,
    said: Callable[[str], None],
    ended: threading.Event | None = None,
) -> None:
    """Offer devices of a lab (all with an agent if none is named) to a pool until Ctrl-C or ``ended``.

    Each has a process of its own, so that one that hangs holds up no other; a process that ends is started again, as
    after the scheduler was away. Raises BadInput for devices that cannot be offered.
    """
    need_dask()
    known = {device.name: device for device in read_lab(lab).devices}
    chosen = [pick(known, name, what="device of the lab") for name in names] or [
        device for device in known.values() if device.predicts == "agent"
    ]
    unable = [device.name for device in chosen if device.predicts != "agent"]
    if unable or not chosen:
        raise BadInput(f'{lab}: expected devices with predicts = "agent", got {", ".join(unable) or "none"}')
    over = ended or threading.Event()
    asked = {"lab": str(lab.absolute()), "scheduler": scheduler, "security": dict(security or {})}
    threads = [
        threading.Thread(target=_keep_offering, args=({**asked, "device": device.name}, over, said), name=device.name)
        for device in chosen
    ]
    for thread in threads:
        thread.start()
    try:
        while not over.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _keep_offering(asked: Mapping[str, Any], over: threading.Event, said: Callable[[str], None]) -> None:
    while not over.is_set():
        words = _offer_once(asked, over, said)
        if not over.is_set():
            said(f"{asked['device']}: no longer offered ({words}); trying again")
            over.wait(AGAIN_S)


def _offer_once(asked: Mapping[str, Any], over: threading.Event, said: Callable[[str], None]) -> str:
    """Run the process of one offer to its end; gives its last words."""
    child = subprocess.Popen(
        [sys.executable, "-m", "hostctl.batches.pool_host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    words = ["nothing"]

    def listen() -> None:
        for line in child.stderr or ():
            words[0] = line.strip() or words[0]

    def tell() -> None:
        for line in child.stdout or ():
            with contextlib.suppress(ValueError):  # another library's print
                said(f"{json.loads(line)['offered']}: offered at {asked['scheduler']}")

    readers = [threading.Thread(target=one) for one in (listen, tell)]
    for reader in readers:
        reader.start()
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(asked) + "\n")
        child.stdin.flush()
        while child.poll() is None and not over.wait(0.2):
            pass
        child.stdin.close()
    except BrokenPipeError:
        pass  # it has ended; its last words say why
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for reader in readers:
        reader.join()
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()
    return words[0]
