"""Finds the key that makes a phone photograph by trying, and remembers it by model and build for this user."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from device_agents.errors import DeviceError
from hostctl.labs.shutter import RemoteFile
from hostctl.phones.profiles import profile_for
from hostctl.phones.stock_camera import NoPhotograph, StockCamera
from hostctl.transport import Transport

FOLDER = "shutter-keys"  # in laboratory.state_folder()
AUTOMATIC = "auto"  # the lab file's shutter_key that asks for this
TRIAL_S = 8.0  # night modes take some seconds; a file that comes later would be taken for the next key's
CONFIRMATIONS = 1  # photographs more with the key that seemed to work: a late file of the key before does not repeat


class LearningCamera:
    """A StockCamera whose key is found when it is prepared: the remembered one, else the first that works."""

    def __init__(self, camera: StockCamera, transport: Transport, *, state: Path) -> None:
        self._camera = camera
        self._transport = transport
        self._state = state

    def prepare(self) -> None:
        """Open the camera and make sure of its key, which may take photographs; raises DeviceError if none works."""
        from hostctl.labs.device import phone_identity

        identity = phone_identity(self._transport)
        self._camera.prepare()
        key = remembered_key(identity, self._state)
        if not key:
            key = find_key(self._camera, profile_for(identity).keys, trial_s=TRIAL_S)
            remember_key(identity, key, self._state)
        self._camera.use_key(key)

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Take one photograph; see StockCamera.shoot."""
        return self._camera.shoot(timeout_s=timeout_s)

    def release(self) -> None:
        """Leave the phone as it was found."""
        self._camera.release()


def find_key(camera: StockCamera, keys: Sequence[str], *, trial_s: float) -> str:
    """Try the keys in order on a prepared camera; give the first that brings photographs, twice.

    Raises DeviceError naming all that were tried if none does, or the phone's own failure.
    """
    for key in keys:
        camera.use_key(key)
        try:
            for _ in range(1 + CONFIRMATIONS):
                camera.shoot(timeout_s=trial_s)
        except NoPhotograph:
            continue
        return key
    raise DeviceError(
        f"{camera.name}: expected one of the keys {', '.join(keys)} to take a photograph, none did within {trial_s:g} "
        "s; set the volume keys to 'shutter' in the camera's settings, or name the key in the lab file (shutter_key)"
    )


def remembered_key(identity: Mapping[str, str], state: Path) -> str:
    """The key that worked on this model and build for this user, "" if none was found yet."""
    try:
        found = json.loads(_path(identity, state).read_text("utf-8"))
        return str(found["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def remember_key(identity: Mapping[str, str], key: str, state: Path) -> None:
    """Keep the key for this model and build; nothing for a phone that tells neither."""
    if not (identity.get("model") and identity.get("build")):
        return
    path = _path(identity, state)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"model": identity["model"], "build": identity["build"], "key": key}), encoding="utf-8")
    part.replace(path)


def _path(identity: Mapping[str, str], state: Path) -> Path:
    what = "\n".join((identity.get("maker", ""), identity.get("model", ""), identity.get("build", "")))
    return state / FOLDER / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json"
