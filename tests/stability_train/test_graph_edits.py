import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from device_agents.errors import BadInput
from stability_train.graph_edits import onnx_ceil, onnx_upsampling, pooled_size
from stability_train.keras_edits import ceil_padding
from tests.stability_train.tiny_networks import run_onnx, write_onnx


def pool(kernel, stride, pad=0, **more):
    return helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **more
    )


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "floor", "ceil"),
    [
        (112, 3, 2, 0, 55, 56),  # SqueezeNet at 224
        (113, 3, 2, 0, 56, 56),  # and at 227: no difference
        (112, 3, 2, 1, 56, 57),  # ResNet's stem
        (5, 2, 3, 1, 2, 2),  # the third window would start in the padding behind: PyTorch's rule
        (1, 1, 2, 0, 1, 1),
    ],
)
def test_sizes_of_equation_8(size, kernel, stride, pad, floor, ceil):
    given = {"kernel": kernel, "stride": stride, "before": pad, "after": pad}
    assert pooled_size(size, **given) == floor
    assert pooled_size(size, **given, ceil=True) == ceil


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(1, 3), st.data())
def test_onnx_runtime_makes_the_sizes_and_pads_with_nothing(tmp_path_factory, size, kernel, stride, data):
    pad = data.draw(st.integers(0, kernel // 2))
    if size + 2 * pad < kernel:
        return
    path = write_onnx(tmp_path_factory.mktemp("pool") / "a.onnx", [pool(kernel, stride, pad, ceil_mode=1)])
    found = run_onnx(path, np.full((1, 1, size, size), -3, np.float32))
    wanted = pooled_size(size, kernel=kernel, stride=stride, before=pad, after=pad, ceil=True)
    assert found.shape == (1, 1, wanted, wanted)
    assert (found == -3).all()


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 300), st.integers(1, 5), st.integers(1, 4))
def test_kerass_same_padding_is_ceil_mode_where_it_says_so(size, kernel, stride):
    if size < kernel:
        return
    floor = pooled_size(size, kernel=kernel, stride=stride)
    ceil = pooled_size(size, kernel=kernel, stride=stride, ceil=True)
    padding = ceil_padding(size, kernel=kernel, stride=stride)
    assert (padding == "valid") == (floor == ceil)
    if padding == "same":
        assert -(-size // stride) == ceil


def test_ceil_mode_by_hand_and_back(tmp_path):
    source = write_onnx(tmp_path / "source.onnx", [pool(2, 2)])
    x = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    assert run_onnx(source, x)[0, 0].tolist() == [[6, 8], [16, 18]]
    onnx_ceil(source, tmp_path / "ceil.onnx", ceil=True)
    assert run_onnx(tmp_path / "ceil.onnx", x)[0, 0].tolist() == [[6, 8, 9], [16, 18, 19], [21, 23, 24]]
    onnx_ceil(tmp_path / "ceil.onnx", tmp_path / "floor.onnx", ceil=False)
    assert run_onnx(tmp_path / "floor.onnx", x)[0, 0].tolist() == [[6, 8], [16, 18]]


def test_what_has_no_strided_pool_or_has_it_already_is_refused(tmp_path):
    no_stride = write_onnx(tmp_path / "a.onnx", [pool(3, 1)])
    with pytest.raises(BadInput, match="expected a strided max-pool for ceil mode, got a model without one"):
        onnx_ceil(no_stride, ceil=True)
    same = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    with pytest.raises(BadInput, match="got a model without one"):
        onnx_ceil(write_onnx(tmp_path / "b.onnx", [same]), ceil=True)
    with pytest.raises(BadInput, match="expected a strided max-pool without ceil mode, got 1 all with ceil mode"):
        onnx_ceil(write_onnx(tmp_path / "c.onnx", [pool(3, 2, ceil_mode=1)]), ceil=True)
    with pytest.raises(BadInput, match="got 1 all without ceil mode"):
        onnx_ceil(write_onnx(tmp_path / "d.onnx", [pool(3, 2)]), ceil=False)


def upsampling(tmp_path, mode, **more):
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode=mode, **more)
    return write_onnx(
        tmp_path / f"{mode}.onnx",
        [node],
        shape=(1, 1, 1, 2),
        constants={"scales": np.array([1, 1, 1, 2], np.float32)},
    )


def test_upsampling_by_hand(tmp_path):
    source = upsampling(tmp_path, "cubic", cubic_coeff_a=-0.5, coordinate_transformation_mode="align_corners")
    x = np.array([[[[0.0, 4.0]]]], np.float32)
    onnx_upsampling(source, tmp_path / "n.onnx", mode="nearest")
    assert run_onnx(tmp_path / "n.onnx", x).ravel().tolist() == [0, 0, 4, 4]
    onnx_upsampling(tmp_path / "n.onnx", tmp_path / "b.onnx", mode="bilinear")
    # half a pixel: at -0.25, 0.25, 0.75, 1.25 of the two
    assert run_onnx(tmp_path / "b.onnx", x).ravel().tolist() == [0, 1, 3, 4]
    with pytest.raises(BadInput, match="expected upsampling that is not bilinear, got 1 that are already"):
        onnx_upsampling(tmp_path / "b.onnx", mode="bilinear")
    with pytest.raises(BadInput, match=r"expected upsampling \(Resize\) to change, got a model without any"):
        onnx_upsampling(write_onnx(tmp_path / "p.onnx", [pool(2, 2)]), mode="nearest")


def test_nothing_is_left_of_the_old_inner_shapes(tmp_path):
    nodes = [pool(2, 2), helper.make_node("Relu", ["y"], ["z"])]
    nodes[0].output[0], nodes[1].input[0], nodes[1].output[0] = "p", "p", "y"
    source = write_onnx(tmp_path / "s.onnx", nodes, shape=(1, 1, 5, 5))
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(source)), source)
    onnx_ceil(source, tmp_path / "t.onnx", ceil=True)
    assert run_onnx(tmp_path / "t.onnx", np.zeros((1, 1, 5, 5), np.float32)).shape == (1, 1, 3, 3)
