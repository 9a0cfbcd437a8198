"""A stacked design of a segmentation model: the lowest mIoU is chosen on one half and scored on the other."""

from __future__ import annotations

import pytest

from device_agents.records import Environment
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import scoring_half
from hostctl.predictions.segmentation_rounds import lowest_miou, miou_round
from tests.analysis.segmentation_sample import CHANGES, SETUP, study_table


def conditions() -> dict[str, Condition]:
    found = {}
    for name, changes in CHANGES.items():
        fields = {key: str(value) for key, value in {**SETUP, **changes}.items() if key != "threads"}
        found[name] = Condition(Environment(**fields, machine="host"))
    return found


def rounds_table(names):
    table = study_table(8)
    known = conditions()
    return table.assign(condition=[known[name].name for name in table["environment"]])[
        table["environment"].isin(names).to_numpy()
    ].reset_index(drop=True)


def test_the_lowest_miou_is_chosen_and_scored_on_the_other_half() -> None:
    known = conditions()
    table = rounds_table(list(known))
    halves = scoring_half(table["cluster"])
    assert 0 < halves.sum() < len(halves)
    chosen = lowest_miou(table, [known[name] for name in ("area", "nv12", "grown")])
    assert chosen == known["grown"]
    row = miou_round(table, known["area"], known["base"], 1, ("resizer", {"resizer": "opencv-area"}))
    assert (row["family"], row["variant"], row["round"]) == ("resizer", "opencv-area", 1)
    assert row["difference"] == pytest.approx(row["accuracy"] - 1.0)
    assert row["difference"] < 0
    assert row["difference_interval"][0] <= row["difference"] <= row["difference_interval"][1]
    assert row["choosing_accuracy"] == pytest.approx(row["accuracy"])  # each picture loses alike
    first = miou_round(table, known["base"], known["base"], 0)
    assert (first["accuracy"], first["difference"], first["family"]) == (1.0, 0.0, "")


def test_nothing_to_choose_from_is_nothing() -> None:
    known = conditions()
    table = rounds_table(["base", "area"])
    failed = table.assign(detail="", error="infer: it failed")
    assert lowest_miou(failed, [known["area"]]) is None
    row = miou_round(failed, known["area"], known["base"], 1)
    assert (row["accuracy"], row["difference"]) == (None, None)
    absent = miou_round(table, known["nv12"], known["base"], 1)
    assert (absent["accuracy"], absent["difference"]) == (None, None)
