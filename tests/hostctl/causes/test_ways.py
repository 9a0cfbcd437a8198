"""Ways: which stages a pair has, and hybrids that take exactly the stages asked for."""

import dataclasses
import itertools

import pytest

from analysis.bisect import STAGES, differing
from device_agents.records import Environment
from hostctl.causes.ways import Way, hybrid, variants

ONE = Environment("m", "a" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "lite", "litert", "2", 1, "host")
TWO = Environment("n", "b" * 64, "opencv", "crop", "bgr", "letterbox-black", "area", "bytes", "onnx", "3", 2, "phone")


@pytest.mark.parametrize(
    ("a", "b", "first"),
    [
        (("p", "", ""), ("q", "", "jpeg-50"), ("file", "codec")),
        (("p", "crisp", "png"), ("q", "plain", "jpeg-50"), ("shot", "isp", "codec")),
        (("p", "", ""), ("q", "plain", "png"), ("file",)),
    ],
)
def test_every_stage_that_differs_can_be_swapped_alone_and_all_make_the_other_way(a, b, first):
    one, two = Way(*a, ONE), Way(*b, TWO)
    stages = differing(*variants(one, two))
    rest = ("decoder", "view", "colour", "fit", "resizer", "scaling", "runtime", "model")
    assert stages == (*first, *rest)
    assert set(stages) <= set(STAGES)
    assert hybrid(one, two, stages) == two
    assert hybrid(one, two, ()) == one
    for some in itertools.combinations(stages, 2):
        assert differing(*variants(one, hybrid(one, two, some))) == some


def test_equal_ways_differ_in_nothing():
    way = Way("p", "", "", ONE)
    assert differing(*variants(way, dataclasses.replace(way))) == ()
    other = dataclasses.replace(way, environment=dataclasses.replace(ONE, runtime_version="9"))
    assert differing(*variants(way, other)) == ("runtime",)
