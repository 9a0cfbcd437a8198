"""PRECISIONS: the variants of a trained model: number formats, ceil mode and upsampling, each by the source's format.

A variant is a function from a model file to another; what it needs and what it means stands beside it. Which runtime
really computes in the format, measured in November 2026 on an x86 CPU (docs/models.md):

float16          weights stored as float16; computed in float32 on a CPU, in half precision on a phone's GPU
float16-compute  Keras: TensorFlow rounds every layer; ONNX: in half precision on ARM and GPUs, partly here
bfloat16         Keras alone: neither LiteRT nor ONNX Runtime has bfloat16 kernels for convolutions on a CPU
int8 ...         integer kernels in LiteRT (XNNPACK) and ONNX Runtime
int16x8          LiteRT's reference kernels (slow); ONNX Runtime rounds to 16 bits and computes in float32

every-noise      the other ceil mode and the other upsampling where the model has them, and INT8: SysNoise's combined
onnx             a TFLite file's own arithmetic in ONNX Runtime: the control of what is edited on the way there

blurpool-... is no number format: a low-pass filter before every sampling, a base to fine-tune; made only when named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput, pick
from stability_train import conversions, graph_edits, half, keras_edits, quantise, tflite_edits

Array = np.ndarray[Any, np.dtype[Any]]
Maker = Callable[..., None]  # (source, target), and the calibration tensors where the variant is calibrated

PRECISION, CEIL, UPSAMPLE = "precision", "ceil", "upsample"  # SysNoise's noises of model inference (its table 1)
ARCHITECTURE = "architecture"  # another network, which wants training: no noise of this one


@dataclass(frozen=True)
class Variant:
    """One way to change a trained model.

    makers: source format ("keras", "tflite" or "onnx") -> what writes the variant. written: source format -> the
    format written, where it is another. checks: format -> what refuses a model before any work. noise: SysNoise's
    name of what it is, or ARCHITECTURE, which "all" leaves out. A Keras model without a maker of its own is converted
    to TFLite first. A quantised TFLite file has only variants that are written in another format. resizes: its feature
    maps may have other sizes than the source's, and so its outputs.
    """

    makers: Mapping[str, Maker]
    noise: str = PRECISION
    calibrated: bool = False
    checks: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    resizes: bool = False


@dataclass(frozen=True)
class Plan:
    """How one variant is made: its source file, through TFLite or not, and the format that it will have."""

    name: str
    source: Path
    convert: bool
    suffix: str

    @property
    def variant(self) -> Variant:
        """The variant's makers and needs."""
        return PRECISIONS[self.name]


def plan(name: str, source: Path, *, keras: Path | None = None) -> Plan:
    """Say how a variant of a model file will be made, having checked that it can be; nothing is written.

    keras: the same weights as a Keras file, where they are known to be the same; for the formats that only Keras
    computes in. Raises BadInput for an unknown variant, a format that it cannot be made of, and a model with an
    operator that cannot be quantised.
    """
    variant = pick(PRECISIONS, name, what="precision")
    kind = source.suffix.removeprefix(".").lower()
    convert = False
    if kind not in variant.makers and kind == "keras" and "tflite" in variant.makers:
        convert, kind = True, "tflite"
    elif kind not in variant.makers and keras is not None and "keras" in variant.makers:
        source, kind = keras, "keras"
    if kind not in variant.makers:
        known = " or ".join(f".{one}" for one in variant.makers)
        raise BadInput(f"precision '{name}' is made from {known} files, got {source.name}; convert the model first")
    if not convert and kind == "tflite" and kind not in variant.written:
        tflite_edits.check_float32(source)
    if not convert and kind in variant.checks:
        variant.checks[kind](source)
    return Plan(name, source, convert, f".{variant.written.get(kind, kind)}")


