import json
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest

from hostctl import licences as module
from hostctl.cli import main
from hostctl.licences import licences, licences_text


class Package(metadata.Distribution):
    """A distribution whose files and metadata are a test's."""

    def __init__(self, folder: Path, fields: str) -> None:
        self.folder, self.fields = folder, fields

    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            return self.fields
        if filename == "RECORD":
            names = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()]
            return "".join(f"{name},,\n" for name in names)
        return None

    def locate_file(self, path: object) -> Path:
        return self.folder / str(path)


def _stated(text: str) -> str:
    fields = Message()
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        fields[key] = value
    return module._stated(fields)  # type: ignore[arg-type]


def test_the_licence_stated_is_the_expression_then_the_classifiers_then_the_name() -> None:
    classifiers = "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License\n"
    assert _stated("License-Expression: BSD-2-Clause\n" + classifiers) == "BSD-2-Clause"
    assert _stated(classifiers + "License: see the file") == "MIT License"
    assert _stated("License: Apache 2.0") == "Apache 2.0"
    assert _stated("Name: nothing") == ""
    assert len(_stated("License: " + "word " * 100)) == module.LONGEST


def test_a_wheel_that_carries_a_library_of_other_terms_asks_for_a_look(tmp_path: Path) -> None:
    (tmp_path / "heif.libs").mkdir()
    (tmp_path / "heif.libs" / "libx265-0a1b2c3d.so.216").write_bytes(b"")
    (tmp_path / "heif.libs" / "libjpeg-0a1b2c3d.so.62").write_bytes(b"")
    part = module._of_package(Package(tmp_path, "Name: heif\nVersion: 1\nLicense-Expression: BSD-3-Clause\n"))
    assert part.look == "its wheel carries libx265 (GPL-2.0-or-later)"


def test_a_package_without_a_licence_and_one_with_more_than_a_notice_ask_for_a_look(tmp_path: Path) -> None:
    silent = module._of_package(Package(tmp_path, "Name: silent\nVersion: 1\n"))
    copyleft = module._of_package(Package(tmp_path, "Name: share\nVersion: 1\nLicense-Expression: MPL-2.0\n"))
    plain = module._of_package(Package(tmp_path, "Name: plain\nVersion: 1\nLicense-Expression: MIT\n"))
    assert (silent.licence, bool(silent.look), bool(copyleft.look), plain.look) == ("not stated", True, True, "")


def test_licence_files_are_copied_and_none_from_outside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "one-1.dist-info" / "licenses").mkdir(parents=True)
    (package / "one-1.dist-info" / "licenses" / "LICENSE.txt").write_text("may be used")
    (package / "licence.py").write_text("code = 1")
    (tmp_path / "LICENSE").write_text("not its own")
    found = Package(package, "Name: one\nVersion: 1\n")
    module._write_texts(found, tmp_path / "texts")
    written = [path for path in (tmp_path / "texts").rglob("*") if path.is_file()]
    assert [path.read_text() for path in written] == ["may be used"]


def test_the_list_holds_what_the_kit_needs_and_the_page_and_the_models() -> None:
    parts = {(part["kind"], part["name"].lower()): part for part in licences()["parts"]}
    assert {("python", "numpy"), ("browser", "onnxruntime-web"), ("model", "foolbox")} <= set(parts)
    assert ("browser", "esbuild") not in parts  # it builds the page and is no part of it
    assert all(part["licence"] for part in parts.values())
    assert "libx265" in parts["python", "pillow-heif" if ("python", "pillow-heif") in parts else "pillow_heif"]["look"]


def test_the_command_prints_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["licences"]) == 0
    text = capsys.readouterr().out
    assert "Read these before" in text
    assert main(["licences", "--json"]) == 0
    assert licences_text(json.loads(capsys.readouterr().out)) + "\n" == text
