import json
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from analysis.pages.formats import (
    FAILED,
    FORMATS,
    PASSED,
    SKIPPED,
    Case,
    Findings,
    json_text,
    junit,
    junit_xml,
    markdown,
)
from analysis.pages.sections import make_sections
from analysis.tables import study
from tests.analysis.sample import CLASSES, predictions


@pytest.fixture(scope="module")
def found():
    table = predictions(scenes=8, missing=0.05)
    told = study(table)
    sections, lacking = make_sections(told, predictions=table, notes={})
    failures = pd.DataFrame({"what": ["photograph a|b"], "reason": ["wrong <frame>"]})
    return Findings("rack | *one*", told, sections, lacking, failures, CLASSES, True)


def test_markdown_has_the_answer_and_the_tables(found):
    text = markdown(found)
    assert text.startswith("# rack \\| \\*one\\*\n")
    assert "**Your model is unstable on " in text
    assert "### Accuracy by device" in text
    assert "| pixel-6-like |" in text
    assert "## Label agreement" in text
    assert "## Not computed" in text
    assert "photograph a\\|b | wrong &lt;frame>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_json_is_the_numbers(found):
    told = json.loads(json_text(found))
    assert told["summary"] == found.study.summary
    assert len(told["tables"]["pairs"]) == 10
    assert told["sections"]["agreement"]["tables"]["agreement-coefficients"][0]["name"] == "fleiss-kappa"
    assert told["not_computed"] == found.lacking
    assert told["failures"] == [{"what": "photograph a|b", "reason": "wrong <frame>"}]


def test_junit_has_a_case_a_pair(found):
    suite = ET.fromstring(junit(found)).find("testsuite")
    names = [case.get("name") for case in suite.findall("testcase")]
    assert names[0] == "all five devices"
    assert len(names) == 1 + 10
    assert suite.get("failures") == "0"
    assert "photograph a|b: wrong <frame>" in suite.find("system-err").text


def test_junit_counts_and_escapes():
    cases = [
        Case("g", "good", PASSED, "fine"),
        Case("g", 'b"ad', FAILED, "12 % > 5 % <limit>", "more\x00"),
        Case("g", "?", SKIPPED, "no data"),
    ]
    root = ET.fromstring(junit_xml("s", cases))
    assert [root.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    (bad,) = root.iter("failure")
    assert bad.get("message") == "12 % > 5 % <limit>"
    assert [case.find("system-out").text for case in root.iter("testcase")][1] == "12 % > 5 % <limit>\nmore"


def test_pairs_without_photographs_are_skipped():
    told = study(predictions(scenes=2, missing=1.0))
    text = junit(Findings("t", told, [], [], None, {}, False))
    assert ET.fromstring(text).get("skipped") == "11"


def test_every_format_has_a_file_of_its_own():
    assert len({file for file, _ in FORMATS.values()}) == len(FORMATS)
