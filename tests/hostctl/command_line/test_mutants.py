"""`instability mutants`: the options reach the study, the result is JSON or text, the exit code says what was found."""

import argparse
import dataclasses
import json

import pytest

from hostctl.command_line.mutants import COMMANDS
from hostctl.mutants import study
from tests.fakes.mutant_network import write_study


def run(*words):
    (command,) = COMMANDS
    parser = argparse.ArgumentParser()
    for name in ("--json", "--quiet"):
        parser.add_argument(name, action="store_true")
    command.options(parser)
    return command.run(parser.parse_args(["--quiet", *map(str, words)]))


@pytest.fixture
def asked(tmp_path):
    model, scenes = write_study(tmp_path)
    return ("--scenes", scenes, "--model", model, "--out", tmp_path / "out", "--kinds", "epsilon,weight-sign")


def test_a_study_as_json_and_as_text(asked, capsys, tmp_path):
    assert run(*asked, "--json", "--count", "1", "--pictures", "2") == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in result["rows"]] == ["epsilon-1", "weight-sign-1"]
    assert len(result["pictures"]) == 2
    assert result["page"] == str(tmp_path / "out" / "mutants.html")
    assert (tmp_path / "out" / "mutants.html").is_file()
    assert run(*asked, "--count", "1", "--pictures", "2") == 0
    assert "2 mutants of tiny on 2 pictures" in capsys.readouterr().out


def test_a_layer_that_is_not_named_is_a_finding(asked, monkeypatch, capsys):
    found = study.Localiser.find

    def blind(*words, **settings):
        return dataclasses.replace(found(*words, **settings), layer="elsewhere")

    monkeypatch.setattr(study.Localiser, "find", blind)
    assert run(*asked, "--count", "1") == 1
    assert "layer not named: epsilon-1, weight-sign-1" in capsys.readouterr().out
