"""`instability report RUN --table NAME`: a table of the papers from a run, as a page, as CSV, as JSON and as text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.frames import TEXTS
from analysis.run_folder.homes import SETUP, at_home
from analysis.store import Run
from device_agents.errors import BadInput, pick
from hostctl.printing import wide_table_text
from hostctl.runs.reporting import is_virtual

if TYPE_CHECKING:
    import pandas as pd

    from analysis.papers.printed_table import PrintedTable

MOST_ROWS = 30  # of a part, in the terminal; the page has all
COLUMNS = (
    *("picture", "scene", "angle", "repeat", "device", "order", "place", "parent", "isp", "codec"),
    *("category", "cluster", "labels", "ambiguous", "environment", *SETUP, "machine"),
    *(f"{part}_{rank}" for part in ("label", "score") for rank in range(1, 6)),
    *("latency_ms", "error", "verdict", "tensor_fingerprint"),
)


def table(folder: Path, name: str) -> dict[str, Any]:
    """Write RUN/report/NAME.html and NAME.csv and give what they hold as a dict that JSON takes.

    name: a key of TABLES or OF_QUESTIONS. Keys: table, title, headline, notes, reasons, source, page and csv (paths),
    run, virtual, and parts: name -> title, note, rows (numbers), headings, shown (the rows as text), aside (headings
    that a terminal has no room for; None: the whole part). Raises BadInput for an unknown table, and where the run
    lacks what the table needs, naming the command that makes it.
    """
    from analysis.papers.table_page import write_table
    from analysis.tables import to_json

    make = pick({**TABLES, **OF_QUESTIONS}, name, what="table")
    with Run.open(folder, write=False) as run:
        predictions = run.predictions(COLUMNS)
        if predictions.empty:
            raise BadInput(f"{folder}: expected predictions, got none; run `instability predict {folder} --model NAME`")
        made = make(run, predictions)
        page, numbers = write_table(
            folder / "report", made, provenance=_provenance(run, predictions), virtual=is_virtual(run)
        )
        parts = {
            part.name: {
                "title": part.title,
                "note": part.note,
                "rows": to_json(part.frame),
                "headings": [column.heading for column in part.columns],
                "shown": part.cells(),
                "aside": [column.heading for column in part.columns if column.aside] if not part.aside else None,
            }
            for part in made.parts
        }
        told = {"table": name, "title": made.title, "headline": made.headline, "parts": parts}
        told |= {"notes": list(made.notes), "reasons": list(made.reasons), "source": list(made.source)}
        return told | {"page": str(page), "csv": str(numbers), "run": str(run.folder), "virtual": is_virtual(run)}


def tables_text(result: Mapping[str, Any]) -> str:
    """Lay out what table() gave for the terminal: the answer, each part, why it differs from the paper, the files."""
    from analysis.pages.answer import VIRTUAL

    lines = [VIRTUAL, ""] if result["virtual"] else []
    lines += [result["headline"], ""]
    for part in result["parts"].values():
        if part["aside"] is None:
            lines += [f"{part['title']}: {len(part['shown'])} rows, on the page", ""]
        else:
            lines += [part["title"], *filter(None, [part["note"]]), _grid(part), ""]
    lines += [*result["notes"], "", "Why this cannot agree with the paper:"]
    lines += [f"  - {reason}" for reason in result["reasons"]]
    lines += [f"published: {source}" for source in result["source"]]
    return "\n".join([*lines, f"page  {result['page']}", f"csv   {result['csv']}"])


def _grid(part: Mapping[str, Any]) -> str:
    rows = [dict(zip(part["headings"], row, strict=True)) for row in part["shown"]]
    left = f"\n... and {len(rows) - MOST_ROWS} more rows, on the page" if len(rows) > MOST_ROWS else ""
    return (
        wide_table_text([{name: row[name] for name in row if name not in part["aside"]} for row in rows[:MOST_ROWS]])
        + left
    )


def _comparison(name: str) -> Callable[[Run, pd.DataFrame], PrintedTable]:
    def make(run: Run, predictions: pd.DataFrame) -> PrintedTable:
        from analysis.papers.paper_tables import comparison_table

        home = at_home(predictions)
        developed = set(home.loc[home["codec"] != "", "environment"])
        chosen = next((base for base in _bases(run, home) if base in developed), None)
        command = _command(run, predictions)
        return comparison_table(name, home, run.pictures(), environment=chosen, command=command)

    return make


def _classification(run: Run, predictions: pd.DataFrame) -> PrintedTable:
    from analysis.papers.sysnoise_tables import classification_table

    home = at_home(_one_making(run, predictions))
    return classification_table(
        home,
        bases=_bases(run, home),
        stacked=run.note("stacked"),
        models=run.note("models"),
        variants=run.note("model_variants"),
        command=_command(run, predictions),
    )


def _segmentation(run: Run, predictions: pd.DataFrame) -> PrintedTable:
    from analysis.segmentation.table import segmentation_table
    from hostctl.predictions.designs import scoring_half

    home = at_home(_one_making(run, run.predictions((*COLUMNS, "detail", "truth"))))
    stacked = {model: _at_home(run, home, note) for model, note in (run.note("stacked") or {}).items()}
    return segmentation_table(
        home,
        bases=_bases(run, home),
        stacked={model: names[0] for model, names in stacked.items() if names},
        scoring=scoring_half,
        variants=run.note("model_variants"),
        command=_command(run, predictions),
    )


def _detection(run: Run, predictions: pd.DataFrame) -> PrintedTable:
    from analysis.detection.table import detection_table
    from hostctl.predictions.designs import scoring_half

    home = at_home(_one_making(run, run.predictions((*COLUMNS, *TEXTS))))
    known = {environment.environment for environment in run.environments()}
    rounds = {}
    for model, note in (run.note("stacked") or {}).items():
        names = [_at_home(run, home, row) if row["environment"] in known else [] for row in note["rows"]]
        if all(names):
            rounds[model] = [{**row, "environment": name[0]} for row, name in zip(note["rows"], names, strict=True)]
    return detection_table(
        home,
        bases=_bases(run, home),
        rounds=rounds,
        scoring=scoring_half,
        variants=run.note("model_variants"),
        labels={name: told["labels"] for name, told in (run.note("models") or {}).items() if "labels" in told},
        command=_command(run, predictions),
    )


def _language(run: Run, predictions: pd.DataFrame) -> PrintedTable:
    from analysis.language.table import language_table

    home = at_home(predictions)
    return language_table(home, bases=_bases(run, home), variants=run.note("model_variants"))


def _kinds(run: Run, predictions: pd.DataFrame) -> PrintedTable:
    from analysis.papers.noise_kinds import kinds_table

    home = at_home(_one_making(run, predictions))
    return kinds_table(
        home, bases=_bases(run, home), variants=run.note("model_variants"), command=_command(run, predictions)
    )


def _one_making(run: Run, predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions of one kind of pictures: a base's ISP and codec, else the most frequent ones."""
    making = predictions["isp"] + "|" + predictions["codec"]
    there = making.value_counts(sort=False)
    noted = [f"{base['isp']}|{base['codec']}" for base in _noted(run)] or ["|"]
    wanted = next((name for name in noted if name in there.index), str(there.idxmax()))
    return predictions.loc[making == wanted].reset_index(drop=True)


