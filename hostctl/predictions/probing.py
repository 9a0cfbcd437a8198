"""Which of the variants asked for this machine has and this model takes, found by predicting one small picture."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from capture.codecs import CODECS
from capture.isp import isp_version
from device_agents.errors import BadInput, MissingExtra
from device_agents.perturbations.chains import check_perturbation
from device_agents.predict import Job, JobPicture, predict
from device_agents.records import Environment
from device_agents.runtimes import runtime_version
from device_agents.sidecar import Sidecar
from device_agents.tasks.families import check_post
from hostctl.predictions.conditions import OF_MODELS, Condition, Variant, by_model, changed, changes

PROBE_HEIGHT, PROBE_WIDTH = 48, 64
# What depends on the machine and the model; anything else depends on the picture, and is said of each picture.
LACKING = ("not available:", "load:", "infer:")

Asked = Mapping[str, Mapping[str | int, bool]]
Lacking = dict[tuple[str, str | int], str]


@dataclass(frozen=True)
class Models:
    """The model files of a study by sha256, the variants of the model among them, and why others cannot be made."""

    files: Mapping[str, tuple[Path, Sidecar]]
    variants: Sequence[Variant] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)


def usable(asked: Asked, base: Condition, models: Models) -> tuple[dict[str, list[Variant]], list[str]]:
    """Give each family's variants that work here, and a note for each that a glob asked for and that does not.

    asked: as designs.parse_vary gives it. Raises MissingExtra or BadInput for one that was asked for by name and does
    not work, and BadInput where the base itself does not.
    """
    _, card = models.files[base.environment.model_sha256]
    found, lacking = _variants({family: names for family, names in asked.items() if family not in OF_MODELS}, card)
    variants = {family: list(models.variants) if family in OF_MODELS else found[family] for family in asked}
    lacking |= {("precision", name): reason for name, reason in models.lacking.items()}
    conditions = {base, *(changed(base, variant) for some in variants.values() for variant in some)}
    errors: dict[Environment, str] = {}
    for sha256, those in by_model(conditions).items():
        errors |= _probe(list(dict.fromkeys(one.environment for one in those)), *models.files[sha256])
    if base.environment in errors:
        raise BadInput(f"the environment to start from does not work here: {errors[base.environment]}")
    kept: dict[str, list[Variant]] = {}
    for family, some in variants.items():
        for variant in some:
            error = errors.get(changed(base, variant).environment)
            if error is None:
                kept.setdefault(family, []).append(variant)
            else:
                lacking[family, variant[family]] = error
    for (family, name), error in lacking.items():
        if asked[family][name]:
            raise MissingExtra(f"{family} '{name}' does not work here: {error}")
    if not any(changes(changed(base, variant), base) for some in kept.values() for variant in some):
        raise BadInput(f"expected a variant that differs from {', '.join(asked)} of the base, and works here; got none")
    return kept, [f"{family} {name} is left out: {error}" for (family, name), error in lacking.items()]


def _variants(asked: Asked, card: Sidecar) -> tuple[dict[str, list[Variant]], Lacking]:
    """Give each family's variants with what belongs to them, and why others are not: not installed, or no switch."""
    variants: dict[str, list[Variant]] = {family: [] for family in asked}
    lacking: Lacking = {}
    for family, names in asked.items():
        for name in names:
            try:
                found = VERSIONS[family](str(name)) if family in VERSIONS else {}
                if family == "post":
                    check_post(str(name), sidecar=card)
                if family == "perturbation":
                    check_perturbation(str(name), task=card.task)
            except (MissingExtra, BadInput) as problem:
                lacking[family, name] = str(problem)
                continue
            variants[family].append({family: name, **found})
    return variants, lacking


def _runtime(name: str) -> dict[str, Any]:
    return {"runtime_version": runtime_version(name)}


def _isp(name: str) -> dict[str, Any]:
    isp_version(name)
    return {}


def _codec(name: str) -> dict[str, Any]:
    CODECS[name](np.zeros((PROBE_HEIGHT, PROBE_WIDTH, 3), dtype=np.uint8))
    return {}


# Each raises MissingExtra where the machine lacks the variant, and gives the fields that come with it.
VERSIONS: dict[str, Callable[[str], dict[str, Any]]] = {"runtime": _runtime, "isp": _isp, "codec": _codec}


def _probe(environments: list[Environment], model: Path, sidecar: Sidecar) -> dict[Environment, str]:
    """Predict the probe in each environment, and give the reasons of those that machine or model refuse."""
    right, bottom = PROBE_WIDTH - 0.5, PROBE_HEIGHT - 0.5
    corners = ((-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom))
    with tempfile.TemporaryDirectory(prefix="instability-probe-") as folder:
        file = Path(folder) / "probe.jpg"
        file.write_bytes(_picture())
        job = Job(str(model), sidecar, (JobPicture("probe", str(file), corners),), tuple(environments))
        errors = {one: found.error for one, found in zip(environments, predict(job), strict=True)}
    return {one: error for one, error in errors.items() if error.startswith(LACKING)}


def _picture() -> bytes:
    ramp = np.linspace(0, 255, PROBE_HEIGHT * PROBE_WIDTH * 3).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(ramp.reshape(PROBE_HEIGHT, PROBE_WIDTH, 3)).save(file, "JPEG")
    return file.getvalue()
