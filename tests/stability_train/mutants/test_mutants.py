"""Mutants: each is what its name says, in one layer, the same for the same seed, and runs or says why it does not."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from device_agents.errors import BadInput
from stability_train.mutants.graph import fixed, opened, read_onnx
from stability_train.mutants.mutants import KINDS, asked_kinds, make_mutant, mutants, plan_mutants
from tests.fakes.mutant_network import SHAPE, write_network

ALL = 99


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return fixed(read_onnx(write_network(tmp_path_factory.mktemp("mutants") / "tiny.onnx")), SHAPE)


@pytest.fixture(scope="module")
def made(model):
    return list(mutants(model, seed=0, count=ALL))


def run(data, tensor=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    if tensor is None:
        tensor = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
    return session.run(None, {"input": tensor})[0]


def changed_nodes(model, data):
    """The tensors whose makers read or do something else than in the original."""
    before = {node.output[0]: node for node in model.graph.node}
    after = {node.output[0]: node for node in onnx.load_model_from_string(data).graph.node}
    return {name for name, node in before.items() if after[name] != node}


def constant(data, name):
    """What the maker of a tensor reads, by place; None for what is no initializer."""
    made = onnx.load_model_from_string(data)
    known = {one.name: numpy_helper.to_array(one) for one in made.graph.initializer}
    node = next(one for one in made.graph.node if one.output[0] == name)
    return [known.get(one) for one in node.input], {
        one.name: onnx.helper.get_attribute_value(one) for one in node.attribute
    }


def one(model, kind, layer):
    plan = next(plan for plan in plan_mutants(model, seed=0, count=ALL, kinds=[kind]) if plan.layer == layer)
    found = make_mutant(model, plan)
    assert found.problem == ""
    return found


def test_every_kind_fits_the_network_and_changes_the_layers_that_it_names_alone(model, made):
    assert {mutant.plan.kind for mutant in made} == set(KINDS)
    whole = [mutant for mutant in made if not mutant.problem]
    assert len(whole) > 50
    for mutant in whole:
        assert changed_nodes(model, mutant.data) == set(mutant.plan.changed), mutant.plan.name
        assert len(mutant.plan.changed) == KINDS[mutant.plan.kind].layers
        assert mutant.change


def test_every_mutant_runs_or_says_why_it_does_not(made):
    for mutant in made:
        if mutant.problem:
            assert mutant.data == b""
            assert mutant.problem.startswith(("is no valid model: ", "cannot be made: "))
        else:
            assert np.isfinite(run(mutant.data)).all(), mutant.plan.name
    refused = [mutant.plan.name for mutant in made if mutant.problem]
    assert all(name.startswith("stride-") for name in refused)  # the residual's two sides no longer fit
    assert refused


def test_the_same_seed_gives_the_same_bytes_and_another_other_places(model):
    first, again = (list(mutants(model, seed=3, count=2)) for _ in range(2))
    assert [(a.plan, a.change, a.data) for a in first] == [(b.plan, b.change, b.data) for b in again]
    places = [[mutant.plan.layer for mutant in mutants(model, seed=seed, count=2)] for seed in range(4)]
    assert len({tuple(some) for some in places}) > 1


def test_a_larger_count_and_other_kinds_keep_the_first_ones(model):
    few, many = (plan_mutants(model, seed=1, count=count) for count in (1, 3))
    assert set(few) <= set(many)
    alone = plan_mutants(model, seed=1, count=3, kinds=["epsilon", "bias-dropped"])
    assert alone == [plan for plan in many if plan.kind in ("epsilon", "bias-dropped")]


def test_biases_are_dropped_or_shifted_by_what_is_said(model):
    original = numpy_helper.to_array(next(one for one in model.graph.initializer if one.name == "b1"))
    assert (constant(one(model, "bias-dropped", "conv1").data, "conv1")[0][2] == 0).all()
    larger = constant(one(model, "bias-one-percent", "conv1").data, "conv1")[0][2]
    np.testing.assert_allclose(larger, original * 1.01, rtol=1e-6)
    up = constant(one(model, "bias-one-ulp", "conv1").data, "conv1")[0][2]
    assert ((up.view(np.int32) - original.view(np.int32)) == np.where(original > 0, 1, -1)).all()
    raised = constant(one(model, "bias-one-channel", "conv1").data, "conv1")[0][2] - original
    assert np.count_nonzero(raised) == 1
    assert raised.max() == pytest.approx(original.std(), rel=1e-4)
    assert (constant(one(model, "bias-dropped", "norm").data, "norm")[0][2] == 0).all()


def test_weights_are_swapped_turned_and_signed(model):
    w1, w4 = (
        numpy_helper.to_array(next(x for x in model.graph.initializer if x.name == name)) for name in ("w1", "w4")
    )
    swapped = constant(one(model, "channels-swapped", "conv1").data, "conv1")[0][1]
    moved = [number for number in range(8) if not np.array_equal(swapped[number], w1[number])]
    assert len(moved) == 2
    np.testing.assert_array_equal(swapped[moved], w1[moved[::-1]])
    last = constant(one(model, "channels-swapped", "scores").data, "scores")[0][1]  # Gemm, transB: classes first
    assert np.count_nonzero((last != w4).any(axis=1)) == 2
    turned = constant(one(model, "kernel-transposed", "conv1").data, "conv1")[0][1]
    np.testing.assert_array_equal(turned, w1.transpose(0, 1, 3, 2))
    signed = constant(one(model, "weight-sign", "conv1").data, "conv1")[0][1]
    assert np.count_nonzero(signed != w1) == 1
    np.testing.assert_array_equal(np.abs(signed), np.abs(w1))


def test_settings_are_changed_by_what_is_said(model):
    assert constant(one(model, "epsilon", "norm").data, "norm")[1]["epsilon"] == pytest.approx(1e-3)
    assert constant(one(model, "ceil-mode", "pool").data, "pool")[1]["ceil_mode"] == 1
    assert constant(one(model, "softmax-axis", "soft").data, "soft")[1]["axis"] != 1
    dilated = constant(one(model, "dilation", "conv2").data, "conv2")[1]
    assert (dilated["dilations"], dilated["pads"]) == ([2, 2], [2, 2, 2, 2])
    pads = constant(one(model, "padding-shifted", "conv1").data, "conv1")[1]["pads"]
    assert sorted(pads) == [0, 1, 1, 2]
    assert pads[0] + pads[2] == pads[1] + pads[3] == 2
    bound = constant(one(model, "bound-one-percent", "clip").data, "clip")[0][2]
    assert bound == pytest.approx(5.94)


def test_batch_normalisation_with_another_epsilon_gives_what_the_formula_gives(model):
    """Written out with numpy: (x - mean) / sqrt(variance + 1e-3) * scale + shift, then the rest in ONNX Runtime."""
    known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    mutant = one(model, "epsilon", "norm")
    by_hand = onnx.ModelProto()
    by_hand.CopyFrom(model)
    gain = known["scale"] / np.sqrt(known["variance"] + np.float32(1e-3))
    for tensor in by_hand.graph.initializer:
        if tensor.name == "variance":
            tensor.CopyFrom(numpy_helper.from_array(np.full(8, 1 - 1e-5, np.float32), "variance"))
        if tensor.name == "scale":
            tensor.CopyFrom(numpy_helper.from_array(gain.astype(np.float32), "scale"))
    np.testing.assert_allclose(run(mutant.data), run(by_hand.SerializeToString()), rtol=1e-4, atol=1e-5)


def test_a_relu_and_the_max_pool_after_it_can_change_places(model):
    mutant = one(model, "order-swapped", "relu")
    assert mutant.plan.changed == ("relu", "pool")
    np.testing.assert_array_equal(run(mutant.data), run(model.SerializeToString()))
    kinds = [node.op_type for node in onnx.load_model_from_string(mutant.data).graph.node]
    assert kinds[2:4] == ["MaxPool", "Relu"]


def test_a_transposed_input_of_a_convolution_is_that_of_the_transposed_picture(model):
    """The first convolution of the transposed picture, with all else as it was."""
    tensor = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    mutant = one(model, "transpose-inserted", "conv1")
    np.testing.assert_array_equal(
        run(mutant.data, tensor), run(model.SerializeToString(), np.ascontiguousarray(tensor.swapaxes(2, 3)))
    )


def test_constants_that_nodes_make_are_read_as_initializers_are(model):
    """PyTorch writes Clip's bounds as Constant nodes: a swap must not put the Clip ahead of them."""
    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    six = next(one for one in moved.graph.initializer if one.name == "six")
    made = onnx.helper.make_node("Constant", [], ["six"], value=six)
    place = next(number for number, node in enumerate(moved.graph.node) if node.op_type == "Clip")
    moved.graph.node.insert(place, made)
    moved.graph.initializer.remove(six)
    assert opened(moved).constant(moved.graph.node[place + 1], 2) == 6
    for kind, layer in (("bound-one-percent", "clip"), ("order-swapped", "clip"), ("activation-exchanged", "clip")):
        plans = [plan for plan in plan_mutants(moved, seed=0, count=ALL, kinds=[kind]) if plan.layer == layer]
        for plan in plans:
            assert np.isfinite(run(make_mutant(moved, plan).data)).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"count": 0}, "a count of 1 or more"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"kinds": ["nonsense"]}, "unknown kind of mutant 'nonsense'"),
    ],
)
def test_what_cannot_be_asked_for_is_one_message(model, settings, words):
    with pytest.raises(BadInput, match=words):
        plan_mutants(model, **{"seed": 0, "count": 1, **settings})


def test_kinds_stand_in_their_order():
    assert asked_kinds(["weight-sign", "epsilon"]) == ["epsilon", "weight-sign"]
    assert asked_kinds() == list(KINDS)
