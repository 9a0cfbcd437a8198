"""From a file's bytes to the model's input: decode, view, colour, resize, perturb, scale; the fingerprints in between.

What environments share is done once: a Share holds one picture's work. Large pictures are held for one decoder, view
and colour at a time; resized pictures are small and are all kept, found again by the hash of the pixels they came from.
Of perturbed ones, which may be hundreds, only the latest is held.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Hashable, Iterator, Optional, Tuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import KitError, MissingExtra, WrongJob, pick
from device_agents.perturbations.chains import perturbed
from device_agents.perturbations.families import Perturbation
from device_agents.placed import PLACEMENTS, Placed, placed
from device_agents.records import Corners, Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.view import VIEWS

if TYPE_CHECKING:
    from device_agents.sidecar import Sidecar

Array = npt.NDArray[Any]
Scaling = Callable[[RGB], Array]
Value = TypeVar("Value")

# What may go wrong with one picture, and must not stop the others: the kit's own errors and what Pillow, numpy, OpenCV
# and the runtimes raise on bad data. A KeyboardInterrupt or SystemExit still ends the loop.
FAILURES = (
    KitError, ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

# How the error of a prediction begins that this machine cannot make at all: a library, version or delegate is absent.
NOT_AVAILABLE = "not available: "

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
_CAFFE_MEAN = np.array([123, 117, 104], np.float32)


class StageFailed(KitError):
    """One stage failed for one picture: "decode: OSError: image file is truncated", or "not available: ..."."""

    @classmethod
    def because(cls, stage: str, problem: BaseException) -> StageFailed:
        """Put the stage and the problem's first line into one line."""
        text = str(problem).strip().splitlines()
        first = text[0][:300] if text else ""
        if isinstance(problem, MissingExtra):
            return cls(f"{NOT_AVAILABLE}{first}")
        return cls(f"{stage}: {type(problem).__name__}: {first}")


class Share:
    """The work that one picture's environments share: each piece is done once, and fails once."""

    def __init__(self) -> None:
        self._kept: Dict[Hashable, Any] = {}
        self._latest: Dict[str, Tuple[Hashable, Any]] = {}
        self._parts: Dict[str, Tuple[Hashable, Any]] = {}

    def once(self, stage: str, key: Hashable, work: Callable[[], Value], *, keep: bool = True) -> Value:
        """Give the work's value, made now or found under its stage and key; raises StageFailed.

        With keep=False only the stage's latest value is held, for values as large as a photograph.
        """
        if keep:
            if (stage, key) not in self._kept:
                self._kept[stage, key] = _attempt(stage, work)
            outcome = self._kept[stage, key]
        else:
            if stage not in self._latest or self._latest[stage][0] != key:
                self._latest.pop(stage, None)  # the old photograph goes before the new one is made
                self._latest[stage] = (key, _attempt(stage, work))
            outcome = self._latest[stage][1]
        if isinstance(outcome, StageFailed):
            raise StageFailed(str(outcome))
        return cast(Value, outcome)

    def held(self, part: str, key: Hashable, work: Callable[[], Value]) -> Value:
        """Give a part of a stage's work, of which the latest value is held; what it raises is the stage's to tell."""
        if part not in self._parts or self._parts[part][0] != key:
            self._parts.pop(part, None)
            self._parts[part] = (key, work())
        return cast(Value, self._parts[part][1])


@dataclass(frozen=True)
class Prepared:
    """A picture on its way to the model: the fingerprints so far, and at the end the tensor.

    ``resized`` is the picture before scaling, and ``placed`` says where the viewed picture lies in it. The tensor is
    made when it is asked for: of equal ones, whose fingerprints are kept, only the first is needed.
    """

    pixels_sha256: str = ""
    resized_sha256: str = ""
    tensor_sha256: str = ""
    resized: Optional[RGB] = None
    scale: Optional[Callable[[], Array]] = None
    placed: Optional[Placed] = None

    @property
    def tensor(self) -> Optional[Array]:
        """Float32 or uint8 (1, height, width, 3) or (1, 3, height, width); None before the last stage."""
        return None if self.scale is None else self.scale()


