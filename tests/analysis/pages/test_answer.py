import pandas as pd

from analysis.pages.answer import VIRTUAL, counted, headline, interval, percent, remarks
from analysis.tables import study
from tests.analysis.sample import predictions

RIGHT = {"accuracy": 0.7, "low": 0.6, "high": 0.8}
FOUND = {"rate": 0.14, "low": 0.091, "high": 0.212, "items": 200, "unstable": 28, "uncounted": 0, "clusters": 20}
SUMMARY = {
    "devices": 5,
    "scenes": 20,
    "clusters": 20,
    "angles": 5,
    "repeats": 2,
    "predictions": 1000,
    "missing": 0,
    "ambiguous": 0,
    "not_predicted": 0,
    "instability": FOUND,
    "accuracy_overall": RIGHT,
    "excess_over_within": {"repeat": {"cross": 0.068, "within": 0.031, "excess": 0.037, "low": 0.01, "high": 0.07}},
}


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_answer_in_one_sentence():
    expected = "Your model is unstable on 14 % [9.1, 21] of these photographs across these five devices."
    assert plain(headline(SUMMARY)) == expected


def test_what_must_be_known():
    told = [plain(one) for one in remarks(SUMMARY, virtual=True)]
    assert told == [
        VIRTUAL,
        "On 28 of 200 photographs (20 scenes × 5 angles × 2 repeats) at least one device was right and at least one "
        "was clearly wrong. A photograph that all get wrong counts as stable; a failed one does not count.",
        "20 scenes give an interval of about ±6 points: a first look. For a number to rely on, show 300 scenes or "
        "more, as `make study` does.",
        "Two random devices contradict each other on 6.8 % of the photographs, two repeats of one device on 3.1 %: "
        "3.7 points [1.0, 7.0] more.",
    ]


def test_a_large_study_needs_no_warning_and_gaps_are_told():
    large = SUMMARY | {"clusters": 300, "missing": 1, "ambiguous": 12, "excess_over_within": {}}
    told = [plain(one) for one in remarks(large | {"instability": FOUND | {"uncounted": 3}}, virtual=False)]
    assert len(told) == 2
    assert told[1] == (
        "1 of 1,000 answers is missing; 12 of 1,000 answers count as neither right nor wrong; 3 photographs could "
        "not be compared, having fewer than two answers that count."
    )


def test_an_excess_within_chance_is_called_so():
    found = {"repeat": {"cross": 0.02, "within": 0.03, "excess": -0.01, "low": -0.05, "high": 0.04}}
    (told,) = [
        one for one in remarks(SUMMARY | {"excess_over_within": found}, virtual=False) if "random devices" in one
    ]
    assert plain(told).endswith("3.0 %: −1.0 points [−5.0, 4.0] more, which may still be chance.")


def test_one_device_and_nothing_at_all():
    one = study(predictions(scenes=3, devices=1)).summary
    assert plain(headline(one)).startswith(
        "With one device there is nothing to compare across devices. It was right on"
    )
    nothing = study(predictions(scenes=3, devices=1, missing=1.0)).summary
    assert "no answer that counts" in headline(nothing)
    assert "could be compared" in headline(study(predictions(scenes=3, missing=1.0)).summary)
    assert remarks(nothing, virtual=False)


def test_numbers_as_people_write_them():
    shares = (0, 0.0004, 0.031, 0.0994, 0.0996, 0.145, 1)
    assert [plain(percent(share)) for share in shares] == ["0 %", "0.0 %", "3.1 %", "9.9 %", "10 %", "14 %", "100 %"]
    assert percent(None) == "–"
    assert interval({"low": None, "high": None}) == ""
    assert [counted(number, "device") for number in (1, 5, 13)] == ["one device", "five devices", "13 devices"]


def test_without_labels_nothing_is_right_or_wrong_and_only_agreement_is_told():
    table = predictions(seed=4)
    bare = table.assign(labels=[("unlabelled",)] * len(table)).drop(columns="verdict", errors="ignore")
    summary = study(bare).summary
    assert summary["unlabelled"] == summary["scenes"]
    assert (summary["instability"]["rate"], summary["accuracy_overall"]["accuracy"]) == (None, None)
    assert summary["disagreement"] == study(table).summary["disagreement"]
    told = plain(headline(summary))
    assert told.startswith(f"Your model gives different answers to {plain(percent(summary['disagreement']['rate']))} [")
    assert told.endswith("devices; which are right nobody knows.")
    assert not any("neither right nor wrong" in one or "not be compared" in one for one in remarks(summary, virtual=0))
    one = study(bare[bare["device"] == bare["device"].iloc[0]]).summary
    assert headline(one).startswith("No scene has a label, so that no answer is right or wrong")
    assert "Accuracy and instability need labels and are not told; whether answers agree needs none." in remarks(
        one, virtual=False
    )


def test_scenes_without_labels_are_left_out_of_what_needs_them():
    table = predictions(seed=4)
    lost = table["scene"].isin(sorted(set(table["scene"]))[:2])
    bare = table.drop(columns="verdict", errors="ignore")
    bare = bare.assign(labels=bare["labels"].where(~lost, pd.Series([("unlabelled",)] * len(bare), index=bare.index)))
    summary, others = study(bare).summary, study(table[~lost]).summary
    for name in ("rate", "items", "unstable"):
        assert summary["instability"][name] == others["instability"][name]
    assert summary["accuracy"] == others["accuracy"]
    assert any(one.startswith("2 of ") and "have no label" in one for one in remarks(summary, virtual=False))
