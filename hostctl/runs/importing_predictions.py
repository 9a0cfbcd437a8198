"""Makes a run of answers that a team has already, a table of them, so that the whole report serves it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Step, step_key
from hostctl.predictions.label_names import keep_names
from hostctl.runs.prediction_table import Answer, read_answers

UNKNOWN = "unknown"  # a field of the environment that a table does not tell
NOTE = "imported"
BLOCK = 20_000  # predictions of a shard

Said = Callable[[int, int, str], None]


def import_predictions(
    table: Path, *, out: Path | None, truth: Path | None, names: Path | None, progress: Said
) -> dict[str, Any]:
    """Make the run (by default runs/import-TABLE) of a table of answers; the same table again is no news.

    table, truth: as hostctl.runs.prediction_table.read_answers says; names: a CSV with label,name for the report. A
    condition stands where a device does; where the table has both columns, the conditions are told as models. There
    are no pictures: each answer has a picture record without a file. Raises BadInput listing every mistake.
    """
    answers, scenes, ignored, compared = read_answers(table, truth=truth)
    asked = {"table": table.name, "table_sha256": _sha256(table)}
    asked |= {"truth": truth.name, "truth_sha256": _sha256(truth)} if truth else {}
    folder = out or Path("runs") / f"import-{table.stem}"
    with Run.open_or_create(folder, settings={"pictures": "none", "import": asked}, scenes=scenes) as run:
        if names is not None:
            keep_given_names(run, names)
        environments = {model: _environment(model or table.stem) for model in dict.fromkeys(a.model for a in answers)}
        for one in environments.values():
            run.add_environment(one)
        steps = _steps(answers)
        run.add_steps(steps)
        run.add_pictures([_unseen(one) for one in steps], {})
        run.set_note(NOTE, {**asked, "compared": compared})
        for start in range(0, len(answers), BLOCK):
            progress(start, len(answers), "")
            block = answers[start : start + BLOCK]
            run.add_predictions([_prediction(one, environments[one.model].environment) for one in block])
        progress(len(answers), len(answers), "")
        devices = list(dict.fromkeys(one.device for one in answers))
        return {
            "run": str(folder),
            "items": len(scenes),
            "conditions": devices,
            "models": [one.model for one in environments.values()],
            "answers": len(answers),
            "without_label": sum(not one.labels for one in answers),
            "scores": sum(bool(one.scores) and one.scores[0] == one.scores[0] for one in answers),
            "ignored_columns": ignored,
        }


def imported_text(found: dict[str, Any]) -> str:
    """The result of an import, of answers or of photographs, as a person reads it; it ends with what to do next."""
    conditions = ", ".join(found["conditions"][:12]) + (", ..." if len(found["conditions"]) > 12 else "")
    what, then = ("answers", "report {}") if "answers" in found else ("photographs", "predict {} --model NAME")
    told = {
        "without_label": "{} rows have no label: they count as missing, not as wrong",
        "ignored_columns": "columns left alone: {}",
        "missing_number": "{} times an item lacks a device's photograph; --json lists them",
        "place_removed": "GPS coordinates taken out of {} files (--keep-place leaves them)",
        "place_unknown": "not known whether these tell a place: {}",
        "unused_rows": "{} items of the right answers have no photograph",
    }
    lines = [f"{found[what]:,} {what}: {found['items']:,} items, {len(found['conditions'])} conditions ({conditions})"]
    for name, text in told.items():
        if value := found.get(name):
            lines.append(text.format(", ".join(value[:5]) if isinstance(value, list) else value))
    return "\n".join([*lines, f"run: {found['run']}", f"next: instability {then.format(found['run'])}"])


def _steps(answers: Sequence[Answer]) -> list[Step]:
    """A step a photograph that must have been: the table's order of items, and of devices, stays the report's."""
    orders: dict[tuple[str, int, int], int] = {}
    places: dict[str, int] = {}
    steps: dict[tuple[str, int, int, str], Step] = {}
    for one in answers:
        moment = one.item, one.angle, one.repeat
        order, place = orders.setdefault(moment, len(orders)), places.setdefault(one.device, len(places))
        steps.setdefault((*moment, one.device), Step(*moment, one.device, stimulus=order, order=order, place=place))
    return list(steps.values())


def _unseen(step: Step) -> Picture:
    """The picture that an answer is about: no file of it came with the table."""
    return Picture(step.key, "", "", 0, 0, 0, step.scene, step.angle, step.repeat, step.device)


def _prediction(answer: Answer, environment: str) -> Prediction:
    picture = step_key(answer.item, answer.angle, answer.repeat, answer.device)
    return Prediction(picture, environment, answer.labels, answer.scores, error=answer.error)


def _environment(model: str) -> Environment:
    # model, its hash, then decoder, view, colour, fit, resizer, scaling, runtime
    return Environment(model, "", *(UNKNOWN,) * 7, machine="elsewhere")


def keep_given_names(run: Run, names: Path) -> None:
    """Keep a person's own file of label names (label,name) in the run; raises BadInput for another file."""
    if not names.is_file() or "label" not in names.read_text("utf-8-sig").split("\n", 1)[0].strip().split(","):
        raise BadInput(f"--names {names}: expected a CSV file with the columns label and name, got another, or none")
    keep_names(run.folder, str(names))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
