"""A report for other readers than a browser: Markdown for people, JSON for programs, JUnit XML for build pipelines."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.pages.answer import VIRTUAL, counted, headline, noun, percent, remarks
from analysis.pages.answer_pictures import Answers
from analysis.pages.sections import Section
from analysis.report import Table, frame_table, section_table, study_tables
from analysis.tables import Study, to_json

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Findings:
    """All that a report tells: failures is None or a table of what is missing and why; lacking: what has no data.

    answers: boxes or masks to be drawn, None where the task has none.
    """

    title: str
    study: Study
    sections: Sequence[Section]
    lacking: Sequence[str]
    failures: pd.DataFrame | None
    names: Mapping[str, str]
    virtual: bool
    answers: Answers | None = None


@dataclass(frozen=True)
class Case:
    """A test case of a build pipeline: group and name, PASSED, FAILED or SKIPPED, one line, and numbers below it."""

    group: str
    name: str
    outcome: str
    message: str
    output: str = ""


def markdown(found: Findings) -> str:
    """Write the summary and every table, the first rows of each, as GitHub's Markdown."""
    lines = [f"# {_plain(found.title)}", ""]
    lines += [f"> {VIRTUAL}", ""] if found.virtual else []
    lines += [f"**{_plain(headline(found.study.summary))}**", ""]
    lines += [f"- {_plain(one)}" for one in remarks(found.study.summary, virtual=False)]
    for section in found.sections:
        lines += ["", f"## {_plain(section.title)}", "", _plain(section.lead)]
        for told in section.tables:
            lines += _table(section_table(told, found.names, found.study.summary))
    lines += ["", "## Tables"]
    for table in study_tables(found.study, found.names):
        lines += _table(table)
    if found.lacking:
        lines += ["", "## Not computed", "", *[f"- {_plain(one)}" for one in found.lacking]]
    if found.failures is not None:
        lines += _table(frame_table("failures", found.failures, found.names, title="Missing and failed"))
    return "\n".join(lines) + "\n"


def json_text(found: Findings) -> str:
    """Write everything as JSON: title, virtual, headline, summary, tables, sections, not_computed, failures."""
    tables = {name: frame for name, frame in found.study.frames.items() if not frame.empty}
    sections = {
        one.name: {"title": one.title, "lead": one.lead, "tables": {told.name: told.frame for told in one.tables}}
        for one in found.sections
    }
    told = {"title": found.title, "virtual": found.virtual, "headline": headline(found.study.summary)}
    told |= {"summary": found.study.summary, "tables": tables, "sections": sections, "not_computed": found.lacking}
    return json.dumps(to_json({**told, "failures": found.failures}), indent=2, ensure_ascii=False) + "\n"


def junit(found: Findings) -> str:
    """Write a test case for each two devices, and one for all of them, as JUnit XML; a report fails none of them.

    Limits are for `instability check`. A pair without photographs in common is skipped; what the run lacks stands in
    system-err.
    """
    word, frame = noun(found.study.summary), found.study.frames["pairs"]
    whole = found.study.summary["instability"]
    cases = [_case(f"all {counted(found.study.summary['devices'], word)}", whole)]
    cases += [_case(f"{row['a']} and {row['b']}", row) for row in frame.to_dict("records")]
    failures = (
        [] if found.failures is None else [": ".join(map(str, row)) for row in found.failures.itertuples(index=False)]
    )
    return junit_xml(found.title, cases, notes=[*found.lacking, *failures])


def junit_xml(name: str, cases: Sequence[Case], *, notes: Sequence[str] = ()) -> str:
    """Write test cases as JUnit XML, the dialect that Jenkins and GitLab read; notes go to system-err."""
    counts = {outcome: sum(case.outcome == outcome for case in cases) for outcome in (FAILED, SKIPPED)}
    numbers = {
        "tests": str(len(cases)),
        "failures": str(counts[FAILED]),
        "errors": "0",
        "skipped": str(counts[SKIPPED]),
    }
    root = ET.Element("testsuites", {"name": "instability", **numbers})
    suite = ET.SubElement(root, "testsuite", {"name": _printable(name), **numbers})
    for case in cases:
        element = ET.SubElement(
            suite, "testcase", {"classname": _printable(case.group), "name": _printable(case.name), "time": "0"}
        )
        if case.outcome != PASSED:
            tag = "failure" if case.outcome == FAILED else "skipped"
            ET.SubElement(element, tag, {"message": _printable(case.message)})
        ET.SubElement(element, "system-out").text = _printable("\n".join(filter(None, [case.message, case.output])))
    if notes:
        ET.SubElement(suite, "system-err").text = _printable("\n".join(notes))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(name: str, row: Mapping[Any, Any]) -> Case:
    rate = row["rate"]
    if rate is None or math.isnan(rate):
        return Case("instability", name, SKIPPED, "no photographs that could be compared")
    ends = f"[{percent(row['low'])}, {percent(row['high'])}]"
    return Case("instability", name, PASSED, f"{percent(rate)} {ends} of {row['items']} photographs are unstable")


def _table(table: Table) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(_plain(cell) for cell in cells)} |"

    lines = ["", f"### {_plain(table.title)}", "", *([_plain(table.note), ""] if table.note else [])]
    lines += [row([cell.text for cell in table.headings])]
    lines += [f"|{'|'.join('--:' if cell.numeric else '---' for cell in table.headings)}|"]
    lines += [row([cell.text for cell in cells]) for cells in table.rows]
    left = table.total - len(table.rows)
    return [*lines, *(["", f"and {left:,} more rows"] if left > 0 else [])]


def _plain(text: str) -> str:
    """One line in which nothing is taken for Markdown or HTML but code between backticks."""
    line = " ".join(str(text).replace("\u00a0", " ").split())
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("*", "\\*")):
        line = line.replace(mark, written)
    return line


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(
        one for one in text if one in "\t\n" or (one >= " " and not "\ud800" <= one <= "\udfff" and one < "\ufffe")
    )


FORMATS: dict[str, tuple[str, Callable[[Findings], str]]] = {
    "md": ("report.md", markdown),
    "json": ("report.json", json_text),
    "junit": ("report.xml", junit),
}
