"""Which suite is asked of which models: its families, the environments that it takes, and whom it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.repeatability.suites import SUITES, Suite
from device_agents.errors import BadInput, pick
from device_agents.records import Environment
from device_agents.sidecar import Sidecar, read_labels


def pick_suite(name: str, families: Sequence[str] = ()) -> Suite:
    """Give a suite, with only some of its families where they are named; raises BadInput for unknown ones."""
    suite = pick(SUITES, name, what="suite")
    if not families:
        return suite
    known = {family.name: family for family in suite.families}
    chosen = {name: pick(known, name, what=f"family of the suite '{suite.name}'") for name in families}
    return suite._replace(families=tuple(family for family in suite.families if family.name in chosen))


def environments(base: Environment, suite: Suite) -> list[Environment]:
    """Give the base, unperturbed, and one environment for each of the suite's perturbations, each once."""
    names = dict.fromkeys(("", *suite.perturbations))
    return [replace(base, perturbation=name) for name in names]


def check_models(suite: Suite, models: Sequence[tuple[Path, Sidecar]]) -> None:
    """Raise BadInput where two models share a file, or a suite's question makes no sense for one of them."""
    paths = [path for path, _ in models]
    if not models or len(set(paths)) < len(paths):
        raise BadInput(f"expected one model or more, each once, got {', '.join(map(str, paths)) or 'none'}")
    for path, card in models:
        if card.task not in suite.tasks:
            fitting = [one.name for one in SUITES.values() if card.task in one.tasks]
            raise BadInput(
                f"suite '{suite.name}': expected a model for {' or '.join(suite.tasks)}, got {path.name} for "
                f"{card.task}; suites for {card.task}: {', '.join(fitting) or 'none'}"
            )
        classes = len(read_labels(path.parent / card.labels)) if card.labels else 2
        if classes < 2:
            raise BadInput(f"{path.name}: expected a model of two classes or more, got {classes}: nothing can flip")
