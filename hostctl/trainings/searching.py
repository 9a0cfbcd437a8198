"""`instability search`: a study by nested cross-validation on a run's photographs, and the paper's table 6 from it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.store import Run
from analysis.tables import to_json
from device_agents.errors import BadInput
from hostctl.grid import connected
from hostctl.printing import Progress, silent
from hostctl.runs.reporting import is_virtual
from hostctl.workers.parallel import in_parallel
from hostctl.workers.processes import Spread, processes
from stability_train.attempts import SCHEME, list_attempts, read_attempts
from stability_train.losses import LOSSES
from stability_train.nested import Study, choose
from stability_train.photos import classes_of, read_photos
from stability_train.proposals import check_optuna, propose
from stability_train.search import (
    Scheme,
    Space,
    attempts_of,
    baselines,
    grid_schemes,
    prepare,
    random_schemes,
)
from stability_train.search import search as make_attempts
from stability_train.settings import NOISE_NAMES, Settings
from stability_train.zoo import resolve_model

DRAWS = 8  # noises of a photo in a study
DROP = 0.02  # of accuracy, that a scheme may lose on validation and still be chosen


def search(
    source: Path,
    *,
    device: str,
    partner: str,
    unseen: Sequence[str] = (),
    noises: Sequence[str] = ("two-images", "subsample", "distortion", "gaussian"),
    losses: Sequence[str] = ("relative-entropy", "embedding"),
    alphas: Sequence[float] = (0.001, 0.01, 0.1, 1.0),
    strengths: Mapping[str, Sequence[float]] | None = None,
    seeds: int = 3,
    folds: int = 5,
    trials: int = 0,
    engine: str = "grid",
    closed: bool = False,
    drop: float = DROP,
    model: str = "mobilenet-v2",
    settings: Mapping[str, Any] | None = None,
    out: Path,
    features: Path | None = None,
    workers: int = 0,
    cluster: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make all attempts of a study that are not there yet, and table 6 and figure 7 from those chosen by validation.

    engine: "grid", "random" (``trials`` draws a noise and loss) or "optuna" (as many proposals). closed: leave the
    outer test objects sealed, and only tell what was validated. features: a folder in which studies share what the
    frozen part computes (default: OUT/features). settings: further ones of Settings, the same for all
    attempts. Gives a dict for JSON. Raises BadInput for what cannot work, before anything is computed.
    """
    began_s = time.monotonic()
    _check(noises, losses, alphas, strengths or {}, seeds=seeds, trials=trials, engine=engine)
    if engine == "optuna":
        check_optuna()
    study = make_study(
        source,
        out=out,
        features=features or out / "features",
        device=device,
        partner=partner,
        unseen=unseen,
        folds=folds,
        model=model,
        settings=settings or {},
    )
    space = Space(
        tuple(noises), tuple(losses), tuple(alphas), {name: tuple(v) for name, v in (strengths or {}).items()}
    )
    schemes = _schemes(space, engine=engine, trials=trials)
    attempts = attempts_of(schemes, folds=folds, seeds=seeds)
    prepare(study, attempts)
    workers = -1 if cluster else workers or os.cpu_count() or 1
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # worker processes take it over
    with _spread(cluster, workers) as spread:
        made, failed = make_attempts(study, attempts, spread=spread, workers=workers, progress=progress)
        if engine == "optuna":
            sizes = {"trials": trials, "seeds": seeds, "workers": workers}
            more, wrong = propose(study, space, **sizes, drop=drop, spread=spread, progress=progress)
            made, failed = made + more, failed + wrong
    listed = list_attempts(out)
    frame = read_attempts(out)
    choice = choose(frame, drop=drop)
    told: dict[str, Any] = {"out": str(out), "attempts": len(frame), "made": made, "failed": failed}
    told |= {"seconds": round(time.monotonic() - began_s, 1), "listed": str(listed)}
    told["choice"] = to_json(choice)
    if not closed:
        from hostctl.trainings.table6 import table6

        told["table"] = table6(
            study, choice, seeds=range(seeds), out=out, drop=drop, attempts=frame, virtual=_virtual(source)
        )
    return told


