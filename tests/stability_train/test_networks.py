"""Carrying weights, on layers that stand in for Keras's; the networks themselves are tested by the models they give."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.networks import carry_weights


class _Layer:
    def __init__(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.name = name
        self.weights = [np.zeros(shape) for shape in shapes]
        self.got: list[np.ndarray] | None = None

    def set_weights(self, arrays: list[np.ndarray]) -> None:
        assert self.got is None
        self.got = arrays


class Conv2D(_Layer): ...


class DepthwiseConv2D(_Layer): ...


class BatchNormalization(_Layer): ...


class Dense(_Layer): ...


class ReLU(_Layer): ...


class Model:
    name = "tiny"

    def __init__(self) -> None:
        self.layers = [
            Conv2D("conv", (3, 2, 4, 5)),  # height, width, in, out
            DepthwiseConv2D("deep", (3, 2, 5, 1)),
            BatchNormalization("norm", (5,), (5,), (5,), (5,)),
            ReLU("relu"),
            Dense("fc", (5, 7), (7,)),
        ]


def torch_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {
        "_conv.weight": (5, 4, 3, 2),
        "deep.weight": (5, 1, 3, 2),
        "norm.weight": (5,),
        "norm.bias": (5,),
        "norm.running_mean": (5,),
        "norm.running_var": (5,),
        "norm.num_batches_tracked": (),
        "_fc.weight": (7, 5),
        "_fc.bias": (7,),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_each_number_goes_to_its_place():
    model, weights = Model(), torch_weights()
    carry_weights(model, weights)
    conv, deep, norm, relu, dense = (layer.got for layer in model.layers)
    assert conv[0][2, 1, 3, 4] == weights["_conv.weight"][4, 3, 2, 1]
    assert deep[0][2, 1, 4, 0] == weights["deep.weight"][4, 0, 2, 1]
    assert [array[3] for array in norm] == [
        weights[f"norm.{part}"][3] for part in ("weight", "bias", "running_mean", "running_var")
    ]
    assert relu is None
    assert dense[0][4, 6] == weights["_fc.weight"][6, 4]
    assert dense[1][6] == weights["_fc.bias"][6]


def test_missing_left_over_and_ill_fitting_weights_are_refused():
    weights = torch_weights()
    with pytest.raises(BadInput, match=r"expected the weights \['norm.bias'\] for tiny"):
        carry_weights(Model(), {name: array for name, array in weights.items() if name != "norm.bias"})
    with pytest.raises(BadInput, match=r"got also \['aux.weight'\]"):
        carry_weights(Model(), weights | {"aux.weight": np.zeros(3)})
    with pytest.raises(BadInput, match=r"expected weights of the shapes .* for layer fc"):
        carry_weights(Model(), weights | {"_fc.weight": np.zeros((7, 6))})
