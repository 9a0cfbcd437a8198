"""What a study compares: how a picture was made (ISP and codec) and the environment that it is predicted in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.codecs import CODECS
from capture.isp import ISPS
from device_agents.perturbations.known import PERTURBATIONS
from device_agents.predict import FAMILIES as OF_ENVIRONMENTS
from device_agents.records import Environment
from device_agents.tasks.families import POSTS
from stability_train.variants import ARCHITECTURE, PRECISIONS

if TYPE_CHECKING:
    import pandas as pd

# A variant is what it changes of a condition: {"resizer": "opencv-area"}, or a runtime together with its version.
Variant = Mapping[str, Any]

THREADS = "threads"
OF_PICTURES: dict[str, Mapping[str, Any]] = {"isp": ISPS, "codec": CODECS}
OF_MODELS: dict[str, Mapping[str, Any]] = {
    "precision": {name: one for name, one in PRECISIONS.items() if one.noise != ARCHITECTURE}
}
CHAINS: dict[str, Mapping[str, Any]] = {"post": POSTS, "perturbation": PERTURBATIONS}  # of names joined by "+"
FAMILIES: dict[str, Mapping[str, Any]] = {**OF_PICTURES, **OF_MODELS, **OF_ENVIRONMENTS, **CHAINS, THREADS: {}}


@dataclass(frozen=True)
class Condition:
    """An environment, and the ISP and codec that made the picture; both are empty for pictures as they were shot.

    precision is the variant of the model whose file the environment names by its hash, empty for the model as given.
    """

    environment: Environment
    isp: str = ""
    codec: str = ""
    precision: str = ""

    @property
    def name(self) -> str:
        """The condition's unique name."""
        return f"{self.isp}|{self.codec}|{self.environment.environment}"

    @property
    def made(self) -> tuple[str, str]:
        """How its pictures are made: ISP and codec."""
        return self.isp, self.codec

    def variant(self, family: str) -> Any:
        """Which variant of a family it has."""
        return getattr(self if family in (*OF_PICTURES, *OF_MODELS) else self.environment, family)


def changed(condition: Condition, variant: Variant) -> Condition:
    """Give the condition with a variant put in."""
    own = (*OF_PICTURES, *OF_MODELS)
    of_condition = {family: name for family, name in variant.items() if family in own}
    rest = {family: name for family, name in variant.items() if family not in own}
    return replace(condition, environment=replace(condition.environment, **rest), **of_condition)


def changes(condition: Condition, base: Condition) -> dict[str, Any]:
    """Give the families in which a condition differs from the base, with its variants."""
    return {
        family: condition.variant(family) for family in FAMILIES if condition.variant(family) != base.variant(family)
    }


def describe_changes(condition: Condition, base: Condition) -> str:
    """Say what a condition changes of the base, such as "decoder=opencv resizer=pillow-box"; "base" if nothing."""
    return " ".join(f"{family}={variant}" for family, variant in changes(condition, base).items()) or "base"


def by_making(conditions: Iterable[Condition]) -> dict[tuple[str, str], list[Environment]]:
    """Give the environments to predict in for each ISP and codec, in the order given, each once."""
    found: dict[tuple[str, str], dict[Environment, None]] = {}
    for condition in conditions:
        found.setdefault(condition.made, {})[condition.environment] = None
    return {made: list(environments) for made, environments in found.items()}


def by_model(conditions: Iterable[Condition]) -> dict[str, list[Condition]]:
    """Give the conditions of each model file, by its sha256, in the order given."""
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        found.setdefault(condition.environment.model_sha256, []).append(condition)
    return found


def of_conditions(table: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """Give the predictions that belong to the conditions, with the condition's name as a column.

    table: predictions with isp, codec and environment.
    """
    columns = ["isp", "codec", "environment"]
    codes = table.groupby(columns, sort=False, observed=True).ngroup().to_numpy()
    firsts = table[columns].iloc[np.unique(codes, return_index=True)[1]]
    names = np.array(["|".join(map(str, row)) for row in firsts.itertuples(index=False)], dtype=object)
    wanted = {condition.name for condition in conditions}
    kept = np.isin(codes, [number for number, name in enumerate(names) if name in wanted])
    return table[kept].assign(condition=names[codes[kept]])
