"""A small ONNX classifier with one of each operator that mutants change, and a small one that is no classifier."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (1, 3, 16, 16)
CLASSES = 6


def network_bytes(*, seed=0, two_outputs=False):
    """Conv, BatchNormalization, Relu, MaxPool, a depthwise Conv, Clip, a residual branch, Softmax, Gemm: opset 17."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    constants = {
        "w1": rng.normal(size=(8, 3, 3, 3)) * 0.3,
        "b1": rng.normal(size=8) * 0.1,
        "scale": rng.uniform(0.5, 2, 8),
        "shift": rng.normal(size=8) * 0.2,
        "mean": rng.normal(size=8) * 0.1,
        "variance": rng.uniform(0.01, 0.1, 8),
        "w2": rng.normal(size=(8, 1, 3, 3)),
        "b2": rng.normal(size=8) * 0.1,
        "zero": np.array(0.0),
        "six": np.array(6.0),
        "w3": rng.normal(size=(8, 8, 1, 1)) * 0.4,
        "gain": rng.uniform(1, 3, (1, 8, 1, 1)),
        "w4": rng.normal(size=(CLASSES, 8)) * 4,
        "b4": rng.normal(size=CLASSES) * 0.1,
    }
    node = helper.make_node
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", ["input", "w1", "b1"], ["conv1"], name="first", **pads),
        node("BatchNormalization", ["conv1", "scale", "shift", "mean", "variance"], ["norm"], epsilon=1e-5),
        node("Relu", ["norm"], ["relu"]),
        node("MaxPool", ["relu"], ["pool"], kernel_shape=[3, 3], strides=[2, 2]),
        node("Conv", ["pool", "w2", "b2"], ["conv2"], group=8, **pads),
        node("Clip", ["conv2", "zero", "six"], ["clip"]),
        node("Conv", ["clip", "w3"], ["conv3"], kernel_shape=[1, 1]),
        node("LeakyRelu", ["conv3"], ["leaky"], alpha=0.2),
        node("Add", ["clip", "leaky"], ["sum"]),
        node("Mul", ["sum", "gain"], ["scaled"]),
        node("Softmax", ["scaled"], ["soft"], axis=1),
        node("GlobalAveragePool", ["soft"], ["mean_of"]),
        node("Flatten", ["mean_of"], ["flat"]),
        node("Gemm", ["flat", "w4", "b4"], ["scores"], transB=1),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])]
    if two_outputs:
        nodes.append(node("Sigmoid", ["leaky"], ["side"]))
        outputs.append(helper.make_tensor_value_info("side", TensorProto.FLOAT, ["n", 8, "h", "w"]))
    kept = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "height", "width"])
    graph = helper.make_graph(nodes, "tiny", [entry], outputs, kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def write_network(path: Path, **settings):
    """Write the network to a file and give its path."""
    path.write_bytes(network_bytes(**settings))
    return path


def write_study(folder: Path, *, pictures=4):
    """Write the network with its sidecar and labels, and pictures with a list; give the model and the list."""
    model = write_network(folder / "tiny.onnx")
    labels = [f"class-{number}" for number in range(CLASSES)]
    (folder / "labels.csv").write_text("label,name\n" + "".join(f"{one},{one}\n" for one in labels))
    card = {"name": "tiny", "input_height": 16, "input_width": 16, "layout": "nchw", "colour_order": "rgb"}
    card |= {"fit": "squash", "resizer": "pillow-bilinear", "scaling": "zero-one", "outputs": "logits"}
    (folder / "tiny.onnx.json").write_text(json.dumps({**card, "labels": "labels.csv", "background": False}))
    rng = np.random.default_rng(1)
    with (folder / "scenes.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "label"])
        for number in range(pictures):
            Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / f"picture-{number}.png")
            rows.writerow([f"picture-{number}.png", labels[number % CLASSES]])
    return model, folder / "scenes.csv"
