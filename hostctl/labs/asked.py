"""What a lab file asks of a run, as it stands in the run's settings: later fields only where they ask for something.

A run whose settings differ is refused (analysis.run_folder.run_settings), so a field that did not exist when a run was
made must not stand there at its default; and how long to wait for whom is no part of what was asked.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from typing import Any

from hostctl.lab import Lab

WAITING = frozenset(("patience_s", "rest_s", "health_every_s", "hot_c", "low_battery"))
LATER = frozenset(
    (
        *("https", "brightness"),  # of the display, whose serial and address came later too
        *("keep_place", "golden_every", "rotate"),
        *("faults", "environment", "libraries"),
    )
)


def asked(lab: Lab) -> dict[str, Any]:
    """Give the lab file's values, whole, as they stand in run.toml."""
    return {
        "lab": lab.name,
        "display": _told(lab.display, LATER | {"serial", "address"}),
        "session": _told(lab.session, LATER),
        "device": [_told(device, LATER) for device in lab.devices],
    }


def _told(settings: Any, later: frozenset[str]) -> dict[str, Any]:
    defaults = {one.name: one.default for one in fields(settings) if one.default is not MISSING}
    return {
        name: value
        for name, value in asdict(settings).items()
        if name not in WAITING and not (name in later and value == defaults[name])
    }