def _bases(run: Run, home: pd.DataFrame) -> list[str]:
    """What at_home calls the environments that are noted as bases, one a model, where they have predictions."""
    return [name for base in _noted(run) for name in _at_home(run, home, base)]


def _at_home(run: Run, home: pd.DataFrame, noted: Mapping[str, str]) -> list[str]:
    """What at_home calls a noted condition's environment: one name, or none where it has no predictions."""
    known = {environment.environment: environment for environment in run.environments()}
    fields = [getattr(known[noted["environment"]], name) for name in SETUP]
    return [str(name) for name in home.loc[(home[list(SETUP)] == fields).all(axis=1), "environment"].head(1)]


def _noted(run: Run) -> list[dict[str, str]]:
    """The conditions that studies of this run started from, one a model."""
    return list((run.note("base") or {}).values())


def _command(run: Run, predictions: pd.DataFrame) -> str:
    return f"instability predict {run.folder} --model {predictions['model'].iloc[0]}"


def _provenance(run: Run, predictions: pd.DataFrame) -> dict[str, str]:
    models = predictions.drop_duplicates(["model", "model_sha256"])
    return {
        "run": run.folder.name,
        "command": " ".join(["instability", *sys.argv[1:]]),
        "models": ", ".join(f"{row['model']} ({row['model_sha256'][:12]})" for row in models.to_dict("records")),
        "pictures": f"{predictions['picture'].nunique():,}",
        "objects": f"{predictions['cluster'].nunique():,}",
        "predictions": f"{len(predictions):,}",
        "failed": f"{int((predictions['error'] != '').sum()):,}",
    }


TABLES: dict[str, Callable[[Run, pd.DataFrame], PrintedTable]] = {
    "paper-2": _comparison("paper-2"),
    "paper-3": _comparison("paper-3"),
    "paper-4": _comparison("paper-4"),
    "sysnoise-cls": _classification,
    "sysnoise-det": _detection,
    "sysnoise-seg": _segmentation,
    "sysnoise-1": _kinds,
}
# Of runs that `instability language questions` makes, not `instability predict`.
OF_QUESTIONS: dict[str, Callable[[Run, pd.DataFrame], PrintedTable]] = {"sysnoise-nlp": _language}
