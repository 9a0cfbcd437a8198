import numpy as np
import onnx
import pytest
from onnx import helper

from device_agents.errors import BadInput
from device_agents.runtimes import RUNTIMES
from stability_train.half import onnx_float16, onnx_float16_compute
from stability_train.quantise import check_onnx_quantisable, onnx_dynamic, onnx_int8, onnx_int16x8
from tests.stability_train.tiny_networks import run_onnx, write_onnx

RNG = np.random.default_rng(3)
KERNELS = RNG.normal(0, 1, (4, 3, 1, 1)).astype(np.float32) * np.array([0.01, 1, 1, 1], np.float32)[:, None, None, None]
INPUTS = [RNG.normal(0, 1, (1, 3, 4, 4)).astype(np.float32) for _ in range(8)]


@pytest.fixture
def source(tmp_path):
    """A 1 x 1 convolution whose first channel is a hundredth of the others: one step for all rounds it away."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    return write_onnx(tmp_path / "conv.onnx", nodes, shape=(1, 3, 4, 4), constants={"w": KERNELS})


def exact(x):
    return np.maximum(np.einsum("oi,bihw->bohw", KERNELS[:, :, 0, 0], x), 0)


def worst(path, channel):
    return max(np.abs(run_onnx(path, x) - exact(x))[:, channel].max() for x in INPUTS)


def test_a_step_a_channel_keeps_a_small_channel_and_one_for_all_does_not(tmp_path, source):
    onnx_int8(source, tmp_path / "channel.onnx", INPUTS, per_channel=True)
    onnx_int8(source, tmp_path / "tensor.onnx", INPUTS, per_channel=False)
    largest = max(exact(x).max() for x in INPUTS)
    assert worst(tmp_path / "channel.onnx", 1) < 0.05 * largest

    def first_channel(path):
        graph = onnx.load(path).graph
        found = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        values = next(array for name, array in found.items() if array.dtype == np.int8 and array.ndim == 4)
        scale = next(array for name, array in found.items() if name.startswith("w") and "scale" in name)
        steps = scale.reshape(-1, 1, 1, 1) if scale.ndim else scale
        return np.abs(values * steps - KERNELS)[0].max()

    assert first_channel(tmp_path / "channel.onnx") < 0.05 * first_channel(tmp_path / "tensor.onnx")


def test_an_older_file_gets_a_step_a_channel_too(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Resize", ["c", "none", "none", "sizes"], ["y"], mode="linear"),
    ]
    constants = {"w": KERNELS, "none": np.zeros(0, np.float32), "sizes": np.array([1, 4, 4, 4], np.int64)}
    old = write_onnx(tmp_path / "old.onnx", nodes, shape=(1, 3, 4, 4), constants=constants, opset=11)
    onnx_int8(old, tmp_path / "int8.onnx", INPUTS, per_channel=True)
    largest = max(np.abs(run_onnx(old, x)).max() for x in INPUTS)
    for x in INPUTS:
        assert np.abs(run_onnx(tmp_path / "int8.onnx", x) - run_onnx(old, x)).max() < 0.05 * largest


def test_sixteen_bits_are_nearer_than_eight(tmp_path, source):
    onnx_int8(source, tmp_path / "8.onnx", INPUTS, per_channel=True)
    onnx_int16x8(source, tmp_path / "16.onnx", INPUTS)
    assert worst(tmp_path / "16.onnx", 1) < worst(tmp_path / "8.onnx", 1)


def test_dynamic_range(tmp_path, source):
    onnx_dynamic(source, tmp_path / "dynamic.onnx")
    assert 0 < worst(tmp_path / "dynamic.onnx", 1) < 0.1


def test_half_precision_in_onnx(tmp_path, source):
    onnx_float16(source, tmp_path / "half.onnx")
    rounded = KERNELS.astype(np.float16).astype(np.float32)[:, :, 0, 0]
    for x in INPUTS:
        wanted = np.maximum(np.einsum("oi,bihw->bohw", rounded, x), 0)
        np.testing.assert_allclose(run_onnx(tmp_path / "half.onnx", x), wanted, rtol=1e-5, atol=1e-6)
    onnx_float16_compute(source, tmp_path / "compute.onnx")
    assert run_onnx(tmp_path / "compute.onnx", INPUTS[0]).dtype == np.float32
    assert worst(tmp_path / "compute.onnx", 1) < 0.01
    far = write_onnx(
        tmp_path / "far.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        shape=(1, 3, 4, 4),
        constants={"w": KERNELS * np.float32(1e6)},
    )
    for maker in (onnx_float16, onnx_float16_compute):
        with pytest.raises(BadInput, match="expected weights within 65504, got one past it in w"):
            maker(far, tmp_path / "no.onnx")


def test_a_layer_that_cannot_be_quantised_is_named(tmp_path, source):
    check_onnx_quantisable(source)
    weights = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in (("w", (1, 8, 3)), ("r", (1, 8, 2)))}
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2)
    strange = write_onnx(tmp_path / "lstm.onnx", [lstm], shape=(4, 1, 3), constants=weights)
    with pytest.raises(BadInput, match="expected layers that ONNX Runtime can quantise, got LSTM; use float16"):
        check_onnx_quantisable(strange)
    plain = write_onnx(tmp_path / "plain.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    with pytest.raises(BadInput, match="expected a layer with weights to quantise, got none"):
        check_onnx_quantisable(plain)


def test_a_runtime_of_the_kit_reads_what_is_made(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    weights = RNG.normal(0, 1, (5, 12)).astype(np.float32)
    source = write_onnx(tmp_path / "dense.onnx", nodes, shape=(1, 12), constants={"w": weights})
    inputs = [RNG.normal(0, 1, (1, 12)).astype(np.float32) for _ in range(8)]
    onnx_int8(source, tmp_path / "int8.onnx", inputs, per_channel=False)
    got = RUNTIMES["onnxruntime"](tmp_path / "int8.onnx", 1)(inputs[0])
    np.testing.assert_allclose(got, weights @ inputs[0][0], atol=0.2)
