"""Checks every device of a lab before a session: reachable, authorised, camera, space, battery, heat, clock."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from device_agents.errors import KitError
from hostctl.lab import Lab
from hostctl.labs.device import Device, clock_offset_s
from hostctl.labs.laboratory import opened
from hostctl.labs.same_device import Roll
from hostctl.phones.health import CLOCK_TOLERANCE_S, LITTLE_SPACE, Health, health

if TYPE_CHECKING:
    import pandas as pd

MOST_WORDS = 200  # of what a page says, in a cell of the table


def inspect_lab(lab: Lab) -> pd.DataFrame:
    """Give one row a device, in the lab's order: what it is, how it is, and in "problem" what to do about it.

    Columns: device, ok, kind, model, system, camera, free_gb, battery_percent, battery_c, thermal, clock_offset_s,
    problem; None where a device does not tell. A device that cannot be reached has its reason as its problem.
    """
    import pandas as pd

    with (
        tempfile.TemporaryDirectory() as folder,
        opened(lab, folder=Path(folder), waiting=None) as laboratory,
        ThreadPoolExecutor(max(1, len(lab.devices))) as pool,
    ):
        found = {one.name: one for one in pool.map(_inspect, laboratory.devices)}
        found |= _twins(laboratory.devices, found)
        failures = dict(laboratory.failures)
    kinds = {device.name: device.kind for device in lab.devices}
    unreached = {name: Health(name, False, False, problems=(reason,)) for name, reason in failures.items()}
    return pd.DataFrame([_row({**found, **unreached}[name], kind) for name, kind in kinds.items()])


def _inspect(device: Device) -> Health:
    if device.settings.kind in ("adb", "adb-shell"):
        return health(device.transport, name=device.name)
    return _page_health(device) if device.settings.in_page else _board_health(device)


def _twins(devices: Sequence[Device], found: Mapping[str, Health]) -> dict[str, Health]:
    """Those phones of a lab that are another of its phones by a second name, with that as their problem."""
    roll, twins = Roll({}), {}
    for device in devices:
        if device.settings.kind in ("adb", "adb-shell") and found[device.name].reachable:
            try:
                roll.check(device.name, device.identify())
            except KitError as problem:
                twins[device.name] = replace(found[device.name], problems=(*found[device.name].problems, str(problem)))
    return twins


def _page_health(device: Device) -> Health:
    """Ask a page what it is, and whether it may use its camera; it tells no space, battery or temperature."""
    started = datetime.now(UTC)
    try:
        info = device.identify()
        offset_s = (datetime.fromisoformat(str(info["utc"])) - started).total_seconds()
    except (KitError, ValueError, TypeError) as problem:  # what a page says is not trusted
        return Health(device.name, reachable=False, authorised=False, problems=(str(problem),))
    way, track = device.settings.camera, info.get("track")
    refusal = str(track.get("error", ""))[:MOST_WORDS] if isinstance(track, dict) else ""
    problems = []
    if way not in info["cameras"]:
        problems.append(f"expected the camera '{way}' in the page, got {', '.join(info['cameras'])}")
    elif refusal and way != "file":
        problems.append(refusal)
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        problems.append(f"its clock is off by {offset_s:+.1f} s; photographs have this machine's time")
    return Health(
        device.name,
        reachable=True,
        authorised=True,
        model=(str(info["model"]) or str(info["platform"]))[:MOST_WORDS],
        system=str(info["agent"])[:MOST_WORDS],
        camera=way in info["cameras"] and (way == "file" or not refusal),
        clock_offset_s=offset_s,
        problems=tuple(problems),
    )


def _board_health(device: Device) -> Health:
    """Ask a board what it is through its agent, and try its camera's program."""
    try:
        info = device.identify()
        offset_s = clock_offset_s(device.transport)
    except KitError as problem:
        return Health(device.name, reachable=False, authorised=False, problems=(str(problem),))
    free = int(info["free_bytes"])
    camera = device.settings.camera in info["cameras"]
    problems = []
    if not camera:
        there = ", ".join(info["cameras"]) or "none"
        problems.append(f"expected the camera '{device.settings.camera}', got {there}; install its program there")
    if free < LITTLE_SPACE:
        problems.append(f"only {free / 1e6:.0f} MB free, expected {LITTLE_SPACE / 1e6:.0f}; make room")
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        problems.append(f"its clock is off by {offset_s:+.1f} s; the offset is stored with the run")
    return Health(
        device.name,
        reachable=True,
        authorised=True,
        model=f"{info['maker']} {info['model']}".strip() or f"{info['architecture']}, {info['cores']} cores",
        system=str(info["os_build"]),
        camera=camera,
        free_bytes=free,
        clock_offset_s=offset_s,
        problems=tuple(problems),
    )


def _row(found: Health, kind: str) -> dict[str, object]:
    return {
        "device": found.name,
        "ok": not found.problems,
        "kind": kind,
        "model": found.model or None,
        "system": found.system or None,
        "camera": found.camera,
        "free_gb": None if found.free_bytes is None else round(found.free_bytes / 1e9, 1),
        "battery_percent": found.battery_percent,
        "battery_c": found.battery_c,
        "thermal": found.thermal_status,
        "clock_offset_s": None if found.clock_offset_s is None else round(found.clock_offset_s, 3),
        "problem": "; ".join(found.problems),
    }
