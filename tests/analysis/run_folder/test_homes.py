"""A picture counts once a setup, by the prediction of its own device where there is one."""

import hashlib

import pandas as pd
import pytest

from analysis.run_folder.homes import SETUP, at_home
from device_agents.errors import BadInput


def row(picture, device, machine, label, **fields):
    return {
        **dict.fromkeys(SETUP, "x"),
        "picture": picture,
        "device": device,
        "machine": machine,
        "label_1": label,
    } | fields


def test_the_devices_own_prediction_stays():
    table = pd.DataFrame(
        [
            row("p1", "phone", "host", "cat"),
            row("p2", "board", "host", "dog"),
            row("p2", "board", "board", "wolf"),
            row("p1", "phone", "host", "lynx", model="other"),
        ]
    )
    found = at_home(table)
    first = found[found["environment"] == found["environment"].iloc[0]]
    assert dict(zip(first["picture"], first["label_1"], strict=True)) == {"p1": "cat", "p2": "wolf"}
    assert found["environment"].nunique() == 2
    assert list(found.loc[found["model"] == "other", "label_1"]) == ["lynx"]


def test_the_setups_name_depends_on_its_fields_alone():
    one = at_home(pd.DataFrame([row("p1", "a", "host", "cat")]))
    two = at_home(pd.DataFrame([row("p9", "b", "b", "dog"), row("p1", "a", "host", "cat", runtime="y")]))
    assert one["environment"].iloc[0] == two["environment"].iloc[0] != two["environment"].iloc[1]


def test_an_empty_table_and_a_table_without_columns():
    empty = pd.DataFrame([row("p", "a", "host", "cat")]).iloc[:0]
    assert at_home(empty).empty
    with pytest.raises(BadInput, match="machine"):
        at_home(empty.drop(columns="machine"))


def test_a_browsers_usual_decoder_and_runtime_are_part_of_the_device():
    usual = {"decoder": "pillow", "runtime": "litert"}
    browser = {"decoder": "create-image-bitmap", "runtime": "litert-js"}
    table = pd.DataFrame(
        [
            row("p1", "phone", "host", "cat", **usual),
            row("p2", "page", "host", "dog", **usual),
            row("p2", "page", "page", "wolf", **browser),
            row("p2", "page", "page", "lynx", **{**browser, "decoder": "image-element"}),
            row("p1", "phone", "page", "boar", **browser),
        ]
    )
    for given in (table, table.astype({"decoder": "category", "runtime": "category"})):
        found = at_home(given)
        first = found[found["environment"] == found["environment"].iloc[0]]
        assert dict(zip(first["picture"], first["label_1"], strict=True)) == {"p1": "cat", "p2": "wolf"}
        assert set(first["decoder"]) == {"pillow", "create-image-bitmap"}
        others = found[found["environment"] != found["environment"].iloc[0]]
        assert set(others["label_1"]) == {"lynx", "boar"}
        assert others["environment"].nunique() == 2


def test_a_post_is_a_setup_of_its_own_and_the_others_keep_their_names():
    before = pd.DataFrame([row("p1", "a", "host", "cat")]).drop(columns=["post", "perturbation"])
    later = [{"post": "", "perturbation": ""}, {"post": "offset-1", "perturbation": ""}]
    later.append({"post": "", "perturbation": "fog-3"})
    both = at_home(pd.DataFrame([row("p1", "a", "host", "cat", **fields) for fields in later]))
    assert both["environment"].nunique() == len(both) == 3
    assert at_home(before)["environment"].iloc[0] == both["environment"].iloc[0]
    named = "|".join("x" for _ in SETUP[:-2])  # as setups were called before there were posts and perturbations
    assert both["environment"].iloc[0] == hashlib.sha256(named.encode()).hexdigest()[:16]
