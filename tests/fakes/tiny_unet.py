"""A small U-Net as plain ONNX with weights by seed: a strided max-pool, and an upsampled map joined to its skip.

The map grows to the skip's own size (Resize with sizes), so that any size of picture runs, with ceil mode or without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.sidecar import Sidecar, write_sidecar

CLASSES = 3
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
BILINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


def write_unet(
    path: Path, *, size: int, seed: int = 0, upsampling: Mapping[str, str] = NEAREST, kernel: int = 2
) -> Path:
    """Write the network, float32 [1, 3, size, size] to logits [1, CLASSES, size, size], with its sidecar."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(seed)
    shapes = {"w1": (4, 3, 3, 3), "w2": (6, 4, 3, 3), "w3": (CLASSES, 10, 1, 1)}
    constants = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    node = helper.make_node
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", ["input", "w1"], ["c1"], name="down", **same),
        node("Relu", ["c1"], ["skip"]),
        node("MaxPool", ["skip"], ["pooled"], name="pool", kernel_shape=[kernel] * 2, strides=[2, 2]),
        node("Conv", ["pooled", "w2"], ["c2"], name="bottom", **same),
        node("Relu", ["c2"], ["deep"]),
        node("Shape", ["skip"], ["skip_size"]),
        node("Slice", ["skip_size", "two", "four"], ["sides"]),
        node("Concat", ["batch_and_depth", "sides"], ["wanted"], axis=0),
        node("Resize", ["deep", "", "", "wanted"], ["grown"], name="up", **upsampling),
        node("Concat", ["skip", "grown"], ["joined"], axis=1),
        node("Conv", ["joined", "w3"], ["logits"], name="head", kernel_shape=[1, 1]),
    ]
    whole = {"two": [2], "four": [4], "batch_and_depth": [1, 6]}
    kept = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    kept += [numpy_helper.from_array(np.array(values, np.int64), name) for name, values in whole.items()]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, size, size])
    end = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES, size, size])
    graph = helper.make_graph(nodes, "unet", [entry], [end], kept)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    write_sidecar(path, unet_sidecar(size))
    return path


def unet_sidecar(size: int, **changes: Any) -> Sidecar:
    values = {
        "name": "tiny-unet",
        "input_height": size,
        "input_width": size,
        "layout": "nchw",
        "colour_order": "rgb",
        "fit": "squash",
        "resizer": "pillow-bilinear",
        "scaling": "zero-one",
        "outputs": "raw",
        "task": "segmentation",
        "head": "logits",
    }
    return Sidecar(**{**values, **changes})
