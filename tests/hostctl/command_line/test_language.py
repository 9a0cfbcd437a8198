from __future__ import annotations

import argparse
import json

import pytest

from device_agents.errors import BadInput
from hostctl.command_line.language import COMMANDS, KINDS
from stability_train.language.questions import READERS
from tests.fakes import tiny_llama


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the command with words as a person types them, and give what it printed."""
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tiny_llama.write_folder(tmp_path))
    (command,) = COMMANDS

    def run(*words, as_json=False):
        parser = argparse.ArgumentParser()
        command.options(parser)
        options = parser.parse_args([*words, "--model", "tiny.gguf"])
        options.json, options.quiet = as_json, True
        assert command.run(options) == 0
        return capsys.readouterr().out

    return run


def test_questions_and_text_as_typed(call, tmp_path):
    said = call("questions", "--lambada", "lambada.jsonl", "--precision", "float16", "--limit", "2")
    assert "lambada (2)" in said
    assert (tmp_path / "runs" / "language" / "run.toml").is_file()
    found = json.loads(
        call("text", "first.txt", "--precision", "bfloat16", "--window", "8", "--stride", "4", as_json=True)
    )
    assert found["windows"] == {"length": 8, "stride": 4}
    assert [row["condition"] for row in found["rows"]] == ["float32", "bfloat16"]
    assert (tmp_path / "runs" / "language-text" / "run.toml").is_file()


def test_wrong_words_are_one_message(call):
    for words, said in (
        (("text", "--threads", "two"), "--threads: expected whole numbers, got 'two'"),
        (("questions", "--limit", "0"), "--limit: expected 1 or more"),
        (("questions", "--piqa", "absent.jsonl"), "expected a text file"),
    ):
        with pytest.raises(BadInput, match=said):
            call(*words)


def test_every_kind_of_question_has_an_option():
    assert tuple(sorted(READERS)) == KINDS
