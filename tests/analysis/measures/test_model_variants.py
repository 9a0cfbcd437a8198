import pytest

from analysis.measures.model_variants import with_variants
from analysis.papers.noise_families import distinct, subjects
from analysis.papers.noise_kinds import kinds_table
from analysis.papers.sysnoise_tables import classification_table
from device_agents.errors import BadInput
from tests.analysis.paper_sample import predictions

SOURCE, INT8, HALF, CEIL = ("0" * 64, "1" * 64, "2" * 64, "3" * 64)
CHANGES = {
    "int8": {"model_sha256": INT8},
    "half": {"model_sha256": HALF, "runtime": "keras"},
    "ceil": {"model_sha256": CEIL},
    "box": {"resizer": "pillow-box"},
    "other": {"model_sha256": INT8, "runtime": "litert-builtin"},
}
LIKE = {"of": SOURCE, "noise": "precision", "runtime": "litert", "base_runtime": "litert"}
NOTE = {
    INT8: {**LIKE, "variant": "int8"},
    HALF: {**LIKE, "variant": "float16", "runtime": "keras"},
    CEIL: {**LIKE, "noise": "ceil", "variant": "floor"},
}
LETTERS = {"base": "RRRRW", "int8": "WRRRR", "half": "RRRRW", "ceil": "WWRRW", "box": "RRRWW"}


def sample(**letters):
    return predictions({(name, "", ""): text for name, text in letters.items()}, changes=CHANGES)


def test_files_become_variants_of_their_source():
    found = (
        with_variants(sample(**LETTERS, other="RRRRW"), NOTE).drop_duplicates("environment").set_index("environment")
    )
    assert set(found["model_sha256"]) == {SOURCE}
    assert found["precision"].to_dict() == {
        **{"base": "", "int8": "int8", "half": "float16", "ceil": "", "box": "", "other": "int8"}
    }
    assert found["ceil"].to_dict()["ceil"] == "floor"
    # a runtime that comes with the format is none of its own; another one is
    assert found["runtime"].to_dict() == {**dict.fromkeys([*LETTERS], "litert"), "other": "litert-builtin"}


def test_without_a_note_every_file_is_a_model_of_its_own():
    assert len(subjects(sample(base="RR", int8="RW"))) == 2
    (one,) = subjects(sample(base="RR", int8="RW"), variants=NOTE)
    assert one.base == "base"
    assert [one.environments[column] for column in distinct(one, "precision")] == ["int8"]


def test_a_note_of_another_form_is_refused():
    with pytest.raises(BadInput, match="variant 111111111111: expected of, noise, variant, runtime, base_runtime"):
        with_variants(sample(base="R"), {INT8: {"of": SOURCE}})
    with pytest.raises(BadInput, match="a known noise"):
        with_variants(sample(base="R"), {INT8: {**LIKE, "variant": "x", "noise": "colour"}})


def test_sysnoises_columns_are_filled():
    table = classification_table(sample(**LETTERS), bases=["base"], variants=NOTE)
    printed = table.parts[0].frame.iloc[0]
    assert (printed["precision"], printed["ceil"]) == ("0.00/0.00", "40.00")
    numbers = next(part.frame for part in table.parts if part.name == "numbers").set_index("noise")
    assert numbers.loc["precision: int8", "instability"] == pytest.approx(2 / 5)
    assert numbers.loc["ceil mode: floor", "mean"] == pytest.approx(0.4)
    bare = classification_table(sample(base="RRRRW", box="RRRWW"), bases=["base"]).parts[0].frame.iloc[0]
    assert (bare["precision"], bare["ceil"]) == ("-/-", "-")


def test_table_1_counts_the_files():
    rows = kinds_table(sample(**LETTERS), bases=["base"], variants=NOTE).parts[0].frame.set_index("noise")
    assert rows.loc["Ceil Mode", "number"] == 2
    assert rows.loc["Data Prec.", "model"] == "tiny"
