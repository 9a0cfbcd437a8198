import numpy as np
import pandas as pd
import pytest

from analysis.measures.ties import tied_instability, ties
from device_agents.errors import BadInput


def table_of(cells):
    """(scene, device, verdict, score_1, score_2) rows."""
    table = pd.DataFrame(cells, columns=["scene", "device", "verdict", "score_1", "score_2"])
    return table.assign(angle=0, repeat=0)


def test_ties_are_marked_and_left_out():
    table = table_of(
        [
            ("s0", "a", "right", 0.5, 0.25),
            ("s0", "b", "wrong", 0.25, 0.25),
            ("s0", "c", "right", 0.5, 0.0),
            ("s1", "a", "right", 0.5, 0.25),
            ("s1", "b", "wrong", 0.5, 0.25),
            ("s1", "c", "right", np.nan, np.nan),
        ]
    )
    assert ties(table).tolist() == [False, True, False, False, False, False]
    found = tied_instability(table)
    assert (found.tied, found.predictions, found.items) == (1, 6, 1)
    assert (found.with_ties.unstable, found.without_ties.unstable) == (2, 1)
    assert (found.with_ties.items, found.without_ties.items) == (2, 2)


def test_scores_are_needed():
    with pytest.raises(BadInput, match="score_2"):
        ties(pd.DataFrame({"score_1": [0.5]}))
