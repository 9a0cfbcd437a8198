import json
import sys
import types

import pytest

from hostctl.cli import main
from hostctl.labs.person import person


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected one lab file, or an action of setup, certificate, clear; got none"),
        (["a.toml", "b.toml"], "got a.toml b.toml"),
        (["a.toml", "--lab", "b.toml"], "expected one lab file"),
        (["missing.toml"], "cannot read the lab file missing.toml"),
        (["--lab", "missing.toml"], "cannot read the lab file missing.toml"),
        (["setup"], "devices setup: expected --lab with the lab file"),
        (["setup", "lab.toml"], "expected options only, got 'lab.toml'"),
        (["clear", "--lab", "lab.toml"], "expected --run with a run"),
    ],
)
def test_wrong_words_are_told_in_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", *words]) == 2
    assert told in capsys.readouterr().err


def test_certificate_hands_its_hosts_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake = types.ModuleType("hostctl.browsers.certificate")
    fake.certificate = lambda hosts, folder=None: {"hosts": hosts}
    fake.certificate_text = lambda result: f"for {', '.join(result['hosts'])}"
    monkeypatch.setitem(sys.modules, "hostctl.browsers.certificate", fake)
    assert main(["devices", "certificate", "10.0.0.1", "lab.local"]) == 0
    assert capsys.readouterr().out == "for 10.0.0.1, lab.local\n"
    assert main(["devices", "certificate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"hosts": []}


def test_nobody_is_asked_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert person().ask("really?") is None
    monkeypatch.setattr(sys, "stdin", Terminal("y \n"))
    someone = person(quiet=True)
    someone.say("nothing")
    assert (someone.ask("really?"), someone.ask("really?")) == ("y", None)
    assert capsys.readouterr().err == "really? really? "
