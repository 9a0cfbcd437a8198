"""Predict pictures with a model: in one environment, in the many of a design, or in a stacked design's rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from capture.scenes import read_scenes
from device_agents.errors import BadInput, pick
from device_agents.predict import default_environment
from device_agents.records import Environment, Picture, Scene
from hostctl.comparing import compare, describe_changes, scored_round
from hostctl.designs import DESIGNS, SEED, Variants, candidates, most_harmful, parse_vary, scoring_half
from hostctl.grid import Assignment, predict_run
from hostctl.printing import Progress
from hostctl.probing import usable

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 50
STACKED = "stacked"
COLUMNS = ("picture", "environment", "cluster", "label_1", "error", "verdict")  # all that a comparison needs

Work = Callable[[Sequence[Environment]], None]


@dataclass(frozen=True)
class Setup:
    """How to predict: the model, what is fixed, what varies, and who works; as in commands.predict."""

    model: str
    sidecar: Path | None
    runtime: str | None
    decoder: str
    view: str | None
    vary: tuple[str, ...]
    design: str
    cluster: str
    workers: int


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
    with _opened(run, scenes, out) as opened:
        view = setup.view or ("rectified-pillow" if opened.steps() else "whole")
        base = default_environment(card, path, runtime=setup.runtime, decoder=setup.decoder, view=view)

        def work(environments: Sequence[Environment]) -> None:
            said, assignments = partial(progress, "predictions"), [Assignment(tuple(environments))]
            predict_run(opened, path, card, assignments, workers=setup.workers, progress=said, cluster=setup.cluster)

        result = {
            "run": str(opened.folder),
            "model": card.name,
            "model_file": str(path),
            "preprocessing": describe(card),
        }
        if not asked:
            work([base])
            return {**result, **_alone(opened, base)}
        variants, left_out = usable(asked, base, path, card)
        for note in left_out:
            progress("variants", 0, 0, note)
        if setup.design == STACKED:
            found = _stacked(opened, base, variants, work, progress)
        else:
            found = _compared(opened, DESIGNS[setup.design](base, variants), work)
        return {**result, "design": setup.design, "base": asdict(base), "left_out": left_out, **found}


def _alone(run: Run, environment: Environment) -> dict[str, Any]:
    """The result of one environment."""
    table = run.predictions()
    return {
        "runtime": f"{environment.runtime} {environment.runtime_version}",
        "decoder": environment.decoder,
        "view": environment.view,
        "environment": environment.environment,
        **_accuracy(table[table["environment"] == environment.environment]),
    }


def _compared(run: Run, environments: Sequence[Environment], work: Work) -> dict[str, Any]:
    """Predict in all environments and compare each with the first, the base."""
    work(environments)
    table = _table(run, environments)
    return {**_counts(table), "environments": len(environments), "rows": compare(table, environments)}


def _stacked(run: Run, base: Environment, variants: Variants, work: Work, progress: Progress) -> dict[str, Any]:
    """Add to the base the most harmful variant of all families, then the next given it, until each has one."""
    work([base])
    before = _table(run, [base])
    scoring = scoring_half(before["cluster"])
    if scoring.all() or not scoring.any():
        raise BadInput(
            f"a stacked design needs pictures on both halves, one to choose and one to score by; the {len(before)} "
            "here fall on one; give more"
        )
    rows, used, left = [scored_round(before, base, base, 0)], [base], dict(variants)
    current = base
    while options := candidates(current, left):
        progress("round", len(rows), len(rows) + len(left) - 1, f"{len(options)} environments to choose from")
        work(list(options))
        used += options
        worst = most_harmful(_table(run, list(options)), options)
        if worst is None:
            break
        left.pop(options[worst][0])
        rows.append(scored_round(_table(run, [base, worst]), worst, base, len(rows), options[worst]))
        current = worst
    return {
        **_counts(_table(run, used)),
        "environments": len(used),
        "rows": rows,
        "seed": SEED,
        "stacked": describe_changes(current, base),
    }


def _table(run: Run, environments: Sequence[Environment]) -> pd.DataFrame:
    table = run.predictions(COLUMNS)
    return table[table["environment"].isin([one.environment for one in environments])]


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {"pictures": int(table["picture"].nunique()), "failed": int((table["error"] != "").sum())}


def _opened(run: Path | None, scenes: Path | None, out: Path | None) -> Run:
    if run is not None:
        return Run.open(run)
    assert scenes is not None
    return _run_of_files(scenes, out)


def _accuracy(table: pd.DataFrame) -> dict[str, Any]:
    """Counts, top-1 and top-5 accuracy with 95 % intervals, and the failures' reasons, for one environment."""
    from analysis.accuracy import accuracy

    marked = table.assign(all="all")
    top = {f"top_{n}": accuracy(marked, by="all", top_n=n).iloc[0] for n in (1, 5)}
    failed = marked.loc[marked["error"].fillna("") != "", ["picture", "error"]]
    found: dict[str, Any] = {"pictures": len(marked), "failed": len(failed)}
    for name, row in top.items():
        found[name] = {"accuracy": float(row["accuracy"]), "interval": [float(row["low"]), float(row["high"])]}
    found["failures"] = [f"{one.picture}: {one.error}" for one in failed.head(MOST_LISTED).itertuples()]
    return found


def _run_of_files(scenes: Path, out: Path | None) -> Run:
    """Make or reopen the run whose pictures are the scenes' own files."""
    listed = read_scenes(scenes)
    name = scenes.resolve().parent.name if scenes.suffix == ".csv" else scenes.resolve().name
    run = Run.open_or_create(out or Path("runs") / f"predict-{name}", settings={"pictures": "files"}, scenes=listed)
    add_files(run, listed)
    return run


def add_files(run: Run, scenes: list[Scene]) -> None:
    """Commit the scenes' files as pictures: a file that is no picture is one too, and fails at its prediction."""
    from PIL import Image

    there = {picture.scene for picture in run.picture_records()}
    for scene in scenes:
        if scene.scene in there:
            continue
        path = Path(scene.file)
        data = path.read_bytes()
        try:
            with Image.open(path) as image:
                width, height = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            width = height = 0
        record = Picture(scene.scene, scene.sha256, path.suffix.lower(), len(data), width, height, scene.scene)
        run.add_picture(record, {scene.sha256: data})
