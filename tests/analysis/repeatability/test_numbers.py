import numpy as np
import pandas as pd
import pytest

from analysis.instability import instability
from analysis.repeatability.corruption import ALEXNET
from analysis.repeatability.numbers import COLUMNS, suite_numbers, suites_in
from analysis.repeatability.suites import (
    CLEAN,
    CONSISTENCY,
    FRAMES_BEFORE,
    FRAMES_FIRST,
    PAIRS,
    SEVERITIES,
    SUITES,
    Family,
    Suite,
)
from analysis.statistics import rate_interval
from device_agents.errors import BadInput
from tests.analysis.perturbed_sample import rows, sample

TASKS = ("classification",)


def suite(*families):
    return Suite("made", families, TASKS, "made for a test")


def numbers(table, *families):
    found = suite_numbers(table, suite(*families))
    assert tuple(found.columns) == COLUMNS
    return found.set_index(["family", "measure"])


def test_sequences_by_hand():
    frames = ("n-frame-00", "n-frame-01", "n-frame-02")
    table = rows(
        {"p": dict(zip(frames, ("abcde", "bacde", "abcde"), strict=True)), "q": dict.fromkeys(frames, "abcde")}
    )
    noise, moved = Family("n", FRAMES_FIRST, frames), Family("m", FRAMES_BEFORE, frames)
    found = numbers(table, noise, moved)
    assert found.loc[("n", "flip-probability"), "value"] == pytest.approx((1 / 2 + 0) / 2)
    assert found.loc[("m", "flip-probability"), "value"] == pytest.approx((2 / 2 + 0) / 2)
    assert found.loc[("n", "top-5-distance"), "value"] == pytest.approx((2 + 0) / 2 / 2)
    assert found.loc[("m", "top-5-distance"), "value"] == pytest.approx(2 / 2)
    assert found.loc[("all", "flip-probability"), "value"] == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert (found["pictures"] == 2).all()
    assert "instability" not in found.index.get_level_values("measure")  # no truth is known


def test_pairs_by_hand_with_a_class_that_fell_out():
    pair = Family("shift-crop", PAIRS, ("shift-crop-0", "shift-crop-1"))
    table = pd.concat(
        [
            rows({"p": {"shift-crop-0": "abcde"}}, accepted={"p": "a"}, scores=(0.6, 0.2, 0.1, 0.05, 0.03)),
            rows({"p": {"shift-crop-1": "bcdef"}}, accepted={"p": "a"}, scores=(0.5, 0.2, 0.1, 0.1, 0.04)),
            rows({"q": {"shift-crop-0": "abcde"}}, accepted={"q": "b"}, scores=(0.6, 0.2, 0.1, 0.05, 0.03)),
            rows({"q": {"shift-crop-1": "abcde"}}, accepted={"q": "b"}, scores=(0.5, 0.3, 0.1, 0.05, 0.03)),
        ]
    )
    found = numbers(table, pair)
    # p: 0.6 to somewhere from 0 to 0.04; q: 0.6 to 0.5.
    change = found.loc[("shift-crop", "probability-change")]
    assert change["value"] == pytest.approx((0.58 + 0.1) / 2)
    least = rate_interval([0.56, 0.1], ["p", "q"])
    most = rate_interval([0.6, 0.1], ["p", "q"])
    assert (change["low"], change["high"]) == (pytest.approx(least.low), pytest.approx(most.high))
    assert found.loc[("shift-crop", "true-probability-change"), "value"] == pytest.approx((0.58 + 0.1) / 2)
    assert found.loc[("shift-crop", "flip-probability"), "value"] == pytest.approx(1 / 2)
    assert found.loc[("shift-crop", "instability"), "value"] == pytest.approx(1 / 2)  # p only: right, then wrong


def test_shift_consistency_is_the_share_of_equal_answers():
    pair = Family(CONSISTENCY, PAIRS, ("consistency-0", "consistency-1"))
    table = rows({name: {"consistency-0": "ab", "consistency-1": "ab" if name != "p" else "ba"} for name in "pqrs"})
    found = numbers(table, pair)
    assert found.loc[(CONSISTENCY, "shift-consistency"), "value"] == pytest.approx(3 / 4)
    flip = found.loc[(CONSISTENCY, "flip-probability")]
    assert found.loc[(CONSISTENCY, "shift-consistency"), "low"] == pytest.approx(1 - flip["high"])


def test_errors_ambiguous_and_unlabelled_answers_by_hand():
    fog = Family("fog", SEVERITIES, ("fog-1", "fog-2"))
    table = rows(
        {name: {"fog-1": "ab", "fog-2": one + "c"} for name, one in zip("pqrs", "abba", strict=True)},
        accepted={"p": "a", "q": "a", "r": "b"},
    )
    table["ambiguous"] = [("a",) if name == "r" else () for name in table["picture"]]
    found = numbers(table, fog)
    # p: right twice; q: right, wrong; r: ambiguous and right, so that one counts; s has no label.
    assert found.loc[("fog", "error"), ["value", "pictures", "missing"]].tolist() == [pytest.approx(0.5 / 3), 3, 0]
    assert found.loc[("fog", "instability"), ["value", "pictures"]].tolist() == [pytest.approx(1 / 2), 2]


