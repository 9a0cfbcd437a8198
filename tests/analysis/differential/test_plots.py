import re

import numpy as np
import pandas as pd

from analysis.differential.page import Shown, html_text, parts, small_text, time_text
from analysis.differential.plots import plot_model, square

NAMES = ["m one", "m two", "m three"]


def tables():
    variants = pd.DataFrame(
        {
            "variant": NAMES,
            "model": "m",
            **{name: "x" for name in ("framework", "level", "device", "file", "version", "degenerate")},
            "median_ms": [1.0, 2.0, np.nan],
            "low_ms": [0.9, np.nan, np.nan],
            "high_ms": [1.1, np.nan, np.nan],
            "rounds": [6, 3, 0],
            "drift": [1.5, 1.0, np.nan],
            "drifts": [True, False, False],
            "accuracy": [0.5, np.nan, np.nan],
            "failed": 0,
            "unsteady": 0,
        }
    )
    numbers = (
        "kendall",
        "overlap",
        "jaccard",
        "l1",
        "max_worst",
        "same_bits",
        "relative",
        "ratio_low",
        "ratio_high",
        "p_holm",
    )
    rows = [
        ("m one", "m two", 0.25, 1e-5, 2.0),
        ("m one", "m three", 1.0, np.nan, np.nan),
        ("m two", "m three", 1.0, np.inf, 1.0),
    ]
    pairs = pd.DataFrame(rows, columns=["a", "b", "rate", "max_abs", "ratio"])
    return variants, pairs.assign(items=8, differ=2, low=0.1, high=0.5, tied=0, **dict.fromkeys(numbers, 0.5))


def test_a_matrix_has_a_value_below_the_diagonal_and_its_turn_above():
    _, pairs = tables()
    found = square(pairs, "ratio", NAMES, diagonal=1.0, turned=lambda value: 1 / value)
    np.testing.assert_array_equal(found, [[1, 0.5, np.nan], [2, 1, 1], [np.nan, 1, 1]])


def test_figures_have_ids_of_their_own_and_say_what_they_show():
    variants, pairs = tables()
    found = plot_model(pairs, variants, number=3)
    assert [one.title for one in found] == [
        "First labels changed",
        "Rank-biased overlap",
        "Largest difference of a raw output",
        "Time of an inference",
        "Times as ratios",
    ]
    assert "most 100.0 %" in found[0].alt
    ids = [set(re.findall(r'\bid="([^"]+)"', one.svg)) for one in found]
    assert all(some and not some & other for at, some in enumerate(ids) for other in ids[at + 1 :])
    assert all("three" in one.svg for one in found[:3])
    without = pairs.assign(max_abs=np.nan, ratio=np.nan)
    assert len(plot_model(without, variants.assign(median_ms=np.nan), number=0)) == 2


def test_the_page_is_one_file_and_tells_rounding_from_causes():
    variants, pairs = tables()
    columns = ("a", "b", "cause", "layer", "other_layer", "kind", "relative", "variant", "picture", "note")
    rows = [
        ("m one", "m two", "rounding", "", "", "", None, "", "p", ""),
        ("m one", "m three", "kernels", "conv<1>", "", "Conv", 0.0031, "", "p", ""),
    ]
    shown = Shown(
        title="Differential test",
        sentence="A sentence with <b>.",
        remarks=["degenerate: m three"],
        variants=variants,
        pairs=pairs,
        means=pairs.head(0),
        degenerate=pd.DataFrame(columns=["variant", "reason", "detail"]),
        located=pd.DataFrame(rows, columns=columns),
        provenance={"Repeats": "3"},
    )
    assert [(one.name, len(one.frame), one.aside) for one in parts(shown)] == [
        ("located", 1, False),
        ("variants", 3, False),
        ("pairs", 3, True),
        ("rounding", 1, True),
    ]
    page = html_text(shown)
    assert "A sentence with &lt;b&gt;." in page
    assert "conv&lt;1&gt;" in page
    assert "<script" not in page
    assert "x 1.50" in page


def test_numbers_are_written_short():
    assert [small_text(value) for value in (None, float("nan"), 0.0, 3.24e-6, float("inf"))] == [
        "-",
        "-",
        "0",
        "3.2e-06",
        "inf",
    ]
    row = {"rounds": 6, "median_ms": 7.312, "low_ms": 7.2, "high_ms": 7.5}
    assert time_text(row) == "7.31 [7.20, 7.50]"
    assert time_text({**row, "low_ms": float("nan")}) == "7.31"
    assert time_text({**row, "rounds": 0}) == "-"
