"""The child process of the virtual rack: screen, cameras and devices of one lab, told what to do on stdin.

A camera sees what its screen has painted, never what the display server was told; its noise follows from the run's
seed, the device's name and the number of the painted stimulus, so that a photograph taken again is the same one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from capture.codecs import suffix_of
from capture.isp import ISPS
from capture.profiles import PROFILES, Profile
from capture.virtual_camera import Shot, photograph, resting_exposure
from hostctl.virtual import faults
from hostctl.virtual.board import BoardFaults, VirtualBoard, make_key
from hostctl.virtual.fault_proxy import FaultProxy, of_faults
from hostctl.virtual.faults import LINK, Fault, parse_faults
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, PhoneProfile, VirtualPhone
from hostctl.virtual.phone_profiles import KEY_CAMERA
from hostctl.virtual.racked_browsers import KIND as BROWSER
from hostctl.virtual.racked_browsers import Sight, Sights, start_browsers
from hostctl.virtual.screen import VirtualScreen
from hostctl.virtual.screen_model import ScreenModel

INSTANT_QUALITY, INSTANT_S = 92, 1e-4
UNUSED_CODEC = "jpeg-75"  # the quickest: a browser's video is made of the picture before it
AGENT_TIMEOUT_S = 600.0
Shoot = Callable[[], Mapping[str, bytes]]


class Mount:
    """The mount that all cameras stand on: its angle in degrees, turned by the controller."""

    angle_deg: float = 0.0


def camera(device: Mapping[str, Any], *, screen: VirtualScreen, mount: Mount, seed: int) -> Shoot:
    """Make a device's camera: each call exposes what the screen shows from now on and gives the files it saves."""
    expose = _exposing(device["name"], PROFILES[device["camera"]], screen, mount, seed)
    return lambda: expose().files


def sight(device: Mapping[str, Any], *, screen: VirtualScreen, mount: Mount, seed: int) -> Sight:
    """Make a browser's camera: each call exposes what the screen shows from now on and gives what its video shows.

    That is the picture before the profile's codec, uint8 (height, width, 3); "instant" gives the painted frame itself.
    """
    if device["camera"] == "instant":
        return lambda: screen.exposed(time.monotonic() - INSTANT_S, INSTANT_S, 0.0).layers[-1][0]
    profile = replace(PROFILES[device["camera"]], codec=UNUSED_CODEC, keep_raw=False)
    expose = _exposing(device["name"], profile, screen, mount, seed)
    return lambda: ISPS[profile.isp](expose().raw)


def _exposing(name: str, profile: Profile, screen: VirtualScreen, mount: Mount, seed: int) -> Callable[[], Shot]:
    exposure_s, readout_s = resting_exposure(profile).exposure_s, profile.sensor.readout_s

    def expose() -> Shot:
        start_s, angle_deg = time.monotonic(), mount.angle_deg
        time.sleep(exposure_s + readout_s)
        exposure = screen.exposed(start_s, exposure_s, readout_s)
        rng = np.random.default_rng(list(f"{seed}|{name}|{exposure.stimulus}".encode()))
        return photograph(exposure.layers, profile=profile, angle_deg=angle_deg, rng=rng)

    return expose


class Instant:
    """A camera without optics or noise, for timing the controller: the painted frame itself, coded once a stimulus."""

    def __init__(self, screen: VirtualScreen) -> None:
        """Look at this screen."""
        self._screen = screen
        self._lock = threading.Lock()
        self._latest: tuple[int | None, bytes] = (None, b"")

    def __call__(self) -> Mapping[str, bytes]:
        """Give the frame that is painted now."""
        import cv2

        exposure = self._screen.exposed(time.monotonic() - INSTANT_S, INSTANT_S, 0.0)
        with self._lock:
            if self._latest[0] != exposure.stimulus:
                bgr = exposure.layers[-1][0][..., ::-1]
                encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, INSTANT_QUALITY])[1]
                self._latest = (exposure.stimulus, encoded.tobytes())
            return {".jpg": self._latest[1]}


def serve(settings: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], None], orders: Any) -> None:
    """Run the rack that the settings describe: answer with its addresses, then obey orders until there are no more."""
    display, folder = settings["display"], Path(settings["folder"])
    fault = "acknowledges-early" if display["acknowledges_early"] else ""
    model = ScreenModel(height=display["height"], width=display["width"])
    mount = Mount()
    sights = Sights(model)
    with contextlib.ExitStack() as stack:
        delay_s = display["paint_delay_ms"] / 1e3
        screen = stack.enter_context(
            VirtualScreen(settings["url"], model, paint_delay_s=delay_s, fault=fault, painted=sights.renew)
        )
        instant = Instant(screen)  # one for all that have it: it codes each frame once
        see: dict[str, Any] = {"screen": screen, "mount": mount, "seed": settings["seed"]}
        browsers = {one["name"]: sight(one, **see) for one in settings["devices"] if one["kind"] == BROWSER}
        shoots = {
            one["name"]: instant if one["camera"] == "instant" else camera(one, **see)
            for one in settings["devices"]
            if one["kind"] != BROWSER
        }
        answer(
            {
                **_start_phones(stack, settings["devices"], shoots, folder),
                **_start_boards(stack, settings["devices"], shoots, folder),
                **start_browsers(stack, browsers, sights, pages=settings["pages"], folder=folder),
            }
        )
        for line in orders:
            mount.angle_deg = float(json.loads(line)["angle"])
            answer({})


