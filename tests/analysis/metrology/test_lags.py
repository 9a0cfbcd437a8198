"""Pairs of shots by the time between them, by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.metrology.lags import (
    LAGS,
    OTHER,
    SAME,
    UNKNOWN,
    device_pairs,
    device_rows,
    lag_rows,
    longer,
    other_row,
    repeat_pairs,
)
from device_agents.errors import BadInput

START = pd.Timestamp("2026-11-22T10:00:00Z")


def shot(scene, device, repeat, second, label="cat", score=0.6, **more):
    taken = (START + pd.Timedelta(seconds=second)).isoformat() if second is not None else ""
    first = {"scene": scene, "angle": 0, "repeat": repeat, "device": device, "cluster": scene, "taken_utc": taken}
    other = "dog" if label == "cat" else "cat"
    return {**first, "label_1": label, "label_2": other, "score_1": score, "score_2": 0.2, **more}


def test_every_two_shots_by_hand():
    table = pd.DataFrame([shot("s", "a", 1, 3600, "dog"), shot("s", "a", 0, 0), shot("s", "a", 2, 3605, "cow", 0.5)])
    found = repeat_pairs(table)
    assert found["lag_s"].tolist() == [3600, 3605, 5]
    assert found["lag"].tolist() == ["1 to 4 h", "1 to 4 h", "under 10 s"]
    assert found["changed"].tolist() == [1, 1, 1]
    # cat has 0.2 in the second shot; of the third it is second with 0.2; the dog is unlisted there: half of 0.2
    assert found["score_change"].tolist() == pytest.approx([0.4, 0.4, 0.5])
    rows = lag_rows(found)
    assert rows["lag"].tolist() == ["under 10 s", "1 to 4 h", SAME]
    assert rows["pairs"].tolist() == [1, 2, 3]
    assert rows["objects"].tolist() == [1, 1, 1]


def test_devices_scenes_and_failures_are_kept_apart():
    table = pd.DataFrame(
        [
            *(shot("s", "a", n, n) for n in range(2)),
            *(shot("s", "b", n, n, "dog") for n in range(2)),
            *(shot("t", "a", n, n, "" if n else "cat") for n in range(2)),
        ]
    )
    found = repeat_pairs(table)
    assert found[["device", "scene", "changed"]].values.tolist() == [["a", "s", 0], ["b", "s", 0]]
    between = device_pairs(table)
    assert between[["device", "other", "scene", "changed"]].values.tolist() == [["a", "b", "s", 1]] * 2
    assert other_row(between)["rate"].tolist() == [1]
    assert other_row(between)["lag"].tolist() == [OTHER]
    assert device_rows(found)["device"].tolist() == ["a", "b"]
    assert other_row(device_pairs(table[table["device"] == "a"])).empty


def test_unknown_times_are_told_as_such():
    table = pd.DataFrame([shot("s", "a", n, None) for n in range(3)])
    rows = lag_rows(repeat_pairs(table))
    assert rows["lag"].tolist() == [UNKNOWN, SAME]
    assert rows["pairs"].tolist() == [3, 3]
    assert np.isnan(rows["median_lag_s"]).all()


@pytest.mark.parametrize(("second", "name"), [(9.9, "under 10 s"), (10, "10 s to 1 min"), (86400, "a day or more")])
def test_the_ends_of_bins(second, name):
    assert repeat_pairs(pd.DataFrame([shot("s", "a", 0, 0), shot("s", "a", 1, second)]))["lag"].tolist() == [name]
    assert name in LAGS


def test_an_hour_later_against_at_once():
    rows = []
    for scene in range(40):
        later = "dog" if scene < 20 else "cat"
        rows += [shot(f"s{scene}", "a", 0, 0), shot(f"s{scene}", "a", 1, 5), shot(f"s{scene}", "a", 2, 4000, later)]
    found = repeat_pairs(pd.DataFrame(rows))
    short, long, value, interval = longer(found)
    assert (short, long, value) == ("under 10 s", "1 to 4 h", 0.5)
    assert 0.3 < interval.low < 0.5 < interval.high < 0.7
    assert longer(found[found["lag"] == "under 10 s"]) is None


def test_absent_columns():
    with pytest.raises(BadInput, match="taken_utc"):
        repeat_pairs(pd.DataFrame([shot("s", "a", 0, 0)]).drop(columns="taken_utc"))
