"""Shares of variance of devices, places and order: against the Latin square's own analysis of variance."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.metrology.placing import placing, rotates, split
from device_agents.errors import BadInput

SQUARE = [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]
SCENES = 30


def study(*, device=0.0, place=0.0, order=0.0, blocks=4, seed=3, gaps=0):
    """Values of a rotated session with known deviations of its factors, noise 1 and large differences of scenes."""
    rng = np.random.default_rng(seed)
    of = {
        name: size * rng.standard_normal(4) for name, size in (("device", device), ("place", place), ("order", order))
    }
    rows = [
        (scene, SQUARE[block][at], at, block) for block in range(blocks) for at in range(4) for scene in range(SCENES)
    ]
    table = pd.DataFrame(rows, columns=["scene", "device", "place", "order"])
    value = 5.0 * rng.standard_normal(SCENES)[table["scene"]] + rng.standard_normal(len(table))
    value = value + sum(of[name][table[name]] for name in of)
    keep = rng.permutation(len(table))[gaps:]
    return value[keep], table.iloc[keep].reset_index(drop=True)


def parted(value, table):
    return split(
        value, table["scene"].to_numpy(), {name: table[name].to_numpy() for name in ("device", "place", "order")}
    )


def variances(found):
    return dict(zip(found.components["source"], found.components["variance"], strict=True))


def test_a_whole_square_gives_the_mean_squares_answer():
    value, table = study(device=1.0, place=0.5, order=0.4)
    left = value - pd.Series(value).groupby(table["scene"]).transform("mean").to_numpy()
    per_level = 4 * SCENES
    squares = {
        name: per_level * (pd.Series(left).groupby(table[name]).mean() ** 2).sum()
        for name in ("device", "place", "order")
    }
    df = len(value) - SCENES - 9
    error = (np.square(left).sum() - sum(squares.values())) / df
    found = parted(value, table)
    assert variances(found)["rest"] == pytest.approx(error, rel=1e-4)
    for name, square in squares.items():
        assert variances(found)[name] == pytest.approx((square / 3 - error) / per_level, rel=1e-3)
    assert found.components["percent"].sum() == pytest.approx(100)
    assert found.scenes == SCENES


def test_what_is_not_there_has_no_share_and_no_small_p():
    found = parted(*study(device=1.0)).components.set_index("source")
    assert found.loc["device", "p"] < 1e-6
    assert found.loc["place", "percent"] < 2
    assert found.loc["place", "p"] > 0.01


def test_gaps_and_fewer_blocks_than_places_still_tell_place_from_device():
    found = parted(*study(device=0.2, place=1.0, blocks=3, gaps=60, seed=5)).components.set_index("source")
    assert found.loc["place", "percent"] > 5 * found.loc["device", "percent"]
    assert found.loc["place", "p"] < 1e-6
    assert found.loc["rest", "variance"] == pytest.approx(1.0, rel=0.2)


def test_places_that_do_nothing_are_found_as_rarely_as_stated():
    small = [parted(*study(device=0.5, seed=seed)).components["p"].iloc[1] < 0.05 for seed in range(25)]
    assert sum(small) <= stats.binom.ppf(0.999, 25, 0.05)


def predictions(rotated):
    """A tiny table of predictions with scores."""
    value, table = study(device=0.5, place=0.8)
    score = 1 / (1 + np.exp(-value / 4))
    return pd.DataFrame(
        {
            "scene": table["scene"].astype(str),
            "angle": 0,
            "repeat": table["order"],
            "device": table["device"].astype(str),
            "place": table["place"] if rotated else table["device"],
            "labels": [("a",)] * len(table),
            "ambiguous": [()] * len(table),
            "label_1": np.where(score >= 0.5, "a", "b"),
            "score_1": np.maximum(score, 1 - score),
            "label_2": np.where(score >= 0.5, "b", "a"),
            "score_2": np.minimum(score, 1 - score),
            "error": "",
        }
    )


def test_the_margin_of_predictions_is_parted():
    found = placing(predictions(rotated=True))
    assert list(found.components["source"]) == ["device", "place", "order", "rest"]
    assert found.components["p"].iloc[1] < 0.001
    assert found.values == 16 * SCENES


def test_devices_that_stay_have_nothing_to_part():
    still = predictions(rotated=False)
    assert rotates(predictions(rotated=True))
    assert not rotates(still)
    assert not rotates(still.drop(columns="place"))
    with pytest.raises(BadInput, match="stood in several places"):
        placing(still)
    with pytest.raises(BadInput, match=r"columns \['place'\]"):
        placing(still.drop(columns="place"))


def test_too_few_values_or_none_that_differ_are_refused():
    value, table = study()
    few = table["scene"] < 1
    with pytest.raises(BadInput, match="repeat more"):
        parted(value[few][:10], table[few][:10])
    with pytest.raises(BadInput, match="got all alike"):
        parted(np.ones(len(table)), table)
