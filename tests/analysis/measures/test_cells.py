from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from analysis.measures.cells import COLUMNS, FIELDS, count_stages, first_difference
from analysis.run_folder.parts import FINGERPRINTS, LABELS, SCORES
from device_agents.errors import BadInput


def table(machine: str, pictures: int = 3, decoders: tuple[str, ...] = ("pillow", "opencv")) -> pd.DataFrame:
    """Every picture in every decoder; all fingerprints, labels and scores follow from the cell."""
    rows = []
    for picture in range(pictures):
        for number, decoder in enumerate(decoders):
            cell = 10 * picture + number
            fields = {name: f"a {name}" for name in FIELDS} | {"decoder": decoder, "threads": 1}
            prints = {name: 100 * cell + place for place, name in enumerate(FINGERPRINTS, 1)}
            labels = {name: f"n{cell}{place}" for place, name in enumerate(LABELS)}
            scores = {name: 0.5 / (place + 1) + cell / 1000 for place, name in enumerate(SCORES)}
            key = {"picture": f"p{picture}", "environment": f"{machine} {decoder}", "error": ""}
            rows.append(key | fields | prints | labels | scores)
    return pd.DataFrame(rows)[list(COLUMNS)].astype({"picture": "str", "environment": "str", "error": "str"})


def fail(cells: pd.DataFrame, row: int, error: str, reached: int) -> None:
    """Make a row a failure that has reached so many stages."""
    cells.loc[row, [*FINGERPRINTS[reached:]]] = 0
    cells.loc[row, [*LABELS, *SCORES]] = np.nan
    cells.loc[row, "error"] = error


def test_equal_grids_have_no_difference_in_any_order() -> None:
    host, device = table("host"), table("board").sample(frac=1, random_state=0).reset_index(drop=True)
    found = first_difference(host, device)
    assert found.empty
    assert list(found.columns) == [
        *("picture", *FIELDS, "stage", "host_error", "device_error", "other_label", "score_change")
    ]
    assert count_stages(found).empty


@pytest.mark.parametrize(("place", "stage"), list(enumerate(["file", "pixels", "resized", "tensor"])))
def test_the_first_fingerprint_that_differs_names_the_stage(place: int, stage: str) -> None:
    host, device = table("host"), table("board")
    device.loc[3, list(FINGERPRINTS[place:])] += 7  # what follows a stage differs with it
    device.loc[3, "label_1"] = "another"
    device.loc[3, "score_1"] += 0.25
    found = first_difference(host, device)
    assert len(found) == 1
    row = found.iloc[0]
    assert (row["picture"], row["decoder"], row["stage"]) == ("p1", "opencv", stage)
    assert row["other_label"]
    assert row["score_change"] == pytest.approx(0.25)


def test_scores_alone_are_the_last_stage_and_need_not_change_the_label() -> None:
    host, device = table("host"), table("board")
    device.loc[0, "score_5"] += 1e-7
    device.loc[2, ["label_2", "label_3"]] = host.loc[2, ["label_3", "label_2"]].to_numpy()
    found = first_difference(host, device)
    assert found["stage"].tolist() == ["scores", "scores"]
    assert found["other_label"].tolist() == [False, False]
    assert found["score_change"].tolist() == [0.0, 0.0]


def test_a_failure_differs_at_the_stage_that_only_one_machine_reached() -> None:
    host, device = table("host"), table("board")
    fail(device, 1, "decode: OSError: broken", 1)
    fail(device, 2, "infer: RuntimeError: no memory", 4)
    fail(host, 4, "resize: BadInput: too large", 2)
    for both in (host, device):  # fails alike on both, in other words
        fail(both, 5, f"decode: {id(both)}", 1)
    found = first_difference(host, device)
    assert found[["picture", "decoder"]].to_numpy().tolist() == [["p0", "opencv"], ["p1", "pillow"], ["p2", "pillow"]]
    assert found["stage"].tolist() == ["pixels", "scores", "resized"]
    assert found["device_error"].tolist() == ["decode: OSError: broken", "infer: RuntimeError: no memory", ""]
    assert found["host_error"].tolist() == ["", "", "resize: BadInput: too large"]
    assert found["other_label"].all()
    assert found["score_change"].isna().all()


