"""The soak's laboratories: eight virtual devices of all kinds, and what goes wrong with each, drawn from a seed."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.run_folder.run_settings import to_toml
from device_agents.sidecar import write_sidecar
from hostctl.virtual.faults import Fault, random_faults
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

SCENE = 180, 240  # height and width of a drawn scene
HEIGHT, WIDTH = 480, 640  # of the screen: small, so that the devices and not the cameras' simulation are the work
PHONE, BOARD, BROWSER = "virtual-phone", "virtual-board", "virtual-browser"
DEVICES: dict[str, dict[str, str]] = {
    "ancient": {"kind": PHONE, "phone": "ancient"},
    "modern": {"kind": PHONE, "phone": "modern"},
    "modern-raw": {"kind": PHONE, "phone": "modern-raw"},
    "heic": {"kind": PHONE, "phone": "heic"},
    "termux": {"kind": PHONE, "phone": "termux", "predicts": "agent"},
    "board": {"kind": BOARD},
    "thinker": {"kind": BOARD, "predicts": "agent"},
    "page": {"kind": BROWSER, "predicts": "agent"},
}
REAL = {"modern-raw": "board-plain", "heic": "flagship-heif"}  # devices whose cameras may be simulated whole
PASSES = {  # what passes by itself, or after some seconds, by kind of device
    PHONE: (
        "no-new-file", "late-file", "half-written", "truncated", "not-an-image", "two-files", "outside-name",
        "previous-frame", "camera-closed", "screen-locked", "permission-dialog", "pin-locked", "reboot", "offline",
        "frozen", "hot", "flat-battery",
    ),
    BOARD: (
        "no-new-file", "truncated", "previous-frame", "no-camera", "agent-crash", "out-of-memory", "stray-answer",
        "double-answer", "reboot", "offline",
    ),
}  # fmt: skip
RAW = ("late-raw", "truncated-raw")
STAYS = {PHONE: ("offline", "frozen", "full-disk", "pin-locked", "permission-dialog"), BOARD: ("offline", "full-disk")}
BREAKS = ("link-cut", "link-reset", "link-stall", "link-flip")
LINKS = (*BREAKS, "link-refused", "link-slow")
LINK_SHARE = 0.2  # of the faults are the link's
PHOTOGRAPH_BYTES = 45_000  # about what a photograph of this screen takes on its way, with what is said around it
REACHED_BYTES = 100_000  # more than it takes to connect to a device and to ask it who it is
SHORTEST_S, LONGEST_S = 0.3, 6.0
STAYING = 0.5  # faults for good, in all devices of a session together
SOUND = 2  # devices without faults, others in each session


@dataclass(frozen=True)
class Planned:
    """One session: its number, what it shows and how often, the rate of its faults, how long a shot may take."""

    number: int
    scenes: int
    repeats: int
    angles: tuple[int, ...] = (0,)
    rate: float = 0.05
    seed: int = 1
    shoot_timeout_s: float = 15.0
    real: bool = False

    @property
    def steps(self) -> int:
        """Steps of one device."""
        return self.scenes * self.repeats * len(self.angles)

    @property
    def key(self) -> str:
        """What all that is drawn for it follows from."""
        return f"{self.seed}|{self.number}"


def write_lab(planned: Planned, path: Path) -> dict[str, tuple[Fault, ...]]:
    """Write a session's lab file, and give each device's faults."""
    rng = random.Random(planned.key)
    sound = rng.sample([name for name in DEVICES if name != "page"], SOUND)
    faults = {name: () if name in sound else _faults(name, planned, rng) for name in DEVICES}
    session = {
        "angles": list(planned.angles), "repeats": planned.repeats, "seed": planned.seed, "reserve_mb": 0,
        "shoot_timeout_s": planned.shoot_timeout_s, "patience_s": 20.0, "rest_s": 60.0, "health_every_s": 10.0,
    }  # fmt: skip
    path.write_text(
        to_toml(
            {
                "name": f"soak {planned.number}",
                "display": {
                    "screen": "virtual", "width": WIDTH, "height": HEIGHT, "settle_ms": 20.0, "paint_delay_ms": 0.0,
                },
                "session": session,
                "device": [_entry(name, faults[name], planned) for name in DEVICES],
            }
        ),
        encoding="utf-8",
    )  # fmt: skip
    return faults


def _entry(name: str, faults: Sequence[Fault], planned: Planned) -> dict[str, Any]:
    camera = REAL.get(name, "instant") if planned.real else "instant"
    listed = {"faults": [asdict(fault) for fault in faults]} if faults else {}
    return {"name": name, "camera": camera, **DEVICES[name], **listed}


def _faults(name: str, planned: Planned, rng: random.Random) -> tuple[Fault, ...]:
    """Draw what goes wrong with a device: at ``rate`` of its photographs, a part of it on its link; rarely for good."""
    kind = DEVICES[name]["kind"]
    if kind not in PASSES:
        return ()
    kinds = PASSES[kind] + (RAW if planned.real and name == "modern-raw" else ())
    own_rate, shots = planned.rate * (1 - LINK_SHARE), 3 * planned.steps
    own = random_faults(kinds, shots=shots, rate=own_rate, seconds=1.0, seed=f"{planned.key}|{name}")
    passing = [replace(fault, seconds=round(_seconds(fault.kind, planned, rng), 2)) for fault in own]
    staying = [Fault(rng.choice(STAYS[kind]), at_shot=rng.randrange(2, max(3, planned.steps)))]
    return (*passing, *(staying if rng.random() < STAYING / len(DEVICES) else ()), *_links(planned, rng))


def _seconds(kind: str, planned: Planned, rng: random.Random) -> float:
    """How long a fault lasts; a file that is late may be so beyond the shot's time limit."""
    if kind in ("late-file", "late-raw") and rng.random() < 0.5:
        return planned.shoot_timeout_s * 1.1
    return rng.uniform(SHORTEST_S, LONGEST_S)


def _links(planned: Planned, rng: random.Random) -> list[Fault]:
    """Each connection goes wrong after a number of bytes that gives the link's share of the rate.

    The first one does so after the device was reached: one that is not takes no part at all.
    """
    if not planned.rate:
        return []
    mean_bytes = PHOTOGRAPH_BYTES / (planned.rate * LINK_SHARE)
    first = Fault(rng.choice(BREAKS), at_shot=1, after_bytes=REACHED_BYTES + int(rng.expovariate(1 / mean_bytes)))
    later = [
        Fault(rng.choice(LINKS), at_shot=number, after_bytes=int(rng.expovariate(1 / mean_bytes)))
        for number in range(2, 2 + planned.steps // 4)
    ]
    return [first, *later]


def draw_scenes(folder: Path, count: int) -> Path:
    """Draw so many small labelled pictures, each another one, and give their folder."""
    rng = np.random.default_rng(1)
    for number in range(count):
        place = folder / f"label{number % 4}"
        place.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8))
        small.resize(SCENE[::-1], Image.Resampling.BICUBIC).save(place / f"scene{number:04}.png")
    return folder


def tiny_model(folder: Path) -> Path:
    """Write a model that takes no time, with its sidecar: the pictures' way to it is what is tried."""
    model = write_tflite(folder / "tiny.tflite")
    write_sidecar(model, tiny_sidecar(resizer="pillow-bilinear"))  # the pages have it too
    return model
