import json

import numpy as np
import pandas as pd
import pytest

from analysis.instability import instability
from analysis.tables import study, to_json
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def test_summary_has_what_the_command_line_prints():
    found = study(predictions(missing=0.02)).summary
    counts = {name: found[name] for name in ("scenes", "clusters", "devices", "angles", "repeats", "pictures")}
    assert counts == {"scenes": 20, "clusters": 20, "devices": 5, "angles": 5, "repeats": 2, "pictures": 1000}
    assert found["predictions"] == 1000
    assert found["missing"] > 0
    assert set(found["accuracy"]) == set(predictions()["device"])
    assert 0 <= found["instability"]["low"] <= found["instability"]["rate"] <= found["instability"]["high"] <= 1
    assert found["disagreement"]["rate"] >= found["instability"]["rate"]
    assert set(found["excess_over_within"]) == {"repeat", "angle"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_frames_agree_with_the_metric():
    table = predictions(missing=0.02)
    found = study(table)
    whole = instability(table)
    for name in ("classes", "angles"):
        assert found.frames[name]["unstable"].sum() == whole.unstable
        assert found.frames[name]["items"].sum() == whole.items
    assert found.frames["scenes"]["unstable"].sum() == whole.unstable
    assert found.frames["scenes"]["pair_share"].is_monotonic_decreasing
    assert sum(len(values) for values in found.scores.values()) <= len(table)
    assert found.frames["within"]["device"].tolist()[:5] == list(table["device"].unique())


def test_absent_predictions_are_told():
    found = study(predictions(scenes=4).iloc[3:]).summary
    assert found["not_predicted"] == 3


@pytest.mark.parametrize(
    "shape",
    [
        {"devices": 1},
        {"devices": 1, "angles": (0,), "repeats": 1},
        {"scenes": 1, "angles": (0,), "repeats": 1},
        {"scenes": 3, "missing": 1.0},
        {"devices": 2, "repeats": 1},
    ],
)
def test_small_studies_do_not_break_it(shape):
    found = study(predictions(**({"scenes": 3} | shape)))
    json.dumps(found.summary, allow_nan=False)
    if shape.get("devices") == 1 or "missing" in shape:
        assert found.summary["instability"]["rate"] is None


def test_one_environment_is_chosen():
    first = predictions(scenes=4)
    second = predictions(scenes=6, seed=2).assign(environment="other", model="lite0")
    both = pd.concat([first, second], ignore_index=True)
    assert study(both).summary["environment"] == "other"
    found = study(both, environment="0123456789abcdef")
    assert found.summary["scenes"] == 4
    assert found.frames["environments"]["model"].tolist() == ["mobilenet-v2", "lite0"]
    with pytest.raises(BadInput, match="unknown environment 'third'; known: 0123456789abcdef, other"):
        study(both, environment="third")


def test_developed_pictures_are_left_out_where_there_are_others():
    table = predictions(scenes=4).assign(isp="", codec="")
    neutral = table.assign(isp="dcraw", codec="png", picture=table["picture"] + "-dcraw")
    assert study(pd.concat([table, neutral])).summary["pictures"] == len(table)
    assert study(pd.concat([table.head(3), neutral])).summary["pictures"] == 3
    more = neutral.assign(isp="crisp", picture=table["picture"] + "-crisp").head(5)
    only = study(pd.concat([more, neutral]))
    assert set(only.table["isp"]) == {"dcraw"}
    assert only.summary["pictures"] == len(table)


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="columns \\['picture'\\]"):
        study(predictions(scenes=2).drop(columns="picture"))
    with pytest.raises(BadInput, match="nothing has been predicted"):
        study(predictions(scenes=2).iloc[:0])


def test_to_json_knows_numbers_arrays_and_nan():
    value = {1: (np.int64(2), np.float32(0.5), np.nan), "a": np.array([True]), "t": pd.DataFrame({"x": [1.5]})}
    assert to_json(value) == {"1": [2, 0.5, None], "a": [True], "t": [{"x": 1.5}]}
