"""requirements/bundle.sh with one small package instead of all: the folder it makes installs without a network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Whoever asks the network all the same finds a port where nobody listens.
DEAD = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}


def small_lock(folder: Path) -> Path:
    text = (ROOT / "requirements" / "demo.txt").read_text()
    block = re.search(r"^blinker==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert block, "expected a small package without dependencies in the lock file"
    lock = folder / "small.txt"
    lock.write_text(block[0])
    return lock


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    told = {"PYTHON": sys.executable, "WITHOUT_MODELS": "1"}
    command = ["requirements/bundle.sh", str(folder / "kit"), str(small_lock(folder))]
    subprocess.run(command, cwd=ROOT, env=os.environ | told, check=True, timeout=300, capture_output=True)
    return folder / "kit"


def install(bundle: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = os.environ | DEAD | {"PYTHON": sys.executable} | environment
    return subprocess.run([bundle / "install.sh"], env=told, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_bundle_installs_without_a_network_and_runs_offline(bundle: Path) -> None:
    done = install(bundle)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done:" in done.stdout
    help_ = subprocess.run([bundle / "instability", "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "demo" in help_.stdout
    installed = bundle / ".venv" / "bin" / "python"
    where = subprocess.run(
        [installed, "-c", "import blinker, hostctl; print(hostctl.__file__)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd="/",
    )
    assert str(bundle) in where.stdout  # the bundle's own copy, not this checkout's
    assert (
        "export INSTABILITY_CACHE=${INSTABILITY_CACHE:-$here/cache} INSTABILITY_OFFLINE=1"
        in (bundle / "instability").read_text()
    )


@pytest.mark.slow
def test_a_bundle_says_which_licences_it_hands_on(bundle: Path) -> None:
    assert "numpy" in (bundle / "LICENCES.txt").read_text()
    assert list((bundle / "licences").glob("numpy-*/*"))


@pytest.mark.slow
def test_a_bundle_for_another_python_or_with_a_changed_file_says_so(bundle: Path) -> None:
    made_for = (bundle / "made-for").read_text()
    (bundle / "made-for").write_text("3.8 Linux abacus\n")
    changed = install(bundle)
    sums = (bundle / "SHA256SUMS").read_text()
    (bundle / "SHA256SUMS").write_text("".join(line for line in sums.splitlines(True) if "made-for" not in line))
    other = install(bundle)
    (bundle / "made-for").write_text(made_for)
    (bundle / "SHA256SUMS").write_text(sums)
    assert (changed.returncode, other.returncode) == (2, 2)
    assert "expected the files as they were bundled" in changed.stdout
    assert "expected Python 3.8 on Linux abacus, got 3." in other.stdout
