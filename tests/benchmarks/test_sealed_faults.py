"""A fair part of the sealed-fault study: drawn scenes, calibration seeds, the product's own judge."""

from collections import Counter

import pytest

from benchmarks import sealed_faults, sealed_racks
from benchmarks.sealed_pictures import KINDS, Camera, drawn_pool, shoot
from benchmarks.sealed_software import Fault, faults_by_stage
from device_agents.records import Environment

BASE = Environment(
    "m", "0" * 64, "pillow", "whole", "rgb", "short-side-256-crop", "pillow-bilinear", "imagenet", "litert"
)


@pytest.fixture(scope="module")
def stock():
    return sealed_racks.draw_stock(5, BASE, faults_by_stage(("m-int8",), "other"))


def test_a_quarter_of_the_racks_is_faultless_half_have_one_fault_and_no_device_is_there_twice(stock):
    racks = sealed_racks.draw_racks(5, 200, stock)
    assert Counter(rack.kind for rack in racks) == {"none": 50, "one": 100, "two": 50}
    for rack in racks:
        assert len(rack.truth) == ("none", "one", "two").index(rack.kind)
        assert 3 <= len(rack.units) <= 5
        assert len({unit.camera for unit in rack.units.values()}) == len(rack.units)
        altered = sum(unit.camera.alteration is not None for unit in rack.units.values())
        assert altered <= max(1, (len(rack.units) - 1) // 2)  # the majority is what is right
    faults = [fault for rack in racks for _, fault in rack.truth]
    assert {fault.stage for fault in faults} == {"isp", "codec", *stock} - {"honest", "double"}
    assert 0.15 < sum(not fault.variants for fault in faults) / len(faults) < 0.5
    again = sealed_racks.draw_racks(5, 200, sealed_racks.draw_stock(5, BASE, faults_by_stage(("m-int8",), "other")))
    assert again == racks
    assert sealed_racks.draw_racks(6, 200, stock) != racks


def test_no_fault_is_what_its_device_claims_anyway(stock):
    for units in stock.values():
        for unit in units:
            for fault in unit.software.faults:
                assert all(getattr(unit.software.claimed, family, "") != name for family, name in fault.change)


def test_two_cameras_never_take_the_same_photograph_and_one_takes_its_own_again(tmp_path):
    light = drawn_pool(tmp_path, count=1).light(0)
    one, other = Camera(1, 5), Camera(2, 5)
    assert shoot(light, one, 0) == shoot(light, one, 0)
    assert len({shoot(light, one, 0), shoot(light, other, 0), shoot(light, one, 1)}) == 3


def finding(stage, *variants):
    return {"stage": stage, "kind": "variant" if variants else "unknown", "variants": list(variants)}


@pytest.mark.parametrize(
    ("fault", "answer", "right"),
    [
        (Fault("a", "decoder", ("libjpeg-8d",)), finding("decoder", "libjpeg-7", "libjpeg-8d"), True),
        (Fault("a", "decoder", ("libjpeg-8d",)), finding("decoder", "opencv"), False),
        (Fault("a", "decoder", ("libjpeg-8d",)), finding("decoder"), False),
        (Fault("a", "decoder", ("libjpeg-8d",)), finding("resizer", "libjpeg-8d"), False),
        (Fault("a", "resizer", home="x"), finding("view, colour, fit or resizer"), True),
        (Fault("a", "decoder", home="x"), finding("decoder", "pillow"), False),
        (Fault("a", "model", model="other"), finding("runtime or model"), True),
        (Fault("a", "scaling", ("bgr",)), finding("scaling", "imagenet bgr"), True),
    ],
)
def test_what_counts_as_right(fault, answer, right):
    assert sealed_faults.matches(fault, answer) is right


def test_wilson_by_hand_and_the_matrix():
    assert sealed_faults.wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=2e-4)  # Newcombe 1998's method 3
    assert sealed_faults.wilson(0, 50)[0] == pytest.approx(0.0, abs=1e-12)
    lines = list(sealed_faults.matrix({("isp", "isp"): 3, ("none", "codec"): 1}))
    assert lines[0].split() == ["truth", "\\", "answer", "none", "isp", "codec"]
    assert lines[2].split() == ["isp", ".", "3", "."]


def test_every_kind_of_alteration_says_what_it_is():
    assert {stage for _, stage, *_ in KINDS.values()} == {"isp", "codec"}
    assert sum(not variant for variant, *_ in KINDS.values()) >= 4


@pytest.mark.slow
def test_twelve_racks_are_told_right(tmp_path):
    pool = drawn_pool(tmp_path, count=16)
    study = sealed_faults.simulate(pool, seed=sealed_faults.CALIBRATION[0], racks=12, folder=tmp_path)
    told = [one for one, _ in sealed_faults.judge(study)]
    text = "\n".join(line for one in told for line in one.lines)
    assert sum(one.accused for one in told) == 0, text
    assert sum(one.right for one in told) >= 11, text
    assert next(iter(sealed_faults.summary(told))).startswith("racks told right: 1")
