from __future__ import annotations

import dataclasses
import json

import pytest

from device_agents.errors import BadInput
from stability_train.language.gguf import Vocabulary
from stability_train.language.tokens import make_tokenizer, read_tokenizer
from tests.fakes import tiny_llama

VOCABULARY = Vocabulary(
    kind="gpt2",
    splitter="smollm",
    pieces=(*tiny_llama.PIECES, "1", "2"),
    merges=tuple(tiny_llama.MERGES),
    special=(0, 1),
    prefix=1,
    end=0,
)


def test_byte_pairs_are_joined_in_the_order_of_the_merges():
    tokenizer = make_tokenizer(VOCABULARY, where="tiny")
    assert tokenizer.encode("win the than", add_special_tokens=False).tokens == ["w", "in", "Ġthe", "Ġt", "h", "an"]
    assert tokenizer.encode("<|end|>a").ids == [0, VOCABULARY.pieces.index("a")]
    assert tokenizer.encode("12").tokens == ["1", "2"]
    for text in ("win the than", "a the\nthe.", "the  the?"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_only_smollm_cuts_numbers_into_digits():
    joined = dataclasses.replace(VOCABULARY, pieces=(*VOCABULARY.pieces, "12"), merges=(*VOCABULARY.merges, "1 2"))
    assert make_tokenizer(joined, where="tiny").encode("12").tokens == ["1", "2"]
    other = dataclasses.replace(joined, splitter="gpt-2")
    assert make_tokenizer(other, where="tiny").encode("12").tokens == ["12"]


def test_what_is_not_known_is_refused_and_says_what_to_give():
    for changed, said in (
        ({"kind": "llama"}, "tokenizer of byte pairs.*--tokenizer"),
        ({"splitter": "mystery"}, "unknown splitter.*'mystery'; known: default, gpt-2, smollm"),
        ({"merges": ("q z",)}, "the tokenizer lacks the model's vocabulary: 1 merges"),
        ({"pieces": ("a", "a")}, "the tokenizer lacks the model's vocabulary"),
    ):
        with pytest.raises(BadInput, match=said):
            make_tokenizer(dataclasses.replace(VOCABULARY, **changed), where="tiny.gguf")


def test_a_file_is_read_and_held_against_the_models_own_pieces(tmp_path):
    path = tmp_path / "tokenizer.json"
    make_tokenizer(VOCABULARY, where="tiny").save(str(path))
    rows = len(VOCABULARY.pieces)
    read = read_tokenizer(path, rows=rows, pieces=VOCABULARY.pieces)
    assert read.encode("the than").tokens == make_tokenizer(VOCABULARY, where="tiny").encode("the than").tokens
    assert read_tokenizer(path, rows=rows + 64).get_vocab_size() == rows  # padded embeddings have more rows
    with pytest.raises(
        BadInput, match=f"lacks the model's vocabulary: expected tokens below {rows - 1}, got {rows - 1}"
    ):
        read_tokenizer(path, rows=rows - 1)
    swapped = list(VOCABULARY.pieces)
    swapped[4], swapped[5] = swapped[5], swapped[4]
    with pytest.raises(BadInput, match=f"2 of {rows} tokens differ, first 4, "):
        read_tokenizer(path, rows=rows, pieces=swapped)
    for text in ("", "no json", json.dumps({"model": {}})):
        path.write_text(text)
        with pytest.raises(BadInput, match="expected a tokenizer.json"):
            read_tokenizer(path, rows=rows)
    with pytest.raises(BadInput, match="expected a tokenizer.json"):
        read_tokenizer(tmp_path / "absent.json", rows=rows)
