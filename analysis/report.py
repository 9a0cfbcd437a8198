"""The report: one HTML file that opens without a server; the answer first, then photographs, figures and tables."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.pages.answer import VIRTUAL, headline, interval, noun, of_units, percent, remarks, unit
from analysis.pages.answer_pictures import DRAWERS, AnswerCard, Answers, answer_cards
from analysis.pages.drawing import Plot, themed
from analysis.pages.gallery import Card, Loader, cards
from analysis.pages.sections import Section, Told
from analysis.plots import plots
from analysis.run_folder.files import write_whole
from analysis.tables import Study
from device_agents.errors import BadInput

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_ROWS = 12
NOT_CUT = 20  # a table of so few rows is shown whole: a table cut by two rows annoys more than it saves
LONG_TEXT = 40
CSV_ROWS = 10_000

ENVIRONMENT = ("environment", "model", "model_sha256", "decoder", "view", "colour", "fit", "resizer", "scaling")
MACHINE = ("runtime", "runtime_version", "threads", "machine")

PRECISION = {
    "ap50": "mAP@0.5",
    "ap": "mAP@0.5:0.95",
    "ap50_change": "change of mAP@0.5",
    **{
        f"{key}_{end}": told for key in ("ap50", "ap", "ap50_change") for end, told in (("low", "from"), ("high", "to"))
    },
}
# Column -> heading and kind; a kind says how a cell is written.
COLUMNS = {
    "rate": ("instability", "percent"),
    "low": ("from", "percent"),
    "high": ("to", "percent"),
    "accuracy": ("accuracy", "percent"),
    "accuracy_low": ("from", "percent"),
    "accuracy_high": ("to", "percent"),
    "pair_share": ("of random pairs", "percent"),
    "pair_low": ("from", "percent"),
    "pair_high": ("to", "percent"),
    "cross": ("two devices", "percent"),
    "within": ("one device", "percent"),
    "excess": ("excess", "percent"),
    "category": ("class", "label"),
    "right_label": ("right answer", "label"),
    "wrong_label": ("wrong answer", "label"),
    "right_score": ("score", "score"),
    "wrong_score": ("score", "score"),
    "right_device": ("right on", "text"),
    "wrong_device": ("wrong on", "text"),
    "sure": ("smaller score", "score"),
    "items": ("photographs", "number"),
    **{key: (told, "precision") for key, told in PRECISION.items()},
    "changed_rate": ("changed", "percent"),
    "uncounted": ("not compared", "number"),
    "angle": ("angle (°)", "number"),
    "top_n": ("labels shown", "number"),
    "a": ("device", "text"),
    "b": ("other device", "text"),
    "over": ("one device over", "text"),
    "change": ("change", "percent"),
    "change_low": ("from", "percent"),
    "change_high": ("to", "percent"),
    "differ": ("differ", "number"),
    "label_rate": ("other label", "percent"),
    "agreement_rate": ("agreement", "percent"),
    "value": ("value", "score"),
    "value_low": ("from", "score"),
    "value_high": ("to", "score"),
    "variance_low": ("from", ""),
    "variance_high": ("to", ""),
    "agree": ("agree", "number"),
    "average_precision": ("average precision", "score"),
    "threshold": ("lowest score", "score"),
    "kept": ("kept", "percent"),
    "share": ("share", "percent"),
    "percent_study": ("of the deviation (%)", "number"),
    "percent_contribution": ("of the variance (%)", "number"),
    "error_rate": ("wrong", "percent"),
    "error_low": ("from", "percent"),
    "error_high": ("to", "percent"),
    "ce": ("CE", "percent"),
    "probability_change": ("change of probability", "percent"),
    "distance": ("top-5 distance", "score"),
    "left_out": ("left out", "number"),
}

# Table -> heading and explanation; the order of the report.
TABLES = {
    "accuracy": (
        "Accuracy by device",
        "Right answers over right and wrong ones; ambiguous and missing ones in neither.",
    ),
    "pairs": ("Every two devices", "Photographs on which exactly one of the two is right."),
    "classes": ("By class", "Instability across devices beside the accuracy over all devices."),
    "angles": ("By angle", "Instability across devices at each angle of the mount."),
    "within": ("Within one device", "A device against itself: over its repeats, and over its angles."),
    "excess": ("Devices against repeats", "Random pairs of photographs: of two devices, and of one device."),
    "top_n": ("If more labels are shown", "An answer is right when an accepted label is among the first n."),
    "scenes": ("Scenes", "The most unstable first."),
    "flips": ("Confident flips", "One device surely right, another surely wrong, on the same photograph."),
    "environments": ("Environments", "All environments of this run; this report shows the one marked in Provenance."),
    "uncounted": ("Not compared", "Photographs with fewer than two answers that count."),
}


@dataclass(frozen=True)
class Cell:
    """One cell of a shown table."""

    text: str
    numeric: bool

    @property
    def css(self) -> str:
        """The class of the cell: n for numbers, long for sentences, which may wrap."""
        return "n" if self.numeric else "long" if len(self.text) > LONG_TEXT else ""


@dataclass(frozen=True)
class Table:
    """A table as the page shows it; csv is a data: address of all rows, or of the first CSV_ROWS."""

    name: str
    title: str
    note: str
    headings: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    csv: str


def write_report(
    path: Path,
    *,
    study: Study,
    load_picture: Loader,
    load_scene: Loader,
    names: Mapping[str, str],
    provenance: Mapping[str, Any],
    failures: pd.DataFrame | None = None,
    sections: Sequence[Section] = (),
    lacking: Sequence[str] = (),
    answers: Answers | None = None,
    title: str = "Instability report",
    virtual: bool,
    limit: int = 12,
) -> Path:
    """Write the report of a study and give its path: path itself if it ends in .html, else path/index.html.

    load_picture: picture name -> the scene rectified out of it, uint8 (height, width, 3) sRGB, or None; load_scene:
    scene name -> what was shown. names: label -> words for people. provenance: heading -> a table, a mapping, a list
    or a value. failures: what is missing and why, any columns. sections: what sections.make_sections
    made; lacking: what it could not make, and why. answers: of a task that answers boxes or masks, drawn in the place
    of the photographs. virtual: whether the devices were simulated; the report then says so. limit: how many scenes are
    shown side by side. Raises BadInput where the file cannot be written.
    """
    target = path if path.suffix == ".html" else path / "index.html"
    shown, drawn = list[Card](), list[AnswerCard]()
    if answers is None:
        shown = cards(study, load_picture=load_picture, load_scene=load_scene, names=names, limit=limit)
    else:
        drawn = answer_cards(study, answers, load_picture=load_picture, load_scene=load_scene, limit=limit)
    page = render_page(
        "report.html",
        title=title,
        summary=study.summary,
        headline=headline(study.summary),
        remarks=remarks(study.summary, virtual=False),
        warning=VIRTUAL if virtual else "",
        cards=shown,
        drawn=drawn,
        legend=DRAWERS[answers.task].legend if answers is not None else "",
        unstable_scenes=int((study.frames["scenes"]["unstable"] > 0).sum()),
        plots={name: _of_units(plot, study) for name, plot in plots(study, names=names).items()},
        noun=noun(study.summary),
        unit=unit(study.summary),
        sections=[
            (one, of_units(one.lead, study.summary), [section_table(told, names, study.summary) for told in one.tables])
            for one in sections
        ],
        lacking=lacking,
        tables=study_tables(study, names),
        provenance=_provenance(study, provenance, names),
        failures=None if failures is None else frame_table("failures", failures, names, title="Missing and failed"),
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page.encode("utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot write the report to {target}: {problem.strerror}; name another folder") from problem
    return target


def frame_table(
    name: str,
    frame: pd.DataFrame,
    names: Mapping[str, str],
    *,
    title: str,
    note: str = "",
    rows: int = SHOWN_ROWS,
    noun: str = "device",
    unit: str = "photograph",
) -> Table:
    """Prepare any DataFrame for the page: headings, written cells of the first rows, and a CSV of all.

    noun, unit: what the study compares, and what is right or wrong, for the headings.
    """
    known = [COLUMNS.get(str(column), (str(column).replace("_", " "), "")) for column in frame.columns]
    kinds = [(heading.replace("device", noun).replace("photograph", unit), kind) for heading, kind in known]
    numeric = [
        kind in ("percent", "score", "precision", "number") or _is_number(frame, at)
        for at, (_, kind) in enumerate(kinds)
    ]
    headings = tuple(Cell(heading, right) for (heading, _), right in zip(kinds, numeric, strict=True))
    shown = tuple(
        tuple(Cell(_write(value, kinds[at][1], names), numeric[at]) for at, value in enumerate(row))
        for row in frame.head(len(frame) if len(frame) <= NOT_CUT else rows).itertuples(index=False)
    )
    text = frame.head(CSV_ROWS).to_csv(index=False)
    address = "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
    return Table(name, title, note, headings, shown, len(frame), address)


def study_tables(study: Study, names: Mapping[str, str]) -> list[Table]:
    """Prepare the study's own tables that have something to say, in the order of TABLES."""
    return [table for name in TABLES if (table := _known_table(study, name, names)) is not None]


