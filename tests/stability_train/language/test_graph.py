from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from stability_train.language.gguf import read_checkpoint
from stability_train.language.graph import write_graph
from tests.fakes import tiny_llama

TOKENS = [1, 5, 17, 2, 30, 33, 8, 8, 21, 0, 40, 3]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    tensors = tiny_llama.weights()
    checkpoint = read_checkpoint(tiny_llama.write_gguf(folder / "tiny.gguf", tensors))
    write_graph(checkpoint, folder / "tiny.onnx")
    return folder / "tiny.onnx", tensors


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-none", "onnxruntime-basic"])
def test_the_graph_computes_what_numpy_computes_of_the_files_own_rows(made, runtime):
    path, tensors = made
    network = NETWORKS[runtime](path, 1)
    for tokens in (TOKENS, TOKENS[:1], TOKENS * 5):
        (logits,) = network(np.array([tokens], np.int64))
        assert logits.shape == (1, len(tokens), len(tiny_llama.PIECES))
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits[0], tiny_llama.forward(tensors, tokens), atol=1e-5, rtol=1e-5)


def test_openvino_agrees(made):
    pytest.importorskip("openvino", reason="the runtime openvino is not installed")
    path, tensors = made
    (logits,) = NETWORKS["openvino"](path, 1)(np.array([TOKENS], np.int64))
    np.testing.assert_allclose(logits[0], tiny_llama.forward(tensors, TOKENS), atol=1e-4, rtol=1e-4)


def test_what_comes_later_changes_nothing_and_a_batch_is_its_rows(made):
    network = NETWORKS["onnxruntime"](made[0], 1)
    (whole,) = network(np.array([TOKENS], np.int64))
    (start,) = network(np.array([TOKENS[:7]], np.int64))
    np.testing.assert_allclose(whole[0, :7], start[0], atol=1e-5)
    (both,) = network(np.array([TOKENS, TOKENS[::-1]], np.int64))
    np.testing.assert_allclose(both[0], whole[0], atol=1e-5)


def test_floats_and_bytes_are_refused_where_tokens_are_due(made):
    network = NETWORKS["onnxruntime"](made[0], 1)
    for kind in (np.float32, np.uint8):
        with pytest.raises(BadInput, match="the model takes tensor\\(int64\\)"):
            network(np.array([TOKENS], kind))


def test_a_model_past_two_gigabytes_is_refused_before_any_work(tmp_path):
    checkpoint = read_checkpoint(tiny_llama.write_gguf(tmp_path / "tiny.gguf", tiny_llama.weights()))
    large = dataclasses.replace(checkpoint, sizes=dataclasses.replace(checkpoint.sizes, layers=100_000))
    with pytest.raises(BadInput, match="at most 2 GB in float32"):
        write_graph(large, tmp_path / "large.onnx")
    assert not (tmp_path / "large.onnx").exists()
