"""A trained Keras model's max-pools in ceil mode, its upsampling nearest or bilinear, and blurs at its samplings.

Only Keras's own layers but for the blurs, so that the file loads anywhere. Keras knows no ceil mode, but "same" padding
of a max-pool, which never takes a padded place for the largest, gives it wherever it pads behind only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from stability_train.graph_edits import pooled_size


def keras_ceil(source: Path, target: Path) -> None:
    """Write the model with ceil mode on its strided max-pools of "valid" padding.

    Raises BadInput where there is none, or where Keras's "same" padding would not be ceil mode for the model's sizes.
    """
    import keras

    model = keras.models.load_model(source, compile=False)
    pools = [one for one in model.layers if _is_strided_pool(one)]
    if not pools:
        raise BadInput(f"{source}: expected a strided max-pool for ceil mode, got a model without one")
    other = {layer.name: padding for layer in pools if (padding := _ceil_padding(layer, source)) != "valid"}
    if not other:
        sizes = ", ".join(str(tuple(one.input.shape[1:3])) for one in pools[:3])
        raise BadInput(f"{source}: expected a max-pool that ceil mode makes larger, got none at sizes {sizes}")
    _save(model, {name: {"padding": padding} for name, padding in other.items()}, target)


def keras_upsampling(source: Path, target: Path, *, mode: str) -> None:
    """Write the model with all of its UpSampling2D layers of one interpolation, "nearest" or "bilinear"."""
    import keras

    model = keras.models.load_model(source, compile=False)
    found = [one for one in model.layers if isinstance(one, keras.layers.UpSampling2D)]
    if not found:
        raise BadInput(f"{source}: expected upsampling (UpSampling2D) to change, got a model without any")
    changed = {one.name: {"interpolation": mode} for one in found if one.interpolation != mode}
    if not changed:
        raise BadInput(f"{source}: expected upsampling that is not {mode}, got {len(found)} that are already")
    _save(model, changed, target)


def keras_blurpool(source: Path, target: Path, *, blur: str) -> None:
    """Write the model with a low-pass filter (stability_train.blurpool.BLURS) at every sampling, its weights kept.

    The file loads where stability_train.blurpool was imported. Raises BadInput for a model without strides.
    """
    import keras

    from stability_train.blurpool import add_blurpool

    add_blurpool(keras.models.load_model(source, compile=False), blur=blur).save(target)


def ceil_padding(size: int, *, kernel: int, stride: int) -> str:
    """Give the padding that is ceil mode for an axis: "valid" where it changes nothing, "same", or "" where neither is.

    TensorFlow's "same" makes ceil(n / s) windows and pads p = (that - 1) s + k - n, p // 2 of it in front.
    """
    wanted = pooled_size(size, kernel=kernel, stride=stride, ceil=True)
    if wanted == pooled_size(size, kernel=kernel, stride=stride):
        return "valid"
    same = -(-size // stride)
    padded = (same - 1) * stride + kernel - size
    return "same" if same == wanted and padded < 2 else ""


def _is_strided_pool(layer: Any) -> bool:
    import keras

    if not isinstance(layer, keras.layers.MaxPooling2D):
        return False
    return bool(layer.padding == "valid" and max(layer.strides) > 1)


def _ceil_padding(layer: Any, source: Path) -> str:
    height, width = layer.input.shape[1:3] if layer.data_format == "channels_last" else layer.input.shape[2:4]
    if height is None or width is None:
        raise BadInput(f"{source}: expected a fixed input size for ceil mode, got {layer.input.shape}; vary its .onnx")
    axes = zip((height, width), layer.pool_size, layer.strides, strict=True)
    found = {ceil_padding(size, kernel=kernel, stride=stride) for size, kernel, stride in axes}
    if len(found) > 1 or "" in found:
        raise BadInput(
            f"{source}: layer {layer.name} has no ceil mode in Keras at {height} x {width} (it would pad in "
            "front too); convert the model to .onnx and vary that"
        )
    return found.pop()


def _save(model: Any, changes: dict[str, dict[str, Any]], target: Path) -> None:
    import keras

    def changed(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), **changes.get(layer.name, {})})

    try:
        edited = keras.models.clone_model(model, clone_function=changed)
        edited.set_weights(model.get_weights())
    except ValueError as problem:  # a dense layer behind a flattened map whose size is another now
        raise BadInput(f"the model does not take the edit: {str(problem).splitlines()[0]}") from problem
    edited.save(target)
