from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from device_agents.tasks.language import (
    Window,
    choice_probabilities,
    choose,
    continuation,
    log_likelihoods,
    perplexity,
    windows,
)


def test_log_likelihoods_by_hand():
    # Of logits (ln 1, ln 3) the chances are 1/4 and 3/4, of (0, 0) they are halves.
    logits = np.array([[0.0, math.log(3)], [0.0, 0.0]], np.float32)
    found = log_likelihoods(logits, [1, 0])
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.exp(found), [0.75, 0.5], rtol=1e-6)
    np.testing.assert_allclose(log_likelihoods(logits + 5000, [1, 0]), found, atol=1e-3)
    assert len(log_likelihoods(np.empty((0, 2)), [])) == 0


def test_log_likelihoods_equal_scipys_over_many_rows():
    from scipy.special import log_softmax

    rng = np.random.default_rng(0)
    logits, tokens = rng.normal(size=(150, 33)).astype(np.float32) * 10, rng.integers(0, 33, 150)
    wanted = log_softmax(logits.astype(np.float64), axis=1)[np.arange(150), tokens]
    np.testing.assert_allclose(log_likelihoods(logits, tokens), wanted, atol=1e-12)


def test_what_does_not_fit_is_refused():
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(BadInput, match="scores of 3 tokens, got an output of shape"):
        log_likelihoods(logits, [0, 1, 2])
    with pytest.raises(BadInput, match="vocabulary of 3, got 3"):
        log_likelihoods(logits, [0, 3])
    with pytest.raises(BadInput, match="finite scores"):
        log_likelihoods(np.array([[np.nan, 0.0]]), [0])
    with pytest.raises(BadInput, match="at least one token"):
        continuation(np.empty((0, 3)), [])
    with pytest.raises(BadInput, match="at least one token"):
        perplexity([])


def test_a_continuation_is_greedy_where_every_token_is_the_first_choice():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    likely = continuation(logits, [0, 2])
    assert likely.greedy
    assert math.exp(likely.log_likelihood) == pytest.approx(0.56)
    unlikely = continuation(logits, [0, 1])
    assert not unlikely.greedy
    assert unlikely.chosen == (0, 2)
    assert math.exp(unlikely.log_likelihood) == pytest.approx(0.07)
    assert continuation(np.zeros((1, 3)), [0]).greedy  # ties go to the lower token


def test_perplexity_by_hand():
    assert perplexity([math.log(0.25)] * 7) == pytest.approx(4)  # four equally likely tokens
    assert perplexity([math.log(0.5), math.log(0.125)]) == pytest.approx(4)


def test_windows_by_hand():
    assert windows(10, length=4, stride=2) == [
        Window(0, 0, 4),
        Window(2, 4, 6),
        Window(4, 6, 8),
        Window(6, 8, 10),
    ]
    # lm-evaluation-harness's example in its docstring of loglikelihood_rolling: ten tokens, a context of four.
    assert windows(10, length=4, stride=4) == [Window(0, 0, 4), Window(4, 4, 8), Window(6, 8, 10)]
    assert windows(3, length=4, stride=4) == [Window(0, 0, 3)]
    assert windows(0, length=4, stride=4) == []
    for stride in (0, 5):
        with pytest.raises(BadInput, match="stride of 1"):
            windows(10, length=4, stride=stride)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 200), st.integers(1, 30), st.data())
def test_every_token_is_scored_once_with_enough_before_it(count, length, data):
    stride = data.draw(st.integers(1, length))
    found = windows(count, length=length, stride=stride)
    assert [place for one in found for place in range(one.scored, one.end)] == list(range(count))
    assert all(0 < one.end - one.start <= length for one in found)
    assert all(one.scored - one.start >= length - stride for one in found[1:])


def test_choices_with_and_without_their_length():
    values = [-4.0, -6.0]
    assert choose(values) == 0
    assert choose(values, lengths=[4, 12]) == 1  # -1 a character against -1/2
    assert choose([-1.0, -1.0]) == 0
    np.testing.assert_allclose(choice_probabilities([0.0, math.log(3)]), [0.25, 0.75])
    np.testing.assert_allclose(choice_probabilities([0.0, 2 * math.log(3)], lengths=[1, 2]), [0.25, 0.75])
    with pytest.raises(BadInput, match="at least two"):
        choose([-1.0])
    for lengths in ([3], [0, 3]):
        with pytest.raises(BadInput, match="lengths of 2 choices"):
            choose(values, lengths=lengths)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-500, 0), min_size=2, max_size=6), st.floats(-50, 50))
def test_a_choice_does_not_depend_on_a_common_factor_and_follows_its_probability(values, shift):
    chances = choice_probabilities(values)
    assert sum(chances) == pytest.approx(1)
    assert chances[choose(values)] == max(chances)
    assert chances == pytest.approx(choice_probabilities([value + shift for value in values]), abs=1e-9)
