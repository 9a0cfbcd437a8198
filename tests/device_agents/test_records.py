from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from device_agents.errors import BadInput, DeviceError, KitError, MissingExtra, TimedOut, pick
from device_agents.records import Environment, Picture, Prediction, Scene, Step, from_line, to_line

SCENE = Scene(scene="s1", file="a.jpg", sha256="00", labels=("n1", "n2"), ambiguous=("n3",))
PICTURE = Picture(
    "p1", "00", ".jpg", 10, 4, 3, "s1", corners=((0.5, 1.0), (2.0, 1.0), (2.0, 2.0), (0.5, 2.0)), device="phone é"
)


@pytest.mark.parametrize("record", [SCENE, PICTURE, Step("s1", -20, 2, "phone", 7, 3, 1)])
def test_a_record_goes_through_one_line(record: object) -> None:
    line = to_line(record)
    assert "\n" not in line
    assert from_line(type(record), line) == record


def test_a_scene_fills_in_what_follows() -> None:
    assert (SCENE.cluster, SCENE.category) == ("s1", "n1")
    with pytest.raises(BadInput, match="at least one accepted label"):
        Scene(scene="s1", file="a.jpg", sha256="00", labels=())


def test_an_environment_is_named_by_its_canonical_line() -> None:
    environment = Environment("m", "0", "pillow", "whole", "rgb", "squash", "pillow-box", "bytes", "litert")
    line = (
        '{"colour":"rgb","decoder":"pillow","fit":"squash","machine":"host","model":"m","model_sha256":"0",'
        '"resizer":"pillow-box","runtime":"litert","runtime_version":"","scaling":"bytes","threads":1,"view":"whole"}'
    )
    assert to_line(environment) == line
    assert environment.environment == hashlib.sha256(line.encode()).hexdigest()[:16]


def test_what_came_later_is_left_out_of_lines_where_it_is_empty() -> None:
    environment = Environment("m", "0", "pillow", "whole", "rgb", "squash", "pillow-box", "bytes", "litert")
    assert environment.environment == "d9068635436c7893"  # as it was called before environments had a post
    assert environment.environment != dataclasses.replace(environment, post="offset-1").environment
    for plain, full, name in (
        (environment, dataclasses.replace(environment, post="offset-1"), "post"),
        (SCENE, dataclasses.replace(SCENE, truth="{}"), "truth"),
        (Prediction("p", "e"), Prediction("p", "e", detail="{}"), "detail"),
    ):
        assert name not in to_line(plain)
        assert json.loads(to_line(full))[name]
        for one in (plain, full):
            assert from_line(type(one), to_line(one)) == one
        # What an older version writes, and what one without the rule would write.
        assert from_line(type(plain), json.dumps(dataclasses.asdict(plain))) == plain


def test_a_step_is_named_by_its_coordinates() -> None:
    assert Step("s1", -20, 2, "phone", 7, 3, 1).key == "s1|-20|2|phone"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "expected one JSON line of Scene"),
        ("[]", "expected a JSON object of Scene"),
        ('{"scene":"s"}', r"missing keys \['file', 'labels', 'sha256'\]"),
        (to_line(SCENE)[:-1] + ',"colour":1}', r"unknown keys \['colour'\]"),
    ],
)
def test_wrong_lines_are_refused(line: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        from_line(Scene, line)


def test_pick_names_what_is_known() -> None:
    assert pick({"a": 1}, "a", what="letter") == 1
    with pytest.raises(BadInput, match=r"unknown decoder 'pilow'; did you mean 'pillow'\? known: opencv, pillow"):
        pick({"pillow": 1, "opencv": 2}, "pilow", what="decoder")
    with pytest.raises(BadInput, match="unknown decoder 'x'; known: opencv, pillow"):
        pick({"pillow": 1, "opencv": 2}, "x", what="decoder")


def test_exit_codes_tell_input_from_infrastructure() -> None:
    assert (KitError.exit_code, MissingExtra.exit_code, DeviceError.exit_code, TimedOut.exit_code) == (2, 2, 3, 3)
