import pandas as pd
import pytest

from analysis.environments import condition_differences, count_conditions, name_conditions
from analysis.pages.answer import remarks
from analysis.tables import study
from tests.analysis.sample_conditions import several


def test_conditions_are_named_by_what_they_change():
    table = several()
    assert list(dict.fromkeys(name_conditions(table))) == ["base", "resizer=opencv-area", "codec=jpeg-50"]
    assert count_conditions(table) == 3
    versions = pd.DataFrame({"model_sha256": ["a" * 64, "b" * 64], "runtime_version": ["1", "1"]})
    assert list(name_conditions(versions)) == ["base", f"model file {'b' * 12}"]
    raws = pd.DataFrame({"isp": ["plain", ""], "codec": ["png", ""]})
    assert list(name_conditions(raws)) == ["base", "isp=as shot codec=as shot"]


def test_one_device_in_several_conditions_is_told_by_condition():
    found = study(several())
    assert found.summary["compared"] == "environment"
    assert list(found.summary["accuracy"]) == ["base", "resizer=opencv-area", "codec=jpeg-50"]
    assert found.summary["instability"]["items"] <= 12
    assert found.summary["devices"] == 3
    named = study(several(), environment="0123456789abcdef")
    assert named.summary["compared"] == "device"


def test_several_devices_are_told_by_device():
    assert study(several(devices=2)).summary["compared"] == "device"


def test_label_differences_are_those_of_a_loop():
    table = several(devices=2)
    found, left_out = condition_differences(table)
    assert left_out == 0
    assert len(found) == 3
    named = table.assign(condition=name_conditions(table))
    wide = named.pivot(index=["scene", "device"], columns="condition", values="label_1")
    row = found[(found["a"] == "base") & (found["b"] == "resizer=opencv-area")].iloc[0]
    assert row["differ"] == (wide["base"] != wide["resizer=opencv-area"]).sum()
    assert row["items"] == 24


@pytest.mark.parametrize("column", ["isp", "resizer"])
def test_absent_fields_do_not_count(column):
    assert count_conditions(several().drop(columns=column)) in (2, 3)


def test_a_great_many_conditions_are_cut(monkeypatch):
    monkeypatch.setattr("analysis.environments.MOST_CONDITIONS", 2)
    table = several()
    found = study(table[~((table["codec"] != "") & (table["scene"] == "scene-000"))])
    assert list(found.summary["accuracy"]) == ["base", "resizer=opencv-area"]
    assert found.summary["conditions_left_out"] == 1
    assert any(
        "1 more conditions of this run are not compared here" in one for one in remarks(found.summary, virtual=False)
    )
    differences, left_out = condition_differences(table)
    assert (len(differences), left_out) == (1, 1)
