"""A loaded model: one input tensor to all its outputs; and the classifier that it is where it has one output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Tuple

from device_agents.errors import BadInput
from device_agents.runtime_libraries import Array

Classifier = Callable[[Array], Array]


@dataclass(frozen=True)
class Network:
    """A model in a runtime; to be called with a tensor, and not from two threads at once.

    A call gives its ``outputs`` many outputs in the order of the file, in their own shapes; integers that the file has
    a scale for widened to (q - zero) * scale in float64, others as they are.
    """

    run: Callable[[Array], Tuple[Array, ...]]
    outputs: int

    def __call__(self, tensor: Array) -> Tuple[Array, ...]:
        """Infer one tensor; raises BadInput where it is not of the shape and type that the model takes."""
        return self.run(tensor)


def classifier(network: Network, *, path: Path) -> Classifier:
    """Give the function from a tensor to the scores (n,) of a network with one output; raises BadInput for others."""
    if network.outputs != 1:
        raise BadInput(f"{path}: expected a classifier with one output, got {network.outputs}")
    return lambda tensor: network(tensor)[0].reshape(-1)
