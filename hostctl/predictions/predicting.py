"""Predict pictures with a model: in one condition, in the many of a design, or in a stacked design's rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.frames import PREDICTION_COLUMNS, TEXTS
from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput, DeviceError, pick
from device_agents.predict import default_environment
from device_agents.preprocess import NOT_AVAILABLE
from device_agents.records import Environment
from device_agents.sidecar import Sidecar
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.developing import develop_run
from hostctl.pictures.file_runs import run_of_files
from hostctl.pictures.prepared import as_prepared
from hostctl.predictions.comparing import ITEM, compare, failures
from hostctl.predictions.conditions import Condition, by_making, by_model, describe_changes, of_conditions
from hostctl.predictions.designs import DESIGNS, SEED, Variants, candidates, parse_vary, scoring_half
from hostctl.predictions.label_gaps import label_gaps
from hostctl.predictions.objects import compare_objects, objects_right, of_known_classes
from hostctl.predictions.predicting_on import against_host, agent_of, variants_on
from hostctl.predictions.probing import Models, usable
from hostctl.predictions.rounds import ROUNDS
from hostctl.printing import Progress

if TYPE_CHECKING:
    import pandas as pd

    from hostctl.agents.predictor import Predictor

MOST_LISTED = 50
STACKED = "stacked"
RAW_ISP, RAW_CODEC = "libraw-pinned", "png"  # of a base that starts from raw pictures, where none is asked for
COLUMNS = ("picture", *ITEM, "isp", "codec", "environment", "cluster", "label_1", "error", "verdict")

Work = Callable[[Sequence[Condition]], None]


@dataclass(frozen=True)
class Setup:
    """How to predict: the model, what is fixed, what varies, and who works; as in commands.predict."""

    model: str
    sidecar: Path | None
    runtime: str | None
    decoder: str
    view: str | None
    isp: str | None
    codec: str | None
    vary: tuple[str, ...]
    design: str
    cluster: str
    workers: int
    lab: Path | None = None
    on: str = ""
    calibration: Path | None = None


def predict_pictures(
    setup: Setup, *, run: Path | None, scenes: Path | None, out: Path | None, progress: Progress
) -> dict[str, Any]:
    """Predict the pictures of a run, or those of a folder or CSV, and give the result that commands.predict gives."""
    from stability_train.zoo import describe, resolve_model

    asked = parse_vary(setup.vary)
    pick(dict.fromkeys((*DESIGNS, STACKED)), setup.design, what="design")
    if setup.design == STACKED and not asked:
        raise BadInput("--design stacked: expected --vary FAMILY=VARIANT,... with the families to stack, got none")
    path, card = resolve_model(setup.model, sidecar=setup.sidecar, progress=partial(progress, "model", 0, 0))
    with _opened(run, scenes, out, raws="isp" in asked or bool(setup.isp)) as opened, _agent(setup, opened) as agent:
        view = setup.view or ("rectified-pillow" if opened.steps() else "whole")
        environment = as_prepared(_environment(setup, card, path, view, agent), card, opened.note("prepared"))
        failed: dict[str, None] = {}  # a stacked design makes pictures in every round; each failure once
        models = Models({environment.model_sha256: (path, card)})

        def work(conditions: Sequence[Condition]) -> None:
            failed.update(dict.fromkeys(_make(opened, conditions, setup.workers, progress)))
            said = partial(progress, "predictions")
            for sha256, some in by_model(conditions).items():
                made = [Assignment(tuple(each), agent=agent, made=how) for how, each in by_making(some).items()]
                file, its = models.files[sha256]
                away = predict_run(opened, file, its, made, workers=setup.workers, progress=said, cluster=setup.cluster)
                if away:  # of the device that was asked for: there is nobody else
                    raise DeviceError(f"{away[0]}; what was finished is kept: the same command goes on")

        result: dict[str, Any] = {
            "run": str(opened.folder),
            "model": card.name,
            "model_file": str(path),
            "preprocessing": describe(replace(card, fit=environment.fit)),
        }
        if gaps := label_gaps(opened.scenes(), [(path, card)]):
            result["label_gaps"] = gaps
        if not asked:
            conditions = _as_they_are(opened, environment, setup)
            if len(conditions) == 1:
                work(conditions)
                compared = {"against_host": against_host(opened, setup.on)} if agent else {}
                return {**result, **_alone(opened, conditions[0]), "not_made": list(failed), **compared}
            base, left_out = conditions[0], list[str]()
            found = _compared(opened, conditions, work)
        else:
            base = _base(opened, environment, setup, made="isp" in asked)
            if "precision" in asked:
                models = _models(opened, setup, asked["precision"], environment, path, card, progress)
            _note(opened, "base", base, {})
            variants, left_out = (variants_on(asked, agent), []) if agent else usable(asked, base, models)
            for note in left_out:
                progress("variants", 0, 0, note)
            if setup.design == STACKED:
                found = _stacked(opened, base, variants, work, progress, task=card.task)
            else:
                found = _compared(opened, DESIGNS[setup.design](base, variants), work)
        described = {**asdict(base.environment), "isp": base.isp, "codec": base.codec}
        result |= {"design": setup.design, "base": described, "left_out": left_out, "not_made": list(failed)}
        return {**result, **found, **({"against_host": against_host(opened, setup.on)} if agent else {})}


def _environment(setup: Setup, card: Sidecar, path: Path, view: str, agent: Predictor | None) -> Environment:
    """The environment asked for, here or on a device, which may have a decoder or runtime that is not here."""
    if agent is None:
        return default_environment(card, path, runtime=setup.runtime, decoder=setup.decoder, view=view)
    usual = default_environment(card, path, view=view)
    return agent.own(replace(usual, decoder=setup.decoder, runtime=setup.runtime or usual.runtime))


def _models(
    run: Run,
    setup: Setup,
    asked: Mapping[str | int, bool],
    environment: Environment,
    path: Path,
    card: Sidecar,
    progress: Progress,
) -> Models:
    """The model's file and those of its variants, made and noted in the run."""
    from hostctl.predictions.model_variants import variants_of_run

    if setup.on:
        raise BadInput("--vary precision: expected this host, got --on; predict --model FILE --on DEVICE runs one file")
    names = {str(name): by_name for name, by_name in asked.items()}
    made, changes, lacking = variants_of_run(
        run, path, card, names, runtime=environment.runtime, calibration=setup.calibration, progress=progress
    )
    files = {sha256: (one.path, one.sidecar) for sha256, one in made.items()}
    return Models({environment.model_sha256: (path, card), **files}, changes, lacking)