def run_agent(words: list[str]) -> tuple[bytes, bytes, int]:
    """Run the real zipped agent as a Termux phone would: a child process, and nothing but a zip; see VirtualPhone."""
    if not words or not words[0].endswith(".zip"):
        return b"", b"python: this phone runs only the agent's zip\n", 2
    done = subprocess.run(
        [sys.executable, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=AGENT_TIMEOUT_S, check=False
    )
    return done.stdout, done.stderr, done.returncode


def _start_phones(
    stack: contextlib.ExitStack, devices: Sequence[Mapping[str, Any]], shoots: Mapping[str, Shoot], folder: Path
) -> dict[str, dict[str, Any]]:
    """Switch the phones on, each with empty storage, and give what the controller must know to reach and use each."""
    wanted = [device for device in devices if device["kind"] == "virtual-phone"]
    profiles = [_phone_profile(device) for device in wanted]
    root = folder / "phones"
    shutil.rmtree(root, ignore_errors=True)  # of a rack that was killed
    stack.callback(shutil.rmtree, root, ignore_errors=True)  # the run holds its own copies
    made = [
        VirtualPhone(
            profile,
            shoot=shoots[device["name"]],
            seed=number,
            agent=run_agent if profile.termux else None,
            root=root / str(number),
        )
        for number, (device, profile) in enumerate(zip(wanted, profiles, strict=True))
    ]
    ports = _spoiled(stack, wanted, stack.enter_context(serving(made))) if made else []
    return {
        device["name"]: {
            "kind": "adb",
            "address": f"127.0.0.1:{port}",
            "formats": _formats(device, profile),
            "python": "python",
            "shutter_key": "KEYCODE_CAMERA" if KEY_CAMERA in profile.shutter_keys else "KEYCODE_VOLUME_DOWN",
        }
        for device, profile, port in zip(wanted, profiles, ports, strict=True)
    }


def _phone_profile(device: Mapping[str, Any]) -> PhoneProfile:
    """The phone's profile; it keeps raws where its camera makes them."""
    camera_profile = PROFILES.get(device["camera"])
    raw = camera_profile is not None and camera_profile.keep_raw
    return replace(PHONES[device["phone"]], keeps_raw=raw, plan=_own_faults(device))


def _own_faults(device: Mapping[str, Any]) -> tuple[Fault, ...]:
    """The faults of the device itself, not of the link to it."""
    return tuple(fault for fault in parse_faults(device["faults"]) if not fault.kind.startswith(LINK))


def _spoiled(stack: contextlib.ExitStack, devices: Sequence[Mapping[str, Any]], ports: Sequence[int]) -> list[int]:
    """Put a proxy before each device whose link has faults, and give the ports that the controller is to use."""
    used = []
    for device, port in zip(devices, ports, strict=True):
        script = of_faults(parse_faults(device["faults"]))
        proxies = [FaultProxy(partial(int, port), script, name=device["name"])] if script else []
        used.append(stack.enter_context(serving(proxies))[0] if proxies else port)
    return used


def _formats(device: Mapping[str, Any], profile: PhoneProfile) -> list[str]:
    picture = suffix_of(PROFILES[device["camera"]].codec) if device["camera"] in PROFILES else ".jpg"
    return [picture.lstrip("."), *(["dng"] if profile.keeps_raw else [])]


def _start_boards(
    stack: contextlib.ExitStack, devices: Sequence[Mapping[str, Any]], shoots: Mapping[str, Shoot], folder: Path
) -> dict[str, dict[str, Any]]:
    """Switch the boards on, with a key pair made for this rack, and give how to reach each."""
    wanted = [device for device in devices if device["kind"] == "virtual-board"]
    if not wanted:
        return {}
    key = folder / "board_key"
    public = make_key(key)
    made = [
        VirtualBoard(
            folder / "boards" / device["name"],
            shoots[device["name"]],
            authorised_keys=[public],
            faults=BoardFaults(plan=_own_faults(device)),
        )
        for device in wanted
    ]
    ports = _spoiled(stack, wanted, stack.enter_context(serving(made)))
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(
        "".join(one.known_hosts_at(port) + "\n" for one, port in zip(made, ports, strict=True)), encoding="utf-8"
    )
    shared = {"kind": "ssh", "host": "127.0.0.1", "key": str(key), "known_hosts": str(known_hosts), "camera": "rpicam"}
    return {
        device["name"]: {**shared, "port": port, "user": one.user}
        for device, one, port in zip(wanted, made, ports, strict=True)
    }


def main() -> None:
    """Read the settings, serve until standard input ends; the parent reads one line of answer to each of its own."""
    import cv2

    cv2.setNumThreads(1)  # the cameras are the parallel work
    logging.basicConfig(format="%(created).3f %(levelname)s %(message)s")
    logging.getLogger(faults.__name__).setLevel(logging.INFO)

    def answer(words: Mapping[str, Any]) -> None:
        print(json.dumps(words), flush=True)

    serve(json.loads(sys.stdin.readline()), answer, sys.stdin)


if __name__ == "__main__":
    main()
