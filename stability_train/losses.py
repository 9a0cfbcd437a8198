"""LOSSES: how far a model's answers on a clean picture and on a noisy copy of it lie apart; and the cross-entropy.

Every function takes rows (n, ...) of any float type, computes in float32, and gives float32 (n,): one loss a row. They
are written in keras.ops, so that gradients flow through both views; what must not flow is cut by who calls them.
The whole is L = L0 + alpha * Ls of Zheng et al. (2016) and Cidon et al. (2021), section 9.1: see model.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EPSILON = 1e-8  # under the root: a distance of zero then has the gradient zero, and not none


def cross_entropy(targets: Any, logits: Any) -> Any:
    """L0: -sum_j y_j log P(y_j | x). targets: (n, classes) shares that sum to 1; logits: (n, classes)."""
    from keras import ops

    targets = ops.cast(targets, "float32")
    return -ops.sum(targets * _log_probabilities(logits), axis=-1)


def relative_entropy(clean: Any, noisy: Any) -> Any:
    """Kullback-Leibler divergence KL(P(.|x) || P(.|x')) in nats, clean first; from logits (n, classes).

    Cidon et al. (2021), 9.1: -sum_j P(y_j|x) log(P(y_j|x') / P(y_j|x)), with both logarithms by log-sum-exp, so that a
    probability that underflows gives a finite loss.
    """
    from keras import ops

    log_clean = _log_probabilities(clean)
    return ops.sum(ops.exp(log_clean) * (log_clean - _log_probabilities(noisy)), axis=-1)


def embedding_distance(clean: Any, noisy: Any) -> Any:
    """Euclidean distance || f(x) - f(x') || of embeddings (n, features): sqrt(sum of squares + EPSILON).

    Cidon et al. (2021), 9.1. The embedding is the input of the last dense layer; on a frozen backbone that is the
    extra dense layer, without which the gradient would be zero everywhere.
    """
    from keras import ops

    difference = ops.cast(clean, "float32") - ops.cast(noisy, "float32")
    return ops.sqrt(ops.sum(ops.square(difference), axis=-1) + EPSILON)


def jensen_shannon(*views: Any) -> Any:
    """Jensen-Shannon divergence in nats of logits (n, classes), two views or more: the mean KL to their mixture.

    Hendrycks et al., AugMix (2020), equation 2, over the clean picture and two augmented ones. The mixture's logarithm
    is taken by log-sum-exp; the authors clamp it at 1e-7 instead.
    """
    from keras import ops

    logs = ops.stack([_log_probabilities(view) for view in views])
    mixture = ops.logsumexp(logs, axis=0) - ops.log(ops.cast(len(views), "float32"))
    return ops.mean(ops.sum(ops.exp(logs) * (logs - mixture), axis=-1), axis=0)


def _log_probabilities(logits: Any) -> Any:
    from keras import ops

    return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)


@dataclass(frozen=True)
class Loss:
    """A stability loss: its function of all views, clean first; which output it reads; how many noisy views it takes.

    ``alpha`` is the weight of its paper. ``extra_dense``: it needs the paper's extra dense layer.
    """

    function: Callable[..., Any]
    reads: str
    noisy_views: int
    alpha: float
    extra_dense: bool = False


def stop_branches(views: Sequence[Any], *, gradient: str) -> list[Any]:
    """Cut the gradient of the branches that it must not flow through; gradient: "both", "noisy" or "clean"."""
    from keras import ops

    clean, *noisy = views
    if gradient == "noisy":
        clean = ops.stop_gradient(clean)
    if gradient == "clean":
        noisy = [ops.stop_gradient(view) for view in noisy]
    return [clean, *noisy]


LOSSES: Mapping[str, Loss] = {
    "relative-entropy": Loss(relative_entropy, "logits", 1, 0.01),
    "embedding": Loss(embedding_distance, "embedding", 1, 0.001, extra_dense=True),
    "jensen-shannon": Loss(jensen_shannon, "logits", 2, 12.0),
}
