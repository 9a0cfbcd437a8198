"""Separate Pythons for executors, made on first use in the kit's state folder: an old one, and one for 64-bit ARM."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from device_agents.errors import DeviceError, MissingExtra
from hostctl.printing import Progress
from stability_train.wheels import offline

LEGACY, ARM = "legacy-tflite", "arm"
# tflite-runtime has no wheel for a later Python than 3.11, and does not start with NumPy 2. Pillow 9.3 is the oldest
# with a wheel for 3.11. PyAV brings FFmpeg, whose JPEG decoder shares no code with libjpeg.
LEGACY_NEEDS = ("tflite-runtime==2.14.0", "numpy==1.26.4", "pillow==9.3.0", "av==18.1.0")
LEGACY_PYTHONS = ("python3.11", "python3.10", "python3.9")
# LiteRT 2.3.0 ends with a segmentation fault under qemu-user 7.2 where it makes an interpreter; 1.4.0 does not.
ARM_NEEDS = ("ai-edge-litert==1.4.0", "numpy>=1.26,<3", "pillow>=11", "backports.strenum")
ARM_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "zlib1g", "libgomp1")
ARM_PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_26_aarch64", "manylinux_2_28_aarch64")
QEMU = ("qemu-aarch64-static", "qemu-aarch64")
STEP_S = 900.0


def made_legacy(*, progress: Progress) -> Path:
    """Give the Python of the old environment: tflite-runtime 2.14, NumPy 1.26, Pillow 9.3, FFmpeg.

    Made with pip the first time. Raises MissingExtra without a Python of LEGACY_PYTHONS, DeviceError where pip fails.
    """
    python = next((path for name in LEGACY_PYTHONS if (path := _working(name))), "")
    if not python:
        raise MissingExtra(
            f"{LEGACY} needs one of {', '.join(LEGACY_PYTHONS)}, found none: tflite-runtime has no wheels for others"
        )

    def make(folder: Path) -> None:
        _run([python, "-m", "venv", str(folder)], what="make a virtual environment")
        _run(
            [str(folder / "bin" / "python"), "-m", "pip", *PIP, *LEGACY_NEEDS],
            what="install " + ", ".join(LEGACY_NEEDS),
        )

    return _made(LEGACY, (*LEGACY_NEEDS, python), make, progress) / "bin" / "python"


PIP = ("--disable-pip-version-check", "install", "--quiet", "--no-input", "--only-binary=:all:")


def made_arm(*, progress: Progress) -> Path:
    """Give a program that is Python for 64-bit ARM under qemu-user, with LiteRT, NumPy and Pillow for ARM.

    Made the first time, without root: Debian's or Ubuntu's packages are fetched with apt-get and unpacked into a
    folder, the wheels with pip. Raises DeviceError where that cannot be done here.
    """
    if platform.machine() in ("aarch64", "arm64"):
        raise DeviceError(f"{ARM} emulates a 64-bit ARM machine on another, and this is one: 'host' does the same")
    lacking = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if lacking:
        raise DeviceError(f"{ARM} needs {' and '.join(lacking)} to fetch Debian's ARM packages; use Debian or Ubuntu")
    return _made(ARM, (*ARM_NEEDS, *ARM_PACKAGES), _make_arm, progress) / "python"


def _make_arm(folder: Path) -> None:
    qemu = next((found for name in QEMU if (found := shutil.which(name))), "")
    if not qemu:
        _unpack(("qemu-user-static",), folder / "qemu", architecture=_own_architecture(), needs=False)
        for other in (folder / "qemu" / "usr" / "bin").iterdir():
            if other.name != QEMU[0]:  # those of all other processors: 300 MB
                other.unlink()
        qemu = f"$here/qemu/usr/bin/{QEMU[0]}"
    _unpack(ARM_PACKAGES, folder / "root", architecture="arm64", needs=True)
    pythons = sorted((folder / "root" / "usr" / "bin").glob("python3.[0-9]*"))
    if not pythons:
        raise DeviceError(f"{ARM}: expected a python3 among Debian's ARM packages, got none")
    wanted = [word for one in ARM_PLATFORMS for word in ("--platform", one)]
    version = pythons[0].name.removeprefix("python")
    target = ["--implementation", "cp", "--python-version", version, "--target", str(folder / "site")]
    _run([sys.executable, "-m", "pip", *PIP, *wanted, *target, *ARM_NEEDS], what="fetch " + ", ".join(ARM_NEEDS))
    program = folder / "python"
    program.write_text(
        '#!/bin/sh\nhere=$(dirname "$0")\n'
        'export PYTHONPATH="$here/site" QEMU_LD_PREFIX="$here/root"\n'
        f'exec {qemu if qemu.startswith("$here") else shlex.quote(qemu)} "$here/root/usr/bin/{pythons[0].name}" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    _run([str(program), "-c", "import numpy, PIL, ai_edge_litert.interpreter"], what="start Python for ARM")


def _unpack(packages: Sequence[str], target: Path, *, architecture: str, needs: bool) -> None:
    """Fetch Debian packages (with what they need) for an architecture and unpack them into a folder, as any user."""
    work = target.with_name(f"{target.name}-apt")
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "archives" / "partial").mkdir(parents=True)
    (work / "status").touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
        "Dir::State": str(work),
        "Dir::State::Lists": str(work / "lists"),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work),
        "Dir::Cache::archives": str(work / "archives"),
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "-q", "-y", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    _run([*apt, "update"], what=f"list Debian's packages for {architecture}")
    if needs:
        install = [*apt, "--no-install-recommends", "--download-only", "install", *packages]
        _run(install, what=f"fetch {', '.join(packages)} for {architecture}")
    else:
        _run([*apt, "download", *packages], what=f"fetch {', '.join(packages)}", folder=work / "archives")
    archives = sorted((work / "archives").glob("*.deb"))
    for archive in archives:
        _run(["dpkg-deb", "-x", str(archive), str(target)], what=f"unpack {archive.name}")
    shutil.rmtree(work)


def _own_architecture() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() or "amd64"


def _made(name: str, needs: Sequence[str], make: Callable[[Path], None], progress: Progress) -> Path:
    """Give the folder of an environment, made aside and renamed, so that it is whole or not there.

    Its name holds the hash of what is in it: a kit that needs other versions makes another.
    """
    from hostctl.labs.laboratory import state_folder

    place = state_folder() / "executors"
    folder = place / f"{name}-{hashlib.sha256(repr(tuple(needs)).encode()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder.absolute()
    if offline():
        raise DeviceError(f"{name}: --offline forbids to fetch what it is made of; run once where there is a network")
    place.mkdir(parents=True, exist_ok=True)
    part = place / f"{folder.name}.{secrets.token_hex(4)}.part"
    progress("executors", 0, 0, f"{name}: making its environment in {place}, once")
    try:
        make(part)
        os.rename(part, folder)
    except OSError as problem:
        if not folder.is_dir():  # else another command was faster
            raise DeviceError(f"{name}: cannot make {folder}: {problem}") from problem
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder.absolute()


def _working(name: str) -> str:
    """The path of a Python that starts; a version manager's stand-in for one that is not installed does not."""
    if sys.version_info[:2] == tuple(int(part) for part in name.removeprefix("python").split(".")):
        return sys.executable
    path = shutil.which(name)
    if path is None:
        return ""
    done = subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True, check=False, timeout=60)
    return path if done.returncode == 0 else ""


def _run(command: Sequence[str], *, what: str, folder: Path | None = None) -> None:
    """Run a program to its end; raises DeviceError with its last words."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_S,
            cwd=folder,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise DeviceError(f"cannot {what}: {problem}") from problem
    if done.returncode:
        words = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:]) or "no message"
        raise DeviceError(f"cannot {what}: {command[0]} ended with exit code {done.returncode}: {words}")
