"""Limits on the flips of a suite, for `instability check --suite NAME --max-flip SHARE`: a gate a model and family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.repeatability.suites import SEVERITIES, SUITES, Suite
from analysis.run_folder.frames import PREDICTION_COLUMNS
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.suites.asked import environments

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from analysis.measures.gates import Gate
    from analysis.repeatability.values import Values


def flip_gates(run: Run, suite: Suite, *, limit: float, level: float = 0.95) -> Iterator[tuple[str, Gate | None]]:
    """Hold each family's flip probability against a limit, for each model and device: the gate's name, and the gate.

    The gate is None where no picture has all answers of a family, or nothing of it was run. Raises BadInput for a suite
    that counts errors and no flips, and for a run that has nothing of it.
    """
    from analysis.repeatability.answers import answers
    from analysis.repeatability.numbers import picture_values
    from analysis.repeatability.values import FLIP

    if not _flips(suite):
        others = [one.name for one in SUITES.values() if _flips(one)]
        raise BadInput(
            f"--max-flip: suite '{suite.name}' counts errors and no flips; expected one of {', '.join(others)}"
        )
    table, found = _of_suite(run, suite), False
    for device, part in table.groupby("device", sort=False):
        where = f" on {device!s}" if device else ""
        for one in answers(part):
            found, values = True, picture_values(one, suite)
            for family in (family.name for family in suite.families if family.kind != SEVERITIES):
                name = f"flips of {one.model}{where} in {family}"
                flips = values[family][FLIP] if family in values else None
                yield name, None if flips is None else _gate(name, flips, one.clusters, limit, level)
    if not found:
        raise BadInput(
            f"{run.folder}: expected predictions of the suite '{suite.name}', got none; "
            f"run `instability suite {suite.name} MODEL --run {run.folder}`"
        )


def _of_suite(run: Run, suite: Suite) -> pd.DataFrame:
    """Give the predictions of photographs in a suite's environments; those that nothing perturbed are of other work."""
    own = set(suite.perturbations) - {""}
    bases = {replace(one, perturbation="") for one in run.environments() if one.perturbation in own}
    names = [one.environment for base in bases for one in environments(base, suite)]
    table = run.predictions(PREDICTION_COLUMNS)
    return table[table["environment"].isin(names) & (table["isp"] == "") & (table["codec"] == "")]


def _gate(name: str, flips: Values, clusters: NDArray[np.object_], limit: float, level: float) -> Gate | None:
    from analysis.measures.gates import rate_gate

    counted = ~np.isnan(flips.least)
    if not counted.any():
        return None
    return rate_gate(name, flips.middle[counted], clusters[counted], limit=limit, level=level)


def _flips(suite: Suite) -> bool:
    return any(family.kind != SEVERITIES for family in suite.families)
