"""Keras models changed and converted, in one process with TensorFlow; the sizes are tested in test_graph_edits.py."""

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.conversions import CONVERSIONS
from stability_train.half import keras_in
from stability_train.keras_edits import keras_ceil, keras_upsampling

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's, about its own internals


@pytest.fixture
def network(tmp_path):
    keras = pytest.importorskip("keras")

    def build(size, *, kernel=2, stride=2, up=True):
        tensor = image = keras.Input((size, size, 1), name="input")
        tensor = keras.layers.MaxPooling2D(kernel, strides=stride, name="pool")(tensor)
        if up:
            tensor = keras.layers.UpSampling2D(2, interpolation="nearest", name="up")(tensor)
        tensor = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(tensor)
        path = tmp_path / f"net-{size}-{kernel}.keras"
        keras.Model(image, tensor).save(path)
        return path

    return build


def run(path, x):
    import keras

    return np.asarray(keras.models.load_model(path, compile=False)(x))


def test_ceil_mode_and_upsampling_by_hand(network, tmp_path):
    x = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1) - 30  # below zero: padding must not win
    keras_ceil(network(5, up=False), tmp_path / "ceil.keras")
    assert (run(tmp_path / "ceil.keras", x)[0, :, :, 0] + 30).tolist() == [[6, 8, 9], [16, 18, 19], [21, 23, 24]]
    source = network(5)
    assert (run(source, x)[0, 0, :, 0] + 30).tolist() == [6, 6, 8, 8]
    keras_upsampling(source, tmp_path / "up.keras", mode="bilinear")
    assert (run(tmp_path / "up.keras", x)[0, 0, :, 0] + 30).tolist() == [6, 6.5, 7.5, 8]
    with pytest.raises(BadInput, match="expected upsampling that is not nearest, got 1 that are already"):
        keras_upsampling(source, tmp_path / "no.keras", mode="nearest")
    with pytest.raises(BadInput, match="expected a max-pool that ceil mode makes larger, got none"):
        keras_ceil(network(4), tmp_path / "no.keras")
    with pytest.raises(BadInput, match="layer pool has no ceil mode in Keras at 7 x 7"):
        keras_ceil(network(7, kernel=3, stride=3), tmp_path / "no.keras")


def test_half_precision_and_conversions(network, tmp_path):
    x = np.linspace(-1, 1, 25, dtype=np.float32).reshape(1, 5, 5, 1)
    source = network(5)
    exact = run(source, x)
    for dtype, step in (("float16", 2**-11), ("bfloat16", 2**-8)):
        keras_in(source, tmp_path / f"{dtype}.keras", dtype=dtype)
        got = run(tmp_path / f"{dtype}.keras", x)
        assert got.dtype == np.float32
        assert 0 < np.abs(got - exact).max() <= step
    CONVERSIONS["keras", "tflite"](source, tmp_path / "net.tflite")
    CONVERSIONS["tflite", "onnx"](tmp_path / "net.tflite", tmp_path / "net.onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(got, exact, atol=1e-6)
