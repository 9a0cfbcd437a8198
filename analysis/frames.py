"""DataFrames of a run: its ledger's rows as typed columns, and the long table of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.ledger import Ledger
from analysis.parts import COLUMNS, FINGERPRINTS, LABELS, SCORES, read_parts
from analysis.schema import column_names
from analysis.verdicts import verdicts
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

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
KNOWN_COLUMNS = tuple(dict.fromkeys((*PREDICTION_COLUMNS, *PICTURE_COLUMNS)))
TUPLES = ("corners", "labels", "ambiguous")
KINDS = {"TEXT": "str", "INTEGER": "int64", "REAL": "float64", "JSON": "object"}

PICTURES = (
    f"SELECT {', '.join(f'p.{name}' for name in column_names(Picture))}, COALESCE(s.stimulus, -1), "
    'COALESCE(s."order", -1), COALESCE(s.place, -1), c.category, c.cluster, c.labels, c.ambiguous '
    "FROM pictures p JOIN scenes c USING (scene) "
    "LEFT JOIN steps s ON s.key = p.scene || '|' || p.angle || '|' || p.repeat || '|' || p.device ORDER BY p.number"
)


def frame(rows: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Make a DataFrame of rows with a column for each name in kinds (TEXT, INTEGER, REAL, or JSON: Python objects)."""
    import pandas as pd

    values = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pd.DataFrame(
        {name: _series(cells, kind) for (name, kind), cells in zip(kinds.items(), values, strict=True)},
        columns=list(kinds),
    )


def pictures_frame(ledger: Ledger) -> pd.DataFrame:
    """All pictures in the order they were added, one a row.

    Columns: the fields of Picture; stimulus, order and place of its step (-1 where it has none); category, cluster,
    labels and ambiguous of its scene. corners, labels and ambiguous hold tuples. A developed picture has the step of
    the photograph it was developed from.
    """
    kinds = {field: "INTEGER" for field in ("size", "width", "height", "angle", "repeat", "attempt", *STEP_COLUMNS)}
    kinds |= dict.fromkeys(TUPLES, "JSON")
    return frame(ledger.rows(PICTURES), {name: kinds.get(name, "TEXT") for name in PICTURE_COLUMNS})


def environments_frame(ledger: Ledger) -> pd.DataFrame:
    """All environments, one a row: their name and their fields."""
    kinds = {name: "INTEGER" if name == "threads" else "TEXT" for name in ENVIRONMENT_COLUMNS}
    columns = ", ".join(f'"{name}"' for name in ENVIRONMENT_COLUMNS)
    return frame(ledger.rows(f"SELECT {columns} FROM environments ORDER BY number"), kinds)


def predictions_frame(ledger: Ledger, paths: Sequence[Path], columns: Sequence[str] | None) -> pd.DataFrame:
    """Join the parts with their pictures, scenes and environments; the long table, rows by picture and environment.

    columns: which to give (default PREDICTION_COLUMNS, in that order); labels and ambiguous hold tuples, absent
    labels and scores are NaN, fingerprints are int64 with 0 for none. Raises BadInput naming unknown columns.
    """
    import pandas as pd

    wanted = list(PREDICTION_COLUMNS if columns is None else columns)
    unknown = sorted(set(wanted) - set(KNOWN_COLUMNS))
    if unknown:
        raise BadInput(f"unknown columns {unknown}; known: {', '.join(KNOWN_COLUMNS)}")
    needed = {*wanted, "picture", "environment"} | ({"label_1", "error"} if "verdict" in wanted else set())
    table = read_parts(paths, [name for name in COLUMNS if name in needed])
    pictures, environments = pictures_frame(ledger), environments_frame(ledger)
    picture = _places(table, "picture", pictures["picture"])
    environment = _places(table, "environment", environments["environment"])
    order = np.lexsort((environment, picture))
    picture, environment, table = picture[order], environment[order], table.take(order)
    from_parts = table.drop_columns(["picture", "environment"])
    found: dict[str, Any] = {name: _column(from_parts.column(name)) for name in from_parts.column_names}
    found |= {name: pictures[name].take(picture).array for name in PICTURE_COLUMNS if name in wanted}
    found |= {name: environments[name].take(environment).array for name in ENVIRONMENT_COLUMNS if name in wanted}
    if "verdict" in wanted:
        found["verdict"] = _verdicts(found, pictures, picture)
    return pd.DataFrame({name: found[name] for name in wanted}, columns=wanted)


def _series(cells: Sequence[Any], kind: str) -> pd.Series[Any]:
    import pandas as pd

    values = [_tuples(json.loads(cell)) for cell in cells] if kind == "JSON" else cells
    if kind == "JSON":
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        return pd.Series(objects)
    return pd.Series(list(values), dtype=KINDS[kind])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _places(table: pyarrow.Table, name: str, names: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each row's picture or environment stands among the ledger's names."""
    import pandas as pd

    column = table.column(name).combine_chunks()
    known = pd.Index(names).get_indexer(pd.Index(column.dictionary.to_pylist(), dtype="str"))
    places: np.ndarray[Any, np.dtype[np.int64]] = known.astype(np.int64)[column.indices.to_numpy(zero_copy_only=False)]
    return places


def _column(column: pyarrow.ChunkedArray) -> Any:
    """An Arrow column as plain text or numbers, so that comparing two columns needs no common categories."""
    import pandas as pd
    import pyarrow

    if not pyarrow.types.is_dictionary(column.type):
        return column.to_numpy()
    return pd.Series(column.cast(pyarrow.large_string()).to_pandas(), dtype="str").array


def _verdicts(found: Mapping[str, Any], pictures: pd.DataFrame, picture: np.ndarray[Any, Any]) -> pd.Series[Any]:
    import pandas as pd

    accepted, ambiguous = (pictures[name].to_numpy()[picture] for name in ("labels", "ambiguous"))
    failed = np.asarray(found["error"] != "", dtype=bool)
    label = np.asarray(found["label_1"], dtype=object)
    return pd.Series(verdicts(label, accepted, ambiguous, failed=failed), dtype="str")
