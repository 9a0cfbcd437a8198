"""One prediction a picture and model: made where the device's model runs, on the device itself or else on the host.

A run compares devices, each with its own machine; the machine is then part of the device and not an environment of
its own. What remains fixed (model, decoder, view, ..., runtime) is the setup, and one table compares one setup.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

SETUP = ("model", "model_sha256", "decoder", "view", "colour", "fit", "resizer", "scaling", "runtime", "threads")


def at_home(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give the predictions with the setup's name as their environment, each picture once a setup.

    Where a picture was predicted on its own device and on the host too, the device's own prediction stays. The name is
    16 hexadecimal digits of the sha256 of the setup's fields. Raises BadInput if a column is absent.
    """
    import pandas as pd

    absent = [name for name in (*SETUP, "machine", "device", "picture") if name not in predictions.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(predictions.columns)}")
    if predictions.empty:
        return predictions
    setups = predictions.groupby(list(SETUP), sort=False, observed=True, dropna=False)
    codes = setups.ngroup().to_numpy()
    firsts = predictions.iloc[np.unique(codes, return_index=True)[1]]
    names = [_name(row) for row in firsts[list(SETUP)].itertuples(index=False)]
    away = (predictions["machine"].astype(str) != predictions["device"].astype(str)).to_numpy()
    order = np.lexsort((away, codes))
    kept = predictions.assign(environment=np.array(names, object)[codes]).iloc[order]
    once = ~pd.MultiIndex.from_arrays([kept["picture"].astype(str), kept["environment"]]).duplicated()
    return kept[once].sort_index().reset_index(drop=True)


def _name(row: tuple[object, ...]) -> str:
    return hashlib.sha256("|".join(map(str, row)).encode()).hexdigest()[:16]
