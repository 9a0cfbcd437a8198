"""The hash of a file's bytes: what a picture, a model or a zip is known by; standard library alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from device_agents.errors import BadInput


def hash_file(path: Path) -> str:
    """Give the sha256 of a file's bytes, in hexadecimal; raises BadInput where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as problem:
        raise BadInput(f"cannot read {path}: {problem}") from problem
    return digest.hexdigest()
