"""The tasks have what their users look for in them, and their settings are checked before anything runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from device_agents.errors import BadInput
from device_agents.tasks import classification, detection, segmentation
from device_agents.tasks.answers import Detections, Mask, detections_text, mask_text
from device_agents.tasks.asked import Answer, Asked, settings_of, settings_problems
from device_agents.tasks.families import POSTS, TASKS, check_post, checked_detail, task_problems
from tests.device_agents.tiny_models import tiny_sidecar

FILES = {"classification": classification, "detection": detection, "segmentation": segmentation}


@dataclass(frozen=True)
class Settings:
    ratio: float = 0.5
    most: int = 100
    soft: bool = False
    way: str = "plain"
    sides: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.ratio > 1:
            raise BadInput(f"ratio: expected at most 1, got {self.ratio}")


def doubled(settings: Settings, times: int) -> Settings:
    return dataclasses.replace(settings, most=settings.most * times)


SWITCHES = {"double": partial(doubled, times=2), "triple": partial(doubled, times=3)}


def test_every_task_has_its_parts() -> None:
    assert set(TASKS) == set(FILES)
    for name, file in FILES.items():
        assert TASKS[name] is file.answer  # type: ignore[attr-defined]
        settings = file.Settings()  # type: ignore[attr-defined]
        for post in file.POSTS.values():  # type: ignore[attr-defined]
            assert isinstance(post(settings), type(settings))
    assert set(POSTS) == set(detection.POSTS) | set(segmentation.POSTS)
    assert not set(detection.POSTS) & set(segmentation.POSTS)
    assert all("+" not in name and name == name.lower() for name in POSTS)


def test_settings_are_the_sidecars_then_switched_in_order() -> None:
    asked: Any = {"most": 5, "sides": [3, [4]]}
    found = settings_of(Settings, asked, posts=SWITCHES, post="double+triple")
    assert found == Settings(most=30, sides=(3, (4,)))  # type: ignore[arg-type]
    assert settings_of(Settings, {}, posts=SWITCHES, post="") == Settings()
    with pytest.raises(BadInput, match="unknown post 'dubble'; did you mean 'double'"):
        settings_of(Settings, {}, posts=SWITCHES, post="dubble")
    with pytest.raises(BadInput, match="post: most: expected a whole number, got 'x'"):
        settings_of(Settings, {"most": "x"}, posts=SWITCHES, post="")


def test_all_wrong_settings_are_named() -> None:
    wrong = {"ratio": float("nan"), "most": 1.5, "soft": 1, "way": None, "sides": "12", "colour": 1}
    problems = settings_problems(Settings, wrong)
    assert len(problems) == 6
    for words in ("ratio: expected a number", "most: expected a whole", "soft: expected true", "way: expected text"):
        assert any(words in problem for problem in problems)
    assert settings_problems(Settings, {"most": True}) == ["post: most: expected a whole number, got 'True'"]
    assert settings_problems(Settings, {"ratio": 2}) == ["post: ratio: expected at most 1, got 2"]
    assert settings_problems(Settings, {"ratio": 1}) == []


def test_a_models_problems_are_found_without_its_outputs() -> None:
    assert task_problems({"task": "classification", "outputs": "logits"}) == []
    assert task_problems({"task": "detection", "outputs": "raw", "head": "nanodet"}) == []
    assert len(task_problems({"task": "segmentation", "outputs": "logits", "head": "x", "post": {"y": 1}})) == 3


def test_posts_are_checked_against_the_models_head() -> None:
    card = tiny_sidecar(outputs="raw", task="detection", head="nanodet")
    check_post("exp-float16+nms-none", sidecar=card)
    with pytest.raises(BadInput, match="changes exp, which the head 'tflite-post' does not use"):
        check_post("exp-float16", sidecar=dataclasses.replace(card, head="tflite-post"))
    segmenter = tiny_sidecar(outputs="raw", task="segmentation", head="logits")
    check_post(sorted(segmentation.POSTS)[0], sidecar=segmenter)
    with pytest.raises(BadInput, match="unknown post of the task segmentation 'nms-none'"):
        check_post("nms-none", sidecar=segmenter)


def test_details_are_read_and_written_anew() -> None:
    import numpy as np

    boxes = detections_text(Detections(((0.0, 0.0, 1.0, 1.0),), ("cup",), (0.5,)))
    mask = mask_text(Mask(1, 2, np.array([[0, 255]], np.uint8), ("cup", "dog")))
    assert checked_detail("detection", boxes) == (boxes, ("cup",))
    assert checked_detail("segmentation", mask) == (mask, ("cup", "dog"))
    assert checked_detail("classification", "") == ("", ())
    with pytest.raises(BadInput, match="expected no detail for the task classification"):
        checked_detail("classification", boxes)


def test_an_answer_is_plain() -> None:
    assert Answer(("a",), (1.0,)).detail == ""
    assert {one.name for one in dataclasses.fields(Asked)} == {"sidecar", "labels", "post", "top_k", "placed"}
