"""Options that several commands share: one reading, one help text, one message."""

from __future__ import annotations

import argparse
import os

import pytest

from hostctl.command_line.command import add_level, add_workers, comma_list, count, share


def parsed(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_workers(parser)
    add_level(parser)
    return parser.parse_args(words)


def test_workers_are_one_a_core_and_levels_95_percent_unless_said():
    assert vars(parsed()) == {"workers": os.cpu_count() or 1, "level": 0.95}
    assert vars(parsed("--workers", "3", "--level", "0.9")) == {"workers": 3, "level": 0.9}


@pytest.mark.parametrize("words", [("--workers", "0"), ("--workers", "-1"), ("--workers", "two"), ("--workers", "1.5")])
def test_workers_are_whole_numbers_from_1(words):
    with pytest.raises(argparse.ArgumentError, match=f"expected a whole number from 1, got '{words[1]}'"):
        parsed(*words)


@pytest.mark.parametrize("level", ["0", "1", "2", "95", "nan", "much"])
def test_a_level_is_refused_before_any_work_is_done(level):
    with pytest.raises(argparse.ArgumentError, match=f"between 0 and 1 such as 0.95, got '{level}'"):
        parsed("--level", level)


def test_counts_shares_and_lists_are_read():
    assert (count("12"), share("0.05"), comma_list("a, b,,")) == (12, 0.05, ("a", "b"))
