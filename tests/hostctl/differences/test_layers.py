"""The layer that was changed is the layer that is found, in one file's runtimes and between two files."""

import importlib.util

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from hostctl.differences.layers import Cuts, every_layer, first_conversion
from tests.device_agents.tiny_models import write_tflite
from tests.fakes.differing import LAYERS, write_branched

TENSOR = np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(1, 2, 2, 3)


@pytest.fixture
def noisy(monkeypatch):
    """Make "onnxruntime" multiply one layer's weight, in whatever piece of the model it stands."""

    def make(layer, factor=1.01):
        import onnx
        from onnx import numpy_helper

        plain = NETWORKS["onnxruntime-none"]

        def load(path, threads):
            model = onnx.load(path)
            for one in model.graph.initializer:
                if one.name == f"w_{layer}":
                    one.CopyFrom(numpy_helper.from_array(factor * numpy_helper.to_array(one), one.name))
            changed = path.with_name("changed.onnx")
            onnx.save(model, changed)
            return plain(changed, threads)

        monkeypatch.setitem(NETWORKS, "onnxruntime", load)

    return make


@pytest.mark.parametrize("layer", ["left", "right", "twice", "scores"])
def test_the_layer_that_a_runtime_computes_otherwise_is_found_on_branches_too(tmp_path, noisy, layer):
    noisy(layer)
    found = Cuts(write_branched(tmp_path / "m.onnx"), TENSOR, threads=1).first("onnxruntime-none", "onnxruntime", 1e-4)
    assert (found.layer, found.kind) == (layer, "Mul")
    assert found.relative == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert found.before_relative == 0.0
    assert found.of == len(LAYERS)


def test_two_runtimes_within_the_tolerance_have_no_first_layer(tmp_path, noisy):
    noisy("left", factor=1 + 1e-6)
    cuts = Cuts(write_branched(tmp_path / "m.onnx"), TENSOR, threads=1)
    assert cuts.first("onnxruntime-none", "onnxruntime", 1e-4) is None
    assert cuts.first("onnxruntime-none", "onnxruntime-none", 1e-12) is None


@pytest.mark.parametrize("layer", ["left", "right", "twice", "scores"])
def test_the_layer_that_a_conversion_changed_is_found_though_all_are_renamed(tmp_path, layer):
    one = write_branched(tmp_path / "a.onnx")
    other = write_branched(tmp_path / "b.onnx", changed=layer, factor=1.01, prefix="other_")
    found = first_conversion(one, other, (TENSOR, TENSOR), 1e-4)
    # What comes after "left" or "right" alone is never in agreement again; their sum is told by either.
    assert found.layer in {layer, "joined"} if layer in ("left", "right") else found.layer == layer
    assert found.other == (found.layer if found.layer == "scores" else f"other_{found.layer}")
    assert first_conversion(one, write_branched(tmp_path / "c.onnx", prefix="x_"), (TENSOR, TENSOR), 1e-4) is None


def test_every_layer_of_a_file_is_given_in_the_order_in_which_they_run(tmp_path):
    layers = every_layer(write_branched(tmp_path / "m.onnx"), TENSOR)
    assert [one.name for one in layers] == ["input", *LAYERS]
    np.testing.assert_allclose(layers[-1].values, 5 * 1.5 * 0.1 * TENSOR.reshape(1, 12), rtol=1e-6)
    layers = every_layer(write_tflite(tmp_path / "m.tflite"), TENSOR)
    assert [one.kind for one in layers] == ["input", "RESHAPE"]
    np.testing.assert_array_equal(layers[1].values, TENSOR.reshape(1, 12))
    with pytest.raises(BadInput, match="unknown model file"):
        every_layer(tmp_path / "m.pt", TENSOR)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_layers_of_a_torch_graph_are_its_operators(tmp_path):
    import torch

    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(model, (torch.from_numpy(TENSOR),)), tmp_path / "m.pt2")
    layers = every_layer(tmp_path / "m.pt2", TENSOR)
    assert [one.kind for one in layers] == ["input", "flatten", "linear", "relu"]
    with torch.inference_mode():
        np.testing.assert_array_equal(layers[-1].values, model(torch.from_numpy(TENSOR)).numpy())


@pytest.mark.slow
def test_keras_layers_are_those_of_the_model(tmp_path):
    import keras

    entry = keras.Input((2, 2, 3), name="input")
    value = keras.layers.Flatten(name="flat")(entry)
    keras.Model(entry, keras.layers.Rescaling(2.0, name="twice")(value)).save(tmp_path / "m.keras")
    layers = every_layer(tmp_path / "m.keras", TENSOR)
    assert [(one.name, one.kind) for one in layers[1:]] == [("flat", "Flatten"), ("twice", "Rescaling")]
    np.testing.assert_allclose(layers[-1].values, 2 * TENSOR.reshape(1, 12))
