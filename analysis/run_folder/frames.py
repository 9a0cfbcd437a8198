"""DataFrames of a run: its ledger's rows as typed columns, and the long table of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.run_folder import judgements
from analysis.run_folder.coded import Coded, from_arrow, from_texts, places_in, to_texts
from analysis.run_folder.golden import EXCEPT
from analysis.run_folder.ledger import Ledger
from analysis.run_folder.parts import COLUMNS, DETAIL, FINGERPRINTS, LABELS, SCORES, read_parts
from analysis.run_folder.schema import column_names
from analysis.verdicts import VERDICTS, first_verdicts
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Scene

if TYPE_CHECKING:
    import pandas as pd

Places = np.ndarray[Any, np.dtype[np.int32]]

STEP_COLUMNS = ("stimulus", "order", "place")
SCENE_COLUMNS = ("category", "cluster", "labels", "ambiguous")
PICTURE_COLUMNS = (*column_names(Picture), *STEP_COLUMNS, *SCENE_COLUMNS)
ENVIRONMENT_COLUMNS = ("environment", *column_names(Environment))
# A picture's files are of no use in a comparison, and its corners are one Python object a row.
PREDICTION_COLUMNS = (
    *("picture", "scene", "angle", "repeat", "device", "order", "place", "parent", "isp", "codec", "suffix"),
    *SCENE_COLUMNS,
    *ENVIRONMENT_COLUMNS,
    *LABELS,
    *SCORES,
    *("latency_ms", "error", "verdict"),
    *FINGERPRINTS,
)
# Long texts, the whole truth of a scene and the whole answer: given only where they are asked for.
TRUTH = "truth"
TEXTS = (TRUTH, DETAIL)
KNOWN_COLUMNS = tuple(dict.fromkeys((*PREDICTION_COLUMNS, *PICTURE_COLUMNS, *TEXTS)))
NUMBERS = (*SCORES, "latency_ms", *FINGERPRINTS)
TUPLES = ("corners", "labels", "ambiguous")
KINDS = {"TEXT": "str", "INTEGER": "int64", "REAL": "float64"}

CELLS = {
    **{name: f"p.{name}" for name in column_names(Picture)},
    **{name: f'COALESCE(s."{name}", -1)' for name in STEP_COLUMNS},
    **{name: f"c.{name}" for name in (*SCENE_COLUMNS, TRUTH)},
}
PICTURES = (
    "FROM pictures p JOIN scenes c USING (scene) "
    "LEFT JOIN steps s ON s.key = p.scene || '|' || p.angle || '|' || p.repeat || '|' || p.device "
    f"WHERE p.{EXCEPT} ORDER BY p.number"
)
SCENE_LABELS = "SELECT scene, labels, ambiguous FROM scenes"


def frame(rows: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Make a DataFrame of rows with a column for each name in kinds.

    A kind is TEXT, INTEGER, REAL, TUPLE (JSON lists; equal ones are one object), JSON or OBJECT (Python objects, from
    JSON or as they are).
    """
    import pandas as pd

    values = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pd.DataFrame(
        {name: _series(cells, kind) for (name, kind), cells in zip(kinds.items(), values, strict=True)},
        columns=list(kinds),
    )


def pictures_frame(ledger: Ledger, columns: Sequence[str] = PICTURE_COLUMNS) -> pd.DataFrame:
    """All pictures in the order they were added, one a row, with all columns or some.

    Columns: the fields of Picture; stimulus, order and place of its step (-1 where it has none); category, cluster,
    labels and ambiguous of its scene, as people have judged them since, and if asked for its truth. corners, labels
    and ambiguous hold tuples. A developed picture has the step of the photograph it was developed from.
    """
    kinds = {field: "INTEGER" for field in ("size", "width", "height", "angle", "repeat", "attempt", *STEP_COLUMNS)}
    kinds |= dict.fromkeys(TUPLES, "TUPLE")
    cells = CELLS if TRUTH in ledger.columns(Scene) else {**CELLS, TRUTH: "''"}
    query = f"SELECT {', '.join(cells[name] for name in columns)} {PICTURES}"
    found = frame(ledger.rows(query), {name: kinds.get(name, "TEXT") for name in columns})
    judged = ledger.note(judgements.NOTE) if {"labels", "ambiguous"} & set(columns) else None
    return _judged(found, ledger, judgements.settled(judged)) if judged else found


def _judged(pictures: pd.DataFrame, ledger: Ledger, verdicts: judgements.Settled) -> pd.DataFrame:
    """Put people's verdicts into the accepted and ambiguous labels of the pictures of judged scenes."""
    told = {}
    for scene, labels, unclear in ledger.rows(SCENE_LABELS):
        if scene in verdicts:
            told[scene] = judgements.accepted(json.loads(labels), json.loads(unclear), verdicts[scene])
    names = [row[0] for row in ledger.rows(f"SELECT p.scene {PICTURES}")]
    for place, column in enumerate(("labels", "ambiguous")):
        if column in pictures.columns:
            cells = [
                told[scene][place] if scene in told else cell
                for scene, cell in zip(names, pictures[column], strict=True)
            ]
            pictures[column] = _series(cells, "OBJECT")
    return pictures


