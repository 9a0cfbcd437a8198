"""PHONES: how each kind of virtual phone speaks ADB and writes its photographs; FAULTS: how it misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hostctl.virtual.adb_messages import VERSION_WITH_CHECKSUMS
from hostctl.virtual.adbd import Link
from hostctl.virtual.faults import Fault

KEY_VOLUME_UP, KEY_VOLUME_DOWN, KEY_CAMERA = 24, 25, 27


@dataclass(frozen=True)
class Faults:
    """What goes wrong with a phone's photographs; ``shots`` says with which (counted from 1), empty means with all."""

    shots: tuple[int, ...] = ()
    no_new_file: bool = False
    truncated: bool = False
    not_an_image: bool = False
    two_files: bool = False
    outside_name: bool = False
    full_disk: bool = False
    clock_offset_s: float = 0.0

    def hit(self, shot: int) -> bool:
        """Whether this shot is among those that go wrong."""
        return not self.shots or shot in self.shots


@dataclass(frozen=True)
class PhoneProfile:
    """A kind of phone. Times are in seconds, sizes in bytes, temperatures in degrees Celsius.

    ``writing``: "whole" (the file appears complete), "pending" (under a .pending- name, then renamed, as MediaStore
    does since Android 11) or "growing" (under its own name, in pieces over ``write_s``). ``shutter_lag_s`` is the
    range from which the time between key and exposure is drawn. ``thermal_status`` is 0 (none) to 6 (shutdown).
    ``picture_name`` and ``raw_name``: {time} is 20261122_101530, {ms} the milliseconds.
    ``faults`` hold for every photograph (or those they name) alike, ``plan`` has faults of their own times.
    """

    name: str
    manufacturer: str
    model: str
    device: str
    soc: str
    android: str
    sdk: int
    camera_app: str = "com.android.camera2/com.android.camera.CameraActivity"
    link: Link = field(default_factory=Link)
    shutter_keys: tuple[int, ...] = (KEY_CAMERA,)
    keeps_raw: bool = False
    writing: str = "pending"
    picture_name: str = "IMG_{time}_{ms}"
    raw_name: str = "IMG_{time}_{ms}"
    open_s: float = 0.05
    shutter_lag_s: tuple[float, float] = (0.01, 0.03)
    write_s: float = 0.03
    raw_delay_s: float = 0.0
    battery_percent: int = 83
    battery_c: float = 29.5
    thermal_status: int = 0
    capacity: int = 64 * 1024**3
    termux: bool = False
    faults: Faults = field(default_factory=Faults)
    plan: tuple[Fault, ...] = ()


# Invented phones: no maker's name stands beside behaviour that nobody measured on it.
PHONES: dict[str, PhoneProfile] = {
    "modern": PhoneProfile("modern", "Kit", "Modern One", "modern", "KIT9000", "14", 34),
    "modern-raw": PhoneProfile(
        "modern-raw", "Kit", "Modern Raw", "modernraw", "KIT9100", "14", 34, keeps_raw=True, raw_delay_s=0.1
    ),
    "heic": PhoneProfile(
        "heic",
        "Kit",
        "Heic Two",
        "heictwo",
        "KIT8000",
        "13",
        33,
        shutter_keys=(KEY_VOLUME_UP, KEY_VOLUME_DOWN),
        writing="growing",
        write_s=0.08,
    ),
    "ancient": PhoneProfile(
        "ancient",
        "Kit",
        "Ancient Zero",
        "ancient",
        "KIT100",
        "5.1",
        22,
        link=Link(version=VERSION_WITH_CHECKSUMS, max_payload=4096, features=()),
        writing="growing",
        write_s=0.06,
        battery_c=31.0,
    ),
    "termux": PhoneProfile("termux", "Kit", "Tinker Three", "tinker", "KIT7000", "12", 31, termux=True),
    "instant": PhoneProfile(
        "instant",
        "Kit",
        "Instant",
        "instant",
        "KIT0",
        "14",
        34,
        writing="whole",
        open_s=0,
        shutter_lag_s=(0, 0),
        write_s=0,
    ),
}


def _linked(**changes: Any) -> Callable[[PhoneProfile], PhoneProfile]:
    return lambda profile: replace(profile, link=replace(profile.link, **changes))


def _faulty(**changes: Any) -> Callable[[PhoneProfile], PhoneProfile]:
    return lambda profile: replace(profile, faults=replace(profile.faults, **changes))


# What can be wrong with a phone: profile -> the same phone with this fault, on every photograph where it is about them.
FAULTS: dict[str, Callable[[PhoneProfile], PhoneProfile]] = {
    "slow": _linked(latency_s=0.02, bytes_per_s=5e6),
    "dropping": _linked(drop_after_bytes=100_000),
    "unauthorised": _linked(accept_delay_s=None),
    "frozen": _linked(freeze_after_streams=0),
    "full-disk": _faulty(full_disk=True),
    "no-new-file": _faulty(no_new_file=True),
    "truncated": _faulty(truncated=True),
    "not-an-image": _faulty(not_an_image=True),
    "two-files": _faulty(two_files=True),
    "outside-name": _faulty(outside_name=True),
    "wrong-clock": _faulty(clock_offset_s=-3600.0),
    "hot": lambda profile: replace(profile, battery_c=46.0, thermal_status=3),
    "flat-battery": lambda profile: replace(profile, battery_percent=4),
}
