"""From a run to the risk of flips: features, fits, tests on held-out devices, and the file for the agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.flip_risk.baselines import WORDS, baselines
from analysis.flip_risk.logistic import Logistic
from analysis.flip_risk.rows import pair_rows, picture_rows
from analysis.flip_risk.study import FITTED, RISK, Tested, check_flips, final_fit, hold_out
from analysis.store import Run
from analysis.tables import to_json
from device_agents.errors import BadInput
from device_agents.flip_risk import FEATURES, FlipRisk, write_flip_risk
from device_agents.sidecar import Sidecar, read_labels
from hostctl.flip_risks.predicting import model_of, predict_perturbed, resolve
from hostctl.printing import Progress, silent
from hostctl.runs.reporting import is_virtual

if TYPE_CHECKING:
    import pandas as pd

# A handful that a device can afford: a shift to either side, the stored data sets' JPEG and a strong one, less and
# more light. Chosen before any result; another choice is --perturbations.
PERTURBATIONS = ("translate-4", "translate--4", "stored-jpeg-85", "jpeg-compression-1", "gain-80", "gain-125")
MOST_LISTED = 24
FILE = "flip-risk.json"


@dataclass(frozen=True)
class Measured:
    """What was found: the result for people and JSON, the tests, the pictures with their risks, and the run."""

    result: dict[str, Any]
    tested: Tested
    riskiest: pd.DataFrame


def measure_flip_risk(
    folder: Path,
    *,
    held_out: Sequence[str] = (),
    model: str = "",
    perturbations: Sequence[str] = PERTURBATIONS,
    out: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Measured:
    """Predict a run's photographs in each perturbation, and say which of them another device will answer otherwise.

    held_out: devices that the fit does not see; none: each in turn, and the file is then fitted on all. out: the
    file for `agent predict --flip-risk` (default: RUN/report/flip-risk.json). Raises BadInput for a run of fewer than
    three devices, or one that has too few flips to learn from.
    """
    if not perturbations:
        raise BadInput("--perturbations: expected one or more, got none")
    with Run.open(folder) as run:
        _check_devices(run)
        path, card = resolve(model_of(run, model), progress=progress)
        predicted = partial(predict_perturbed, run, path, card, workers=workers, progress=progress)
        check_flips(pair_rows(picture_rows(predicted(()), ()), tried=False))  # before seven times the work
        table = predicted(perturbations)
        virtual = is_virtual(run)
    progress("fits", 0, 0, "")
    pictures = picture_rows(table, perturbations)
    pairs = pair_rows(pictures)
    risks = baselines(pictures, classes=_classes(path, card))
    tested = hold_out(pictures, pairs, risks, held_out=held_out)
    fitted = final_fit(pictures, pairs, held_out=held_out)
    learnt = [name for name in dict.fromkeys(pictures["device"]) if name not in held_out]
    file = out or folder / "report" / FILE
    result: dict[str, Any] = {
        "run": str(folder),
        "model": card.name,
        "perturbations": list(perturbations),
        "fitted_on": learnt,
        "virtual": virtual,
        "without_features": int(pictures[list(FEATURES)].isna().any(axis=1).sum()),
        **tested.summary,
        "scores": to_json(tested.scores),
        "words": {RISK: "fitted on the other devices", **WORDS},
        "devices": to_json(tested.devices),
        "reliability": to_json(tested.reliability),
        "weights": dict(zip(FITTED, map(float, fitted.weights), strict=True)),
        "file": str(file),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_flip_risk(file, _file(result, fitted))
    return Measured(result, tested, riskiest(pictures, tested))


def riskiest(pictures: pd.DataFrame, tested: Tested) -> pd.DataFrame:
    """The pictures of the test by falling risk: picture, device, scene, label, risk, flips and others (devices)."""
    rows = tested.rows.groupby("row", sort=False).agg(
        risk=(RISK, "mean"), flips=("flip", "sum"), others=("flip", "size")
    )
    named = pictures.loc[rows.index, ["picture", "device", "scene", "label"]].join(rows)
    return named.sort_values(["risk", "picture"], ascending=[False, True], ignore_index=True).head(MOST_LISTED)


def _check_devices(run: Run) -> None:
    devices = sorted({one.device for one in run.picture_records({"parent": ""})})
    if len(devices) < 3:
        raise BadInput(
            f"{run.folder}: expected photographs of the same scenes by three devices or more, two to learn from "
            f"and one to hold out, got {len(devices)}; `instability run LAB` or `instability demo` takes them"
        )


def _classes(path: Path, card: Sidecar) -> int | None:
    return len(read_labels(path.parent / card.labels)) if card.labels else None


def _file(result: dict[str, Any], fitted: Logistic) -> FlipRisk:
    about = ("fitted_on", "held_out", "virtual", "pictures", "clusters", "flips", "rate", "reliability", "brier")
    areas = {row["score"]: row["area"] for row in result["scores"]}
    return FlipRisk(
        model=result["model"],
        perturbations=tuple(result["perturbations"]),
        features=FITTED,
        centre=tuple(map(float, fitted.centre)),
        spread=tuple(map(float, fitted.spread)),
        weights=tuple(map(float, fitted.weights)),
        intercept=fitted.intercept,
        about={**{name: result[name] for name in about}, "area": areas, "ridge": fitted.ridge},
    )