def preprocess(
    data: bytes, *, environment: Environment, sidecar: Sidecar, corners: Corners = (), share: Optional[Share] = None
) -> Prepared:
    """Bring an image file's bytes to the model's input, as the environment's variants and the sidecar say.

    ``corners`` are the scene's corners in the photograph, () where the view needs none. Raises StageFailed.
    """
    stages = preprocess_stages(data, environment=environment, sidecar=sidecar, corners=corners, share=share)
    return list(stages)[-1]


def preprocess_stages(
    data: bytes, *, environment: Environment, sidecar: Sidecar, corners: Corners = (), share: Optional[Share] = None
) -> Iterator[Prepared]:
    """Do as preprocess does, and give what is there after each of decoding, resizing and scaling."""
    shared = share if share is not None else Share()
    colour_key = (environment.decoder, environment.view, environment.colour)
    height, width = sidecar.input_height, sidecar.input_width

    def decode() -> RGB:
        return shared.once("decode", environment.decoder, lambda: _decoder(environment)(data), keep=False)

    def view() -> RGB:
        pixels = decode()
        return shared.once("view", colour_key[:2], lambda: _view(environment)(pixels, corners), keep=False)

    def colour() -> RGB:
        viewed = view()
        return shared.once("colour", colour_key, lambda: _colour(environment)(viewed), keep=False)

    def lie() -> Placed:
        return placed(colour().shape, height, width, placement=PLACEMENTS[environment.fit])

    def resize() -> Tuple[RGB, str, Placed]:
        resized = pick(FITS, environment.fit, what="fit")(colour(), resizer(), height, width)
        return resized, fingerprint(resized), lie()

    def resizer() -> Callable[[RGB, int, int], RGB]:
        return pick(RESIZERS, environment.resizer, what="resizer")

    def perturb(key: Tuple[Hashable, ...]) -> Tuple[RGB, str, Placed]:
        def move(one: Perturbation, rng: np.random.Generator) -> RGB:
            viewed, plain = colour(), resizer()

            def resize_viewed(pixels: RGB, rows: int, columns: int) -> RGB:
                if pixels is not viewed:  # a part of it, which hardly two ask for
                    return plain(pixels, rows, columns)
                return shared.held("moved", (key, rows, columns), lambda: plain(pixels, rows, columns))

            return cast(RGB, one.apply(viewed, resize_viewed, height, width, rng))

        def place() -> RGB:
            return shared.once("resize", key, resize)[0]

        done, picture = perturbed(environment.perturbation, data, key=key, once=shared.once, resized=place, moved=move)
        return picture, shared.once("perturb", done, lambda: fingerprint(picture)), shared.once("place", key, lie)

    pixels_sha256 = shared.once("fingerprint", environment.decoder, lambda: fingerprint(decode()))
    yield Prepared(pixels_sha256)
    resize_key = (pixels_sha256, *colour_key[1:], environment.fit, environment.resizer)
    made = perturb(resize_key) if environment.perturbation else shared.once("resize", resize_key, resize)
    resized, resized_sha256, where = made
    yield Prepared(pixels_sha256, resized_sha256, resized=resized)
    scale_key = (resized_sha256, environment.scaling)

    def scale() -> Array:
        return shared.once("scale", scale_key, lambda: _scaled(resized, environment, sidecar), keep=False)

    tensor_sha256 = shared.once("scale", (*scale_key, "fingerprint"), lambda: fingerprint(scale()))
    yield Prepared(pixels_sha256, resized_sha256, tensor_sha256, resized, scale, where)