def test_what_a_device_lacks_is_apart_from_what_it_does_otherwise() -> None:
    host, device = table("host"), table("board")
    for row in (1, 3, 5):
        fail(device, row, "not available: decoder 'opencv' needs opencv", 1)
    device.loc[0, "tensor_fingerprint"] += 1
    fail(host, 5, "not available: here neither", 1)
    found = first_difference(host, device)
    assert found["stage"].tolist() == ["tensor", "not available", "not available"]
    counts = count_stages(found)
    assert counts.to_dict("records") == [
        {"stage": "tensor", "cells": 1, "pictures": 1, "other_label": 0},
        {"stage": "not available", "cells": 2, "pictures": 2, "other_label": 2},
    ]
    by = count_stages(found, by=["decoder"])
    assert by[["decoder", "stage", "cells"]].to_numpy().tolist() == [
        ["opencv", "not available", 2],
        ["pillow", "tensor", 1],
    ]


def test_cells_that_one_machine_has_not_are_listed_last() -> None:
    host, device = table("host"), table("board", pictures=4)
    device = device.drop(index=[0, 7]).reset_index(drop=True)
    found = first_difference(host, device)
    assert found[["picture", "decoder", "stage"]].to_numpy().tolist() == [
        ["p0", "pillow", "only on the host"],
        ["p3", "pillow", "only on the device"],
    ]
    assert found["other_label"].all()
    assert found["host_error"].tolist() == found["device_error"].tolist() == ["", ""]


def test_an_empty_side_leaves_everything_to_the_other() -> None:
    host = table("host")
    assert first_difference(host, host.head(0))["stage"].unique().tolist() == ["only on the host"]
    assert first_difference(host.head(0), host)["stage"].unique().tolist() == ["only on the device"]
    assert first_difference(host.head(0), host.head(0)).empty


def test_two_machines_in_one_table_are_refused() -> None:
    both = pd.concat([table("host"), table("board")], ignore_index=True)
    with pytest.raises(BadInput, match="the device's predictions: expected each picture once .* got 'p0' twice"):
        first_difference(table("host"), both)


def test_a_loop_over_the_cells_says_the_same() -> None:
    rng = np.random.default_rng(3)
    host, device = table("host", 40), table("board", 40)
    for column in (*FINGERPRINTS, *SCORES):
        rows = rng.random(len(device)) < 0.05
        device.loc[rows, column] += 1
    expected = []
    for one, other in zip(host.to_dict("records"), device.to_dict("records"), strict=True):
        for name, columns in (*((name[: -len("_fingerprint")], [name]) for name in FINGERPRINTS), ("scores", SCORES)):
            if any(one[column] != other[column] for column in columns):
                expected.append((one["picture"], one["decoder"], name))
                break
    found = first_difference(host, device)
    assert len(expected) > 10
    assert list(found[["picture", "decoder", "stage"]].itertuples(index=False, name=None)) == expected


def test_half_a_million_cells_take_seconds() -> None:
    host = table("host", 25, tuple(f"decoder {number}" for number in range(20)))
    pictures = 1000
    host = pd.concat([host] * pictures, ignore_index=True)
    host["picture"] = pd.array(np.repeat(np.arange(25 * pictures), 20).astype("str"), dtype="str")
    device = host.assign(environment="board " + host["environment"])
    device.loc[::100, "resized_fingerprint"] += 1
    start = time.perf_counter()
    found = first_difference(host, device)
    assert count_stages(found).loc[0, "cells"] == len(host) // 100
    assert time.perf_counter() - start < 60  # 2 s here; a loop over rows takes minutes


def test_posts_are_cells_of_their_own_and_details_are_compared_where_both_have_them() -> None:
    host, device = (
        pd.concat([one.assign(post=post, environment=one["environment"] + post) for post in ("", "offset-1")])
        .assign(detail="boxes")
        .reset_index(drop=True)
        for one in (table("host"), table("board"))
    )
    assert first_difference(host, device).empty
    device.loc[7, "detail"] = "other boxes"
    found = first_difference(host, device)
    assert (found["stage"].tolist(), found["post"].tolist()) == (["scores"], ["offset-1"])
    assert not found["other_label"].any()
    assert first_difference(host, device.drop(columns="detail")).empty
