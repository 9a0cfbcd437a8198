"""Settings: everything that a training is asked for, checked whole at the door."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from capture.codecs import CODECS
from capture.isp import ISPS
from capture.reexposure import SENSORS
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.noise import NOISES
from device_agents.resize import RESIZERS
from stability_train.losses import LOSSES

PAIRED = ("two-images", "subsample")  # noises that are another picture
NOISE_NAMES = (*sorted(NOISES), "environments", *PAIRED)
LARGEST_ALPHA = 1e6  # float32 holds 3e38: beyond this the product is more likely a slip than a wish
# The families of an environment, and the setting that names the variants to draw from; RAW need a raw picture.
FAMILIES = {
    "decoder": "decoders",
    "resizer": "resizers",
    "colour": "colours",
    "codec": "codecs",
    "isp": "isps",
    "sensor": "sensors",
}
RAW = ("isp", "sensor")


@dataclass(frozen=True)
class Settings:
    """What a training is asked for; raises BadInput that names every mistake at once.

    model: a zoo model's name or a .keras file. noise: a key of NOISES; "environments" (the noisy view goes through a
    random decoder, codec, colour and resizer of those given, and where there is a raw beside the photograph and isps
    are named, through a random ISP and sensor); "two-images" (the same scene, angle and repeat from the
    device ``partner``); "subsample" (one of ``subsample`` pictures of the class from it). strength: of the noise, None
    for its own. draws: how many different noises a picture has in the whole training, 0 for a fresh one every epoch.
    loss, alpha: a key of LOSSES and its weight, None for its paper's. gradient: the branches that it flows through.
    mix: the families that the clean view too draws from (mix training): "decoder", "resizer", "colour", "codec",
    "isp", "sensor". isps: "" is the photograph as its device made it. sensors: "" is the raw as it was taken.
    trainable: "head", "last-block" (what follows the last residual sum), "all", or "from:LAYER". batch_norm: "frozen"
    (both views in one pass, the statistics of the base), or "apart" (trained; each view in a pass of its own).
    head: "new" (one class a label of the pictures) or "keep" (the model's own). embedding_units: width of the extra
    dense layer, 0 for none, None for 128 where the loss needs it. augment: geometry that all views of a picture share.
    mixing: "mixup" or "cutmix" of the pictures of a batch. patience: epochs without a better ``monitor`` before the
    end, 0 for no early stop. keep: which weights are the result. threads: TensorFlow's, 0 for its own choice; with 1 a
    training can be made again bit for bit. workers: threads that make views ahead of the compute.
    """

    model: str = "mobilenet-v2"
    noise: str = "gaussian"
    strength: float | None = None
    draws: int = 0
    loss: str = "relative-entropy"
    alpha: float | None = None
    gradient: str = "both"
    subsample: int = 10
    device: str = ""
    partner: str = ""
    mix: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ("pillow", "jpeg-fast-dct", "jpeg-plain-upsampling")
    resizers: tuple[str, ...] = ("pillow-bilinear", "pillow-bicubic", "opencv-linear", "opencv-area")
    colours: tuple[str, ...] = ("rgb", "bt601-full-nv12-bilinear")
    codecs: tuple[str, ...] = ("", "jpeg-85", "webp-80")
    isps: tuple[str, ...] = ("",)
    sensors: tuple[str, ...] = ("",)
    trainable: str = "head"
    batch_norm: str = "frozen"
    head: str = "new"
    embedding_units: int | None = None
    augment: str = "none"
    mixing: str = "none"
    mixing_alpha: float = 0.2
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    batch: int = 16
    epochs: int = 10
    patience: int = 0
    monitor: str = "val_loss"
    keep: str = "last"
    validation_share: float = 0.2
    seed: int = 0
    threads: int = 0
    workers: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work, all of it in one message."""
        problems = [*_type_problems(self)] or [*_choice_problems(self), *_number_problems(self), *_joint_problems(self)]
        if problems:
            raise BadInput("training settings: " + "; ".join(problems))

    @property
    def weight(self) -> float:
        """The weight of the stability loss: alpha, or its paper's."""
        return LOSSES[self.loss].alpha if self.alpha is None else self.alpha

    @property
    def units(self) -> int:
        """The width of the extra dense layer, 0 for none."""
        if self.embedding_units is None:
            return 128 if LOSSES[self.loss].extra_dense else 0
        return self.embedding_units

    @property
    def drawn(self) -> tuple[str, ...]:
        """The families that some view draws a variant of."""
        return tuple(name for name in FAMILIES if name in self.mix or self.noise == "environments")

    @property
    def raws_drawn(self) -> bool:
        """Whether some views are developed from raw pictures."""
        return any(name in RAW and any(getattr(self, FAMILIES[name])) for name in self.drawn)

    @property
    def noisy_views(self) -> int:
        """How many noisy views stand beside the clean one: none without a noise."""
        return 0 if self.noise == "none" else LOSSES[self.loss].noisy_views


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Make settings of a mapping (JSON, or options), lists as tuples; raises BadInput naming every mistake."""
    known = [field.name for field in dataclasses.fields(Settings)]
    unknown = [f"unknown setting '{name}'{_near(name, known)}" for name in values if name not in known]
    kept: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known
    }
    try:
        made = Settings(**kept)
    except BadInput as problem:
        raise BadInput("; ".join([str(problem), *unknown])) from None
    if unknown:
        raise BadInput("training settings: " + "; ".join(unknown))
    return made


def changed_settings(old: Settings, new: Settings) -> list[str]:
    """Say which settings differ: "alpha: 0.1 before, 1.0 now"."""
    pairs = ((field.name, getattr(old, field.name), getattr(new, field.name)) for field in dataclasses.fields(Settings))
    return [f"{name}: {before!r} before, {now!r} now" for name, before, now in pairs if before != now]


def _type_problems(settings: Settings) -> list[str]:
    problems = []
    for field in dataclasses.fields(Settings):
        value, kinds = getattr(settings, field.name), _KINDS[str(field.type)]
        good = type(value) in kinds and (type(value) is not tuple or all(type(part) is str for part in value))
        if not good:
            problems.append(f"{field.name}: expected {field.type}, got {value!r}")
    return problems


def _choice_problems(settings: Settings) -> list[str]:
    problems = []
    for name, known in _CHOICES.items():
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if one not in known and not (name == "trainable" and one.startswith("from:") and len(one) > 5):
                shown = ", ".join(item if item else repr(item) for item in known)
                problems.append(f"{name}: unknown '{one}'{_near(one, known)}; known: {shown}")
        if value == () and name in FAMILIES.values():
            problems.append(f"{name}: expected at least one, got none")
    return problems


def _number_problems(settings: Settings) -> list[str]:
    problems = []
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            problems.append(f"{name}: expected {least:g} to {most:g}, got {value!r}")
    return problems


def _joint_problems(settings: Settings) -> list[str]:
    problems = []
    paired = settings.noise in PAIRED
    if paired and not (settings.device and settings.partner):
        problems.append(f"noise {settings.noise} needs device and partner: whose pictures are clean, and whose noisy")
    if paired and settings.device and settings.device == settings.partner:
        problems.append(f"device and partner: expected two devices, got '{settings.device}' twice")
    if settings.loss == "embedding" and settings.units == 0 and settings.trainable == "head":
        problems.append(
            "embedding_units 0 with a frozen backbone gives loss embedding a gradient of zero; leave it out"
        )
    if settings.head == "keep" and settings.units:
        problems.append("head keep has no room for the extra dense layer: choose head new, or embedding_units 0")
    if settings.keep == "best" and settings.validation_share == 0:
        problems.append("keep best needs pictures to validate on: validation_share above 0")
    if settings.patience and settings.validation_share == 0:
        problems.append("patience needs pictures to validate on: validation_share above 0")
    if settings.monitor == "val_instability" and settings.noise == "none":
        problems.append("monitor val_instability needs a noise to be instable under, got noise none")
    if settings.batch_norm == "apart" and settings.trainable == "head":
        problems.append("batch_norm apart trains statistics that trainable head freezes: choose last-block or all")
    if any(settings.sensors) and "" in settings.isps:
        problems.append("sensors change the raw, which an ISP must then develop: name isps, without ''")
    if any((*settings.isps, *settings.sensors)) and not settings.raws_drawn:
        problems.append("isps and sensors are drawn from by noise environments or by mix isp and sensor: got neither")
    if settings.mixing != "none" and paired:
        problems.append(f"mixing {settings.mixing} mixes a picture with others, which noise {settings.noise} forbids")
    return problems


def _near(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
    "int | None": (int, type(None)),
    "tuple[str, ...]": (tuple,),
}
_CHOICES: Mapping[str, Collection[str]] = {
    "noise": NOISE_NAMES,
    "loss": LOSSES,
    "gradient": ("both", "noisy", "clean"),
    "mix": tuple(FAMILIES),
    "decoders": sorted(DECODERS),
    "resizers": sorted(RESIZERS),
    "colours": sorted(COLOURS),
    "codecs": ("", *sorted(CODECS)),
    "isps": ("", *sorted(ISPS)),
    "sensors": ("", *sorted(SENSORS)),
    "trainable": ("head", "last-block", "all", "from:LAYER"),
    "batch_norm": ("frozen", "apart"),
    "head": ("new", "keep"),
    "augment": ("none", "flip", "flip-crop"),
    "mixing": ("none", "mixup", "cutmix"),
    "optimiser": ("adam", "sgd"),
    "monitor": ("val_loss", "val_accuracy", "val_instability"),
    "keep": ("last", "best"),
}
_RANGES: Mapping[str, tuple[float, float]] = {
    "strength": (0, 1000),
    "draws": (0, 10_000),
    "alpha": (0, LARGEST_ALPHA),
    "subsample": (1, 100_000),
    "embedding_units": (0, 65_536),
    "mixing_alpha": (1e-3, 100),
    "learning_rate": (1e-12, 1e6),
    "batch": (1, 65_536),
    "epochs": (1, 1_000_000),
    "patience": (0, 1_000_000),
    "validation_share": (0, 0.9),
    "seed": (0, 2**32 - 1),
    "threads": (0, 1024),
    "workers": (1, 256),
}
