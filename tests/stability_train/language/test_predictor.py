from __future__ import annotations

import math

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.tasks.language import log_likelihoods
from stability_train.language.answers import answer, log_likelihood, places, right_by
from stability_train.language.harness import text_log_likelihood, write
from stability_train.language.models import get_language_model, precision_file
from stability_train.language.predictor import Predictor, Tokens, load_predictor
from stability_train.language.questions import Choice, Question
from tests.fakes import tiny_llama

TEXT = "the thin tin. than the hen in the inn.\nan inner tent than the ether."


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def predictor(cache) -> Predictor:
    file = tiny_llama.write_gguf(cache / "tiny.gguf", tiny_llama.weights())
    model = get_language_model(str(file), cache=cache)
    return load_predictor(model, precision_file(model, "float32", cache=cache), runtime="onnxruntime", threads=1)


def exact(tokens):
    """Log-likelihoods of tokens after the prefix, by the numpy model."""
    logits = tiny_llama.forward(tiny_llama.weights(), [1, *tokens[:-1]])
    return log_likelihoods(logits, tokens)


def test_a_context_and_its_continuation_are_cut_as_the_harness_cuts_them(predictor):
    whole = predictor.encode("the thin")
    assert predictor.split("the", " thin") == Tokens(predictor.encode("the"), whole[len(predictor.encode("the")) :])
    assert predictor.split("the ", "thin") == predictor.split("the", " thin")  # spaces go to the continuation
    assert predictor.split("", "the").context == (1,)  # the prefix stands where nothing does
    with pytest.raises(BadInput, match="continuation of at least one token"):
        predictor.split("the", "")


def test_a_continuation_is_scored_as_numpy_scores_it(predictor):
    tokens = predictor.split("the thin", " tin than")
    found = predictor.score(tokens)
    logits = tiny_llama.forward(tiny_llama.weights(), [*tokens.context, *tokens.continuation[:-1]])
    rows = logits[len(tokens.context) - 1 :]
    wanted = log_likelihoods(rows, tokens.continuation)
    assert found.log_likelihood == pytest.approx(math.fsum(wanted), abs=1e-5)
    assert found.chosen == tuple(rows.argmax(axis=1))


def test_what_is_too_long_loses_its_beginning(predictor):
    long = predictor.split("the thin " * 40, " tin")
    assert len(long.context) > predictor.context == 64
    short = Tokens(long.context[-(64 - len(long.continuation) + 1) :], long.continuation)
    assert predictor.score(long) == predictor.score(short)
    with pytest.raises(BadInput, match="at most 64 tokens to score"):
        predictor.score(Tokens((1,), (5,) * 65))


def test_places_of_a_text_are_windows_scored_once(predictor):
    tokens = predictor.encode(TEXT)
    assert 30 < len(tokens) <= 64
    asked = {"pieces": predictor.pieces(), "top_k": 3}
    whole = dict(places(predictor, tokens, within=range(len(tokens)), length=64, stride=64, **asked))
    assert list(whole) == list(range(len(tokens)))
    np.testing.assert_allclose([log_likelihood(one.detail) for one in whole.values()], exact(tokens), atol=1e-5)
    best = tiny_llama.forward(tiny_llama.weights(), [1, *tokens[:-1]]).argmax(axis=1)
    assert [one.labels[0] for one in whole.values()] == [predictor.pieces()[place] for place in best]
    assert all(one.scores[0] >= one.scores[1] >= one.scores[2] for one in whole.values())

    parts = dict(places(predictor, tokens, within=range(len(tokens)), length=16, stride=8, **asked))
    assert list(parts) == list(range(len(tokens)))
    # Place 20 is scored in the window of places 8 to 23: what the model sees are the tokens 7 to 19.
    seen = tiny_llama.forward(tiny_llama.weights(), list(tokens[7:20]))
    wanted = log_likelihoods(seen[-1:], tokens[20:21])[0]
    assert log_likelihood(parts[20].detail) == pytest.approx(wanted, abs=1e-5)
    # The same tokens seen have the same fingerprint, other ones another.
    assert parts[3].tensor_sha256 == whole[3].tensor_sha256 != parts[20].tensor_sha256 != whole[20].tensor_sha256


def test_only_the_windows_that_are_asked_for_are_computed(predictor):
    tokens, ran = predictor.encode(TEXT), []
    counted = Predictor(predictor.model, predictor.tokenizer, lambda given: ran.append(1) or predictor.run(given))
    asked = {"pieces": predictor.pieces(), "top_k": 1, "length": 8, "stride": 4}
    found = dict(places(counted, tokens, within=range(13, 15), **asked))
    assert list(found) == [12, 13, 14, 15]
    assert len(ran) == 1
    with pytest.raises(BadInput, match="window of 1 to 64"):
        next(places(predictor, tokens, within=range(3), pieces=[], length=65, stride=4, top_k=1))


def test_a_question_is_answered_by_the_likeliest_choice(predictor):
    words = ("tin", "than the hen")
    question = Question("piqa/1", tuple(Choice("the", f" {one}", one) for one in words), 1, "", "the ...?")
    values = [predictor.score(predictor.split("the", f" {one}")).log_likelihood for one in words]
    found = answer(predictor, question, top_k=5)
    assert found.labels == (("A", "B") if values[0] >= values[1] else ("B", "A"))
    share = 1 / (1 + math.exp(-abs(values[0] - values[1])))
    assert found.scores == pytest.approx((share, 1 - share))
    assert right_by(found.detail, 1) == (values[1] > values[0])
    assert right_by(found.detail, 1, normalised=True) == (values[1] / 12 > values[0] / 3)
    assert len(found.tensor_sha256) == 64


def test_a_last_word_is_right_where_the_model_would_write_it(predictor):
    logits = predictor.logits(predictor.encode("the thin"))[-1]
    likely = predictor.decode([int(logits.argmax())])
    for word, greedy in ((likely, True), (" q" if likely != " q" else " x", False)):
        question = Question("lambada/1", (Choice("the thin", word, word.strip() or word),), 0, "", "")
        found = answer(predictor, question, top_k=5)
        assert right_by(found.detail, 0) is greedy
        assert (found.labels[0] == (word.strip() or word)) is greedy


def test_a_whole_text_and_greedy_writing_for_the_harness(predictor):
    tokens = predictor.encode(TEXT)
    assert text_log_likelihood(predictor, TEXT) == pytest.approx(math.fsum(exact(tokens)), abs=1e-4)
    assert text_log_likelihood(predictor, "") == 0
    written = write(predictor, "the thin", {"until": [], "max_gen_toks": 6})
    seen = list(predictor.encode("the thin"))
    for _ in range(6):
        token = int(tiny_llama.forward(tiny_llama.weights(), seen)[-1].argmax())
        if token == 0:
            break
        seen.append(token)
    assert written == predictor.decode(seen[len(predictor.encode("the thin")) :])
    if len(written) > 1:
        assert write(predictor, "the thin", {"until": [written[1]], "max_gen_toks": 6}) in (written[:1], "")
    with pytest.raises(BadInput, match="decodes greedily"):
        write(predictor, "the", {"do_sample": True})


def test_scores_of_another_shape_are_refused(predictor):
    wrong = Predictor(predictor.model, predictor.tokenizer, lambda given: np.zeros((1, given.shape[1], 7), np.float32))
    with pytest.raises(BadInput, match=r"expected scores of shape \(1, 2, \d+\), got \(1, 2, 7\)"):
        wrong.logits([1, 2])