def _agent(setup: Setup, run: Run) -> AbstractContextManager[Predictor | None]:
    """The agent of the device to predict on, as a block; None for this host. Raises BadInput for half of a device."""
    if not setup.on and setup.lab is None:
        return nullcontext()
    if not setup.on or setup.lab is None:
        raise BadInput("expected --on DEVICE together with --lab FILE, got one of them")
    return agent_of(setup.lab, setup.on, folder=run.folder / "lab")


def _base(run: Run, environment: Environment, setup: Setup, *, made: bool) -> Condition:
    """The condition to start from: photographs as they were shot, or raws made pictures by a pinned ISP.

    made: whether ISPs are compared, so that all pictures start from raws. Raises BadInput where the run has none.
    """
    raws, photographs = _roots(run)
    isp = setup.isp or (RAW_ISP if made or not photographs else "")
    if isp and not raws:
        raise BadInput(f"{run.folder}: expected raw pictures ({', '.join(RAW_SUFFIXES[:4])}, ...) for ISPs, got none")
    codec = setup.codec or (RAW_CODEC if isp else "")
    return Condition(environment, isp, codec)


def _as_they_are(run: Run, environment: Environment, setup: Setup) -> list[Condition]:
    """The conditions where nothing varies: the ISP and codec asked for, or all that the run's pictures have by now."""
    if setup.isp or setup.codec:
        return [_base(run, environment, setup, made=False)]
    there = {(one.isp, one.codec) for one in run.picture_records() if one.suffix not in RAW_SUFFIXES}
    if not there:
        return [_base(run, environment, setup, made=False)]
    return [Condition(environment, isp, codec) for isp, codec in sorted(there)]


def _roots(run: Run) -> tuple[int, int]:
    """Count the raw pictures and the photographs that others can be made of."""
    raw = [one.suffix in RAW_SUFFIXES for one in run.picture_records({"parent": ""})]
    return sum(raw), len(raw) - sum(raw)


def _make(run: Run, conditions: Sequence[Condition], workers: int, progress: Progress) -> list[str]:
    """Make the pictures that conditions need and the run lacks; ISPs with the same codecs are asked for together."""
    codecs: dict[str, list[str]] = {}
    for isp, codec in by_making(conditions):
        if isp or codec:
            codecs.setdefault(isp, []).append(codec)
    together: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for isp, some in codecs.items():
        together.setdefault((bool(isp), tuple(some)), []).append(isp)
    failed, said = [], partial(progress, "pictures")
    for (of_raws, wanted), isps in together.items():
        failed += develop_run(run, isps=isps if of_raws else [], codecs=wanted, workers=workers, progress=said)
    return failed


