"""Ceil mode, upsampling and precision of segmentation networks: they change what they must and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from device_agents.tasks.answers import read_mask
from device_agents.tasks.families import TASKS
from stability_train.graph_edits import COORDINATES, onnx_ceil, onnx_coordinates, onnx_upsampling
from stability_train.label_lists import LABEL_LISTS
from stability_train.output_checks import all_outputs, compare_outputs
from stability_train.variants import PRECISIONS, make, plan
from tests.device_agents.test_segmentation import asked
from tests.fakes.tiny_unet import BILINEAR, CLASSES, NEAREST, unet_sidecar, write_unet
from tests.stability_train.tiny_networks import run_onnx, write_onnx


def picture(size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, size, size)).astype(np.float32)


def logits(path: Path, size: int) -> np.ndarray:
    return NETWORKS["onnxruntime"](path, 1)(picture(size))[0]


@pytest.mark.parametrize(("size", "kernel", "equal"), [(16, 2, True), (17, 2, False), (17, 3, True), (16, 3, False)])
def test_ceil_mode_is_exactly_nothing_where_floor_and_ceil_give_one_size(tmp_path, size, kernel, equal) -> None:
    source = write_unet(tmp_path / "unet.onnx", size=size, kernel=kernel)
    onnx_ceil(source, tmp_path / "ceil.onnx", ceil=True)
    difference = np.abs(logits(source, size) - logits(tmp_path / "ceil.onnx", size)).max()
    assert (difference == 0.0) == equal


def others(path: Path) -> list[tuple[str, ...]]:
    """Every node of a file as text but for the attributes of Resize, and its weights."""
    model = onnx.load(path)
    nodes = [
        (one.op_type, *one.input, *one.output, "" if one.op_type == "Resize" else str(sorted(map(str, one.attribute))))
        for one in model.graph.node
    ]
    weights = [(one.name, numpy_helper.to_array(one).tobytes().hex()) for one in model.graph.initializer]
    return nodes + weights


@pytest.mark.parametrize("name", ["upsample-nearest", "upsample-align-corners", "upsample-asymmetric"])
def test_upsampling_changes_the_resize_alone_and_through_it_the_logits(tmp_path, name) -> None:
    source = write_unet(tmp_path / "unet.onnx", size=16, upsampling=BILINEAR)
    make(plan(name, source), tmp_path / "other.onnx", [])
    assert others(tmp_path / "other.onnx") == others(source)
    assert np.abs(logits(source, 16) - logits(tmp_path / "other.onnx", 16)).max() > 0.01
    with pytest.raises(BadInput, match=r"expected (bilinear )?upsampling that is not (bilinear|half-pixel), got 1"):
        plan("upsample-half-pixel", source)


def test_a_resize_that_does_not_grow_anything_is_exactly_the_same_in_every_mode(tmp_path) -> None:
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **BILINEAR)
    scales = {"scales": np.ones(4, np.float32)}
    source = write_onnx(tmp_path / "one.onnx", [node], shape=(1, 1, 5, 7), constants=scales)
    x = np.random.default_rng(0).random((1, 1, 5, 7)).astype(np.float32)
    onnx_upsampling(source, tmp_path / "nearest.onnx", mode="nearest")
    assert (run_onnx(tmp_path / "nearest.onnx", x) == x).all()
    for coordinates in ("align-corners", "asymmetric"):
        onnx_coordinates(source, tmp_path / "placed.onnx", coordinates=coordinates)
        assert (run_onnx(tmp_path / "placed.onnx", x) == x).all()


def test_coordinates_by_hand(tmp_path) -> None:
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **BILINEAR)
    scales = {"scales": np.array([1, 1, 1, 2], np.float32)}
    source = write_onnx(tmp_path / "s.onnx", [node], shape=(1, 1, 1, 2), constants=scales)
    x = np.array([[[[0.0, 6.0]]]], np.float32)
    expected = {"half-pixel": [0, 1.5, 4.5, 6], "align-corners": [0, 2, 4, 6], "asymmetric": [0, 3, 6, 6]}
    assert run_onnx(source, x).ravel().tolist() == expected["half-pixel"]
    for name in ("align-corners", "asymmetric"):
        onnx_coordinates(source, tmp_path / "t.onnx", coordinates=name)
        assert run_onnx(tmp_path / "t.onnx", x).ravel() == pytest.approx(expected[name])
        onnx_coordinates(tmp_path / "t.onnx", tmp_path / "back.onnx", coordinates="half-pixel")
        assert run_onnx(tmp_path / "back.onnx", x).ravel().tolist() == expected["half-pixel"]
    assert set(COORDINATES) == set(expected)
    nearest = write_unet(tmp_path / "n.onnx", size=8, upsampling=NEAREST)
    with pytest.raises(BadInput, match="expected bilinear upsampling .* got a model without any"):
        onnx_coordinates(nearest, coordinates="half-pixel")


def test_half_precision_and_int8_of_a_unet_are_near_its_own_logits(tmp_path) -> None:
    source = write_unet(tmp_path / "unet.onnx", size=16)
    card, tensors = unet_sidecar(16), [picture(16, seed) for seed in range(8)]
    expected = all_outputs(source, tensors)
    assert compare_outputs(expected, expected, card).max_difference == 0.0
    for name, limit in (("float16", 0.01), ("int8", 0.5)):
        made = plan(name, source)
        make(made, tmp_path / f"{name}.onnx", tensors)
        found = compare_outputs(expected, all_outputs(tmp_path / f"{name}.onnx", tensors), card)
        assert 0 < found.max_difference < limit
        assert found.pictures == 8
    masks = TASKS["segmentation"](expected[0], asked(size=(16, 16), labels=None, layout="nchw"))
    assert read_mask(masks.detail).classes.max() < CLASSES


def test_outputs_of_another_shape_and_changed_classes(tmp_path) -> None:
    card = unet_sidecar(2, head="classes")
    before = [(np.array([[0, 1], [1, 1]]),)]
    found = compare_outputs(before, [(np.array([[0, 0], [0, 1]]),)], card)
    assert (found.max_difference, found.flips) == (0.5, 1)
    with pytest.raises(Exception, match="expected outputs of the source's shapes"):
        compare_outputs(before, [(np.zeros((1, 2), int),)], card)


@pytest.mark.slow
def test_deeplabs_tflite_file_goes_through_onnx(tmp_path) -> None:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    models = Path(os.environ["INSTABILITY_DATA"]) / "models" / "segmentation"
    source = models / "deeplabv3_mnv2_dm05_pascal_257_float.tflite"
    quantised = models / "deeplabv3_mnv2_pascal_quant.tflite"
    x = np.random.default_rng(0).uniform(-1, 1, (1, 257, 257, 3)).astype(np.float32)
    found = {}
    for name in ("onnx", "upsample-nearest", "upsample-half-pixel"):
        made = plan(name, source)
        assert made.suffix == ".onnx"
        make(made, tmp_path / f"{name}.onnx", [])
        found[name] = NETWORKS["onnxruntime"](tmp_path / f"{name}.onnx", 1)(x)[0]
        assert found[name].shape == (1, 257, 257, len(LABEL_LISTS["pascal_voc_21"]))
    own = NETWORKS["litert"](source, 1)(x)[0]
    assert np.abs(found["onnx"] - own).max() < 1e-3
    assert np.abs(found["upsample-nearest"] - own).max() > 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.onnx" for name in found)
    with pytest.raises(BadInput, match="not align-corners, got 3 that are already") as caught:
        make(plan("upsample-align-corners", source), tmp_path / "same.onnx", [])
    assert str(caught.value).startswith(str(source))
    assert plan("upsample-nearest", quantised).suffix == ".onnx"
    with pytest.raises(BadInput, match="quantised already"):
        plan("int8", quantised)
    with pytest.raises(BadInput, match=r"'ceil' is made from .onnx or .keras files"):
        plan("ceil", source)
    for name in ("ceil", "floor"):  # of its ONNX file: no strided max-pool
        with pytest.raises(BadInput, match="got a model without one"):
            plan(name, tmp_path / "onnx.onnx")
    assert PRECISIONS["onnx"].noise == "precision"
