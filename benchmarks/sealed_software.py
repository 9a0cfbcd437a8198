"""The software of the sealed-fault study's devices: as claimed, another variant of the catalogue, or one of our own.

What is home-made here is nowhere in the kit's catalogue: resizers with a phase or filter of their own, decoders with
their own chroma or a rounding fault, scalings with wrong numbers, a model with other weights in one layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.preprocess import fingerprint, to_tensor
from device_agents.records import Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.view import VIEWS
from hostctl.causes.remade import Maker, PictureFile, Steps
from hostctl.causes.reported import Reported

Array = NDArray[Any]
Home = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """What is wrong at one stage: the names that a right answer may give it, () for what is outside the catalogue.

    change: fields of Steps; home: a function of HOME in place of the stage; model: the file that runs in truth.
    """

    name: str
    stage: str
    variants: tuple[str, ...] = ()
    change: tuple[tuple[str, str], ...] = ()
    home: str = ""
    model: str = ""


@dataclass(frozen=True)
class Software:
    """A device's software: what it claims, and its faults."""

    claimed: Environment
    faults: tuple[Fault, ...] = ()
    tag: str = field(default="")


def report(file: PictureFile, software: Software, maker: Maker, models: Mapping[str, str]) -> Reported:
    """Do as the device does with a picture file, and report it as its agent would. models: Fault.model -> sha256."""
    claimed = software.claimed
    steps = Steps.claimed(claimed, maker.sidecar(claimed.model_sha256))
    home = {fault.stage: HOME[fault.home] for fault in software.faults if fault.home}
    model = next((models[fault.model] for fault in software.faults if fault.model), claimed.model_sha256)
    for fault in software.faults:
        steps = steps.changed(fault.change)
    if not home:
        marks = {mark: maker.mark(file, steps, mark) for mark in ("pixels", "resized", "tensor")}
        answer = maker.answer(file, steps, model, claimed.runtime)
    else:
        pixels = home["decoder"](file.path.read_bytes()) if "decoder" in home else maker.pixels(file, steps)
        seen = COLOURS[steps.colour](VIEWS[steps.view](pixels, file.corners))
        resizer = home.get("resizer", RESIZERS[steps.resizer])
        resized = FITS[steps.fit](seen, resizer, steps.height, steps.width)
        if "scaling" in home:
            tensor = home["scaling"](resized)[None]
        else:
            tensor = to_tensor(resized, scaling=steps.scaling, layout=steps.layout, colour_order=steps.order)
        marks = {"pixels": fingerprint(pixels), "resized": fingerprint(resized), "tensor": fingerprint(tensor)}
        answer = maker.infer(tensor, model, claimed.runtime)
    assert answer is not None
    return Reported(file, {"file": file.sha256, **marks}, *answer)


def own_upsampling(data: bytes) -> RGB:
    """Chroma enlarged by a cubic of our own, luma as it is."""
    return _own_chroma(data, shift=0.0)


def shifted_chroma(data: bytes) -> RGB:
    """Chroma enlarged half a pixel off."""
    return _own_chroma(data, shift=0.5)


