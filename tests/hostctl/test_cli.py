"""The command line: every command has help with an example and stands in the README; errors are one line."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostctl import cli
from tests.fakes.command import instability

README = Path(__file__).parents[2] / "README.md"


def commands():
    parser = cli.make_parser()
    (action,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return action.choices


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_an_example_and_stands_in_the_readme(name):
    parser = commands()[name]
    assert parser.description
    assert parser.epilog.startswith(f"Example: instability {name}")
    for action in parser._actions:
        assert action.help, f"{name} {action.dest} is missing its help"
    assert f"`instability {name} " in README.read_text("utf-8")


def test_the_examples_parse():
    for parser in commands().values():
        words = parser.epilog.removeprefix("Example: instability ").split()
        assert cli.make_parser().parse_args(words).command


def test_help_imports_nothing_heavy():
    heavy = "numpy pandas cv2 PIL flask asyncssh matplotlib rich tensorflow hostctl.sessions.sitting"
    code = (
        f"import sys, hostctl.cli; hostctl.cli.make_parser(); print([m for m in {heavy.split()} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "none.toml", "--scenes", "x", "--out", "y"), "cannot read the lab file none.toml"),
        (("report", "none"), "expected a run folder"),
        (("predict", "--model", "mobilenet-v2"), "expected either a run or --scenes"),
        (("models", "get", "mobilenet"), "unknown model 'mobilenet'; did you mean 'mobilenet-v2'?"),
        (("models", "get"), "expected the name of a model, got none"),
        (("language", "questions", "a.jsonl"), "questions: expected no text files, got a.jsonl; --piqa takes a file"),
        (("elephant", "a.png", "--object", "b.png", "--model", "m", "--box", "1,2"), "expected left,top,right,bottom"),
        (("report",), "the following arguments are required: run"),
        (("report", "run", "--colour"), "unrecognized arguments: --colour"),
        (("demo", "--quick", "--study"), "expected one of --quick, --study and --train, got more"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_two(tmp_path, words, message):
    done = instability(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[0]
    assert done.stderr.startswith("instability: ")
    assert "Traceback" not in done.stderr


def test_a_study_without_photographs_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.delenv("INSTABILITY_DATA", raising=False)
    done = instability("demo", "--study", cwd=tmp_path)
    assert done.returncode == 2
    assert "give --scenes FOLDER-OR-CSV" in done.stderr


def test_without_a_command_the_help_is_shown(tmp_path):
    done = instability(cwd=tmp_path)
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "Start with: instability demo --quick" in done.stdout


def test_models_list_needs_neither_network_nor_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "cache"))
    done = instability("models", "list", "--json", cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert {row["name"] for row in rows} == {"mobilenet-v2", "efficientnet-lite0"}
    assert all(row["made"] is False for row in rows)


def test_a_reader_that_has_enough_ends_the_command_without_a_traceback():
    code = "import sys; from hostctl.cli import main; sys.exit(main(['models', 'list', '--json']))"
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started.stdout.close()  # before anything was written, as `head -0` does
    told = started.stderr.read()
    started.stderr.close()
    assert started.wait(timeout=60) == 141
    assert told == ""
