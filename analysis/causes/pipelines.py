"""Raw against the device's own pipeline (the paper's figure 8): the same steps as shot, and developed by one ISP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.accuracy import accuracy
from analysis.environments import SHOT
from analysis.instability import ITEM, instability
from analysis.pages.answer import percent
from analysis.run_folder.homes import SETUP
from analysis.statistics import difference_interval
from device_agents.errors import BadInput

STEP = (*ITEM, "device")
WHOLE = ("pipeline", "devices", "items", "unstable", "rate", "low", "high", "change", "change_low", "change_high")


@dataclass(frozen=True)
class Pipelines:
    """What figure 8 shows.

    sentence: the answer for the ISP with most items. whole: WHOLE, a row a pipeline, before each the same steps as shot
    (there change is NaN). devices: pipeline, device, accuracy, low, high, predictions.
    """

    sentence: str
    whole: pd.DataFrame
    devices: pd.DataFrame


def pipelines(told: pd.DataFrame, predictions: pd.DataFrame, *, level: float = 0.95) -> Pipelines:
    """Compare the photographs as shot with what each (ISP, codec) made of the raws of the same steps.

    told: the predictions that the report is about, with device; predictions: those of the run in all conditions. Only
    steps that have both sides are compared, in the told setup, of ISPs with two devices or more. The change of the
    instability is paired by cluster. Raises BadInput where there is no such ISP.
    """
    needed = [name for name in ("isp", "codec", *STEP) if name not in predictions.columns]
    if needed:
        raise BadInput(f"expected predictions with {', '.join(needed)}, got none")
    setup = [name for name in SETUP if name in predictions.columns and name in told.columns]
    same = (predictions[setup] == told[setup].iloc[0]).all(axis=1)
    shot = predictions[same & (predictions["isp"] == "") & (predictions["codec"] == "")]
    developed = predictions[same & (predictions["isp"] != "")]
    whole: list[dict[str, object]] = []
    devices: list[pd.DataFrame] = []
    for (isp, codec), part in developed.groupby(["isp", "codec"], sort=False, observed=True):
        before, after = _shared(shot, part), _shared(part, shot)
        if before["device"].nunique() < 2:
            continue
        name = f"raw, {isp}, {codec}"
        sides = {f"{SHOT} (beside {name})": before, name: after}
        whole += _rows(sides, level)
        devices += [accuracy(side, level=level).assign(pipeline=label) for label, side in sides.items()]
    if not whole:
        raise BadInput(_lacking(developed, shot))
    table = pd.concat(devices, ignore_index=True)[["pipeline", "device", "accuracy", "low", "high", "predictions"]]
    most = max(range(0, len(whole), 2), key=lambda at: int(str(whole[at]["items"])))
    return Pipelines(_told(whole[most : most + 2]), pd.DataFrame(whole, columns=list(WHOLE)), table)


def _shared(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The rows whose step the other table has too."""
    there = pd.MultiIndex.from_frame(other[list(STEP)])
    return table[pd.MultiIndex.from_frame(table[list(STEP)]).isin(there)].reset_index(drop=True)


def _rows(sides: dict[str, pd.DataFrame], level: float) -> list[dict[str, object]]:
    found = {label: instability(side) for label, side in sides.items()}
    rows: list[dict[str, object]] = []
    for label, result in found.items():
        interval = result.interval(level=level)
        rows.append({"pipeline": label, "devices": sides[label]["device"].nunique(), "items": result.items})
        rows[-1] |= {"unstable": result.unstable, "rate": result.rate, "low": interval.low, "high": interval.high}
        rows[-1] |= dict.fromkeys(WHOLE[-3:], np.nan)
    before, after = (result.counted for result in found.values())
    if len(before) and len(after):
        apart = difference_interval(
            after["unstable"].to_numpy(float), after["cluster"], before["unstable"].to_numpy(float), before["cluster"],
            level=level,
        )  # fmt: skip
        change = float(after["unstable"].mean() - before["unstable"].mean())
        rows[1] |= {"change": change, "change_low": apart.low, "change_high": apart.high}
    return rows


def _told(rows: list[dict[str, object]]) -> str:
    before, after = rows
    numbers = [
        percent(None if np.isnan(float(str(one["rate"]))) else float(str(one["rate"]))) for one in (before, after)
    ]
    return (
        f"On the same {after['items']} photographs and {after['devices']} devices: {numbers[0]} unstable as shot, "
        f"{numbers[1]} if the raws go through one pipeline ({str(after['pipeline']).removeprefix('raw, ')})."
    )


def _lacking(developed: pd.DataFrame, shot: pd.DataFrame) -> str:
    devices = developed["device"].nunique()
    if not devices:
        return "expected raws developed by one ISP, got none; `instability predict --isp libraw-pinned` makes them"
    if shot.empty:
        return "expected photographs as their devices saved them beside the raws, got none"
    return f"expected raws of two devices or more with their photographs, got developments of {devices}"
