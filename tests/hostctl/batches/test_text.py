"""What people and pipelines read of a batch: every attempt stands in both, also in the words of a hostile device."""

from dataclasses import asdict
from xml.etree import ElementTree

import pytest

from hostctl.batches.status import EXIT_CODES, Count, batch_status, device_status, row_status
from hostctl.batches.text import batch_text, write_junit
from hostctl.batches.work import Attempt

BAD = "2 of 4 pictures failed, such as p: bad"


def attempt(number, outcome="ok", *, device="a", made=4, errors=0, final=False, reason="", tried=1):
    return Attempt(number, "r | m | p", device, tried, 4, made, errors, outcome, reason, final, "2026-01-01", 1.5)


def result_of(attempts, **row):
    told = {
        "row": "r | m | p",
        "devices": "r",
        "model": "m",
        "precision": "p",
        "status": "OK",
        "pictures": 8,
        "good": 8,
    }
    told |= {"errors": 0, "missing": 0, "attempts": len(attempts), "retries": 0, "device_s": 3.0, "reasons": []} | row
    device = {"device": "a", "status": "OK", "attempts": 1, "pictures": 8, "device_s": 3.0, "problem": ""}
    return {
        "status": told["status"],
        "exit_code": EXIT_CODES[told["status"]],
        "rows": [told],
        "devices": [device],
        "attempts": [asdict(one) for one in attempts],
        "attempts_before": 2,
        "wall_s": 4.0,
        "run": "runs/x",
        "junit": "runs/x/report/junit.xml",
    }


def counts(root):
    return {name: int(root.get(name)) for name in ("tests", "failures", "errors", "skipped")}


def test_every_attempt_is_a_case_and_what_was_made_good_is_skipped(tmp_path):
    broke = attempt(1, "infra", made=1, reason="a: broke")
    attempts = [broke, attempt(2, device="b", tried=2), attempt(3, "failed", made=0, final=True, reason="boom")]
    attempts += [
        attempt(4, "timeout", made=0, final=True, reason="late"),
        attempt(5, errors=2, reason=BAD),
    ]
    write_junit(tmp_path / "deep" / "junit.xml", result_of(attempts))
    root = ElementTree.parse(tmp_path / "deep" / "junit.xml").getroot()
    assert counts(root) == counts(root[0]) == {"tests": 5, "failures": 2, "errors": 1, "skipped": 1}
    assert root.find(".//skipped").get("message") == "infrastructure failure, tried again: a: broke"
    assert root.find(".//error").get("type") == "TIMEOUT"
    assert root.findall(".//failure")[1].get("message") == BAD
    text = batch_text(result_of(attempts))
    assert f"shard 5, attempt 1 on a: {BAD}" in text
    assert "shard 1, attempt 1 on a: infra, tried again: a: broke" in text
    assert "shard 3, attempt 1 on a: failed, given up: boom" in text
    assert "attempts of earlier batches, in the run's record: 2" in text


def test_pictures_that_nobody_was_left_for_are_an_error(tmp_path):
    write_junit(tmp_path / "j.xml", result_of([], status="OFFLINE", good=0, missing=8, reasons=["a: no answer"]))
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert counts(root) == {"tests": 1, "failures": 0, "errors": 1, "skipped": 0}
    assert root.find(".//error").get("message") == "8 missing: a: no answer"


def test_what_failed_in_an_earlier_batch_still_fails(tmp_path):
    write_junit(tmp_path / "j.xml", result_of([], status="PARTIAL", good=7, errors=1, reasons=["p: bad"]))
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert counts(root) == {"tests": 1, "failures": 1, "errors": 0, "skipped": 0}
    assert root.find(".//failure").get("message") == "1 failed: p: bad"


def test_a_devices_words_cannot_break_the_xml(tmp_path):
    words = "\x00\x1b[31m<failure/>&\ud800 ]]>" + "x" * 10_000
    write_junit(tmp_path / "j.xml", result_of([attempt(1, "failed", made=0, final=True, reason=words)]))
    message = ElementTree.parse(tmp_path / "j.xml").getroot().find(".//failure").get("message")
    assert "??[31m<failure/>&? ]]>" in message.replace("?[31m", "?[31m")
    assert len(message) <= 2000


def test_every_status_has_its_own_exit_code():
    assert sorted(EXIT_CODES) == ["FAILED", "INFRA", "OFFLINE", "OK", "PARTIAL", "TIMEOUT"]
    assert len(set(EXIT_CODES.values())) == 6
    assert not {1, 2, 3, 4, 130} & set(EXIT_CODES.values())


@pytest.mark.parametrize(
    ("count", "outcomes", "able", "status"),
    [
        (Count(4, 4, 0), ["infra", "ok"], True, "OK"),
        (Count(4, 3, 1), ["ok"], True, "PARTIAL"),
        (Count(4, 0, 4), ["ok"], True, "FAILED"),
        (Count(4, 0, 0), ["infra", "failed"], True, "FAILED"),
        (Count(4, 0, 0), ["infra", "timeout"], True, "TIMEOUT"),
        (Count(4, 0, 0), ["infra"], True, "INFRA"),
        (Count(4, 0, 0), [], True, "INFRA"),
        (Count(4, 0, 0), [], False, "OFFLINE"),
        (Count(0, 0, 0), [], False, "OK"),
    ],
)
def test_the_status_of_a_row(count, outcomes, able, status):
    assert row_status(count, [attempt(1, one) for one in outcomes], able=able) == status


def test_the_status_of_a_batch_and_of_a_device():
    assert batch_status([]) == batch_status(["OK", "OK"]) == "OK"
    assert batch_status(["OK", "OFFLINE"]) == batch_status(["PARTIAL", "FAILED"]) == "PARTIAL"
    assert batch_status(["OFFLINE", "INFRA", "TIMEOUT"]) == "TIMEOUT"
    assert batch_status(["OFFLINE", "FAILED"]) == "FAILED"
    assert device_status([], "", reached=False) == "OFFLINE"
    assert device_status([attempt(1)], "", reached=True) == "OK"
    assert device_status([attempt(1), attempt(2, "infra")], "gone", reached=True) == "PARTIAL"
    assert device_status([attempt(1, "infra"), attempt(2, "timeout")], "", reached=True) == "TIMEOUT"
