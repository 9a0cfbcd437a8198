"""The options of `instability train`: each setting has one, with its default in its help, and becomes its type."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import pytest

from device_agents.errors import BadInput
from hostctl.command_line.train import COMMANDS, FLAGS, SETTINGS, settings_of
from stability_train.settings import Settings, settings_from

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
TOLD_IN_WORDS = {"strength", "alpha", "embedding_units", "device", "partner", "tensorboard"}


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    COMMANDS[0].options(parser)
    return parser.parse_args(["run", "--out", "out", *words])


def test_every_setting_has_an_option_and_no_other_has() -> None:
    assert set(SETTINGS) == set(FIELDS)
    assert {name for name, field in FIELDS.items() if field.type == "bool"} == set(FLAGS)


@pytest.mark.parametrize("name", sorted(set(FIELDS) - TOLD_IN_WORDS))
def test_the_help_says_the_default_that_the_setting_has(name: str) -> None:
    default = FIELDS[name].default
    words = ",".join(one or "none" for one in default) or "none" if isinstance(default, tuple) else str(default)
    assert SETTINGS[name].endswith(f"(default: {words})")


def test_what_is_not_asked_for_is_left_to_the_settings() -> None:
    assert settings_of(parse()) == {}
    assert settings_from(settings_of(parse())) == Settings()


def test_options_become_the_types_of_the_settings() -> None:
    words = ["--alpha", "0.5", "--epochs", "3", "--codecs", "none,jpeg-85", "--mix", "codec,resizer", "--tensorboard"]
    found: dict[str, Any] = settings_of(parse(*words, "--noise", "environments", "--embedding-units", "0"))
    assert found == {
        **{"noise": "environments", "alpha": 0.5, "mix": ("codec", "resizer"), "codecs": ("", "jpeg-85")},
        **{"embedding_units": 0, "epochs": 3, "tensorboard": True},
    }
    settings_from(found)


def test_what_is_no_number_is_told_by_the_settings() -> None:
    found = settings_of(parse("--epochs", "many", "--alpha", "much"))
    with pytest.raises(BadInput, match="alpha: expected float.*got 'much'; epochs: expected int, got 'many'"):
        settings_from(found)
