"""Losses against SciPy, hand calculation and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, rel_entr, softmax

from stability_train.losses import (
    EPSILON,
    LOSSES,
    cross_entropy,
    embedding_distance,
    jensen_shannon,
    relative_entropy,
    stop_branches,
)

RNG = np.random.default_rng(5)
CLEAN, NOISY, THIRD = (RNG.normal(0, 2, (4, 5)).astype(np.float32) for _ in range(3))
TARGETS = np.eye(5, dtype=np.float32)[[0, 3, 3, 1]]


def numbers(loss: Any) -> np.ndarray:
    assert loss.dtype == "float32"
    return np.asarray(loss)


def test_cross_entropy_is_that_of_the_clean_view_alone() -> None:
    expected = -log_softmax(CLEAN.astype(float), axis=1)[range(4), [0, 3, 3, 1]]
    assert numbers(cross_entropy(TARGETS, CLEAN)) == pytest.approx(expected, rel=1e-5)


def test_relative_entropy_is_scipys_with_the_clean_view_first() -> None:
    clean, noisy = softmax(CLEAN.astype(float), axis=1), softmax(NOISY.astype(float), axis=1)
    assert numbers(relative_entropy(CLEAN, NOISY)) == pytest.approx(rel_entr(clean, noisy).sum(axis=1), rel=1e-4)
    assert not np.allclose(rel_entr(clean, noisy).sum(axis=1), rel_entr(noisy, clean).sum(axis=1), rtol=0.01)


def test_relative_entropy_by_hand() -> None:
    # P = (3/4, 1/4), Q = (1/4, 3/4): 3/4 log 3 + 1/4 log 1/3 = log(3) / 2
    clean, noisy = np.log([[3.0, 1.0]]), np.log([[1.0, 3.0]])
    assert numbers(relative_entropy(clean, noisy))[0] == pytest.approx(np.log(3) / 2, rel=1e-6)


def test_embedding_distance_by_hand() -> None:
    assert numbers(embedding_distance([[3.0, 0.0]], [[0.0, 4.0]]))[0] == pytest.approx(5.0)
    assert numbers(embedding_distance([[1.0, 2.0]], [[1.0, 2.0]]))[0] == pytest.approx(EPSILON**0.5)


def test_jensen_shannon_is_the_mean_of_three_divergences_to_the_mixture() -> None:
    shares = [softmax(view.astype(float), axis=1) for view in (CLEAN, NOISY, THIRD)]
    mixture = sum(shares) / 3
    expected = sum(rel_entr(share, mixture).sum(axis=1) for share in shares) / 3
    assert numbers(jensen_shannon(CLEAN, NOISY, THIRD)) == pytest.approx(expected, rel=1e-4)
    apart = 60.0 * np.eye(3, dtype=np.float32)[:, None, :]
    assert numbers(jensen_shannon(*apart))[0] == pytest.approx(np.log(3), rel=1e-6)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_probabilities_that_underflow_stay_finite(scale: float) -> None:
    import tensorflow as tf

    clean, noisy = tf.constant([[scale, 0.0]]), tf.constant([[0.0, scale]])
    for function in (relative_entropy, jensen_shannon):
        with tf.GradientTape() as tape:
            tape.watch((clean, noisy))
            loss = function(clean, noisy)
        assert np.isfinite(loss).all()
        assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, (clean, noisy)))


def test_half_precision_is_computed_in_float32() -> None:
    half, other = CLEAN.astype(np.float16), NOISY.astype(np.float16)
    expected = numbers(relative_entropy(half.astype(np.float32), other.astype(np.float32)))
    assert numbers(relative_entropy(half, other)) == pytest.approx(expected, abs=1e-7)


def in_double(name: str) -> Callable[..., float]:
    """The mean losses again in double precision, from SciPy: for differences that float32 has no digits for."""

    def relative(clean: np.ndarray, noisy: np.ndarray) -> float:
        return float(rel_entr(softmax(clean, axis=1), softmax(noisy, axis=1)).sum(axis=1).mean())

    def distance(clean: np.ndarray, noisy: np.ndarray) -> float:
        return float(np.sqrt(((clean - noisy) ** 2).sum(axis=1) + EPSILON).mean())

    def jensen(*views: np.ndarray) -> float:
        shares = [softmax(view, axis=1) for view in views]
        return float(np.mean([rel_entr(one, sum(shares) / 3).sum(axis=1) for one in shares]))

    return {"relative-entropy": relative, "embedding": distance, "jensen-shannon": jensen}[name]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_numeric_ones_in_every_branch(name: str) -> None:
    import tensorflow as tf

    views = [CLEAN, NOISY, THIRD][: 1 + LOSSES[name].noisy_views]
    tensors = [tf.constant(view) for view in views]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.reduce_mean(LOSSES[name].function(*tensors))
    gradients = tape.gradient(loss, tensors)
    measure, step = in_double(name), 1e-6
    assert float(loss) == pytest.approx(measure(*(view.astype(float) for view in views)), rel=1e-5)
    for branch, gradient in enumerate(gradients):
        for row, column in ((0, 0), (2, 3), (3, 4)):
            ends = []
            for sign in (1, -1):
                moved = [view.astype(float) for view in views]
                moved[branch][row, column] += sign * step
                ends.append(measure(*moved))
            assert float(gradient[row, column]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3, abs=1e-6)


def test_equal_embeddings_have_the_gradient_zero_and_not_none() -> None:
    import tensorflow as tf

    same = tf.Variable([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        loss = embedding_distance(same, tf.constant([[1.0, 2.0]]))
    assert tape.gradient(loss, same).numpy().tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("gradient", "flows"), [("both", (True, True)), ("noisy", (False, True)), ("clean", (True, False))]
)
def test_the_gradient_flows_through_the_chosen_branches(gradient: str, flows: tuple[bool, bool]) -> None:
    import tensorflow as tf

    views = [tf.constant(CLEAN), tf.constant(NOISY)]
    with tf.GradientTape() as tape:
        tape.watch(views)
        loss = relative_entropy(*stop_branches(views, gradient=gradient))
    assert tuple(one is not None for one in tape.gradient(loss, views)) == flows
