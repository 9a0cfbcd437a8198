"""Profiles of phones' own camera apps, read from phone_profiles.toml; none has been tried on hardware yet."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

TESTED = "untested on hardware"


@dataclass(frozen=True)
class CameraProfile:
    """What is publicly known of the camera app of a family of phones; the table itself says what each field means."""

    name: str
    makers: tuple[str, ...]
    packages: tuple[str, ...]
    keys: tuple[str, ...]
    folders: tuple[str, ...]
    names: tuple[str, ...]
    bursts: tuple[str, ...]
    raw: str
    advice: str
    sources: tuple[str, ...]
    models: tuple[str, ...] = ()


@cache
def camera_profiles() -> tuple[CameraProfile, ...]:
    """All profiles; the last one fits every phone."""
    table = tomllib.loads((files("hostctl.phones") / "profiles.toml").read_text("utf-8"))
    return tuple(_profile(entry) for entry in table["profile"])


def profile_for(identity: Mapping[str, str]) -> CameraProfile:
    """The profile of a phone by what it says of itself (device.phone_identity: "maker" and "model")."""
    maker, model = identity.get("maker", "").lower(), identity.get("model", "")
    for profile in camera_profiles():
        if maker in profile.makers and any(fnmatch.fnmatchcase(model, one) for one in profile.models or ("*",)):
            return profile
    return camera_profiles()[-1]


def _profile(entry: Mapping[str, Any]) -> CameraProfile:
    values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in entry.items()}
    return CameraProfile(**values)


def odd_name(profile: CameraProfile, name: str) -> str:
    """What is odd about a photograph's name, "" if it looks like one photograph of this phone."""
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in profile.bursts):
        return f"{name} looks like one of a pair or series; {profile.advice}"
    if not any(fnmatch.fnmatchcase(name, pattern) for pattern in profile.names):
        return f"{name} is not named as expected of {profile.name} ({', '.join(profile.names)})"
    return ""
