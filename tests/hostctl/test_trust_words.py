"""Words of devices in a terminal, a log and JSON: nothing that a terminal would obey, nothing that ends a line."""

import argparse
import io
import json
import logging
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import DeviceError
from hostctl import cli
from hostctl.command_line.command import Command, print_result
from hostctl.labs.person import person
from hostctl.plain_words import PlainFormatter, one_line, plain
from hostctl.printing import progress, table_text

# A window's title, a clipboard (OSC 52), a line rubbed out, a C1 CSI, and a text that is shown turned round.
EVIL = "\x1b]0;owned\x07\x1b]52;c;ZWNobw==\x07ok\r\x1b[2Kall good\x9b31m\u202egnp.exe\u2066\x00\x7f"
OBEYED = {"\x1b", "\x07", "\r", "\x9b", "\x00", "\x7f", "\u202e", "\u2066"}


def harmless(text):
    return not OBEYED & set(text) and all(unicodedata.category(one) != "Cc" for one in text if one not in "\n\t")


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_no_text_keeps_a_control_character_and_plain_ones_stay_as_they_are(text):
    assert harmless(plain(text))
    assert "\n" not in one_line(text)
    assert plain(plain(text)) == plain(text)
    if text.isascii() and text.isprintable():
        assert plain(text) == text
    plain(text).encode("utf-8")  # lone surrogates, too, can be printed


def test_what_was_taken_out_can_still_be_read():
    assert plain("a\x1b[31mb\r\nc\td\u202e") == "a\\x1b[31mb\nc\td\\u202e"
    assert one_line("a\nb") == "a\\nb"


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_them_plainly(terminal, monkeypatch):
    shown = io.StringIO()
    shown.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", shown)
    with progress(argparse.Namespace(quiet=False)) as report:
        report("photographs", 1, 2, EVIL)
        report("a word", 0, 0, EVIL)
    text = shown.getvalue()
    assert "\x1b]" not in text
    assert "\\x1b]0;owned" in text
    assert not {"\x07", "\x9b", "\u202e", "\x00"} & set(text)
    if not terminal:
        assert harmless(text)


def test_an_error_a_result_and_a_question_show_them_plainly(monkeypatch, capsys):
    def fail(_):
        raise DeviceError(f"phone: {EVIL}")

    monkeypatch.setattr(cli, "COMMANDS", (Command("fail", "fails", "fail", lambda _: None, fail),))
    assert cli.main(["fail"]) == 3
    rows = [{"device": "phone", "problem": EVIL}]
    print_result(argparse.Namespace(json=False), rows, table_text)
    person().say(EVIL)
    said = capsys.readouterr()
    assert harmless(said.err)
    assert harmless(said.out)
    print_result(argparse.Namespace(json=True), rows, table_text)
    text = capsys.readouterr().out
    assert not (OBEYED - {"\x7f"}) & set(text)
    assert json.loads(text) == rows


def test_a_log_keeps_an_entry_on_its_line():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(PlainFormatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("kit", logging.INFO, "", 0, "%s", (f"first\nINFO second {EVIL}",), None)
    handler.handle(record)
    assert out.getvalue().count("\n") == 1
    assert harmless(out.getvalue())
