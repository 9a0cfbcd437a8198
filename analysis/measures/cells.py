"""Two machines' predictions of the same grid, cell by cell: which differ, and the first stage that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.run_folder.parts import DETAIL, FINGERPRINTS, LABELS, SCORES
from analysis.run_folder.parts import STAGES as PRINTED
from device_agents.errors import BadInput
from device_agents.preprocess import NOT_AVAILABLE

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

# What makes a cell besides its picture; the machine and its library's version may differ, that is the question.
FIELDS = (
    "model",
    "model_sha256",
    "decoder",
    "view",
    "colour",
    "fit",
    "resizer",
    "scaling",
    "runtime",
    "threads",
    "post",
    "perturbation",
)
SCORED, LACKING, ON_HOST, ON_DEVICE = "scores", "not available", "only on the host", "only on the device"
STAGES = (*PRINTED, SCORED, LACKING, ON_HOST, ON_DEVICE)
COLUMNS = ("picture", "environment", *FIELDS, *LABELS, *SCORES, "error", *FINGERPRINTS)  # all that is needed ...
DETAILED = (*COLUMNS, DETAIL)  # ... of classification; other tasks answer more than their labels and scores say


def first_difference(host: pd.DataFrame, device: pd.DataFrame) -> pd.DataFrame:
    """Compare two machines' predictions cell by cell (a picture and FIELDS); one row a cell that differs.

    host, device: predictions tables with COLUMNS, or both DETAILED, of one run or of two (a fingerprint's number comes
    from its hash, so that runs agree in it). Gives the columns picture and FIELDS; stage; host_error, device_error;
    other_label (the first labels differ); score_change (of the first score, device - host, NaN where one has none).
    ``stage`` is the first of file, pixels, resized, tensor whose fingerprints differ, a stage that only one
    machine reached included; "scores" where all are equal and the labels, scores or details are not; "not available"
    where a machine lacks what the cell needs, which is no difference of pixels; "only on the host" or "only on the
    device" where the other has no such cell. Rows by picture and environment in the host's order. Raises BadInput if a
    cell stands twice in a table.
    """
    import pandas as pd

    keys = _keys(host, device)
    _, left, right = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    order = np.argsort(left, kind="stable")
    left, right = left[order], right[order]
    number = _first_stage(host, device, left, right)
    differs = number >= 0
    left, right, number = left[differs], right[differs], number[differs]
    only_host = np.flatnonzero(~np.isin(keys[0], keys[1]))
    only_device = np.flatnonzero(~np.isin(keys[1], keys[0]))
    here = [host[["picture", *FIELDS]].take(left), host[["picture", *FIELDS]].take(only_host)]
    cells = pd.concat([*here, device[["picture", *FIELDS]].take(only_device)], ignore_index=True)
    rest = (len(only_host), len(only_device))
    stages = np.concatenate([number, np.repeat([STAGES.index(ON_HOST), STAGES.index(ON_DEVICE)], rest)])
    found = {
        "stage": pd.Categorical.from_codes(stages.astype(np.int64), categories=pd.Index(STAGES), ordered=True),
        "host_error": _spread(host["error"], [left, only_host], [0, rest[1]], ""),
        "device_error": _spread(device["error"], [right, only_device], [rest[0], 0], ""),
        "other_label": np.concatenate([_apart(host, device, "label_1", left, right), np.ones(sum(rest), bool)]),
        "score_change": np.concatenate([_change(host, device, left, right), np.full(sum(rest), np.nan)]),
    }
    return cells.assign(**found)


def count_stages(found: pd.DataFrame, *, by: Sequence[str] = ()) -> pd.DataFrame:
    """Count what first_difference found: one row a stage (and value of ``by``, columns of FIELDS), in that order.

    Columns: by, stage, cells, pictures (distinct), other_label (cells whose first label is another).
    """
    groups = found.groupby([*by, "stage"], observed=True, sort=True)
    counts = groups.agg(cells=("picture", "size"), pictures=("picture", "nunique"), other_label=("other_label", "sum"))
    return counts.reset_index()


def _keys(host: pd.DataFrame, device: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One number a row of either table, equal where picture and FIELDS are; raises BadInput where one comes twice."""
    import pandas as pd

    pictures, names = pd.factorize(pd.concat([host["picture"], device["picture"]], ignore_index=True))
    kinds = pd.concat([table.drop_duplicates("environment") for table in (host, device)], ignore_index=True)
    kinds = kinds.drop_duplicates("environment").set_index("environment")
    cells = kinds.groupby(list(FIELDS), sort=False, dropna=False).ngroup()
    environments = pd.concat([host["environment"], device["environment"]], ignore_index=True).map(cells)
    keys = environments.to_numpy(np.int64) * max(len(names), 1) + pictures
    parts = keys[: len(host)], keys[len(host) :]
    for part, table, name in zip(parts, (host, device), ("host", "device"), strict=True):
        twice = pd.Series(part).duplicated().to_numpy()
        if twice.any():
            row = table.iloc[int(np.argmax(twice))]
            raise BadInput(
                f"the {name}'s predictions: expected each picture once in an environment, got '{row['picture']}' twice "
                f"with {' '.join(f'{field}={row[field]}' for field in FIELDS[2:])}; give one machine's"
            )
    return parts


def _first_stage(
    host: pd.DataFrame, device: pd.DataFrame, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """The number of the first stage of STAGES at which each pair of rows differs; -1 where none does."""
    number = np.full(len(left), -1)
    details = [DETAIL] if DETAIL in host.columns and DETAIL in device.columns else []
    for column in (*LABELS, *SCORES, *details):
        number[_apart(host, device, column, left, right)] = STAGES.index(SCORED)
    for stage in reversed(range(len(FINGERPRINTS))):  # the earliest has the last word
        number[_apart(host, device, FINGERPRINTS[stage], left, right)] = stage
    lacking = [_lacks(table, rows) for table, rows in ((host, left), (device, right))]
    number[lacking[0] != lacking[1]] = STAGES.index(LACKING)
    return number


def _lacks(table: pd.DataFrame, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    return np.asarray(table["error"].take(rows).str.startswith(NOT_AVAILABLE), bool)


def _apart(
    host: pd.DataFrame, device: pd.DataFrame, column: str, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Where two rows have other values; nothing equals nothing."""
    one = host[column].take(left).reset_index(drop=True)
    other = device[column].take(right).reset_index(drop=True)
    return np.asarray((one != other) & ~(one.isna() & other.isna()), bool)


def _change(
    host: pd.DataFrame, device: pd.DataFrame, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    change = device["score_1"].to_numpy(np.float64)[right] - host["score_1"].to_numpy(np.float64)[left]
    return np.asarray(change, np.float64)


def _spread(column: pd.Series[Any], rows: Sequence[npt.NDArray[np.intp]], empty: Sequence[int], fill: str) -> Any:
    """A column's values at some rows, each followed by so many of the fill."""
    import pandas as pd

    parts: list[pd.Series[Any]] = []
    for some, count in zip(rows, empty, strict=True):
        parts += [column.take(some), pd.Series([fill] * count, dtype=column.dtype)]
    return pd.concat(parts, ignore_index=True).array
