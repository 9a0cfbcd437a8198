"""The Shutter protocol: what makes a device take a photograph, and the files that it then has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RemoteFile:
    """A whole file on a device: its path there, and its size in bytes when it had stopped growing.

    ``settings``: what the camera says it used, such as ("exposure_s", 0.01) and ("iso", 100.0).
    """

    path: str
    size: int
    settings: tuple[tuple[str, float], ...] = ()


class Shutter(Protocol):
    """Takes photographs on one device. Raises DeviceError and its children, naming the device."""

    def prepare(self) -> None:
        """Make the device ready for many photographs; what this changes is remembered."""
        ...

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Take one photograph and wait until its files are whole: the picture first, then its raw if there is one."""
        ...

    def release(self) -> None:
        """Leave the device as it was found."""
        ...
