"""Rows, baselines and held-out devices, on answers whose flips follow what the tries show and the margin does not."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from analysis.flip_risk.baselines import baselines, scaled_first
from analysis.flip_risk.rows import pair_rows, picture_rows
from analysis.flip_risk.study import FITTED, MARGIN, RISK, final_fit, hold_out
from device_agents.errors import BadInput

TRIES = ("hue-1", "hue-2", "hue-3")


def answers(scenes, devices, *, seed=0):
    """A scene has a lead; what a device adds to it flips it, and a try adds the like, so that tries tell the lead."""
    rng = np.random.default_rng(seed)
    rows = []
    for scene in range(scenes):
        lead = rng.normal(0, 1.5)
        for device in devices:
            own = lead + rng.normal(0, 1)
            for name in ("", *TRIES):
                ahead = own if name == "" else lead + rng.normal(0, 1)
                first, second = ("cat", "dog") if ahead > 0 else ("dog", "cat")
                top = 1 / (1 + np.exp(-abs(ahead)))
                place = {"scene": f"s{scene}", "angle": 0, "repeat": 0, "device": device, "cluster": f"s{scene}"}
                told = {"label_1": first, "label_2": second, "score_1": 0.9 * top, "score_2": 0.9 * (1 - top)}
                rows.append({**place, "picture": f"{scene}{device}", "perturbation": name, "error": "", **told})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def study():
    pictures = picture_rows(answers(80, ("a", "b", "c")), TRIES)
    return pictures, pair_rows(pictures), baselines(pictures, classes=10)


def test_a_row_a_picture_and_other_device():
    table = answers(2, ("a", "b", "c"))
    table.loc[(table["picture"] == "0b") & (table["perturbation"] == "hue-2"), "error"] = "decode: no"
    table.loc[(table["picture"] == "1c") & (table["perturbation"] == ""), ["error", "label_1"]] = ["decode: no", ""]
    pictures = picture_rows(table, TRIES)
    assert pictures["picture"].tolist() == ["0a", "0b", "0c", "1a", "1b", "1c"]
    assert pictures[list(FITTED)].isna().all(axis=1).tolist() == [False, True, False, False, False, True]
    pairs = pair_rows(pictures)
    asked = [(pictures["picture"][row], other) for row, other in zip(pairs["row"], pairs["other"], strict=True)]
    assert sorted(asked) == [("0a", "b"), ("0a", "c"), ("0c", "a"), ("0c", "b"), ("1a", "b"), ("1b", "a")]
    labels = pictures.set_index("picture")["label"]
    assert pairs["flip"].tolist() == [labels[own] != labels[f"{own[0]}{other}"] for own, other in asked]
    with pytest.raises(BadInput, match="predicted twice"):
        picture_rows(pd.concat([table, table.head(1)]), TRIES)
    with pytest.raises(BadInput, match="columns"):
        picture_rows(table.drop(columns="cluster"), TRIES)


def test_baselines_by_hand(study):
    pictures, _, risks = study
    first, second = pictures["scores"][0]
    assert risks["margin"][0] == pytest.approx(second - first)
    assert risks["max-probability"][0] == -first
    assert risks["temperature"][0] == -scaled_first((first, second), classes=10)
    assert "temperature" not in baselines(pictures, classes=None)


def test_the_temperature_is_softmaxs_where_all_scores_are_known():
    z = np.array([3.0, 1.0, 0.5, 0.2, 0.1, 0.1, 0.1])
    found = scaled_first(tuple(softmax(z)[:5]), classes=7, temperature=1000.0)
    assert found == pytest.approx(softmax(z / 1000)[0], abs=1e-9)


def test_held_out_devices_in_turn(study):
    found = hold_out(*study, held_out=())
    assert found.summary["held_out"] == [["a"], ["b"], ["c"]]
    assert (found.summary["rows"], found.summary["pictures"]) == (480, 240)
    assert found.devices["device"].tolist() == ["a", "a", "b", "b", "c", "c", "all", "all"]
    scores = found.scores.set_index("score")
    assert scores["area"][RISK] > scores["area"][MARGIN]
    assert scores["difference_low"][MARGIN] > 0  # the tries see the scene's lead, the margin one draw of it
    assert found.summary["brier"][RISK] < found.summary["brier"]["margin alone"]
    assert found.reliability["rows"].sum() == 480
    assert found.rows[RISK].between(0, 1).all()


def test_one_device_held_out_is_never_learnt_from(study):
    pictures, pairs, risks = study
    found = hold_out(pictures, pairs, risks, held_out=("c",))
    assert found.summary["rows"] == 160
    changed = pairs.assign(
        flip=np.where(pairs["device"].eq("c") | pairs["other"].eq("c"), ~pairs["flip"], pairs["flip"])
    )
    again = hold_out(pictures, changed, risks, held_out=("c",))
    assert (again.rows[RISK] == found.rows[RISK]).all()
    assert final_fit(pictures, pairs, held_out=("c",)).weights[0] == pytest.approx(
        final_fit(pictures, changed, held_out=("c",)).weights[0]
    )


def test_what_cannot_be_held_out(study):
    pictures, pairs, risks = study
    with pytest.raises(BadInput, match="unknown devices d; the run has a, b, c"):
        hold_out(pictures, pairs, risks, held_out=("d",))
    with pytest.raises(BadInput, match="two devices or more to learn from"):
        hold_out(pictures, pairs, risks, held_out=("a", "b"))
    with pytest.raises(BadInput, match="expected 10 flips between devices or more to learn from, got 0"):
        hold_out(pictures, pairs.assign(flip=False), risks, held_out=())
