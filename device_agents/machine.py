"""What machine this is, as read from it: maker, model and SoC, OS build, libraries and their versions, clock."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Tuple

from device_agents.camera import cameras_here
from device_agents.errors import MissingExtra
from device_agents.records import SCHEMA_VERSION
from device_agents.runtimes import RUNTIMES, runtime_version

_LIBRARIES = (
    "ai-edge-litert", "keras", "numpy", "onnxruntime", "opencv-python", "opencv-python-headless", "pillow",
    "pillow-heif", "tensorflow", "tensorflow-cpu", "tflite-runtime",
)  # fmt: skip
_GETPROP_LINE = re.compile(r"^\[(.+?)\]: \[(.*)\]$")


@dataclass(frozen=True)
class Machine:
    """A machine as it describes itself; "" or 0 stands for what it does not say.

    ``monotonic_s`` is the machine's monotonic clock at the moment of ``utc`` (ISO 8601, microseconds), in seconds.
    ``runtimes`` holds the version of each of RUNTIMES that is installed, ``cameras`` the names that have their program.
    """

    maker: str
    model: str
    soc: str
    architecture: str
    cores: int
    memory_bytes: int
    free_bytes: int
    temperature_c: float
    os_build: str
    kernel: str
    python: str
    libraries: Mapping[str, str]
    runtimes: Mapping[str, str]
    cameras: Tuple[str, ...]
    utc: str
    monotonic_s: float
    schema: int = SCHEMA_VERSION


def read_machine(
    *,
    root: Path = Path("/"),
    properties: Optional[Mapping[str, str]] = None,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    monotonic: Callable[[], float] = time.monotonic,
) -> Machine:
    """Read this machine; ``root`` is where /proc and /sys hang, ``properties`` Android's, asked of getprop if None."""
    properties = read_properties() if properties is None else properties
    maker, model, soc = identify(root, properties)
    return Machine(
        maker=maker,
        model=model,
        soc=soc,
        architecture=platform.machine(),
        cores=os.cpu_count() or 0,
        memory_bytes=_memory_bytes(root),
        free_bytes=shutil.disk_usage(".").free,
        temperature_c=_temperature_c(root),
        os_build=properties.get("ro.build.fingerprint") or _os_release(root),
        kernel=f"{platform.system()} {platform.release()} {platform.version()}",
        python=platform.python_version(),
        libraries=_library_versions(),
        runtimes=_runtime_versions(),
        cameras=tuple(cameras_here()),
        utc=now().isoformat(timespec="microseconds"),
        monotonic_s=monotonic(),
    )


def identify(root: Path, properties: Mapping[str, str]) -> Tuple[str, str, str]:
    """Give (maker, model, SoC): of Android's properties, else of the device tree, else of the BIOS and the processor.

    The SoC is what the device says, never looked up in a table: two phones of a name may hold different ones.
    """
    if properties:
        soc = properties.get("ro.soc.model") or properties.get("ro.board.platform", "")
        return properties.get("ro.product.manufacturer", ""), properties.get("ro.product.model", ""), soc
    compatible = [part for part in _text(root / "proc/device-tree/compatible").split("\0") if part]
    if compatible:  # "raspberrypi,4-model-b", "brcm,bcm2711": from the board to the chip
        model = _text(root / "proc/device-tree/model").strip("\0\n ")
        return compatible[0].split(",")[0], model, compatible[-1].split(",")[-1]
    dmi = root / "sys/class/dmi/id"
    return _text(dmi / "sys_vendor").strip(), _text(dmi / "product_name").strip(), _processor(root)


def read_properties() -> Dict[str, str]:
    """Ask Android's getprop for all its properties; gives {} where there is no getprop (it is no phone)."""
    program = shutil.which("getprop")
    if program is None:
        return {}
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return {}  # a phone without its properties is still described by /proc
    return parse_properties(done.stdout.decode("utf-8", "replace"))


def parse_properties(text: str) -> Dict[str, str]:
    """Read getprop's lines, "[ro.product.model]: [SM-G973U1]", into a dict."""
    found = (_GETPROP_LINE.match(line.strip()) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def _library_versions() -> Dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # absent: not listed
    return versions


def _runtime_versions() -> Dict[str, str]:
    versions = {}
    for name in RUNTIMES:
        try:
            versions[name] = runtime_version(name)
        except MissingExtra:
            continue  # absent: not listed
    return versions


def _processor(root: Path) -> str:
    text = _text(root / "proc/cpuinfo")
    named = [re.search(rf"^{key}\s*: (.+)$", text, re.MULTILINE) for key in ("Hardware", "model name")]
    return next((found[1].strip() for found in named if found), "")


def _memory_bytes(root: Path) -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _temperature_c(root: Path) -> float:
    zones = root / "sys/class/thermal"
    readings = [_text(zone / "temp").strip() for zone in sorted(zones.glob("thermal_zone*"))] if zones.is_dir() else []
    return max((int(reading) / 1000 for reading in readings if reading.lstrip("-").isdigit()), default=0.0)


def _os_release(root: Path) -> str:
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', _text(root / "etc/os-release"), re.MULTILINE)
    return found[1] if found else ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""  # not every machine has the file, and not every user may read it
