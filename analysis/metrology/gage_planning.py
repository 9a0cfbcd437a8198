"""How wide the interval of a gage study's %GRR is likely to be with other numbers of scenes, devices and repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.metrology.gage import Gage
from analysis.metrology.gage_intervals import generalised_draws
from device_agents.errors import BadInput

DEVICES = (2, 3, 5, 10, 20, 40)
REPEATS = (2, 3)


def expected_grr(
    found: Gage, *, parts: int, operators: int, repeats: int, level: float = 0.95
) -> tuple[float, float, float]:
    """Give %GRR and the ends of its interval in a balanced study of this size that meets the components of found.

    The interval is that of analysis.metrology.gage (generalised pivots) at the mean squares that such a study expects;
    components below zero count as 0. Raises BadInput for fewer than two of anything.
    """
    if min(parts, operators, repeats) < 2:
        raise BadInput(f"expected two parts, operators and repeats or more, got {parts}, {operators} and {repeats}")
    error, both, operator, part = (
        max(0.0, found.variance(name)) for name in ("repeatability", "interaction", "operator", "part")
    )
    inner = error + repeats * both
    squares = [inner + operators * repeats * part, inner + parts * repeats * operator, inner, error]
    cells = (parts - 1) * (operators - 1)
    draws = generalised_draws(squares, [parts - 1, operators - 1, cells, parts * operators * (repeats - 1)])
    drawn_both = np.maximum(draws[2] - draws[3], 0) / repeats
    drawn_operator = np.maximum(draws[1] - draws[2], 0) / (parts * repeats)
    drawn_part = np.maximum(draws[0] - draws[2], 0) / (operators * repeats)
    gage = draws[3] + drawn_both + drawn_operator
    percents = 100 * np.sqrt(gage / (gage + drawn_part))
    low, high = np.quantile(percents, [(1 - level) / 2, (1 + level) / 2])
    own = error + both + operator
    return float(100 * np.sqrt(own / (own + part))), float(low), float(high)


def sizes(
    found: Gage, *, devices: Sequence[int] = DEVICES, repeats: Sequence[int] = REPEATS, level: float = 0.95
) -> list[dict[str, Any]]:
    """Give the expected interval of %GRR for the study's own number of scenes and twice as many, a row a size.

    Rows: scenes, devices, repeats, photographs, low, high, width; sizes below the study's own are left out.
    """
    rows = []
    for parts in (found.parts, 2 * found.parts):
        for operators in sorted({*(one for one in devices if one >= found.operators), found.operators}):
            for number in repeats:
                _, low, high = expected_grr(found, parts=parts, operators=operators, repeats=number, level=level)
                size = {"scenes": parts, "devices": operators, "repeats": number}
                size |= {"photographs": parts * operators * number}
                rows.append({**size, "low": low, "high": high, "width": high - low})
    return rows
