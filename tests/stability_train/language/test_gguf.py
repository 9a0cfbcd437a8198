from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.language.gguf import read_checkpoint
from tests.fakes import tiny_llama


def written(tmp_path, tensors=None, **changed):
    return tiny_llama.write_gguf(tmp_path / "tiny.gguf", tensors or tiny_llama.weights(), **changed)


def test_sizes_vocabulary_and_weights_come_back(tmp_path):
    tensors = tiny_llama.weights()
    found = read_checkpoint(written(tmp_path, tensors))
    sizes = found.sizes
    assert (sizes.layers, sizes.width, sizes.hidden, sizes.heads, sizes.groups) == (2, 32, 64, 4, 2)
    assert (sizes.vocabulary, sizes.context, sizes.rotary_base) == (len(tiny_llama.PIECES), 64, 10_000.0)
    assert sizes.epsilon == pytest.approx(1e-5)
    assert found.vocabulary.pieces == tuple(tiny_llama.PIECES)
    assert (found.vocabulary.prefix, found.vocabulary.end, found.vocabulary.special) == (1, 0, (0, 1))
    np.testing.assert_array_equal(found.weight("embedding"), tensors["token_embd.weight"])
    np.testing.assert_array_equal(found.weight("head"), tensors["token_embd.weight"])
    np.testing.assert_array_equal(found.weight("1/down"), tensors["blk.1.ffn_down.weight"])


def test_rows_of_queries_are_brought_back_to_halves(tmp_path):
    tensors = tiny_llama.weights()
    query = read_checkpoint(written(tmp_path, tensors)).weight("0/query")
    stored = tensors["blk.0.attn_q.weight"]
    # A head of 8 rows: neighbours (0, 1), (2, 3), (4, 5), (6, 7) are the pairs (0, 4), (1, 5), (2, 6), (3, 7).
    for head in range(4):
        np.testing.assert_array_equal(query[8 * head : 8 * head + 4], stored[8 * head : 8 * head + 8 : 2])
        np.testing.assert_array_equal(query[8 * head + 4 : 8 * head + 8], stored[8 * head + 1 : 8 * head + 8 : 2])


@pytest.mark.parametrize(("kind", "share"), [("Q8_0", 0.01), ("Q4_1", 0.15), ("F16", 0.001)])
def test_quantised_weights_are_widened(tmp_path, kind, share):
    tensors = tiny_llama.weights()
    found = read_checkpoint(written(tmp_path, tensors, quantise=kind)).weight("0/gate")
    error = np.abs(found - tensors["blk.0.ffn_gate.weight"]).max()
    assert 0 < error < share * np.abs(found).max()


def test_a_head_of_its_own_is_taken(tmp_path):
    tensors = tiny_llama.weights()
    tensors["output.weight"] = tensors["token_embd.weight"] * 2
    np.testing.assert_array_equal(read_checkpoint(written(tmp_path, tensors)).weight("head"), tensors["output.weight"])


@pytest.mark.parametrize("cut", [0, 3, 100, 3000])
def test_a_broken_file_is_one_message(tmp_path, cut):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match=r"tiny\.gguf: expected a whole GGUF file"):
        read_checkpoint(path)


def test_noise_in_the_place_of_a_file_is_one_message(tmp_path):
    path = tmp_path / "noise.gguf"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(BadInput, match="expected a whole GGUF file"):
        read_checkpoint(path)
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 200)
    with pytest.raises(BadInput, match="expected a whole GGUF file"):
        read_checkpoint(path)


def test_what_is_no_plain_llama_is_refused(tmp_path):
    without = {name: one for name, one in tiny_llama.weights().items() if name != "blk.1.ffn_up.weight"}
    bent = tiny_llama.weights()
    bent["blk.0.attn_k.weight"] = bent["blk.0.attn_k.weight"][:8]
    biased = {**tiny_llama.weights(), "blk.0.attn_q.bias": np.zeros(32, np.float32)}
    for tensors, changed, said in (
        (None, {"architecture": "bert"}, "expected a language model of the architecture llama, got bert"),
        (without, {}, r"expected the weight blk\.1\.ffn_up\.weight of shape \(64, 32\), got none"),
        (bent, {}, r"blk\.0\.attn_k\.weight of shape \(16, 32\), got \(8, 32\)"),
        (biased, {}, r"got others too: blk\.0\.attn_q\.bias"),
        (None, {"heads": 5}, "heads that share the width out evenly"),
        (None, {"groups": 3}, "heads in even groups"),
        (None, {"pieces": tiny_llama.PIECES[:-1]}, "the tokenizer lacks the model's vocabulary"),
    ):
        with pytest.raises(BadInput, match=said):
            read_checkpoint(written(tmp_path, tensors, **changed))
