"""The ways that an attribution compares: from words or a run's devices to variants at each stage, and back.

A way is how a root picture (a device's raw or photograph) became an answer: ISP and codec, and the environment. Where
every way starts from raws, the root, the ISP and the codec are stages of their own ("shot", "isp", "codec"); where
none does, the photograph as its device saved it is one ("file"); where some do, all three are one ("file"), since what
a device does by itself cannot be applied to another's raw.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.run_folder.homes import LATER
from analysis.store import Run
from capture.isp import isp_version
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput, pick
from device_agents.records import Environment
from device_agents.runtimes import runtime_version
from hostctl.browsers.predictor import on_agent
from hostctl.predictions.conditions import FAMILIES, OF_MODELS, OF_PICTURES, THREADS, Condition, changed
from hostctl.predictions.predicting import RAW_CODEC, RAW_ISP

DEVICE = "device"
HOST = "host"
# The stages after the picture, in the order of the way, with the fields of an environment that they stand for.
FIELDS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("decoder", "view", "colour", "fit", "resizer", "perturbation", "scaling")},
    "runtime": ("runtime", "runtime_version", "threads", "machine"),
}

Variants = dict[str, Hashable]


@dataclass(frozen=True)
class Way:
    """How a root picture became an answer; device: whose root ("" for each picture's own)."""

    device: str
    condition: Condition

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What its predictions have in common: device, ISP, codec, environment."""
        return (self.device, *self.condition.made, self.condition.environment.environment)


def parse_ways(texts: Sequence[str], base: Environment, *, raws: bool) -> dict[str, Way]:
    """Read conditions such as "isp=crisp codec=jpeg-75 decoder=opencv"; what one leaves out is as in base.

    "device=NAME" takes that device's root pictures; either all name one or none does. raws: there are no photographs,
    so that an ISP is needed. "isp=" is a photograph as it was shot. Raises BadInput for unknown or repeated words, an
    ISP that is not installed (MissingExtra), equal conditions or fewer than two.
    """
    ways = {text: _way(text, base, raws=raws) for text in texts}
    if len(set(ways.values())) < max(2, len(texts)):
        raise BadInput("expected two --condition or more, each different from the others, such as 'decoder=opencv'")
    if len({bool(way.device) for way in ways.values()}) > 1:
        raise BadInput(f"expected {DEVICE}=NAME in all conditions or in none, got it in some")
    return ways


def ways_of_devices(run: Run, base: Environment) -> tuple[dict[str, Way], list[str]]:
    """Give each device's own way: its photographs, and the runtime in which it predicted them with this model itself.

    A device's runtime works on this host here, since a hybrid needs the pictures of other devices in it; a note says
    for which devices, and that what their machines add is not in the numbers. Raises BadInput for fewer than two.
    """
    own = {one.machine: one for one in run.environments() if one.model_sha256 == base.model_sha256}
    ways, notes = {}, []
    for device in dict.fromkeys(one.device for one in run.picture_records({"parent": ""}) if _photograph(one.suffix)):
        environment = base
        if (there := own.get(device)) is not None:
            here = on_agent(there)
            version = runtime_version(here.runtime)
            environment = replace(here, machine=HOST, runtime_version=version)
            whose = f"its {there.runtime}" if here == there else f"{here.runtime} for the {there.runtime} of its page"
            notes.append(f"{device} predicts by itself; here this host runs {whose}, version {version}")
        ways[device] = Way(device, Condition(environment))
    if len(ways) < 2:
        raise BadInput(
            f"{run.folder}: expected photographs of two devices or more to compare, got {len(ways)}; "
            "give --condition twice or more to compare ways of the same pictures"
        )
    return ways, notes


def variants_of(ways: Sequence[Way]) -> list[Variants]:
    """Give each way's variant at every stage, in the order of the way; the same stages for all."""
    developed = {bool(way.condition.isp) for way in ways}
    return [
        _roots(way, developed)
        | {stage: tuple(getattr(way.condition.environment, name) for name in FIELDS[stage]) for stage in FIELDS}
        for way in ways
    ]


def way_of(variants: Mapping[str, Any], model: Environment) -> Way:
    """Give the way that has these variants, as variants_of makes them; model: any environment of the same model."""
    fields = {name: value for stage in FIELDS for name, value in zip(FIELDS[stage], variants[stage], strict=True)}
    if isinstance(variants.get("file"), tuple):
        device, isp, codec = variants["file"]
    else:
        device = variants["shot"] if "shot" in variants else variants["file"]
        isp, codec = variants.get("isp", ""), variants["codec"]
    return Way(device, Condition(replace(model, **fields), isp, codec))


def variant_name(stage: str, variant: Any) -> str:
    """Write a variant as it is printed: "opencv", "litert 2.1.0", "board crisp jpeg-85"."""
    if stage == "runtime":
        name, version, threads, machine = variant
        more = [f"{threads} threads"] * (threads > 1) + [str(machine)] * (machine != HOST)
        return " ".join([name, version, *more])
    words = variant if isinstance(variant, tuple) else (variant,)
    return " ".join(str(word) for word in words if word) or ("none" if stage in LATER else "as shot")


def _way(text: str, base: Environment, *, raws: bool) -> Way:
    named: dict[str, Any] = {}
    for word in text.split():
        family, equals, variant = word.partition("=")
        if not equals or family in named:
            raise BadInput(f"--condition '{text}': expected FAMILY=VARIANT words, each family once, got '{word}'")
        named[family] = variant if family == DEVICE else _checked(family, variant, text)
    device = str(named.pop(DEVICE, ""))
    if named.get("isp") or (raws and "isp" not in named):
        named["isp"] = named.get("isp", RAW_ISP)
        named.setdefault("codec", RAW_CODEC)
        isp_version(named["isp"])
    if "runtime" in named:
        named["runtime_version"] = runtime_version(named["runtime"])
    return Way(device, changed(Condition(base), named))


def _checked(family: str, variant: str, text: str) -> str | int:
    known = {name: table for name, table in FAMILIES.items() if name not in OF_MODELS}
    table = pick({**known, DEVICE: {}}, family, what="word of a condition")
    if family == THREADS:
        if not variant.isdecimal() or int(variant) < 1:
            raise BadInput(f"--condition '{text}': expected threads=N, a whole number from 1, got '{variant}'")
        return int(variant)
    if variant or family not in OF_PICTURES:
        pick(table, variant, what=family)
    return variant


def _roots(way: Way, developed: set[bool]) -> Variants:
    isp, codec = way.condition.made
    if len(developed) > 1:
        return {"file": (way.device, isp, codec)}
    return {"shot": way.device, "isp": isp, "codec": codec} if isp else {"file": way.device, "codec": codec}


def _photograph(suffix: str) -> bool:
    return suffix not in RAW_SUFFIXES
