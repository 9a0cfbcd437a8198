"""One prediction a picture and model: made where the device's model runs, on the device itself or else on the host.

A run compares devices, each with its own machine; the machine is then part of the device and not an environment of
its own, and so are a browser's usual decoder and runtime. What remains fixed (model, decoder,
view, ..., runtime) is the setup, and one table compares one setup.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from device_agents.errors import BadInput
from device_agents.page_names import IN_PAGES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

POST, PERTURBATION = "post", "perturbation"
LATER = (POST, PERTURBATION)  # of setups; tables of older runs lack them
SETUP = (
    *("model", "model_sha256", "decoder", "view", "colour", "fit", "resizer", "scaling", "runtime", "threads"),
    *LATER,
)


def at_home(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give the predictions with the setup's name as their environment, each picture once a setup.

    Where a picture was predicted on its own device and on the host too, the device's own prediction stays. The name is
    16 hexadecimal digits of the sha256 of the setup's fields; a table without posts and perturbations has empty ones.
    Raises BadInput if another column is absent.
    """
    import pandas as pd

    predictions = with_later(predictions)
    absent = [name for name in (*SETUP, "machine", "device", "picture") if name not in predictions.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(predictions.columns)}")
    if predictions.empty:
        return predictions
    away = (predictions["machine"].astype(str) != predictions["device"].astype(str)).to_numpy()
    fields = as_agents(predictions[list(SETUP)], ~away)
    codes = fields.groupby(list(SETUP), sort=False, observed=True, dropna=False).ngroup().to_numpy()
    firsts = fields.iloc[np.unique(codes, return_index=True)[1]]
    names = [_name(row) for row in firsts.itertuples(index=False)]
    order = np.lexsort((away, codes))
    kept = predictions.assign(environment=np.array(names, object)[codes]).iloc[order]
    once = ~pd.MultiIndex.from_arrays([kept["picture"].astype(str), kept["environment"]]).duplicated()
    return kept[once].sort_index().reset_index(drop=True)


def with_later(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table with the columns post and perturbation, empty where it had none: they came after the others."""
    absent = [name for name in LATER if name not in table.columns]
    return table.assign(**dict.fromkeys(absent, "")) if absent else table


def as_agents(table: pd.DataFrame, rows: NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Give a table with an agent's usual decoder and runtime in the place of a page's, in all rows or those marked."""
    for field, names in IN_PAGES.items():
        agents = {page: agent for agent, page in names.items()}
        pages = table[field].isin(list(agents)).to_numpy() & (True if rows is None else rows)
        if pages.any():
            column = table[field].astype(object).to_numpy(copy=True)
            column[pages] = [agents[name] for name in column[pages]]
            table = table.assign(**{field: column})
    return table


def _name(row: tuple[object, ...]) -> str:
    told = list(row)
    while len(told) > len(SETUP) - len(LATER) and not told[-1]:  # called as they were before there were any
        told.pop()
    return hashlib.sha256("|".join(map(str, told)).encode()).hexdigest()[:16]
