"""Makes the shutter of a lab's phone: its stock camera, its key known or found, its settings and log kept."""

from __future__ import annotations

from pathlib import Path

from hostctl.lab import DeviceSettings
from hostctl.labs.shutter import Shutter
from hostctl.phones.learnt_keys import AUTOMATIC, LearningCamera
from hostctl.phones.logcat import Logcat
from hostctl.phones.stock_camera import StockCamera
from hostctl.transport import Transport

FOLDER = "/sdcard/DCIM/Camera"


def phone_shutter(settings: DeviceSettings, transport: Transport, *, folder: Path, state: Path) -> Shutter:
    """The shutter of a phone.

    ``folder`` is the run's own folder "lab", for logs; ``state`` is this user's, for what outlives a run: the settings
    of a phone that is being used, and keys that were found.
    """
    automatic = settings.shutter_key == AUTOMATIC
    camera = StockCamera(
        transport,
        key="" if automatic else settings.shutter_key,
        folder=settings.folder or FOLDER,
        formats=settings.formats,
        name=settings.name,
        state=state,
        logcat=Logcat(transport, folder, name=settings.name),
    )
    return LearningCamera(camera, transport, state=state) if automatic else camera
