import numpy as np
import pytest

from device_agents import decode
from device_agents.preprocess import preprocess
from hostctl.differences.asked import find_variants, read_models
from hostctl.differences.inputs import input_key, prepare
from hostctl.printing import silent
from tests.device_agents.tiny_models import png, write_onnx, write_tflite
from tests.fakes.differing import with_sidecar


@pytest.fixture
def variants(tmp_path):
    texts = [
        with_sidecar(write_onnx(tmp_path / "a.onnx")),
        with_sidecar(write_tflite(tmp_path / "b.tflite"), layout="nchw", scaling="minus-one-one"),
        with_sidecar(write_onnx(tmp_path / "c.onnx"), input_height=4, input_width=3),
    ]
    files = read_models([str(one) for one in texts], progress=silent)
    names = ("onnxruntime", "onnxruntime-none", "litert")
    return find_variants(files, names, decoder="pillow", view="whole", threads=1)[0]


def test_inputs_are_those_of_each_variant_alone_and_the_file_is_decoded_once(variants, monkeypatch):
    data = png(np.random.default_rng(0).integers(0, 256, (9, 7, 3)))
    alone = [preprocess(data, environment=one.environment, sidecar=one.sidecar) for one in variants]
    calls, plain = [], decode.DECODERS["pillow"]
    monkeypatch.setitem(decode.DECODERS, "pillow", lambda given: calls.append(1) or plain(given))
    found = prepare(data, (), variants)
    assert len(calls) == 1
    assert len(variants) == 5
    assert len(found) == 3
    for one, expected in zip(variants, alone, strict=True):
        given = found[input_key(one)]
        np.testing.assert_array_equal(given.tensor, expected.tensor)
        assert given.marks == (expected.pixels_sha256, expected.resized_sha256, expected.tensor_sha256)
        assert given.placed == expected.placed


def test_a_file_that_is_no_picture_is_an_input_with_its_reason(variants):
    found = prepare(b"no picture", (), variants)
    assert len(found) == 3
    assert all(one.tensor is None and one.error.startswith("decode: ") for one in found.values())
