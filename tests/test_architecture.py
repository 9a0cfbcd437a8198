"""The rules of design.md that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("device_agents", "capture", "analysis", "stability_train", "hostctl")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
AGENT_FILES = [file for file in FILES if file.is_relative_to(ROOT / "device_agents")]
BANNED_NAMES = ("utils", "util", "helpers", "helper", "manager", "base", "common", "misc")


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_is_short_and_says_its_job_first(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350, "split it: 350 lines are the most"
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "the first line says the file's one job"
    assert docstring.splitlines()[0].strip()
    assert not any(part in BANNED_NAMES for part in file.stem.split("_")), "a name that says nothing"


@pytest.mark.parametrize("file", [file for file in FILES if file.name == "__init__.py"], ids=name_of)
def test_init_holds_only_the_docstring(file: Path) -> None:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    assert len(body) == 1, "import from the file that has the thing"


@pytest.mark.parametrize("file", AGENT_FILES, ids=name_of)
def test_agent_is_python_3_9(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
    if file.name != "__init__.py":
        future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert future, "annotations must not be evaluated: X | Y does not work in 3.9"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Match), "match is Python 3.10"
        if isinstance(node, ast.Call):
            words = {keyword.arg for keyword in node.keywords}
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            assert not (called == "zip" and "strict" in words), "zip(strict=) is Python 3.10"
            assert not (called == "dataclass" and words & {"slots", "kw_only"}), "Python 3.10"


REFUSING = """
import importlib, sys

ALLOWED = {"numpy", "PIL", "device_agents", *sys.stdlib_module_names}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED:
            raise ImportError(f"{name}: the agent imports only the standard library, numpy and Pillow")

sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def test_every_agent_file_imports_with_numpy_and_pillow_alone() -> None:
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in AGENT_FILES]
    command = [sys.executable, "-W", "error", "-c", REFUSING, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_reaches_back_up() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " kept, 0 broken." in done.stdout