def test_ce_and_mce_follow_from_the_errors():
    table = sample(SUITES["corruptions"].perturbations, pictures=20)
    found = suite_numbers(table, SUITES["corruptions"]).set_index(["family", "measure"])["value"]
    errors = {name: found[name, "error"] for name in ALEXNET}
    for name, error in errors.items():
        assert found[name, "ce"] == pytest.approx(error / ALEXNET[name])
    assert found["all", "mce"] == pytest.approx(np.mean([errors[name] / ALEXNET[name] for name in ALEXNET]))
    assert found["all", "error"] == pytest.approx(np.mean(list(errors.values())))
    clean = table[table["perturbation"] == ""]
    assert found[CLEAN, "error"] == pytest.approx((clean["label_1"] != clean["labels"].str[0]).mean())


def test_alexnet_s_own_errors_give_an_mce_of_1():
    """A model that errs as often as AlexNet does, to a two-hundredth of its pictures."""
    parts = []
    for name, wrong in {name: round(error * 200) for name, error in ALEXNET.items()}.items():
        given = rows({"p": {f"{name}-1": ("n00000001", "n00000002")}}, accepted={"p": ["n00000001"]})
        many = pd.concat([given] * 200, ignore_index=True).assign(picture=[f"p{n}" for n in range(200)])
        many["label_1"] = ["n00000002" if n < wrong else "n00000001" for n in range(200)]
        many["cluster"] = many["picture"]
        parts += [many.assign(perturbation=f"{name}-{level}") for level in range(1, 6)]
    whole = SUITES["corruptions"]._replace(families=SUITES["corruptions"].families[1:])
    found = suite_numbers(pd.concat(parts), whole).set_index(["family", "measure"])
    assert found.loc[("all", "mce"), "value"] == pytest.approx(1, abs=0.002)
    assert found.loc[("all", "mce"), "low"] < 1 < found.loc[("all", "mce"), "high"]


def test_ce_is_for_imagenet_s_labels_and_all_severities_only():
    table = sample(SUITES["corruptions"].perturbations, pictures=5)
    shoes = table.assign(labels=[("shoes",)] * len(table))
    for one, of in ((shoes, "corruptions"), (table, "corruptions-quick")):
        assert not {"ce", "mce"} & set(suite_numbers(one, SUITES[of])["measure"])


def test_a_missing_answer_leaves_its_picture_out_and_is_counted():
    family = Family("fog", SEVERITIES, ("fog-1", "fog-2"))
    given = {"p": {"fog-1": "ab", "fog-2": "ba"}, "q": {"fog-1": "ba", "fog-2": ()}, "r": {"fog-1": "ba"}}
    found = numbers(rows(given, accepted=dict.fromkeys("pqr", "a")), family)
    assert found.loc[("fog", "error"), ["value", "pictures", "missing"]].tolist() == [0.5, 1, 2]
    nothing = numbers(rows({"q": {"fog-1": "ba", "fog-2": ()}}, accepted={"q": "a"}), family)
    assert nothing.loc[("fog", "error"), ["pictures", "missing"]].tolist() == [0, 1]
    assert nothing["value"].isna().all()


def test_missing_families_are_left_out_and_a_run_without_the_suite_is_refused():
    table = sample(("shift-crop-0", "shift-crop-1"), pictures=4)
    assert set(suite_numbers(table, SUITES["shift"])["family"]) == {"shift-crop"}
    with pytest.raises(BadInput, match=r"suite 'sequences', got none; `instability suite sequences`"):
        suite_numbers(table, SUITES["sequences"])


def test_intervals_count_clusters_and_instability_is_the_kit_s():
    names = SUITES["natural"].families[0].perturbations
    table = sample(names, pictures=40, clusters=10, spread=2)
    found = suite_numbers(table, suite(SUITES["natural"].families[0])).set_index("measure").loc["instability"]
    kit = instability(table, across="perturbation", item="picture")
    assert (found["value"], found["low"], found["high"]) == (kit.rate, kit.interval().low, kit.interval().high)
    assert found["clusters"] == 10
    alone = suite_numbers(table.assign(cluster=table["picture"]), suite(SUITES["natural"].families[0]))
    assert alone.set_index("measure").loc["instability", "clusters"] == 40


def test_row_order_does_not_matter():
    table = sample(SUITES["shift"].perturbations, pictures=12)
    shuffled = table.sample(frac=1, random_state=3)
    one, other = (suite_numbers(some, SUITES["shift"]) for some in (table, shuffled))
    pd.testing.assert_frame_equal(one, other)


def test_suites_in_a_run_are_found_and_quick_ones_not_told_twice():
    names = [*SUITES["corruptions"].perturbations, *SUITES["shift-curves"].perturbations, "fog-3+rotate-5"]
    found, others = suites_in(names)
    assert [one.name for one in found] == ["shift-curves", "corruptions"]
    assert others == ["fog-3+rotate-5"]
    assert [one.name for one in suites_in(SUITES["corruptions-quick"].perturbations)[0]] == ["corruptions-quick"]
    part, others = suites_in(["", "rotate-10", "rotate--10", "fog-1"])
    assert [[family.name for family in one.families] for one in part] == [["rotate-beyond"]]
    assert others == ["fog-1"]
    assert suites_in([""]) == ([], [])
