"""The first layer that differs: found for every kind of mutant, with few tensors looked at, by values alone."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from device_agents.errors import BadInput
from hostctl.causes.layer_cuts import Graph, Node
from hostctl.mutants.bench import exposed
from hostctl.mutants.localising import Localiser, between, relative, same_bits, single_output
from stability_train.mutants.graph import fixed
from stability_train.mutants.mutants import make_mutant, mutants, plan_mutants
from tests.fakes.mutant_network import SHAPE, network_bytes

TENSOR = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)


def run(data, tensor=TENSOR):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": tensor}), strict=True))


@pytest.mark.parametrize("two_outputs", [False, True])
def test_every_mutant_that_changes_an_output_is_found(tmp_path, two_outputs):
    model = fixed(onnx.load_model_from_string(network_bytes(two_outputs=two_outputs)), SHAPE)
    original = model.SerializeToString()
    localiser, before = Localiser(original, tmp_path), run(original)
    kinds = set()
    for mutant in mutants(model, seed=0, count=99):
        if mutant.problem:
            continue
        after = run(mutant.data)
        outputs = [name for name, values in before.items() if not same_bits(values, after[name])]
        if not outputs:
            continue
        found = localiser.find(mutant.data, TENSOR, output=outputs[0])
        assert found.layer in mutant.plan.changed, (mutant.plan.name, found)
        assert found.relative > 0
        assert found.looked_at <= len(model.graph.node)
        kinds.add(mutant.plan.kind)
    assert len(kinds) > 18


def test_it_is_the_first_of_all_layers_that_differ_in_the_order_of_the_graph(tmp_path):
    """Against all layers of both models, each computed in one run of the whole."""
    model = fixed(onnx.load_model_from_string(network_bytes()), SHAPE)
    original, names = model.SerializeToString(), [node.output[0] for node in model.graph.node][:-1]
    localiser, layers = Localiser(original, tmp_path), run(exposed(original, names))
    for mutant in mutants(model, seed=4, count=1, kinds=["weight-sign", "bias-dropped", "activation-dropped"]):
        other = run(exposed(mutant.data, names))
        first = next(name for name in [*names, "scores"] if not same_bits(layers[name], other[name]))
        assert localiser.find(mutant.data, TENSOR, output="scores").layer == first


def chain(depth, *, broken=-1, prefix="t"):
    constants, nodes, last = [], [], "input"
    for number in range(depth):
        constants.append(
            numpy_helper.from_array(np.array([1.5 if number == broken else 1.25], np.float32), f"w{number}")
        )
        nodes.append(helper.make_node("Mul", [last, f"w{number}"], [f"{prefix}{number}"]))
        last = f"{prefix}{number}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("input", last)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("broken", [0, 1, 37, 62, 63])
def test_a_chain_is_halved(tmp_path, broken):
    """64 layers: at most 6 halvings, and the layer itself."""
    tensor = np.ones((1, 4), np.float32)
    found = Localiser(chain(64), tmp_path).find(chain(64, broken=broken), tensor, output="t63")
    assert (found.layer, found.operator) == (f"t{broken}", "Mul")
    assert found.after == ("input" if broken == 0 else f"t{broken - 1}")
    assert found.looked_at <= 8
    assert found.relative == pytest.approx(0.25 / 1.5, rel=1e-6)


def test_tensors_of_other_names_are_matched_by_their_place(tmp_path):
    tensor = np.ones((1, 4), np.float32)
    found = Localiser(chain(16), tmp_path).find(chain(16, broken=9, prefix="other"), tensor, output="")
    assert (found.layer, found.after) == ("t9", "t8")


def test_a_change_of_sizes_is_halved_too(tmp_path):
    """A stride makes all that follows smaller until the mean over all places."""
    model = fixed(onnx.load_model_from_string(network_bytes()), SHAPE)
    plans = [plan for plan in plan_mutants(model, seed=0, count=9, kinds=["stride"]) if plan.layer == "conv1"]
    mutant = make_mutant(model, plans[0])
    found = Localiser(model.SerializeToString(), tmp_path).find(mutant.data, TENSOR, output="scores")
    assert (found.layer, found.relative) == ("conv1", 2.0)
    assert found.looked_at <= 6


def test_an_output_stands_alone_with_what_it_needs():
    data = network_bytes(two_outputs=True)
    side = onnx.load_model_from_string(single_output(data, "side"))
    onnx.checker.check_model(side, full_check=True)
    assert [one.name for one in side.graph.output] == ["side"]
    assert {one.op_type for one in side.graph.node}.isdisjoint({"Gemm", "Softmax"})
    np.testing.assert_array_equal(run(side.SerializeToString())["side"], run(data)["side"])
    assert single_output(chain(2), "t1") == chain(2)


def test_a_model_that_cannot_be_cut_is_one_message(tmp_path):
    model = onnx.load_model_from_string(network_bytes())
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    with pytest.raises(BadInput, match="one input and one output"):
        Localiser(model.SerializeToString(), tmp_path).find(b"", TENSOR, output="scores")


def test_operators_between_two_tensors():
    nodes = (
        Node("a", ("in",), ("x",)),
        Node("b", ("x",), ("y",)),
        Node("c", ("x",), ("z",)),
        Node("d", ("y",), ("out",)),
    )
    graph = Graph(nodes, "in", "out", {}, lambda start, end: b"")
    assert [node.kind for node in between(graph, "x", "out")] == ["b", "d"]
    assert [node.kind for node in between(graph, "in", "z")] == ["a", "c"]


def test_bits_and_distances():
    zero, minus = np.zeros(2, np.float32), -np.zeros(2, np.float32)
    assert not same_bits(zero, minus)
    assert relative(zero, minus) == 0
    assert same_bits(np.full(2, np.nan), np.full(2, np.nan))
    assert relative(np.array([3.0, 4.0]), np.array([3.0, 3.0])) == pytest.approx(0.2)
    assert relative(np.ones(2), np.ones(3)) == relative(np.ones(2), np.array([1, np.nan])) == 2
    assert relative(np.ones(2), -np.ones(2)) == pytest.approx(2)
