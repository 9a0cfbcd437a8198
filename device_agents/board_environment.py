"""What Python a board has, and a virtual environment made there from wheels that lie beside it; standard library alone.

This file goes to the board by itself, since the agent's zip needs numpy before it can say anything:

python3 board_environment.py describe
python3 board_environment.py check ENVIRONMENT
python3 board_environment.py make ENVIRONMENT WHEELS.json

It prints one JSON line; a failure is one line on standard error with exit code 3.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

COMPLETE = "complete.json"  # written last: an environment without it is half made
KEPT = 2  # environments on a board: this one, and the one before it
LIBRARIES = """
import importlib.metadata, json
found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
print(json.dumps({name.lower().replace("_", "-").replace(".", "-"): version for name, version in found.items()}))
"""


class Refused(Exception):
    """What cannot be done on this board, in one line."""


def describe() -> Dict[str, Any]:
    """Say what decides which wheels fit this Python, and whether it can make environments."""
    libc, version = platform.libc_ver()
    return {
        "python": list(sys.version_info[:2]),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "libc": libc,
        "libc_version": version,
        "system": "android" if hasattr(sys, "getandroidapilevel") or "ANDROID_ROOT" in os.environ else sys.platform,
        "venv": all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
    }


def check(folder: Path) -> Dict[str, Any]:
    """Give the note of a whole environment with the libraries found in it now; {} where there is none that works."""
    try:
        note = dict(json.loads((folder / COMPLETE).read_text()), libraries=_libraries(folder))
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return note


def make(folder: Path, listed: Path) -> Dict[str, Any]:
    """Make an environment from wheels, {name: sha256} in a JSON file beside them; what was half made goes first."""
    if not describe()["venv"]:
        raise Refused(
            "this Python cannot make virtual environments (it lacks venv or ensurepip); on Debian and Raspberry Pi OS: "
            "sudo apt install python3-venv; then run this again"
        )
    wheels = json.loads(listed.read_text())
    for name, sha256 in wheels.items():
        got = hashlib.sha256((listed.parent / name).read_bytes()).hexdigest()  # some 20 MB at most
        if got != sha256:
            raise Refused(f"expected the wheel {name} of sha256 {sha256}, got {got}; send it again")
    if folder.exists():
        shutil.rmtree(folder)
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(_python(folder)), "-m", "pip", "install", "--no-index", "--no-deps", "--no-cache-dir"]
    _run([*pip, "--disable-pip-version-check", *(str(listed.parent / name) for name in sorted(wheels))])
    note = {"wheels": wheels, "python": platform.python_version()}
    part = folder / (COMPLETE + ".part")
    part.write_text(json.dumps(note, sort_keys=True))
    os.replace(str(part), str(folder / COMPLETE))
    _make_room(folder)
    return check(folder)


def _libraries(folder: Path) -> Dict[str, str]:
    done = subprocess.run([str(_python(folder)), "-c", LIBRARIES], stdout=subprocess.PIPE, timeout=60, check=True)
    return dict(json.loads(done.stdout.decode()))


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _run(command: List[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        words = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
        raise Refused(f"{' '.join(command[:4])} ended with status {done.returncode}: {' | '.join(words[-3:])}")


def _make_room(folder: Path) -> None:
    """Remove older environments, whose names begin alike."""
    kind = folder.name.split("-")[0]
    others = [path for path in folder.parent.glob(kind + "-*") if path != folder and path.is_dir()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == ["describe"] and len(words) == 1:
            found = describe()
        elif words[:1] == ["check"] and len(words) == 2:
            found = check(Path(words[1]).absolute())
        elif words[:1] == ["make"] and len(words) == 3:
            found = make(Path(words[1]).absolute(), Path(words[2]).absolute())
        else:
            raise Refused(f"expected describe, check ENVIRONMENT or make ENVIRONMENT WHEELS.json, got {words}")
    except (Refused, OSError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 3
    print(json.dumps(found, sort_keys=True))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