def fingerprint(array: Array) -> str:
    """Give the sha256, in hexadecimal, of an array: its header line, then its elements' bytes.

    The header is ASCII: numpy's name of the type, the sizes, and a line end, with single spaces: "uint8 224 224 3\\n".
    The elements follow in C order, little-endian.
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    header = " ".join([array.dtype.name, *(str(size) for size in array.shape)]) + "\n"
    digest = hashlib.sha256(header.encode("ascii"))
    digest.update(little.data)
    return digest.hexdigest()


def to_tensor(resized: RGB, *, scaling: str, layout: str, colour_order: str) -> Array:
    """Scale a resized picture and lay it out as the model wants it: (1, h, w, 3) for "nhwc", (1, 3, h, w) for "nchw".

    ``scaling`` is a key of SCALINGS; its means belong to R, G, B, and the order is changed to "bgr" afterwards.
    """
    scaled = pick(SCALINGS, scaling, what="scaling")(resized)
    if colour_order == "bgr":
        scaled = scaled[..., ::-1]
    if layout == "nchw":
        scaled = scaled.transpose(2, 0, 1)
    return np.ascontiguousarray(scaled[None])


def scale_imagenet(picture: RGB) -> Array:
    """Give float32 (x / 255 - mean) / std with the ImageNet means and deviations of torchvision's models."""
    # whole rows at a time: three values at a time take five times as long
    width = picture.shape[1]
    scaled = picture.reshape(picture.shape[0], -1).astype(np.float32)
    scaled /= np.float32(255)
    scaled -= np.tile(_IMAGENET_MEAN, width)
    scaled /= np.tile(_IMAGENET_STD, width)
    return scaled.reshape(picture.shape)


def scale_imagenet_swapped(picture: RGB) -> Array:
    """Give what scale_imagenet gives for a picture whose red and blue were swapped by mistake: OpenCV's order, BGR.

    The means and deviations stay where they are, so that blue gets red's.
    """
    return scale_imagenet(picture[..., ::-1])


def scale_minus_one_one(picture: RGB) -> Array:
    """Give float32 (x - 127.5) / 127.5, from -1 to 1."""
    return (picture.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)


def scale_lite(picture: RGB) -> Array:
    """Give float32 (x - 127) / 128, as EfficientNet-Lite was trained."""
    return (picture.astype(np.float32) - np.float32(127)) / np.float32(128)


def scale_zero_one(picture: RGB) -> Array:
    """Give float32 x / 255, from 0 to 1."""
    return picture.astype(np.float32) / np.float32(255)


def scale_caffe(picture: RGB) -> Array:
    """Give float32 x minus the means (123, 117, 104) of R, G, B, as Caffe's ImageNet models want it."""
    return picture.astype(np.float32) - _CAFFE_MEAN


def keep_bytes(picture: RGB) -> Array:
    """Give the picture's bytes, uint8, as quantised models want them."""
    return picture


def _attempt(stage: str, work: Callable[[], Value]) -> Any:
    try:
        return work()
    except StageFailed as failure:  # an earlier stage, asked for by this one
        return failure
    except WrongJob:
        raise
    except FAILURES as problem:
        return StageFailed.because(stage, problem)


def _decoder(environment: Environment) -> Callable[[bytes], RGB]:
    return pick(DECODERS, environment.decoder, what="decoder")


def _view(environment: Environment) -> Callable[[RGB, Corners], RGB]:
    return pick(VIEWS, environment.view, what="view")


def _colour(environment: Environment) -> Callable[[RGB], RGB]:
    return pick(COLOURS, environment.colour, what="colour")


def _scaled(resized: RGB, environment: Environment, sidecar: Sidecar) -> Array:
    return to_tensor(resized, scaling=environment.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)


SCALINGS: Dict[str, Scaling] = {
    "bytes": keep_bytes,
    "caffe": scale_caffe,
    "imagenet": scale_imagenet,
    "imagenet-swapped": scale_imagenet_swapped,
    "lite": scale_lite,
    "minus-one-one": scale_minus_one_one,
    "zero-one": scale_zero_one,
}
