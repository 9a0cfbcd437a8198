"""Virtual phones behind the real adb, with a camera whose pictures are small, numbered and say who took them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.labs.person import Person
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, PhoneProfile, VirtualPhone
from hostctl.virtual.phone_profiles import KEY_VOLUME_DOWN, KEY_VOLUME_UP

MAKES: dict[str, PhoneProfile] = {
    "pixel": replace(
        PHONES["modern-raw"],
        manufacturer="Google",
        model="Pixel 7",
        device="panther",
        camera_app="com.google.android.GoogleCamera/com.android.camera.CameraLauncher",
        picture_name="PXL_{time}{ms}.RAW-01.COVER",
        raw_name="PXL_{time}{ms}.RAW-02.ORIGINAL",
    ),
    "samsung": replace(
        PHONES["modern"],
        manufacturer="samsung",
        model="SM-G991B",
        device="o1s",
        camera_app="com.sec.android.app.camera/.Camera",
        shutter_keys=(KEY_VOLUME_DOWN, KEY_VOLUME_UP),
        picture_name="{time}",
    ),
    "xiaomi": replace(
        PHONES["modern"],
        manufacturer="Xiaomi",
        model="M2101K6G",
        device="sweet",
        camera_app="com.android.camera/.Camera",
        shutter_keys=(KEY_VOLUME_UP,),
    ),
}


def camera(model: str, *, raw: bool = False) -> Callable[[], Mapping[str, bytes]]:
    """Photographs of 64 x 48 pixels whose brightness counts them."""
    count = 0

    def shoot() -> Mapping[str, bytes]:
        nonlocal count
        count += 1
        made = {".jpg": jpeg(model, count)}
        return made | ({".dng": b"no raw at all"} if raw else {})

    return shoot


def jpeg(model: str, level: int) -> bytes:
    exif = Image.Exif()
    exif[0x0110] = model
    buffer = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), level % 256, np.uint8)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@contextmanager
def phone(
    profile: PhoneProfile, *, shoot: Callable[[], Mapping[str, bytes]] | None = None, seed: int = 0
) -> Iterator[tuple[VirtualPhone, str]]:
    """A phone that listens, and its address."""
    made = VirtualPhone(profile, shoot=shoot or camera(profile.model), seed=seed)
    with serving([made]) as (port,):
        yield made, f"127.0.0.1:{port}"


def reach(server: AdbServer, address: str, *, name: str = "it") -> AdbTransport:
    return AdbTransport(server, connect(server, address, name=name), name=name)


@dataclass
class Listener:
    """A person who hears everything and answers from a list, or not at all."""

    answers: list[str] | None = None
    heard: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def person(self) -> Person:
        return Person(self.heard.append, self.answer)

    def answer(self, question: str) -> str | None:
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else None