def make(planned: Plan, target: Path, tensors: Sequence[Array]) -> None:
    """Write a planned variant; tensors: the calibration pictures as the model takes them, unused where none is due."""
    source = planned.source
    if planned.convert:
        source = target.with_name(f"float32-{target.stem}.tflite")
        conversions.keras_to_tflite(planned.source, source)
    kind = source.suffix.removeprefix(".").lower()
    if planned.convert and kind in planned.variant.checks:
        planned.variant.checks[kind](source)
    planned.variant.makers[kind](source, target, *([tensors] if planned.variant.calibrated else []))
    if planned.convert:
        source.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy the file: the control, whose difference must be nothing."""
    shutil.copyfile(source, target)


def _blurred(blur: str) -> Variant:
    return Variant({"keras": partial(keras_edits.keras_blurpool, blur=blur)}, ARCHITECTURE)


def _upsampled(mode: str) -> Variant:
    edit = partial(graph_edits.onnx_upsampling, mode=mode)
    of_keras = partial(keras_edits.keras_upsampling, mode=mode)
    return _resized(edit, {"keras": of_keras})


def _placed(coordinates: str) -> Variant:
    return _resized(partial(graph_edits.onnx_coordinates, coordinates=coordinates), {})


def _resized(edit: Maker, others: Mapping[str, Maker]) -> Variant:
    """How feature maps grow, in ONNX and, converted to it, in TFLite."""
    makers = {"onnx": edit, "tflite": conversions.through_onnx(edit), **others}
    return Variant(makers, UPSAMPLE, checks={"onnx": edit, "tflite": tflite_edits.check_upsamples}, written=_AS_ONNX)


def _every_noise(source: Path, target: Path, tensors: Sequence[Array]) -> None:
    """Write the model with all of SysNoise's noises of inference that it takes: pooling, upsampling, then INT8."""
    edited = target.with_name(f"edited-{target.name}")
    shutil.copyfile(source, edited)
    try:
        for edit in _other_ways(source):
            edit(edited, edited)
        quantise.onnx_int8(edited, target, tensors, per_channel=True)
    finally:
        edited.unlink()


def _check_every_noise(source: Path) -> None:
    """Raise BadInput for a model with less than two of them: one is a variant of its own name."""
    quantise.check_onnx_quantisable(source)
    if not _other_ways(source):
        raise BadInput(f"{source}: expected a strided max-pool or upsampling beside what INT8 changes, got neither")


def _other_ways(source: Path) -> list[Maker]:
    """The edits of pooling and of upsampling that change this model: each to the way that it has not."""
    found: list[Maker] = []
    for kind in (
        [partial(graph_edits.onnx_ceil, ceil=ceil) for ceil in (True, False)],
        [partial(graph_edits.onnx_upsampling, mode=mode) for mode in ("nearest", "bilinear")],
    ):
        found += [edit for edit in kind if _takes(edit, source)][:1]
    return found


def _takes(edit: Maker, source: Path) -> bool:
    try:
        edit(source)
    except BadInput:
        return False
    return True


_CEIL = partial(graph_edits.onnx_ceil, ceil=True)
_FLOOR = partial(graph_edits.onnx_ceil, ceil=False)
_AS_ONNX = {"tflite": "onnx"}
_STATIC = {"tflite": tflite_edits.check_quantisable, "onnx": quantise.check_onnx_quantisable}

PRECISIONS: Mapping[str, Variant] = {
    "bfloat16": Variant({"keras": partial(half.keras_in, dtype="bfloat16")}),
    "blurpool-bin-5": _blurred("bin-5"),
    "blurpool-rect-2": _blurred("rect-2"),
    "blurpool-tri-3": _blurred("tri-3"),
    "ceil": Variant({"onnx": _CEIL, "keras": keras_edits.keras_ceil}, CEIL, checks={"onnx": _CEIL}, resizes=True),
    "float16": Variant({"tflite": tflite_edits.tflite_float16, "onnx": half.onnx_float16}),
    "float16-compute": Variant(
        {"onnx": half.onnx_float16_compute, "keras": partial(half.keras_in, dtype="float16")},
    ),
    "float32": Variant(
        {"tflite": copy, "onnx": copy, "keras": conversions.keras_to_tflite}, written={"keras": "tflite"}
    ),
    "floor": Variant({"onnx": _FLOOR}, CEIL, checks={"onnx": _FLOOR}, resizes=True),
    "every-noise": Variant({"onnx": _every_noise}, calibrated=True, checks={"onnx": _check_every_noise}, resizes=True),
    "int16x8": Variant(
        {"tflite": quantise.tflite_int16x8, "onnx": quantise.onnx_int16x8}, calibrated=True, checks=_STATIC
    ),
    "int8": Variant(
        {
            "tflite": partial(quantise.tflite_int8, per_channel=True),
            "onnx": partial(quantise.onnx_int8, per_channel=True),
        },
        calibrated=True,
        checks=_STATIC,
    ),
    "int8-dynamic": Variant(
        {"tflite": tflite_edits.tflite_dynamic, "onnx": quantise.onnx_dynamic},
        checks={"onnx": partial(quantise.check_onnx_quantisable, static=False)},
    ),
    "int8-per-tensor": Variant(
        {
            "tflite": partial(quantise.tflite_int8, per_channel=False),
            "onnx": partial(quantise.onnx_int8, per_channel=False),
        },
        calibrated=True,
        checks=_STATIC,
    ),
    "onnx": Variant({"tflite": conversions.tflite_to_onnx}, written=_AS_ONNX),
    "upsample-align-corners": _placed("align-corners"),
    "upsample-asymmetric": _placed("asymmetric"),
    "upsample-bilinear": _upsampled("bilinear"),
    "upsample-half-pixel": _placed("half-pixel"),
    "upsample-nearest": _upsampled("nearest"),
}
