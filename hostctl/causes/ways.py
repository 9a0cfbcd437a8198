"""Ways: how one shot became one answer, stage by stage; and hybrids, which take some stages of another way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from device_agents.records import Environment

SOFTWARE = ("decoder", "view", "colour", "fit", "resizer", "perturbation", "scaling")
TOGETHER = {"runtime": ("runtime", "runtime_version", "threads", "machine"), "model": ("model", "model_sha256")}


@dataclass(frozen=True)
class Way:
    """How one shot became one answer: its root picture's name, ISP and codec ("" as it was shot), and environment."""

    root: str
    isp: str
    codec: str
    environment: Environment


def variants(a: Way, b: Way) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give both ways' variants by stage.

    Shot, ISP and codec are stages where both pictures were developed by the kit from raws; a photograph as a device
    saved it is one file, coded again or not; of one of each kind nothing before the file can be told apart.
    """
    before: list[dict[str, Any]]
    if bool(a.isp) != bool(b.isp):
        before = [{"file": (way.root, way.isp, way.codec)} for way in (a, b)]
    elif a.isp:
        before = [{"shot": way.root, "isp": way.isp, "codec": way.codec} for way in (a, b)]
    else:
        before = [{"file": way.root, "codec": way.codec} for way in (a, b)]
    found = []
    for way, start in zip((a, b), before, strict=True):
        fields = asdict(way.environment)
        grouped = {stage: tuple(fields[name] for name in names) for stage, names in TOGETHER.items()}
        found.append({**start, **{stage: fields[stage] for stage in SOFTWARE}, **grouped})
    return found[0], found[1]


def hybrid(a: Way, b: Way, swapped: Collection[str]) -> Way:
    """Give way A with B's variants at some stages."""
    fields = asdict(b.environment)
    names = [name for stage in swapped for name in TOGETHER.get(stage, (stage,)) if name in fields]
    way = replace(a, environment=replace(a.environment, **{name: fields[name] for name in names}))
    if "file" in swapped and bool(a.isp) != bool(b.isp):
        return replace(way, root=b.root, isp=b.isp, codec=b.codec)
    if "file" in swapped or "shot" in swapped:
        way = replace(way, root=b.root)
    return replace(way, **{stage: getattr(b, stage) for stage in ("isp", "codec") if stage in swapped})
