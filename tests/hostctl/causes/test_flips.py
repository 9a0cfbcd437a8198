"""Flips: which two ways are paired, by the rule, in tables made by hand."""

import dataclasses

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene
from hostctl.causes.flips import find_flips, shown_item

BASE = Environment("m", "a" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "lite", "litert")
OTHERS = {name: dataclasses.replace(BASE, resizer=name) for name in ("opencv-area", "pillow-nearest")}


def predicted(run, picture, environment, label, score=0.9, error=""):
    run.add_environment(environment)
    labels = () if error else (label,)
    run.add_predictions([Prediction(picture, environment.environment, labels, (score,)[: len(labels)], error=error)])


def add_picture(run, name, scene, device="", repeat=0, **made):
    sha256 = run.put_file(name.encode())
    run.add_picture(Picture(name, sha256, ".jpg", 1, 1, 1, scene, 0, repeat, device, **made), {})


@pytest.fixture
def run(tmp_path):
    scenes = [Scene("s1", "", "", ("cat",), ambiguous=("pet",)), Scene("s2", "", "", ("dog",))]
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as made:
        yield made


def pairs(flips):
    return [(flip.item, flip.a.name, flip.b.name) for flip in flips]


def conditions(run, answers):
    """One picture of s1 with an answer in the base and in each other environment."""
    add_picture(run, "p", "s1")
    for environment, answer in zip((BASE, *OTHERS.values()), answers, strict=True):
        predicted(run, "p", environment, answer)
    run.set_note("base", {"m": {"environment": BASE.environment, "isp": "", "codec": ""}})


def test_a_right_base_is_paired_with_each_wrong_condition_and_a_wrong_one_with_each_right(run):
    conditions(run, ["cat", "dog", "cow"])
    assert pairs(find_flips(run)) == [
        ("s1|0|0|", "base", "resizer=opencv-area"),
        ("s1|0|0|", "base", "resizer=pillow-nearest"),
    ]


def test_an_item_is_shown_as_it_may_be_asked_for(run):
    conditions(run, ["cat", "dog", "cow"])
    (item,) = {one.item for one in find_flips(run)}
    assert shown_item(item) == "s1"
    assert pairs(find_flips(run, item=shown_item(item))) == pairs(find_flips(run))
    assert [shown_item(one) for one in ("s1|0|0", "s1|0|2|phone", "s1|10|0|")] == ["s1|0|0", "s1|0|2|phone", "s1|10|0|"]


def test_a_wrong_base_stands_second(run):
    conditions(run, ["dog", "cat", "cow"])
    assert pairs(find_flips(run)) == [("s1|0|0|", "resizer=opencv-area", "base")]
    asked = find_flips(run, between=("base", "resizer=pillow-nearest"))  # two wrong labels, because it was asked
    assert pairs(asked) == [("s1|0|0|", "base", "resizer=pillow-nearest")]
    by_id = find_flips(run, item="s1", between=(BASE.environment[:9], OTHERS["opencv-area"].environment))
    assert pairs(by_id) == [("s1|0|0|", "resizer=opencv-area", "base")]
    (flip,) = by_id
    assert (flip.accepted, flip.ambiguous, flip.a.way.environment) == (("cat",), ("pet",), OTHERS["opencv-area"])


def test_ambiguous_and_missing_answers_make_no_flip(run):
    add_picture(run, "p", "s1")
    predicted(run, "p", BASE, "cat")
    predicted(run, "p", OTHERS["opencv-area"], "pet")
    predicted(run, "p", OTHERS["pillow-nearest"], "", error="decode: bad")
    with pytest.raises(BadInput, match="any item to flip between base, resizer=opencv-area"):
        find_flips(run)
    with pytest.raises(BadInput, match="it does not"):
        find_flips(run, between=("base", "resizer=pillow-nearest"))


def test_devices_are_paired_with_the_surest_right_one_by_their_own_photographs(run):
    for device, answer, score in (("a", "cat", 0.4), ("b", "cat", 0.8), ("c", "dog", 0.9)):
        add_picture(run, f"{device}1", "s1", device)
        predicted(run, f"{device}1", dataclasses.replace(BASE, machine=device), answer, score)
        predicted(run, f"{device}1", BASE, "cow", 0.9)  # the host's own answer does not count at home
    assert pairs(find_flips(run)) == [("s1|0|0", "b", "c")]
    assert pairs(find_flips(run, between=("c", "a"))) == [("s1|0|0", "a", "c")]
    add_picture(run, "a1||jpeg", "s1", "a", parent="a1", codec="jpeg-50")
    predicted(run, "a1||jpeg", BASE, "dog")
    assert pairs(find_flips(run)) == [("s1|0|0", "b", "c")]


def test_a_developed_picture_is_a_way_from_its_root(run):
    add_picture(run, "raw", "s1")
    for isp, answer in (("plain", "cat"), ("crisp", "dog")):
        add_picture(run, f"raw|{isp}|png", "s1", parent="raw", isp=isp, codec="png")
        predicted(run, f"raw|{isp}|png", BASE, answer)
    (flip,) = find_flips(run)
    assert [(side.way.root, side.way.isp, side.way.codec) for side in (flip.a, flip.b)] == [
        ("raw", "plain", "png"),
        ("raw", "crisp", "png"),
    ]


def test_bad_words(run):
    conditions(run, ["cat", "dog", "cow"])
    with pytest.raises(BadInput, match="'' is unknown"):
        find_flips(run, between=("base", ""))
    with pytest.raises(BadInput, match="expected an item such as s1"):
        find_flips(run, item="s2")
