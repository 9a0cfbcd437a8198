"""Under which licences the parts of an installation stand: Python packages, the page's scripts, models, photographs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from device_agents.errors import KitError

KIT = "instability-kit"
WEB_LOCK = Path(__file__).parent.parent / "device_agents" / "web" / "package-lock.json"
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|CDDL|General Public|Mozilla Public)", re.IGNORECASE)
# Libraries that wheels of codecs carry along under terms of their own, which the package's metadata does not state.
CARRIED = {
    "libx264": "GPL-2.0-or-later",
    "libx265": "GPL-2.0-or-later",
    "libheif": "LGPL-3.0-or-later",
    "libde265": "LGPL-3.0-or-later",
    "libavcodec": "FFmpeg: LGPL-2.1-or-later, or GPL as it was built",
    "libgnutls": "LGPL-2.1-or-later",
    "libmp3lame": "LGPL-2.0-or-later",
    "libasound": "LGPL-2.1-or-later",
}
UNSTATED = "not stated"
LONGEST = 80  # characters; some packages put the whole text where its name belongs
TEXT_NAMES = re.compile(r"(^|/)(LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One part: ``kind`` python, browser, model or data; ``look`` says why a person should read its licence."""

    name: str
    version: str
    kind: str
    licence: str
    look: str


def licences(*, texts: Path | None = None) -> dict[str, Any]:
    """List the parts of this installation with their licences; keys: parts (rows of Part), texts (folder, or None).

    Python packages are those that the kit and its installed extras need, as their own metadata states them. ``texts``
    is a folder to write the packages' licence files into, which a copy handed on must carry; it is made. Raises
    KitError where the kit itself is not installed.
    """
    needed = _needed()
    parts = [*map(_of_package, needed), *_of_page(), *_of_wheels()]
    if texts is not None:
        for package in needed:
            _write_texts(package, texts)
    rows = [asdict(part) for part in sorted(parts, key=lambda part: (part.kind, part.name.lower()))]
    return {"parts": rows, "texts": str(texts) if texts else None}


def licences_text(result: Mapping[str, Any]) -> str:
    """Lay the list out for a person: what needs a look first, then how many stand under each other licence."""
    parts = result["parts"]
    names = [f"{part['name']} {part['version']}" for part in parts]
    width = max(map(len, names))
    lines = [f"{name:{width}}  {p['kind']:8} {p['licence']}" for name, p in zip(names, parts, strict=True)]
    look = [f"  {part['name']} ({part['licence']}): {part['look']}" for part in parts if part["look"]]
    if look:
        lines += ["", "Read these before you hand a copy on:", *look]
    if result["texts"]:
        lines += ["", f"The licence texts are in {result['texts']}"]
    return "\n".join(lines)


def _needed() -> list[metadata.Distribution]:
    """The installed distributions that the kit needs, its extras among them, each once."""
    try:
        waiting = [(metadata.distribution(KIT), True)]
    except metadata.PackageNotFoundError as problem:
        raise KitError(f"expected {KIT} to be installed, got none: pip install -e . in its folder") from problem
    found: dict[str, metadata.Distribution] = {}
    while waiting:
        package, extras = waiting.pop()
        for requirement in package.requires or ():
            name = _wanted(requirement, extras=extras)
            if name and name not in found and name != KIT:
                try:
                    found[name] = metadata.distribution(name)
                except metadata.PackageNotFoundError:
                    continue  # of an extra, a platform or a Python that is not this one's
                waiting.append((found[name], False))
    return list(found.values())


def _wanted(requirement: str, *, extras: bool) -> str:
    """The normalised name in a requirement (PEP 508), "" for one that only an extra of another package asks for."""
    text, _, marker = requirement.partition(";")
    if "extra" in marker and not extras:
        return ""
    name = re.match(r"[A-Za-z0-9._-]+", text.strip())
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def _of_package(package: metadata.Distribution) -> Part:
    part = _part(package.metadata["Name"], package.version, "python", _stated(package.metadata))
    libraries = {file.name.partition("-")[0].partition(".")[0] for file in package.files or () if ".so" in file.name}
    carried = [f"{name} ({CARRIED[name]})" for name in sorted(libraries & set(CARRIED))]
    return replace(part, look=f"its wheel carries {', '.join(carried)}") if carried else part


def _stated(fields: metadata.PackageMetadata) -> str:
    """The licence in a package's metadata: its SPDX expression (PEP 639), else its classifiers, else a name."""
    values = fields.get_all("License-Expression") or []
    if not values:
        classifiers = [one for one in fields.get_all("Classifier") or [] if one.startswith("License :: ")]
        values = [one.rpartition(" :: ")[2] for one in classifiers if not one.endswith(":: OSI Approved")]
    if not values:
        values = [text for text in fields.get_all("License") or [] if text.strip()]
    text = "; ".join(value.strip().splitlines()[0].strip() for value in values)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _of_page(lock: Path = WEB_LOCK) -> list[Part]:
    """The scripts that the page for browsers is built of; those that only build it are not handed on."""
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    return [
        _part(path.removeprefix("node_modules/"), one["version"], "browser", one.get("license", ""))
        for path, one in packages.items()
        if path and not one.get("dev")
    ]


def _of_wheels() -> Iterable[Part]:
    from stability_train.wheels import WHEELS

    return [_part(wheel.project, wheel.version, "model", wheel.licence) for wheel in WHEELS.values()]


def _part(name: str, version: str, kind: str, licence: str) -> Part:
    if not licence or licence in ("UNKNOWN", "Dual License"):
        return Part(name, version, kind, licence or UNSTATED, "its metadata does not say which licence")
    look = "asks for more than a notice when copies are handed on" if COPYLEFT.search(licence) else ""
    return Part(name, version, kind, licence, look)


def _write_texts(package: metadata.Distribution, folder: Path) -> None:
    """Copy a package's licence files to folder/NAME-VERSION/, their folders in the names."""
    files = [file for file in package.files or () if TEXT_NAMES.search(str(file)) and ".." not in file.parts]
    for file in files:
        source = Path(str(package.locate_file(file)))
        if source.is_file() and source.suffix not in (".py", ".pyc", ".so"):
            target = folder / f"{package.metadata['Name']}-{package.version}"
            target.mkdir(parents=True, exist_ok=True)
            (target / "-".join(file.parts[-3:])).write_bytes(source.read_bytes())
