import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import RUNTIMES
from stability_train.tflite_edits import (
    check_float32,
    check_quantisable,
    symmetric,
    tflite_dynamic,
    tflite_float16,
)
from tests.device_agents.tiny_models import write_tflite
from tests.stability_train.tiny_networks import IN, dense_weights, write_dense

X = np.random.default_rng(1).normal(0, 1, (1, 2, 2, 3)).astype(np.float32)


@pytest.fixture
def source(tmp_path):
    return write_dense(tmp_path / "dense.tflite", dense_weights())


def test_float16_rounds_the_weights_and_nothing_else(tmp_path, source):
    tflite_float16(source, tmp_path / "half.tflite")
    got = RUNTIMES["litert-reference"](tmp_path / "half.tflite", 1)(X)
    rounded = dense_weights().astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(got, rounded @ X.reshape(IN), rtol=1e-5, atol=1e-6)
    assert not np.allclose(got, dense_weights() @ X.reshape(IN), rtol=1e-6, atol=1e-7)
    assert (tmp_path / "half.tflite").stat().st_size < 0.7 * source.stat().st_size


def test_dynamic_range_is_near_and_a_quarter_of_the_weights(tmp_path, source):
    tflite_dynamic(source, tmp_path / "dynamic.tflite")
    exact = dense_weights() @ X.reshape(IN)
    for runtime in ("litert", "litert-builtin"):
        got = RUNTIMES[runtime](tmp_path / "dynamic.tflite", 1)(X)
        # half a step of each weight, and half a step of each activation
        step, dial = np.abs(dense_weights()).max() / 127, np.abs(X).max() / 127
        bound = 0.5 * step * np.abs(X).sum() + dial * np.abs(dense_weights()).sum(axis=1) + 1e-4
        assert (np.abs(got - exact) <= bound).all()
    assert (tmp_path / "dynamic.tflite").stat().st_size < 0.6 * source.stat().st_size


def test_symmetric_integers_by_hand():
    steps, integers = symmetric(np.array([[1.27, -0.5], [0.0, 0.0]], np.float32), 0)
    assert steps.tolist() == pytest.approx([0.01, 1.0])
    assert integers.tolist() == [[127, -50], [0, 0]]
    steps, integers = symmetric(np.array([[1.27, -0.5], [0.0, -2.54]], np.float32), None)
    assert steps.tolist() == pytest.approx([0.02])
    assert integers.tolist() == [[64, -25], [0, -127]]


def test_weights_past_float16_are_refused(tmp_path):
    weights = dense_weights()
    weights[3, 4] = 7e4
    with pytest.raises(BadInput, match="expected constants within 65504, got one past it in weights"):
        tflite_float16(write_dense(tmp_path / "far.tflite", weights), tmp_path / "out.tflite")


def test_what_cannot_be_quantised_is_named(tmp_path, source):
    check_float32(source)
    check_quantisable(source)
    strange = write_dense(tmp_path / "strange.tflite", dense_weights(), extra="EXP")
    with pytest.raises(BadInput, match=r"expected operators with integer kernels, got EXP \(1\); use float16"):
        check_quantisable(strange)
    with pytest.raises(BadInput, match="expected a convolution or dense layer with constant weights, got none"):
        tflite_dynamic(write_tflite(tmp_path / "none.tflite"), tmp_path / "out.tflite")
    quantised = write_tflite(tmp_path / "bytes.tflite", kind="UINT8", scale=0.5)
    with pytest.raises(BadInput, match="expected a float32 model, got one that is quantised already"):
        check_float32(quantised)
    (tmp_path / "no.tflite").write_bytes(b"\0" * 40)
    with pytest.raises(BadInput, match="is no TFLite model"):
        check_float32(tmp_path / "no.tflite")
