"""The auxiliary question: by how many quarters was the picture turned? Hendrycks et al. (2019), section 4.

Importing this file loads TensorFlow: import it inside the function that trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from stability_train.losses import cross_entropy
from stability_train.model import StabilityModel

QUARTERS = 4  # logits more than there are classes: the last ones answer this question


class RotationModel(StabilityModel):
    """Views turned by 0, 1, 2 and 3 quarters; the stability term is the cross-entropy of telling them apart.

    The tail's logits are (n, classes + QUARTERS). The authors turn pictures and weigh this loss with 0.5.
    """

    def terms(self, outputs: list[Mapping[str, Any]], targets: Any) -> dict[str, Any]:
        """Give the scalars cross_entropy (of the upright view), stability (before alpha) and accuracy."""
        upright = outputs[0]["logits"][:, :-QUARTERS]
        losses = [
            tf.reduce_mean(cross_entropy(_told(turns, output["logits"]), output["logits"][:, -QUARTERS:]))
            for turns, output in enumerate(outputs)
        ]
        hits = tf.argmax(upright, axis=-1) == tf.argmax(targets, axis=-1)
        return {
            "cross_entropy": tf.reduce_mean(cross_entropy(targets, upright)),
            "stability": tf.add_n(losses) / len(losses),
            "accuracy": tf.reduce_mean(tf.cast(hits, tf.float32)),
        }


def _told(turns: int, logits: Any) -> Any:
    """The right answer for every row: float32 (n, QUARTERS)."""
    return tf.one_hot(tf.fill(tf.shape(logits)[:1], turns), QUARTERS)
