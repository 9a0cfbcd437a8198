"""A trained ONNX model's max-pools with or without ceil mode, and how it upsamples: graph edits.

The size of a pooled axis is f((n + p - d (k - 1) - 1) / s) + 1 for input n, padding p on both sides together, kernel k,
dilation d and stride s; f is floor, or ceil in ceil mode (SysNoise, equation 8). PyTorch adds that the last window must
start inside the input or the padding before it, which ONNX Runtime (tried: 1.31) does too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from stability_train.graph_sizes import follow_sizes

_UPSAMPLING = {
    # PyTorch's nn.Upsample: mode "nearest", and "bilinear" with align_corners=False.
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}
# What onnx_coordinates writes, by the frameworks' names: PyTorch's and TensorFlow 1's align_corners=True; what PyTorch
# and TensorFlow 2 do without; and what TensorFlow 1 did without.
COORDINATES = {"align-corners": "align_corners", "half-pixel": "half_pixel", "asymmetric": "asymmetric"}
_PLACED_ALIKE = {"pytorch_half_pixel": "half_pixel"}  # but for an output of one pixel
_ONNX_MODES = {"nearest": "nearest", "bilinear": "linear"}


def pooled_size(
    size: int, *, kernel: int, stride: int, before: int = 0, after: int = 0, dilation: int = 1, ceil: bool = False
) -> int:
    """Give the size of a pooled axis: SysNoise's equation 8, with PyTorch's rule for the last window of ceil mode."""
    steps = (size + before + after - dilation * (kernel - 1) - 1) / stride
    pooled = (math.ceil(steps) if ceil else math.floor(steps)) + 1
    return pooled - 1 if ceil and (pooled - 1) * stride >= size + before else pooled


def onnx_ceil(source: Path, target: Path | None = None, *, ceil: bool) -> None:
    """Write the model with ceil mode put on (or taken off) all of its strided max-pools; without target only check it.

    Sizes that its exporter wrote down follow (graph_sizes). Raises BadInput where it has no strided max-pool, or all
    are so already, saying which, and where a size cannot follow.
    """
    import onnx

    model = onnx.load(source)
    changed = 0
    found = strided_pools(model)
    for node in found:
        attribute = next((one for one in node.attribute if one.name == "ceil_mode"), None)
        if bool(attribute.i if attribute else 0) == ceil:
            continue
        if attribute is None:
            node.attribute.append(onnx.helper.make_attribute("ceil_mode", int(ceil)))
        else:
            attribute.i = int(ceil)
        changed += 1
    if not found:
        raise BadInput(f"{source}: expected a strided max-pool for ceil mode, got a model without one")
    if not changed:
        raise BadInput(f"{source}: expected a strided max-pool {_mode(not ceil)}, got {len(found)} all {_mode(ceil)}")
    follow_sizes(onnx.load(source), model)
    if target is not None:
        _save(model, target)


def strided_pools(model: Any) -> list[Any]:
    """Give the max-pool nodes of an ONNX model with a stride above 1 whose padding is given or none.

    "SAME" padding says its output's size itself, ceil(n / s), and has no ceil mode.
    """
    found = []
    for node in model.graph.node:
        settings = {one.name: one for one in node.attribute}
        strides = list(settings["strides"].ints) if "strides" in settings else []
        padding = settings["auto_pad"].s.decode() if "auto_pad" in settings else "NOTSET"
        if node.op_type == "MaxPool" and any(one > 1 for one in strides) and not padding.startswith("SAME"):
            found.append(node)
    return found


def onnx_upsampling(source: Path, target: Path | None = None, *, mode: str) -> None:
    """Write the model with all of its upsampling (Resize and Upsample) nearest or bilinear, as PyTorch has them.

    Without target it is only checked. Raises BadInput where it has none, or all are so already.
    """
    import onnx

    model = onnx.load(source)
    found = [node for node in model.graph.node if node.op_type in ("Resize", "Upsample")]
    changed = 0
    for node in found:
        settings = {one.name: one for one in node.attribute}
        if (settings["mode"].s.decode() if "mode" in settings else "nearest") == _ONNX_MODES[mode]:
            continue
        wanted = dict(_UPSAMPLING[mode]) if node.op_type == "Resize" else {"mode": _ONNX_MODES[mode]}
        if node.op_type == "Resize" and _opset(model) < 11:
            wanted = {"mode": _ONNX_MODES[mode]}
        kept = [one for name, one in settings.items() if name not in (*_UPSAMPLING["nearest"], "cubic_coeff_a")]
        del node.attribute[:]
        node.attribute.extend([*kept, *[onnx.helper.make_attribute(name, value) for name, value in wanted.items()]])
        changed += 1
    if not found:
        raise BadInput(f"{source}: expected upsampling (Resize) to change, got a model without any")
    if not changed:
        raise BadInput(f"{source}: expected upsampling that is not {mode}, got {len(found)} that are already")
    if target is not None:
        _save(model, target)


def onnx_coordinates(source: Path, target: Path | None = None, *, coordinates: str) -> None:
    """Write the model with the pixels of its bilinear upsampling (Resize) placed otherwise; what is mixed stays.

    coordinates: a key of COORDINATES. Frameworks differ in them: a model trained with one and run with another sees its
    feature maps moved by up to half a pixel of the smaller map. Without target it is only checked. Raises BadInput
    where there is no bilinear Resize, or all have these coordinates already.
    """
    import onnx

    model = onnx.load(source)
    wanted = COORDINATES[coordinates]
    found, changed = 0, 0
    for node in model.graph.node:
        settings = {one.name: one for one in node.attribute}
        if node.op_type != "Resize" or "mode" not in settings or settings["mode"].s != b"linear":
            continue
        found += 1
        name = "coordinate_transformation_mode"
        before = settings[name].s.decode() if name in settings else "half_pixel"
        if _PLACED_ALIKE.get(before, before) == wanted:
            continue
        kept = [one for one in node.attribute if one.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute(name, wanted)])
        changed += 1
    if not found or _opset(model) < 11:
        raise BadInput(f"{source}: expected bilinear upsampling (Resize of opset 11 or later), got a model without any")
    if not changed:
        raise BadInput(
            f"{source}: expected bilinear upsampling that is not {coordinates}, got {found} that are already"
        )
    if target is not None:
        _save(model, target)


def _mode(ceil: bool) -> str:
    return "with ceil mode" if ceil else "without ceil mode"


def _opset(model: Any) -> int:
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)


def _save(model: Any, target: Path) -> None:
    """Write the model without the inner shapes that it was saved with, which need not hold any more."""
    import onnx

    del model.graph.value_info[:]
    onnx.save(model, target)