def _of_units(plot: Plot, study: Study) -> Plot:
    """A figure in the words of the study."""
    words = (of_units(text, study.summary) for text in (plot.title, plot.caption, plot.alt, plot.svg))
    return Plot(*words)


def section_table(told: Told, names: Mapping[str, str], summary: Mapping[str, Any]) -> Table:
    """Prepare a section's table, in the words of the study's summary."""
    note, word = of_units(told.note, summary), unit(summary)
    return frame_table(told.name, told.frame, names, title=told.title, note=note, noun=told.compared, unit=word)


def _known_table(study: Study, name: str, names: Mapping[str, str]) -> Table | None:
    frame = study.frames[name]
    if frame.empty or (name in ("environments", "angles", "top_n") and len(frame) < 2):
        return None
    title, note = (of_units(text.replace("device", noun(study.summary)), study.summary) for text in TABLES[name])
    word, judged = noun(study.summary), unit(study.summary)
    return frame_table(name, frame, names, title=title, note=note, noun=word, unit=judged)


def _provenance(study: Study, given: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """Give (heading, kind, content), kind one of table, pairs, list or text; the environment's fields come first."""
    known = [name for name in (*ENVIRONMENT, *MACHINE) if name in study.table.columns]
    # Devices that predict by themselves have machines, and pages decoders and runtimes, of their own.
    fields = {name: ", ".join(map(str, study.table[name].unique())) for name in known}
    sections: list[tuple[str, str, Any]] = []
    for heading, value in ({"Environment shown": fields} | dict(given)).items():
        if isinstance(value, pd.DataFrame) and value.empty:
            continue
        if isinstance(value, pd.DataFrame):
            table = frame_table(heading.lower().replace(" ", "-"), value, names, title=heading, rows=100)
            sections.append((heading, "table", table))
        elif isinstance(value, Mapping):
            sections.append(
                (heading, "pairs", [(str(key).replace("_", " "), str(part)) for key, part in value.items()])
            )
        elif isinstance(value, Sequence) and not isinstance(value, str):
            sections.append((heading, "list", [str(part) for part in value]))
        else:
            sections.append((heading, "text", str(value)))
    return sections


def _write(value: Any, kind: str, names: Mapping[str, str]) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if kind == "percent":
        return percent(float(value))
    if kind in ("score", "precision"):
        return f"{value:.{2 if kind == 'score' else 3}f}".replace("-", "\N{MINUS SIGN}")
    if kind == "label":
        return names.get(value, str(value))
    if isinstance(value, float):
        text = f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"
        return text.replace("-", "\N{MINUS SIGN}")
    if kind == "number":
        return f"{value}".replace("-", "\N{MINUS SIGN}")
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _is_number(frame: pd.DataFrame, at: int) -> bool:
    dtype = frame.dtypes.iloc[at]
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))


def _code(text: str) -> Any:
    """Escape a sentence and set what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def render_page(template: str, **values: Any) -> str:
    """Fill a template of this package's folder; everything but our own SVG is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "interval": interval, "code": _code, "themed": themed}
    return environment.get_template(template).render(**values)
