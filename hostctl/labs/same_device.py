"""Refuses a device that is not the one the run knows by its name, and one that goes by two names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device_agents.errors import DeviceError

# What a device keeps for life. Its software may change in a run: the record says so, and that is no other device.
LASTING = ("maker", "model", "codename", "soc", "hashed_serial")


class Roll:
    """Who the devices of a run are: what it recorded of each before, and who was seen in this sitting."""

    def __init__(self, recorded: Mapping[str, Mapping[str, Any]]) -> None:
        self._recorded = recorded
        self._seen: dict[str, str] = {}

    def check(self, name: str, identity: Mapping[str, Any]) -> None:
        """Raise DeviceError if a device is another one than the run recorded, or was seen under another name.

        What either side does not tell is not compared.
        """
        before = self._recorded.get(name, {})
        other = [key for key in LASTING if before.get(key) and identity.get(key) and before[key] != identity[key]]
        if other:
            raise DeviceError(
                f"{name}: expected the device that this run recorded, {_told(before)}, got another, {_told(identity)} "
                f"(its {', '.join(other).replace('hashed_serial', 'serial number')} differs); connect the right one, "
                "or photograph this one in a run of its own"
            )
        serial = str(identity.get("hashed_serial", ""))
        twin = self._seen.setdefault(serial, name) if serial else name
        if twin != name:
            raise DeviceError(
                f"{name}: expected a device of its own, got the same phone as '{twin}', {_told(identity)}; the lab "
                "file names it twice, perhaps once by USB and once by address: remove one"
            )


def _told(identity: Mapping[str, Any]) -> str:
    words = " ".join(str(identity[key]) for key in ("maker", "model") if identity.get(key)) or "of unknown make"
    return "".join(one for one in words if one.isprintable())[:100]