def environments_frame(ledger: Ledger) -> pd.DataFrame:
    """All environments, one a row: their name and their fields."""
    kinds = {name: "INTEGER" if name == "threads" else "TEXT" for name in ENVIRONMENT_COLUMNS}
    stored = ("environment", *ledger.columns(Environment))
    columns = ", ".join(f'"{name}"' if name in stored else "''" for name in ENVIRONMENT_COLUMNS)
    return frame(ledger.rows(f"SELECT {columns} FROM environments ORDER BY number"), kinds)


def predictions_frame(ledger: Ledger, paths: Sequence[Path], columns: Sequence[str] | None) -> pd.DataFrame:
    """Join the parts with their pictures, scenes and environments; the long table, rows by picture and environment.

    columns: which to give (default PREDICTION_COLUMNS, in that order); labels and ambiguous hold tuples, absent
    labels and scores are NaN, fingerprints are int64 with 0 for none. truth and detail (tasks.answers; "" for none)
    are Python strings, equal ones one object. Raises BadInput naming unknown columns.
    """
    import pandas as pd

    wanted = list(PREDICTION_COLUMNS if columns is None else columns)
    unknown = sorted(set(wanted) - set(KNOWN_COLUMNS))
    if unknown:
        raise BadInput(f"unknown columns {unknown}; known: {', '.join(KNOWN_COLUMNS)}")
    found = _found(ledger, paths, wanted)
    written: dict[str, Any] = {}
    for name in dict.fromkeys(wanted):
        column = found.pop(name)  # the numbers go when the texts are there
        written[name] = (
            column if not isinstance(column, Coded) else _shared(column) if name in TEXTS else to_texts(column)
        )
    return pd.DataFrame(written, columns=wanted, copy=False)


def _found(ledger: Ledger, paths: Sequence[Path], wanted: Sequence[str]) -> dict[str, Any]:
    """The wanted columns, rows in the order of the table; those of text as numbers."""
    needed = {*wanted, "picture", "environment"} | ({"label_1", "error"} if "verdict" in wanted else set())
    table = read_parts(paths, [name for name in (*COLUMNS, DETAIL) if name in needed])
    of_pictures = {*wanted, "picture"} | ({"labels", "ambiguous"} if "verdict" in wanted else set())
    known = (*PICTURE_COLUMNS, TRUTH)
    pictures = pictures_frame(ledger, [name for name in known if name in of_pictures])
    environments = environments_frame(ledger)
    picture = places_in(pictures["picture"], from_arrow(table.column("picture")))
    environment = places_in(environments["environment"], from_arrow(table.column("environment")))
    # Each pair is in a run once, so any way of sorting gives the same order.
    order = np.argsort(picture.astype(np.int64) * max(1, len(environments)) + environment)
    picture, environment = picture[order], environment[order]
    found: dict[str, Any] = {}
    for name in table.column_names:
        if name not in ("picture", "environment"):
            column = table.column(name)
            found[name] = from_arrow(column).rows(order) if name not in NUMBERS else column.to_numpy()[order]
    del table, order
    found |= {name: _spread(pictures[name], picture) for name in known if name in wanted}
    found |= {name: _spread(environments[name], environment) for name in ENVIRONMENT_COLUMNS if name in wanted}
    if "verdict" in wanted:
        found["verdict"] = _verdicts(found["label_1"], found["error"], pictures, picture)
    return found


def _spread(column: pd.Series[Any], places: Places) -> Any:
    """Give each row of the table the value that its picture or environment has."""
    return from_texts(column).rows(places) if column.dtype == "str" else column.to_numpy()[places]


def _shared(column: Coded) -> Any:
    """Give each row its long text as the one object that it shares with others; "" where there is none."""
    import pandas as pd

    names = np.array([*column.names, ""], dtype=object)
    return pd.Series(names[column.codes], dtype=object)  # as a Series, of which pandas makes no "str"


def _verdicts(label: Coded, error: Coded, pictures: pd.DataFrame, picture: Places) -> Coded:
    import pandas as pd

    failed = np.asarray(error.names != "")[error.codes]
    codes = first_verdicts(
        label.codes,
        list(label.names),
        which=picture,
        accepted=list(pictures["labels"]),
        ambiguous=list(pictures["ambiguous"]),
        failed=failed,
    )
    return Coded(codes, pd.Index(VERDICTS, dtype="str"))


def _series(cells: Sequence[Any], kind: str) -> pd.Series[Any]:
    import pandas as pd

    if kind not in ("TUPLE", "JSON", "OBJECT"):
        return pd.Series(list(cells), dtype=KINDS[kind])
    objects = np.empty(len(cells), dtype=object)
    if kind == "TUPLE":
        known = {cell: _tuples(json.loads(cell)) for cell in set(cells)}  # many scenes accept the same labels
        objects[:] = [known[cell] for cell in cells]
    elif kind == "OBJECT":
        objects[:] = list(cells)
    else:
        objects[:] = [json.loads(cell) for cell in cells]
    return pd.Series(objects)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
