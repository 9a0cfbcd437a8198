"""What a person and a build pipeline read of a batch: tables in the terminal, and JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from analysis.run_folder.files import write_whole
from hostctl.printing import table_text

ROW_COLUMNS = (
    "devices",
    "model",
    "precision",
    "status",
    "pictures",
    "good",
    "errors",
    "missing",
    "attempts",
    "retries",
)
MOST_TEXT = 2000  # characters of a device's words in the XML
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def batch_text(result: Mapping[str, Any]) -> str:
    """Lay out what batch gave, for the terminal: the matrix, the devices, and what went wrong."""
    devices = [{name: value for name, value in one.items() if name != "problem"} for one in result["devices"]]
    lines = [
        f"batch: {result['status']} (exit code {result['exit_code']}) in {result['wall_s']:g} s",
        table_text([{name: row[name] for name in ROW_COLUMNS} for row in result["rows"]]),
        table_text(devices),
    ]
    lines += [f"{one['device']} was left out: {one['problem']}" for one in result["devices"] if one["problem"]]
    told = {one["row"] for one in result["attempts"] if one["reason"]}
    lines += [f"{row['row']}: {one}" for row in result["rows"] if row["row"] not in told for one in row["reasons"]]
    for one in result["attempts"]:
        if one["reason"]:
            where = f"shard {one['shard']}, attempt {one['attempt']} on {one['device']}"
            lines.append(f"{where}: {_ended(one)}{one['reason']}")
    if result["attempts_before"]:
        lines.append(f"attempts of earlier batches, in the run's record: {result['attempts_before']}")
    if any(one["missing"] for one in result["rows"]):
        lines.append("the same command again does what is missing")
    return "\n".join([*lines, f"run: {result['run']}", f"JUnit: {result['junit']}"])


def _ended(attempt: Mapping[str, Any]) -> str:
    if attempt["outcome"] == "ok":
        return ""
    left = attempt["made"] < attempt["pictures"]
    return f"{attempt['outcome']}, {'given up' if attempt['final'] else 'tried again' if left else 'all was there'}: "


def write_junit(path: Path, result: Mapping[str, Any]) -> None:
    """Write a batch as JUnit XML: a suite for each row of the matrix, a case for each attempt, none left out.

    An attempt that was made good by another counts as skipped; pictures that were given up are errors
    (infrastructure, time) or failures (the model's own).
    """
    root = ElementTree.Element("testsuites", name="instability batch", time=f"{result['wall_s']:.3f}")
    for row in result["rows"]:
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(row["row"]), time=f"{row['device_s']:.3f}")
        mine = [one for one in result["attempts"] if one["row"] == row["row"]]
        for one in mine:
            _case(suite, one)
        if row["missing"] > sum(one["pictures"] - one["made"] for one in mine if one["final"]):
            case = _whole(suite, "pictures that no device was left for")
            _told(case, "error", row["status"], f"{row['missing']} missing: {'; '.join(row['reasons'])}")
        elif row["errors"] and not any(one["errors"] for one in mine):
            case = _whole(suite, "pictures of earlier batches")
            _told(case, "failure", row["status"], f"{row['errors']} failed: {'; '.join(row['reasons'])}")
        cases = {"tests": "testcase", "failures": ".//failure", "errors": ".//error", "skipped": ".//skipped"}
        suite.attrib.update({name: str(len(suite.findall(what))) for name, what in cases.items()})
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.attrib[name]) for suite in root)))
    ElementTree.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _whole(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": suite.attrib["name"], "name": name, "time": "0"})


def _case(suite: ElementTree.Element, attempt: Mapping[str, Any]) -> None:
    name = (
        f"shard {attempt['shard']}, attempt {attempt['attempt']}: {attempt['pictures']} pictures on {attempt['device']}"
    )
    words = {"classname": suite.attrib["name"], "name": _clean(name), "time": f"{attempt['seconds']:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", words)
    if attempt["final"] or attempt["outcome"] == "failed":
        kind = "failure" if attempt["outcome"] == "failed" else "error"
        left = attempt["pictures"] - attempt["made"]
        _told(case, kind, attempt["outcome"].upper(), f"{left} pictures given up: {attempt['reason']}")
    elif attempt["outcome"] == "infra":
        what = "tried again" if attempt["made"] < attempt["pictures"] else "all pictures were there"
        _told(case, "skipped", "", f"infrastructure failure, {what}: {attempt['reason']}")
    elif attempt["errors"]:
        _told(case, "failure", "FAILED", attempt["reason"])


def _told(case: ElementTree.Element, kind: str, status: str, text: str) -> None:
    ElementTree.SubElement(case, kind, {"message": _clean(text), **({"type": status} if status else {})})


def _clean(text: str) -> str:
    """Text that XML can hold: devices may say anything."""
    return NOT_XML.sub("?", text)[:MOST_TEXT]
