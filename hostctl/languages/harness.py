"""`instability language harness`: tasks of lm-evaluation-harness with the model in each condition."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, MissingExtra
from hostctl.languages.asked import Asked, check, ways
from hostctl.printing import Progress
from stability_train.language.harness import harness_model
from stability_train.language.predictor import load_predictor


def run_harness(
    *, asked: Asked, tasks: Sequence[str], folder: Path | None, limit: int | None, progress: Progress
) -> dict[str, Any]:
    """Run tasks of the harness, its own or those of a folder of task files, in every condition asked for.

    Gives model, version (of lm-eval) and rows: task, condition, metric, value, stderr, n and delta (base minus this;
    None for the base). Data sets are read as the task files say; the harness fetches its own tasks' from a hub.
    Raises BadInput for no or unknown tasks, MissingExtra without lm-eval, before any work.
    """
    try:
        library, listed = (importlib.import_module(name) for name in ("lm_eval", "lm_eval.tasks"))
    except ImportError as problem:
        raise MissingExtra(
            f"the harness needs lm-eval, not installed here ({problem}); install instability-kit[lm-eval]"
        ) from problem
    check(asked)
    manager = listed.TaskManager(include_path=str(folder) if folder else None)
    unknown = [name for name in tasks if name not in manager.all_tasks]
    if unknown or not tasks:
        raise BadInput(f"--tasks: expected names of the harness's tasks, got {', '.join(unknown) or 'none'}")
    model, found = ways(asked, progress=progress)
    rows: list[dict[str, Any]] = []
    for done, way in enumerate(found):
        progress("conditions", done, len(found), way.told(found[0]))
        language = harness_model(load_predictor(model, way.file, runtime=way.runtime, threads=way.threads))
        result = library.simple_evaluate(
            model=language, tasks=list(tasks), task_manager=manager, limit=limit, bootstrap_iters=0, log_samples=False
        )
        rows += _rows(result, way.told(found[0]))
    progress("conditions", len(found), len(found), "")
    base = {(one["task"], one["metric"]): one["value"] for one in rows if one["condition"] == found[0].told(found[0])}
    for one in rows:
        before = base[one["task"], one["metric"]]
        one["delta"] = None if one["condition"] == found[0].told(found[0]) else before - one["value"]
    return {"model": model.name, "version": importlib.metadata.version("lm-eval"), "rows": rows}


def _rows(result: Any, condition: str) -> list[dict[str, Any]]:
    """The harness's own results: each metric of each task, "acc,none" with its standard error "acc_stderr,none"."""
    rows = []
    for task, values in result["results"].items():
        count = result["n-samples"][task]["effective"]
        for name, value in values.items():
            metric, _, filter_name = name.partition(",")
            if not filter_name or metric.endswith("_stderr") or not isinstance(value, (int, float)):
                continue
            error = values.get(f"{metric}_stderr,{filter_name}")
            row = {"task": task, "condition": condition, "metric": metric, "value": float(value)}
            rows.append(row | {"stderr": error if isinstance(error, float) else None, "n": count})
    return rows
