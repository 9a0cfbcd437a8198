"""The printed values: checked against the printed texts once, and here for what must hold among them."""

import math
from itertools import combinations_with_replacement

import pytest

from analysis.papers.published import ARCHITECTURES, COMPARISONS, NOISES, sysnoise_rows

FROM_RESNET_18 = 12  # the README's rows below the three whose decode and resize seem to be swapped


def test_every_printed_row_is_there():
    rows = sysnoise_rows()
    assert rows["source"].value_counts().to_dict() == {"paper": 26, "README": 15}
    one = rows[(rows["architecture"] == "MobileNetV2-1")].set_index("source")
    assert one.loc["paper", ["trained", "decode", "decode_max", "resize_max", "combined"]].tolist() == [
        73.12,
        1.39,
        1.39,
        2.43,
        5.03,
    ]
    assert one.loc["README", ["decode", "decode_std", "resize_std"]].tolist() == [1.70, 0.00643, 0.876]
    assert set(ARCHITECTURES.values()) <= set(rows["architecture"])


def test_readme_and_paper_differ_only_in_the_decoding_of_mobilenets():
    rows = sysnoise_rows()
    both = rows[rows["source"] == "paper"].merge(rows[rows["source"] == "README"], on="architecture")
    assert len(both) == 14
    for column in ("trained", "decode", "resize", "colour", "fp16", "int8", "ceil"):
        one, other = both[f"{column}_x"].fillna(-1), both[f"{column}_y"].fillna(-1)
        differ = set(both.loc[one != other, "architecture"])
        mobile = {f"MobileNetV2-{width}" for width in ("0.5", "0.75", "1", "1.4")}
        assert differ == (mobile if column == "decode" else set())


def test_the_readmes_spread_of_decoders_can_only_be_the_sample_standard_deviation():
    """Three accuracies on 50,000 pictures are multiples of 0.002 points; which of the printed spreads can they have?"""

    def possible(printed: float, ddof: int) -> bool:
        for a, b in combinations_with_replacement(range(60), 2):
            mean = (a + b) / 3
            spread = math.sqrt((mean**2 + (a - mean) ** 2 + (b - mean) ** 2) / (3 - ddof)) * 0.002
            if f"{spread:.2e}" == f"{printed:.2e}":
                return True
        return False

    rows = sysnoise_rows()
    spreads = rows[rows["source"] == "README"]["decode_std"].tolist()[-FROM_RESNET_18:]
    assert all(possible(spread, 1) for spread in spreads)
    assert sum(not possible(spread, 0) for spread in spreads) == 8


def test_the_largest_delta_is_no_smaller_than_the_mean():
    paper = sysnoise_rows().query("source == 'paper'")
    assert (paper["decode_max"] >= paper["decode"]).all()
    assert (paper["resize_max"] >= paper["resize"]).all()


def test_the_instability_papers_tables():
    assert {name: one.instability_percent for name, one in COMPARISONS.items()} == {
        "paper-2": 7.6,
        "paper-3": 9.66,
        "paper-4": 14.11,
    }
    assert COMPARISONS["paper-3"].conditions["WEBP"].size_mb == 0.29
    assert COMPARISONS["paper-4"].conditions["ImageMagick"].accuracy_percent == pytest.approx(54.75)
    assert [one.number for one in NOISES.values()] == [4, 11, 2, 2, 2, 3, 2]