def _own_chroma(data: bytes, *, shift: float) -> RGB:
    import cv2

    pixels = DECODERS["jpeg-plain-upsampling"](data)
    luma, *chroma = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
    height, width = luma.shape
    half = [cv2.resize(one, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST) for one in chroma]
    move = np.array([[0.5, 0, 0.25 + shift / 2], [0, 0.5, 0.25]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    full = [cv2.warpAffine(one, move, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE) for one in half]
    return np.asarray(cv2.cvtColor(cv2.merge([luma, *full]), cv2.COLOR_YCrCb2RGB), np.uint8)


def rounding_down(data: bytes) -> RGB:
    """A last step that cuts the lowest bit off instead of rounding."""
    return DECODERS["pillow"](data) & np.uint8(0xFE)


def phase_shifted(picture: RGB, height: int, width: int) -> RGB:
    """Bilinear with a phase of its own: sampled a third of a pixel to the right and down."""
    import cv2

    scale_x, scale_y = picture.shape[1] / width, picture.shape[0] / height
    move = np.array([[scale_x, 0, scale_x / 2 - 0.17], [0, scale_y, scale_y / 2 - 0.17]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, move, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def box_and_triangle(picture: RGB, height: int, width: int) -> RGB:
    """The mean of a box and a triangle filter."""
    one, other = (
        RESIZERS[name](picture, height, width).astype(np.uint16) for name in ("pillow-box", "pillow-bilinear")
    )
    return np.asarray((one + other + 1) // 2, np.uint8)


def off_mean(resized: RGB) -> Array:
    """ImageNet's scaling with means of another list."""
    mean, deviation = np.array([0.5, 0.5, 0.5], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    return np.asarray((resized.astype(np.float32) / np.float32(255) - mean) / deviation, np.float32)


def by_256(resized: RGB) -> Array:
    """ImageNet's scaling, bytes divided by 256."""
    mean, deviation = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    return np.asarray((resized.astype(np.float32) / np.float32(256) - mean) / deviation, np.float32)


def other_weights(source: Path, target: Path) -> Path:
    """Write a model with a twentieth more weight in its largest layer of real numbers."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(source.read_bytes())))
    graph = model.subgraphs[0]
    floats = [one.buffer for one in graph.tensors if one.type == schema.TensorType.FLOAT32]
    sizes = {place: len(model.buffers[place].data) for place in floats if model.buffers[place].data is not None}
    place = sorted(sizes, key=lambda one: -sizes[one])[1]  # the largest is the last layer's
    weights = np.frombuffer(bytes(model.buffers[place].data), np.float32) * np.float32(1.05)
    model.buffers[place].data = np.frombuffer(weights.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target


HOME: dict[str, Home] = {
    "own-upsampling": own_upsampling,
    "shifted-chroma": shifted_chroma,
    "rounding-down": rounding_down,
    "phase-shifted": phase_shifted,
    "box-and-triangle": box_and_triangle,
    "off-mean": off_mean,
    "by-256": by_256,
}

DECODINGS = (
    *("jpeg-plain-upsampling", "jpeg-fast-dct", "jpeg-fast-plain", "libjpeg-8d", "libjpeg-9f"),
    *("libjpeg-6b-float", "ffmpeg"),
)
RESIZINGS = (
    *("opencv-linear", "half-pixel-bilinear", "pillow-nearest", "opencv-area", "opencv-cubic", "asymmetric-bilinear"),
    *("android-bitmap", "pillow-lanczos", "pillow-box", "align-corners-bilinear", "half-pixel-bicubic"),
)
COLOURINGS = ("bt601-float", "bt601-integer", "bt601-nv12-nearest", "bt601-full-nv12-bilinear", "bt709-nv12-bilinear")
FITTINGS = ("squash", "letterbox-black", "short-side-crop", "torchvision-232-crop")
SCALINGS = ("zero-one", "minus-one-one", "lite", "caffe", "imagenet-swapped")


def faults_by_stage(models: tuple[str, ...], other: str) -> dict[str, list[Fault]]:
    """All software faults of the study, by stage; models: names of the catalogue's variants of the model."""

    def of(stage: str, names: tuple[str, ...]) -> list[Fault]:
        return [Fault(f"{stage} {name}", stage, (name,), ((stage, name),)) for name in names]

    def ours(stage: str, *names: str) -> list[Fault]:
        return [Fault(f"{stage} {name} (outside)", stage, home=name) for name in names]

    swapped = ("red and blue swapped",)
    return {
        "decoder": [
            *of("decoder", DECODINGS),
            Fault("decoder red and blue swapped", "decoder", swapped, (("twist", swapped[0]),)),
            *ours("decoder", "own-upsampling", "shifted-chroma", "rounding-down"),
        ],
        "colour": of("colour", COLOURINGS),
        "fit": of("fit", FITTINGS),
        "resizer": [
            *of("resizer", RESIZINGS),
            *ours("resizer", "phase-shifted", "box-and-triangle"),
        ],
        "scaling": [
            *of("scaling", SCALINGS),
            Fault("scaling bgr", "scaling", ("bgr",), (("order", "bgr"),)),
            *ours("scaling", "off-mean", "by-256"),
        ],
        "model": [
            *[Fault(f"model {name}", "model", (name,), model=name) for name in models],
            Fault("model other weights (outside)", "model", model=other),
        ],
    }
