import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostctl.virtual.shell_syntax import ShellSyntaxError, expand, has_glob, parse


def words(line: str, **variables: str) -> list[list[str]]:
    return [[expand(word, variables) for word in command.words] for command in parse(line)]


def test_words_quotes_and_connectors() -> None:
    assert words("echo a  'b c' \"d $X\" e\\ f; true&&false || echo $?", X="x", **{"?": "7"}) == [
        ["echo", "a", "b c", "d x", "e f"],
        ["true"],
        ["false"],
        ["echo", "7"],
    ]
    assert [command.connector for command in parse("a; b && c || d\ne")] == [";", ";", "&&", "||", ";"]


def test_single_quotes_keep_everything() -> None:
    assert words("echo '$X `id` $(id) | & \\'") == [["echo", "$X `id` $(id) | & \\"]]


def test_redirections() -> None:
    (command,) = parse("ls /x >/sdcard/out 2>&1 </dev/null")
    assert [redirection.operator for redirection in command.redirections] == [">", "2>&1", "<"]
    (command,) = parse("ls 2>/dev/null >> log")
    assert [redirection.operator for redirection in command.redirections] == ["2>", ">>"]


@pytest.mark.parametrize(
    "line",
    [
        "ls | cat",
        "sleep 1 &",
        "echo $(id)",
        'echo "$(id)"',
        "echo `id`",
        "(id)",
        "echo 'open",
        "echo >",
        "a &&",
        "|| b",
    ],
)
def test_what_is_not_offered_is_refused(line: str) -> None:
    with pytest.raises(ShellSyntaxError):
        parse(line)


def test_globs_are_only_unquoted() -> None:
    assert [has_glob(word) for word in parse("a*  'a*' \"a*\" a\\* a? $?")[0].words] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))), min_size=1))
def test_quoted_words_come_back_as_they_were(given_words: list[str]) -> None:
    assert words(shlex.join(["echo", *given_words])) == [["echo", *given_words]]


PIECES = ["a", "'b  c'", '"d"', "\\'", "$?", '"$?"', "e'f'\"g\"", "h\\ i", "'$?'", '"\\$?"', '"j\\"k"']


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_splits_words_as_the_shell_of_this_machine(pieces: list[str]) -> None:
    line = "printf '<%s>' " + " ".join(pieces)
    real = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True).stdout.decode()
    (ours,) = words(line, **{"?": "0"})
    assert "".join(f"<{word}>" for word in ours[2:]) == real
