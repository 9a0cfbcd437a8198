"""Conditions in words, a run's devices, and the way to variants and back."""

import dataclasses
from types import SimpleNamespace

import pytest

from device_agents.errors import BadInput, KitError
from device_agents.records import Environment
from device_agents.runtimes import runtime_version
from hostctl.causes.players import Way, parse_ways, variant_name, variants_of, way_of, ways_of_devices

BASE = Environment("m", "ab", "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert", "1.0")


def parsed(*texts, raws=False):
    return parse_ways(texts, BASE, raws=raws)


def test_words_change_the_base():
    found = parsed("decoder=opencv threads=2", "codec=jpeg-75 resizer=opencv-area", "runtime=litert")
    one, two, three = found.values()
    assert list(found) == ["decoder=opencv threads=2", "codec=jpeg-75 resizer=opencv-area", "runtime=litert"]
    assert one.condition.environment == dataclasses.replace(BASE, decoder="opencv", threads=2)
    assert (two.device, two.condition.isp, two.condition.codec) == ("", "", "jpeg-75")
    assert three.condition.environment.runtime_version == runtime_version("litert")


def test_raws_have_an_isp_and_a_codec_always():
    one, two = parsed("decoder=opencv", "isp=crisp codec=jpeg-50", raws=True).values()
    assert one.condition.made == ("libraw-pinned", "png")
    assert two.condition.made == ("crisp", "jpeg-50")
    one, two = parsed("isp=", "isp=crisp", raws=True).values()
    assert one.condition.made == ("", "")


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["decoder=opencv"], "two --condition or more"),
        (["decoder=opencv", "decoder=pillow", "resizer=pillow-box"], "different from the others"),
        (["decoder=opencv", "lens=wide"], "unknown word of a condition 'lens'"),
        (["decoder=opencv", "decoder=pil"], "unknown decoder 'pil'"),
        (["decoder=opencv", "decoder"], "FAMILY=VARIANT"),
        (["decoder=opencv", "decoder=pillow decoder=opencv"], "each family once"),
        (["decoder=opencv", "threads=0"], "whole number from 1"),
        (["decoder=opencv", "decoder="], "unknown decoder ''"),
        (["device=a", "decoder=opencv"], "in all conditions or in none"),
    ],
)
def test_words_that_cannot_be(texts, problem):
    with pytest.raises(BadInput, match=problem):
        parsed(*texts)
    assert issubclass(BadInput, KitError)


@pytest.mark.parametrize(
    ("texts", "stages"),
    [
        (["device=a isp=plain", "device=b isp=crisp codec=jpeg-50"], ["shot", "isp", "codec"]),
        (["device=a decoder=opencv", "device=b codec=jpeg-50"], ["file", "codec"]),
        (["isp=crisp codec=png", "isp="], ["file"]),
        (["decoder=opencv", "codec=jpeg-50 threads=3"], ["file", "codec"]),
    ],
)
def test_variants_lead_back_to_the_way(texts, stages):
    ways = list(parsed(*texts).values())
    variants = variants_of(ways)
    assert list(variants[0])[: len(stages)] == stages
    rest = ["decoder", "view", "colour", "fit", "resizer", "perturbation", "scaling", "runtime"]
    assert list(variants[0])[len(stages) :] == rest
    assert [way_of(one, BASE) for one in variants] == ways


def test_a_hybrid_takes_the_root_from_one_and_the_isp_from_the_other():
    a, b = variants_of(list(parsed("device=a isp=plain", "device=b isp=crisp decoder=opencv").values()))
    found = way_of({**b, "shot": a["shot"], "decoder": a["decoder"]}, BASE)
    assert isinstance(found, Way)
    assert found.key[:3] == ("a", "crisp", "png")
    assert found.condition.environment == BASE


def test_names_of_variants():
    assert variant_name("decoder", ("opencv",)) == "opencv"
    assert variant_name("codec", "") == "as shot"
    assert variant_name("file", ("board", "crisp", "png")) == "board crisp png"
    assert variant_name("runtime", ("litert", "2.1", 1, "host")) == "litert 2.1"
    assert variant_name("runtime", ("litert", "2.1", 4, "pi")) == "litert 2.1 4 threads pi"


def test_a_page_is_stood_in_for_by_this_hosts_decoder_and_runtime():
    changed = {"decoder": "create-image-bitmap", "runtime": "litert-js", "runtime_version": "2.5.3", "machine": "page"}
    page = dataclasses.replace(BASE, **changed)
    pictures = [SimpleNamespace(device=name, suffix=".png") for name in ("phone", "page")]
    run = SimpleNamespace(environments=lambda: [BASE, page], picture_records=lambda where: pictures)
    ways, (note,) = ways_of_devices(run, BASE)
    version = runtime_version("litert")
    assert ways["phone"].condition.environment == BASE
    assert ways["page"].condition.environment == dataclasses.replace(BASE, runtime_version=version)
    assert (
        note == f"page predicts by itself; here this host runs litert for the litert-js of its page, version {version}"
    )
