"""Does a model's answer hold from frame to frame? Videos to frames, predictions, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from device_agents.records import UNLABELLED, Environment, Scene, is_labelled
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.families import CLASSIFICATION
from hostctl.grid import Assignment, predict_run
from hostctl.printing import Progress, silent
from hostctl.videos import numbers
from hostctl.videos.frames import read_note, run_of_videos, video_scenes

if TYPE_CHECKING:
    import pandas as pd

EVERY, MOST, WINDOW = 1, 100, 10  # Shankar et al. look ten frames before and after
SEED = 0
# Small changes of one frame, two of each kind, set beside what the next frame changes.
SYNTHETIC: Mapping[str, tuple[str, ...]] = {
    "brightness": ("offset--16", "offset-16"),
    "contrast": ("contrast-by-90", "contrast-by-110"),
    "hue": ("hue--10", "hue-10"),
    "saturation": ("saturation-80", "saturation-120"),
    "translation": ("translate--2", "translate-2"),
}
COLUMNS = ("model", "environment", "perturbation", "scene", "cluster", "repeat", "picture", "taken_utc")
ANSWERS = ("label_1", "label_2", "score_1", "error", "verdict")


@dataclass(frozen=True)
class Measured:
    """What was found: the result as values, and the tables of frames and of pairs that the page draws."""

    result: dict[str, Any]
    frames: pd.DataFrame
    pairs: pd.DataFrame


def measure_videos(
    models: Sequence[str],
    videos: Sequence[Path],
    *,
    out: Path | None = None,
    every: int = EVERY,
    most: int = MOST,
    window: int = WINDOW,
    synthetic: bool = True,
    workers: int = 1,
    progress: Progress = silent,
) -> Measured:
    """Predict the frames of videos with models, and say how often the top-1 label changes from one to the next.

    models: zoo names or files, of classifiers. videos: files, or one CSV file with the columns file and labels. Of each
    every n-th frame is taken, at most ``most``; ``window`` is k of pm-k accuracy, in frames taken. With ``synthetic``
    each frame is predicted under SYNTHETIC too. The run (by default runs/video-NAME) goes on where it stopped. Raises
    BadInput for numbers below 1, labels that a model lacks, and models that are no classifiers of two classes or more.
    """
    for name, number, least in (("--every", every, 1), ("--frames", most, 2), ("--window", window, 0)):
        if number < least:
            raise BadInput(f"{name}: expected {least} or more, got {number}")
    from stability_train.zoo import resolve_model

    scenes = video_scenes(videos)
    known = [resolve_model(name, progress=partial(progress, "model", 0, 0)) for name in models]
    _check_models(known, scenes)
    folder = out or Path("runs") / f"video-{videos[0].stem}"
    families = SYNTHETIC if synthetic else {}
    with run_of_videos(scenes, folder, every=every, most=most, progress=partial(progress, "frames")) as run:
        table = _predicted(run, known, [name for names in families.values() for name in names], workers, progress)
        told = read_note(run)
    frames = table[table["perturbation"] == ""]
    _check_answers(frames)
    pairs = numbers.consecutive(frames)
    shares = numbers.synthetic_flips(frames, table[table["perturbation"] != ""], families)
    result: dict[str, Any] = {
        "run": str(folder),
        "models": [card.name for _, card in known],
        "every": every,
        "window": window,
        "labelled": all(is_labelled(scene.labels) for scene in scenes),
        "synthetic": {family: list(names) for family, names in families.items()},
        "stopped": [f"{name}: {one['problem']}" for name, one in told.items() if one["problem"]],
        "failed": int((frames["error"] != "").sum()),
    }
    tell = partial(_told, pairs=pairs, shares=shares, families=families, window=window, labelled=result["labelled"])
    result["videos"] = [
        {"model": model, "video": scene, **tell(own)}
        for (model, scene), own in frames.groupby(numbers.VIDEO, sort=False)
    ]
    result["summary"] = [
        {"model": model, "videos": int(own["scene"].nunique()), **tell(own)}
        for model, own in frames.groupby("model", sort=False)
    ]
    rng = np.random.default_rng(SEED)
    result["correlations"] = numbers.correlations(pairs, shares, list(families), rng=rng)
    return Measured(result, frames, pairs)


def _predicted(
    run: Run, known: Sequence[tuple[Path, Sidecar]], changes: Sequence[str], workers: int, progress: Progress
) -> pd.DataFrame:
    """Predict every frame as it is and under the changes with each model, and give the table of these predictions."""
    plain: list[Environment] = []
    for path, card in known:
        base = default_environment(card, path)
        cells = [base, *(replace(base, perturbation=name) for name in changes)]
        said = partial(progress, f"predictions of {card.name}" if len(known) > 1 else "predictions")
        predict_run(run, path, card, [Assignment(tuple(cells))], workers=workers, progress=said)
        plain.append(base)
    return _table(run, plain, changes)


def _check_models(known: Sequence[tuple[Path, Sidecar]], scenes: Sequence[Scene]) -> None:
    names = [card.name for _, card in known]
    if len(set(names)) < len(names) or not names:
        raise BadInput(f"expected one model or more, each of its own name, got {', '.join(names) or 'none'}")
    for path, card in known:
        _check_model(path, card, scenes)


def _check_model(path: Path, card: Sidecar, scenes: Sequence[Scene]) -> None:
    if card.task != CLASSIFICATION:
        raise BadInput(f"{path}: expected a classifier, whose top-1 label can flip; got a model for {card.task}")
    if not card.labels:
        return
    labels = set(read_labels(path.parent / card.labels))
    if len(labels) < 2:
        raise BadInput(f"{path}: expected a classifier of two classes or more, got {len(labels)}: nothing can flip")
    wanted = {label for scene in scenes for label in scene.labels} - {UNLABELLED}
    if wanted - labels:
        raise BadInput(f"{path}: the model has no label {', '.join(sorted(wanted - labels))}")


def _check_answers(frames: pd.DataFrame) -> None:
    """Refuse a model without an answer, or of one class, which without a label list shows only in its answers."""
    for model, own in frames.groupby("model", sort=False):
        answered = own[own["error"] == ""]
        if answered.empty:
            raise BadInput(f"{model}: no frame could be predicted: {own['error'].iloc[0]}")
        if answered["label_2"].isna().all():
            raise BadInput(f"{model}: expected a classifier of two classes or more, got one: nothing can flip")


def _table(run: Run, plain: Sequence[Environment], changes: Sequence[str]) -> pd.DataFrame:
    """The predictions asked for, models and videos in their order, with each frame's time from its video's first."""
    import pandas as pd

    table = run.predictions([*COLUMNS, *ANSWERS])
    asked = [one.environment for one in plain]
    asked += [replace(one, perturbation=name).environment for one in plain for name in changes]
    table = table[table["environment"].isin(asked)].copy()
    table["error"] = table["error"].fillna("")
    when = pd.to_datetime(table["taken_utc"], format="ISO8601", utc=True)
    table["time_s"] = (when - when.groupby(table["scene"]).transform("min")).dt.total_seconds()
    table["number"] = table["model"].map({one.model: place for place, one in enumerate(plain)})
    videos = {scene.scene: place for place, scene in enumerate(run.scenes())}
    order = table.assign(video=table["scene"].map(videos)).sort_values(["number", "video", "repeat"], kind="stable")
    return order.drop(columns=["number", "video"]).reset_index(drop=True)


def _told(
    frames: pd.DataFrame,
    *,
    pairs: pd.DataFrame,
    shares: pd.DataFrame,
    families: Mapping[str, Sequence[str]],
    window: int,
    labelled: bool,
) -> dict[str, Any]:
    """The numbers of some frames: a model's video, or all of a model's."""
    keys = [*numbers.VIDEO, "repeat"]
    mine = frames[keys]
    own = pairs.merge(mine, on=keys)
    rates = shares.merge(mine, on=keys)
    return {
        "frames": len(frames),
        **numbers.flip_rate(own),
        "lag_s": float(own["lag_s"].median()) if len(own) else None,
        "labels_seen": int(frames["label_1"].nunique()),
        **(numbers.window_accuracy(frames, window=window) if labelled else {}),
        "synthetic": {family: _mean(rates[family]) for family in families},
    }


def _mean(values: pd.Series[Any]) -> float | None:
    return float(values.mean()) if values.notna().any() else None
