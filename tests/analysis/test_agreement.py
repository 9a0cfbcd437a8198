import numpy as np
import pandas as pd
import pytest

from analysis.agreement import agreement, appraisals, read_appraisals
from analysis.metrology.determinism import determinism
from analysis.statistics import clopper_pearson
from device_agents.errors import BadInput
from tests.analysis.sample import predictions

# Each item's labels by A's two trials and B's two trials; the truth is "x".
ITEMS = ["xx xx", "xx xy", "yy yy", "xy xx", "xx xx", "x- xx"]


def people(items=ITEMS):
    rows = [
        (f"s{number}", name, trial, label.replace("-", ""))
        for number, item in enumerate(items)
        for name, labels in zip("AB", item.split(), strict=True)
        for trial, label in enumerate(labels)
    ]
    return pd.DataFrame(rows, columns=["scene", "appraiser", "trial", "label"])


def read(tmp_path, table, **options):
    path = tmp_path / "labels.csv"
    table.to_csv(path, index=False)
    return read_appraisals(path, **options)


def test_by_hand(tmp_path):
    found = agreement(read(tmp_path, people(), accepted={f"s{n}": ["x"] for n in range(6)}))
    within = found.within.set_index("appraiser")
    assert within.loc["A", ["items", "agree"]].tolist() == [5, 4]  # the last item has one trial only
    assert within.loc["B", ["items", "agree"]].tolist() == [6, 5]
    assert within.loc["B", ["low", "high"]].tolist() == pytest.approx(clopper_pearson(5, 6))
    between = found.between.set_index(["a", "b"])
    assert between.loc[("A", "B"), ["items", "agree"]].tolist() == [6, 4]
    assert between.loc[("all", "all"), ["items", "agree"]].tolist() == [6, 4]
    standard = found.standard.set_index("appraiser")
    assert standard.loc["A", ["items", "agree"]].tolist() == [6, 4]
    assert standard.loc["B", ["items", "agree"]].tolist() == [6, 4]
    assert standard.loc["all", ["items", "agree"]].tolist() == [6, 3]
    both = found.coefficients.set_index(["of", "name"])
    assert both.loc[("between A and B", "cohen-kappa"), "subjects"] == 11
    assert both.loc[("between A and B", "cohen-kappa"), "agreement"] == pytest.approx(9 / 11)
    assert both.loc[("within A", "fleiss-kappa"), "agreement"] == pytest.approx(4 / 5)


@pytest.mark.parametrize(("agree", "low", "high"), [(42, 71, 93), (45, 78, 97), (40, 66, 90)], ids=["A", "B", "C"])
def test_aiag_attribute_study_of_50_parts(tmp_path, agree, low, high):
    """AIAG, Measurement Systems Analysis: 42, 45, 40 of 50 within A, B, C; limits printed in percent."""
    table = people(["xx xx"] * agree + ["xx xy"] * (50 - agree))
    row = agreement(read(tmp_path, table)).within.set_index("appraiser").loc["B"]
    assert (round(100 * row["low"]), round(100 * row["high"])) == (low, high)
    assert row["rate"] == agree / 50


def test_without_the_truth_there_is_no_standard(tmp_path):
    assert agreement(read(tmp_path, people())).standard.empty


def test_of_predictions():
    table = predictions(scenes=15, devices=3, angles=(0, 10), missing=0.05)
    found = agreement(appraisals(table))
    own = table[(table["device"] == "pixel-6-like") & (table["label_1"].fillna("") != "")]
    items = own.groupby(["scene", "angle"])["label_1"].agg(["size", "nunique"])
    row = found.within.set_index("appraiser").loc["pixel-6-like"]
    assert row["items"] == (items["size"] == 2).sum()
    assert row["agree"] == ((items["size"] == 2) & (items["nunique"] == 1)).sum()
    assert set(found.standard["appraiser"]) == {*table["device"].unique(), "all"}
    assert (found.coefficients["clusters"] <= 15).all()
    assert (found.coefficients["value"].dropna() <= 1).all()
    assert len(found.between) == 3 + 1


def test_one_device_has_nothing_between():
    found = agreement(appraisals(predictions(scenes=5, devices=1, angles=(0,))))
    assert found.between.empty
    assert found.within["items"].tolist() == [5]


def test_bad_input_is_explained(tmp_path):
    with pytest.raises(BadInput, match="cannot|expected a CSV"):
        read_appraisals(tmp_path / "absent.csv")
    with pytest.raises(BadInput, match="scene, appraiser, trial, label"):
        read(tmp_path, people().drop(columns="trial"))
    with pytest.raises(BadInput, match="unknown ones: s1"):
        read(tmp_path, people(), accepted={"s0": ["x"]})
    with pytest.raises(BadInput, match="two for A, trial 0"):
        read(tmp_path, pd.concat([people(), people()]))
    with pytest.raises(BadInput, match="expected labels"):
        agreement(read(tmp_path, people(["-- --"])))
    table = predictions(scenes=2)
    with pytest.raises(BadInput, match="one environment"):
        appraisals(pd.concat([table, table]))
    with pytest.raises(BadInput, match="'repeat'"):
        appraisals(table.drop(columns="repeat"))


def answers(*rows):
    """Rows of (tensor, label, score, latency)."""
    table = pd.DataFrame(rows, columns=["tensor_fingerprint", "label_1", "score_1", "latency_ms"])
    return table.assign(environment="e", machine="m", error="")


def test_determinism_by_hand():
    found = determinism(
        answers(
            (1, "a", 0.5, 1.0),
            (1, "a", 0.5, 1.5),  # the same again
            (2, "a", 0.5, 1.0),
            (2, "b", 0.4, 1.5),  # another label
            (3, "a", 0.5, 1.0),
            (3, "a", 0.5, 1.0),  # a copy, not a second inference
            (4, "a", 0.5, 1.0),
            (4, "a", 0.75, np.nan),  # another score
            (0, "a", 0.5, 1.0),  # no tensor
            (0, "b", 0.5, 2.0),
        )
    ).iloc[0]
    assert found[["inputs", "inferences", "labels_differ", "scores_differ", "copies"]].tolist() == [3, 6, 1, 2, 1]
    assert found["largest"] == pytest.approx(0.25)
    assert (found["low"], found["high"]) == pytest.approx(clopper_pearson(1, 3))


def test_one_run_after_another_and_machines_apart():
    table = answers(*[(n, "a", 0.5, 1.0) for n in range(1, 11)])
    again = table.assign(latency_ms=2.0, label_1="b")
    found = determinism(pd.concat([table, again]))
    assert found[["inputs", "labels_differ"]].to_numpy().tolist() == [[10, 10]]
    other = determinism(pd.concat([table, again.assign(machine="other")]))
    assert other["inputs"].tolist() == [0, 0]
    assert other["machine"].tolist() == ["m", "other"]
    failed = determinism(pd.concat([table, again.assign(error="lost")]))
    assert failed["inputs"].tolist() == [0]
    with pytest.raises(BadInput, match="tensor_fingerprint"):
        determinism(table.drop(columns="tensor_fingerprint"))