def _alone(run: Run, condition: Condition) -> dict[str, Any]:
    """The result of one condition."""
    table, environment = run.predictions([*PREDICTION_COLUMNS, *TEXTS]), condition.environment
    table = of_known_classes(of_conditions(table, [condition]), run)
    return {
        "runtime": f"{environment.runtime} {environment.runtime_version}",
        "decoder": environment.decoder,
        "view": environment.view,
        "environment": environment.environment,
        **_accuracy(table),
        **objects_right(table),
    }


def _compared(run: Run, conditions: Sequence[Condition], work: Work) -> dict[str, Any]:
    """Predict in all conditions and compare each with the first, the base."""
    work(conditions)
    table = _table(run, conditions, columns=(*COLUMNS, *TEXTS))
    rows = compare(table, conditions)
    found = compare_objects(of_known_classes(table, run), conditions, rows) or {"rows": rows}
    return {**_counts(table), "environments": len(conditions), **found}


def _stacked(
    run: Run, base: Condition, variants: Variants, work: Work, progress: Progress, *, task: str
) -> dict[str, Any]:
    """Add to the base the most harmful variant of all families, then the next given it, until each has one."""
    work([base])
    rounds = ROUNDS[task]((run.note("models") or {}).get(base.environment.model, {}).get("labels"))
    table_of = partial(_table, run, columns=(*COLUMNS, *(TEXTS if rounds.whole else ())))
    before = table_of([base])
    scoring = scoring_half(before["cluster"])
    if scoring.all() or not scoring.any():
        raise BadInput(
            f"a stacked design needs pictures on both halves, one to choose and one to score by; the {len(before)} "
            "here fall on one; give more"
        )
    rows, used, left = [rounds.score(before, base, base, 0)], [base], dict(variants)
    current = base
    while options := candidates(current, left):
        progress("round", len(rows), len(rows) + len(left) - 1, f"{len(options)} conditions to choose from")
        work(list(options))
        used += options
        worst = rounds.choose(table_of(list(options)), options)
        if worst is None:
            break
        left.pop(options[worst][0])
        rows.append(rounds.score(table_of([base, worst]), worst, base, len(rows), options[worst]))
        current = worst
    _note(run, "stacked", current, {"rows": rows})
    return {
        **_counts(_table(run, used)),
        "environments": len(used),
        "rows": rows,
        "seed": SEED,
        "stacked": describe_changes(current, base),
    }


def _note(run: Run, name: str, condition: Condition, more: dict[str, Any]) -> None:
    """Keep a condition in the run's note of that name, one for each model."""
    environment = condition.environment
    found = {"environment": environment.environment, "isp": condition.isp, "codec": condition.codec, **more}
    run.set_note(name, {**(run.note(name) or {}), environment.model: found})


def _table(run: Run, conditions: Sequence[Condition], *, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    return of_conditions(run.predictions(columns), conditions)


def _counts(table: pd.DataFrame) -> dict[str, int]:
    lacking = failures(table)
    pictures = len(table[list(ITEM)].drop_duplicates())
    return {"pictures": pictures, "predicted": len(table) - lacking["failed"], **lacking}


def _opened(run: Path | None, scenes: Path | None, out: Path | None, *, raws: bool) -> Run:
    if run is not None:
        return Run.open(run)
    assert scenes is not None
    return run_of_files(scenes, out, raws=raws)


def _accuracy(table: pd.DataFrame) -> dict[str, Any]:
    """Counts, top-1 and top-5 accuracy with 95 % intervals, and the failures' reasons, for one environment."""
    from analysis.accuracy import accuracy

    marked = table.assign(all="all")
    top = {f"top_{n}": accuracy(marked, by="all", top_n=n).iloc[0] for n in (1, 5)}
    failed = marked.loc[marked["error"].fillna("") != "", ["picture", "error"]]
    lacking = failed["error"].str.startswith(NOT_AVAILABLE)
    found: dict[str, Any] = {"pictures": len(marked), "predicted": len(marked) - len(failed)}
    found |= {"failed": int((~lacking).sum()), "not_available": int(lacking.sum())}
    for name, row in top.items():
        found[name] = {"accuracy": float(row["accuracy"]), "interval": [float(row["low"]), float(row["high"])]}
    found["failures"] = [f"{one.picture}: {one.error}" for one in failed.head(MOST_LISTED).itertuples()]
    return found
