import asyncio
import dataclasses
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from device_agents.errors import KitError
from hostctl.virtual.camera_app import CAMERA_FOLDER, CameraApp
from hostctl.virtual.phone_files import PhoneFiles
from hostctl.virtual.phone_profiles import KEY_CAMERA, PHONES, Faults, PhoneProfile
from hostctl.virtual.phone_state import PhoneState

NOW = 1795305600.042
JPEG = b"\xff\xd8" + bytes(10_000) + b"\xff\xd9"
NAME = "IMG_20261122_000000_042"


def press(
    profile: PhoneProfile,
    root: Path,
    *,
    shoot: Callable[[], Mapping[str, bytes]] = lambda: {".jpg": JPEG, ".dng": b"raw"},
    keys: tuple[int, ...] = (KEY_CAMERA,),
    settle_s: float = 5.0,
) -> tuple[PhoneFiles, CameraApp, list[dict[str, int]]]:
    """Press keys, watch the folder until the camera is idle; gives the files, the app and each view of the folder."""
    capacity = 0 if profile.faults.full_disk else 1_000_000
    files = PhoneFiles(root, capacity=capacity, now=lambda: NOW)
    views: list[dict[str, int]] = []

    async def watch() -> CameraApp:
        app = CameraApp(shoot=shoot, rng=random.Random(1))
        phone = PhoneState(profile, "KIT", files, lambda: NOW, on_key=lambda key: None)
        for key in keys:
            app.key(phone, key)
        end = time.monotonic() + settle_s
        while app._tasks and time.monotonic() < end:
            names = [name for name in files.names(CAMERA_FOLDER) if "/" not in name]
            views.append({name: files.stat(f"{CAMERA_FOLDER}/{name}").st_size for name in names})
            await asyncio.sleep(0.001)
        await app.stop()
        return app

    app = asyncio.run(watch())
    return files, app, views


def test_a_pending_file_has_its_own_name_until_it_is_whole(tmp_path: Path) -> None:
    files, app, views = press(dataclasses.replace(PHONES["modern"], write_s=0.1), tmp_path)
    assert files.names(CAMERA_FOLDER) == [f"{NAME}.jpg"]
    assert files.read(f"{CAMERA_FOLDER}/{NAME}.jpg") == JPEG
    seen = {(name, size) for view in views for name, size in view.items()}
    pending = {size for name, size in seen if name == f".pending-{1795305600 + 604800}-{NAME}.jpg"}
    assert any(0 < size < len(JPEG) for size in pending)
    assert {size for name, size in seen if name == f"{NAME}.jpg"} <= {len(JPEG)}
    assert app.problems == []


def test_a_growing_file_is_seen_half_written(tmp_path: Path) -> None:
    profile = dataclasses.replace(PHONES["ancient"], write_s=0.1)
    files, _, views = press(profile, tmp_path)
    sizes = [view[f"{NAME}.jpg"] for view in views if f"{NAME}.jpg" in view]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2
    assert files.read(f"{CAMERA_FOLDER}/{NAME}.jpg") == JPEG


def test_the_raw_comes_later_and_only_where_the_phone_keeps_it(tmp_path: Path) -> None:
    files, _, views = press(PHONES["modern-raw"], tmp_path / "a")
    assert files.names(CAMERA_FOLDER) == [f"{NAME}.dng", f"{NAME}.jpg"]
    assert any(f"{NAME}.jpg" in view and f"{NAME}.dng" not in view for view in views)
    files, _, _ = press(PHONES["modern"], tmp_path / "b")
    assert files.names(CAMERA_FOLDER) == [f"{NAME}.jpg"]


@pytest.mark.parametrize("suffix", [".heic", "heic", "HEIC"])
def test_suffixes_are_taken_with_and_without_their_dot(tmp_path: Path, suffix: str) -> None:
    files, _, _ = press(PHONES["instant"], tmp_path, shoot=lambda: {suffix: b"picture"})
    assert files.names(CAMERA_FOLDER) == [f"{NAME}.heic"]


def test_other_keys_and_keys_while_busy_take_nothing(tmp_path: Path) -> None:
    calls: list[str] = []

    def shoot() -> Mapping[str, bytes]:
        calls.append(threading.current_thread().name)
        return {".jpg": JPEG}

    _, app, _ = press(PHONES["modern"], tmp_path, shoot=shoot, keys=(24, 25, 27, 27, 27))
    assert app.shots == len(calls) == 1
    assert calls[0] != threading.main_thread().name
    _, app, _ = press(PHONES["heic"], tmp_path / "b", shoot=shoot, keys=(27, 25))
    assert app.shots == 1


def test_the_shutter_lag_is_drawn_from_the_profile(tmp_path: Path) -> None:
    moments: list[float] = []

    def shoot() -> Mapping[str, bytes]:
        moments.append(time.monotonic())
        return {".jpg": JPEG}

    started = time.monotonic()
    press(dataclasses.replace(PHONES["instant"], shutter_lag_s=(0.2, 0.3)), tmp_path, shoot=shoot)
    assert moments[0] - started >= 0.2


FAULTY: dict[str, tuple[Faults, dict[str, bytes]]] = {
    "none": (Faults(), {f"{NAME}.jpg": JPEG}),
    "no new file": (Faults(no_new_file=True), {}),
    "truncated": (Faults(truncated=True), {f"{NAME}.jpg": JPEG[:6002]}),
    "not an image": (Faults(not_an_image=True), {f"{NAME}.jpg": b"this is not a picture\n" * 100}),
    "two files": (Faults(two_files=True), {f"{NAME}.jpg": JPEG, f"{NAME}_BURST001.jpg": JPEG}),
    "full disk": (Faults(full_disk=True), {}),
    "only the second shot": (Faults(no_new_file=True, shots=(2,)), {f"{NAME}.jpg": JPEG}),
}


@pytest.mark.parametrize("what", FAULTY)
def test_faults(tmp_path: Path, what: str) -> None:
    faults, expected = FAULTY[what]
    files, app, _ = press(dataclasses.replace(PHONES["instant"], faults=faults), tmp_path)
    got = {name: files.read(f"{CAMERA_FOLDER}/{name}") for name in files.names(CAMERA_FOLDER)}
    if what == "full disk":
        assert all(data == b"" for data in got.values())
        assert "No space left" in app.problems[0]
    else:
        assert got == expected


def test_a_name_that_leads_out_is_listed_but_nothing_is_written(tmp_path: Path) -> None:
    files, _, _ = press(dataclasses.replace(PHONES["instant"], faults=Faults(outside_name=True)), tmp_path / "phone")
    assert files.names(CAMERA_FOLDER) == ["../../../../../evil1.jpg"]
    assert not list(tmp_path.rglob("*evil*"))


def test_a_camera_that_fails_leaves_no_file_and_a_problem(tmp_path: Path) -> None:
    def shoot() -> Mapping[str, bytes]:
        raise KitError("the screen is gone")

    files, app, _ = press(PHONES["modern"], tmp_path, shoot=shoot)
    assert files.names(CAMERA_FOLDER) == []
    assert app.problems == ["the screen is gone"]
