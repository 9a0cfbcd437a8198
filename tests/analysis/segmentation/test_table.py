"""SysNoise's table 4 from a small run: numbers by hand, the published rows beside, what is not there as "-"."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.papers.metric_noises import Measured, delta
from analysis.papers.noise_families import subjects
from analysis.segmentation.noises import study_of
from analysis.segmentation.published import segmentation_rows
from analysis.segmentation.table import segmentation_table
from device_agents.errors import BadInput
from tests.analysis.segmentation_sample import CHANGES, SETUP, VARIANTS, study_table


def made(**more):
    return segmentation_table(study_table(), bases=["base"], variants=VARIANTS, **more)


def test_the_row_in_the_papers_form_with_the_published_ones_below() -> None:
    printed = made().parts[0]
    rows = printed.frame.to_dict("records")
    assert [row["model"] for row in rows] == ["unet", "DeepLabV3 ResNet-50", "DeepLabV3 ResNet-101", "U-Net"]
    ours = rows[0]
    assert (ours["source"], ours["trained"]) == ("this run, n=4", "100.00")
    assert (ours["decode"], ours["int8"], ours["ceil"], ours["combined"]) == ("-", "-", "-", "-")
    assert ours["colour"] == "0.00"  # measured, and nothing changed
    area = np.mean([8 / 256, 12 / 234, 20 / 130])
    assert float(ours["resize"].split(" (")[0]) == pytest.approx(100 * (area + near()) / 2, abs=0.005)
    assert rows[1] | {"source": ""} == {
        **{"model": "DeepLabV3 ResNet-50", "source": "", "trained": "78.05", "decode": "0.001 (0.001)"},
        **{"resize": "0.02 (0.04)", "colour": "0.02", "upsample": "3.06", "int8": "0.01", "ceil": "4.02"},
        "combined": "4.51",
    }
    assert rows[3]["ceil"] == "-"
    assert all(len(row) == len(printed.columns) for row in printed.cells())


def near() -> float:
    """What losing one of four cars of 120 pixels takes from mIoU: 48 of them were sky's rows, 72 trees'."""
    tree = 4 * (300 - 72)
    return float(np.mean([0, 120 / (tree + 120), 1 / 4]))


def test_numbers_with_intervals_regions_and_pixels() -> None:
    numbers = made().parts[1].frame.set_index("noise")
    assert numbers.index.tolist() == ["decode", "resize", "colour mode", "upsample: nearest"]
    resize = numbers.loc["resize"]
    assert resize["distinct"] == 2
    assert resize["low"] < resize["mean"] < resize["high"]
    assert resize["worst"] == "pillow-nearest"
    assert resize["instability"] == pytest.approx(1 / 12)  # one car of twelve regions
    grown = numbers.loc["upsample: nearest"]
    assert grown["pixels"] == pytest.approx(60 / 600)
    assert grown["paper"] == pytest.approx(0.0306)
    assert (numbers.loc["colour mode", ["mean", "low", "high", "pixels"]] == 0).all()
    assert np.isnan(numbers.loc["decode", "mean"])


def test_combined_is_scored_on_the_half_that_did_not_choose() -> None:
    scoring = lambda clusters: clusters.isin(["s0", "s1"])  # noqa: E731
    row = made(stacked={"unet": "near"}, scoring=scoring).parts[1].frame.set_index("noise").loc["combined"]
    tree = 2 * (300 - 72)
    assert row["mean"] == pytest.approx(np.mean([0, 120 / (tree + 120), 1 / 2]))
    assert (row["items"], row["worst"]) == (2, "resizer=pillow-nearest")
    assert made(stacked={"unet": "near"}, scoring=scoring).parts[0].frame.loc[0, "combined"] != "-"


def test_an_environment_that_answered_nothing_leaves_the_others_as_they_are() -> None:
    table = study_table()
    gone = (table["environment"] == "nv12").to_numpy()
    changed = {"detail": "", "error": "not available: no such decoder", "verdict": "missing", "label_1": ""}
    for name, value in changed.items():
        table.loc[gone, name] = value
    study = study_of(subjects(table, bases=["base"], variants=VARIANTS)[0])
    place = study.subject.environments.index("nv12")
    assert np.isnan(study.measured.values[place])
    assert study.measured.pictures == 4
    parts = segmentation_table(table, bases=["base"], variants=VARIANTS).parts
    assert parts[0].frame.loc[0, "colour"] == "-"
    assert np.isfinite(parts[3].frame["after"].astype(float)).all()
    table.loc[table["scene"] != "s0", "detail"] = ""
    table.loc[table["scene"] != "s0", "error"] = "infer: it failed"
    table.loc[(table["scene"] == "s0") & (table["environment"] == "base"), ["detail", "error"]] = (
        "",
        "infer: it failed",
    )
    table.loc[table["environment"] == "base", "detail"] = study_table()["detail"].iloc[1]
    table.loc[(table["scene"] != "s1") & (table["environment"] == "base"), ["detail"]] = ""
    table.loc[table["environment"] == "base", "error"] = "infer: it failed"
    table.loc[(table["scene"] == "s1") & (table["environment"] == "base"), "error"] = ""
    with pytest.raises(BadInput, match="a picture that all environments answered, got none"):
        study_of(subjects(table, bases=["base"], variants=VARIANTS)[0])


def test_what_a_run_lacks_is_one_message() -> None:
    alone = study_table()
    alone = alone[alone["environment"] == "base"]
    with pytest.raises(BadInput, match="expected predictions of a model in environments that differ"):
        segmentation_table(alone)
    with pytest.raises(BadInput, match="mIoU needs labelled pixels"):
        segmentation_table(study_table().assign(truth=""), variants=VARIANTS)


def test_a_delta_is_base_less_variant_with_the_ends_of_its_own_replicates() -> None:
    values, replicates = np.array([0.9, 0.7, 0.5]), np.array([[0.9, 0.8], [0.6, 0.7], [0.5, 0.5]])
    measured = Measured(values, replicates, lambda value, parts: (parts.min(), parts.max()), 2)
    assert delta(measured, [1]) == pytest.approx({"delta": 0.2, "low": 0.1, "high": 0.3})
    assert delta(measured, [1, 2])["delta"] == pytest.approx(0.3)
    assert np.isnan(list(delta(measured, []).values())).all()


def test_the_published_rows_are_as_printed() -> None:
    rows = segmentation_rows().set_index("architecture")
    assert rows.loc["DeepLabV3 ResNet-101", ["trained", "upsample", "ceil", "combined"]].tolist() == [
        *(79.88, 3.85, 4.65, 5.11)
    ]
    assert np.isnan(rows.loc["U-Net", "ceil"])
    assert set(CHANGES["area"]) <= set(SETUP)
