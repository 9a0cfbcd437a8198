"""What detection's settings refuse, and that each switch changes what it names alone."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.errors import BadInput
from device_agents.tasks.asked import settings_problems
from device_agents.tasks.detection_settings import POSTS, SWITCHES, Settings


def test_defaults_are_good_and_switches_change_what_they_name_alone() -> None:
    plain = dataclasses.asdict(Settings())
    for name, switch in POSTS.items():
        changed = dataclasses.asdict(switch(Settings()))
        assert {key for key in plain if plain[key] != changed[key]} <= set(SWITCHES[name])
        assert all(changed[key] == value for key, value in SWITCHES[name].items())
    assert set(POSTS) == set(SWITCHES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nms": "hard"}, "nms: expected one of class-agnostic, class-wise, none"),
        ({"weights": (1.0, 1.0, 1.0)}, "weights: expected four numbers"),
        ({"weights": (1.0, 0, 1.0, 1.0)}, "weights: out of range"),
        ({"means": ("a", 0, 0, 0)}, "means: expected four numbers"),
        ({"score_threshold": 1.5}, "score_threshold: out of range: 1.5"),
        ({"strides": (0,)}, "strides: out of range"),
        ({"anchor_sizes": (32.0,)}, "anchor_sizes: out of range"),
        ({"anchor_ratios": (-1.0,)}, "anchor_ratios: out of range"),
        ({"priors": (0.2, 0.9, 1.0, 1)}, "priors: out of range"),
        ({"outputs": ("boxes", "classes")}, "outputs: out of range"),
        ({"most": 0, "bins": 1}, "bins: out of range: 1"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Settings(**values)  # type: ignore[arg-type]
    assert message.split(":")[0] in settings_problems(Settings, values)[0]


def test_every_wrong_value_is_told_at_once() -> None:
    with pytest.raises(BadInput, match="each: .*; nms_iou: .*; soft_sigma"):
        Settings(each="some", nms_iou=2.0, soft_sigma=0.0)