def make_study(
    source: Path,
    *,
    out: Path,
    features: Path,
    device: str,
    partner: str,
    unseen: Sequence[str],
    folds: int,
    model: str,
    settings: Mapping[str, Any],
) -> Study:
    """Read the photographs of the devices named and put the study together; nothing is written."""
    devices = tuple(dict.fromkeys((device, partner, *unseen)))
    photos = read_photos(source, devices=devices)
    base, sidecar = resolve_model(model if model.endswith(".keras") else f"{model}.keras")
    common = {"model": model, "device": device, "partner": partner, "noise": "none", "draws": DRAWS, "threads": 1}
    known = {"epochs": 20, "batch": 16}
    made = Settings(**{**common, **known, **settings})
    return Study(out, features, tuple(photos), classes_of(photos), tuple(unseen), made, base, sidecar, folds)


def search_text(result: Mapping[str, Any]) -> str:
    """Lay out what search() gave for the terminal: the table if it was opened, else what was validated."""
    from hostctl.printing import table_text

    lines = [
        f"{result['attempts']} attempts in {result['listed']}; {result['made']} made now in {result['seconds']:.0f} s"
        + (f", {result['failed']} of them failed" if result["failed"] else "")
    ]
    if "table" in result:
        from hostctl.trainings.table6 import table6_text

        return "\n".join([table6_text(result["table"]), "", *lines])
    rows = [
        {name: row[name] for name in (*SCHEME, "fold", "instability", "accuracy", "baseline_instability", "tried")}
        for row in result["choice"]
    ]
    return "\n".join(["chosen by validation; the test objects stay sealed", table_text(rows), *lines])


def _virtual(source: Path) -> bool:
    """Say whether photographs are a virtual rack's; those of a folder are nobody's."""
    if not (source / "ledger.sqlite").is_file():
        return False
    with Run.open(source, write=False) as run:
        return is_virtual(run)


@contextlib.contextmanager
def _spread(cluster: str, workers: int) -> Iterator[Spread]:
    """Give what makes jobs: processes of this host, or the cluster that joblib is set to."""
    if cluster:
        with connected(cluster):
            yield in_parallel
    else:
        with processes(workers) as spread:
            yield spread


def _schemes(space: Space, *, engine: str, trials: int) -> list[Scheme]:
    if engine == "grid":
        return [*baselines(space), *grid_schemes(space)]
    return [*baselines(space), *(random_schemes(space, trials=trials, seed=0) if engine == "random" else [])]


def _check(
    noises: Sequence[str],
    losses: Sequence[str],
    alphas: Sequence[float],
    strengths: Mapping[str, Sequence[float]],
    *,
    seeds: int,
    trials: int,
    engine: str,
) -> None:
    problems = []
    for what, names, known in (("noise", noises, NOISE_NAMES), ("loss", losses, tuple(LOSSES))):
        if wrong := sorted(set(names) - set(known)):
            problems.append(f"{what}: unknown {', '.join(wrong)}; known: {', '.join(known)}")
    if engine != "grid" and alphas and min(alphas) <= 0:
        problems.append(f"alpha: {engine} draws on a logarithmic scale, expected above 0, got {min(alphas):g}")
    if not losses or not alphas:
        problems.append("expected at least one loss and one alpha, got none")
    if strangers := sorted(set(strengths) - set(noises)):
        problems.append(f"strength: expected noises that are tried, got {', '.join(strangers)}")
    if seeds < 1:
        problems.append(f"seeds: expected 1 or more, got {seeds}")
    if (engine == "grid") != (trials == 0):
        problems.append("a grid takes no --trials, and random or optuna takes some")
    if problems:
        raise BadInput("search: " + "; ".join(problems))
