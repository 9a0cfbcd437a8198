import math

import numpy as np
import pandas as pd
import pytest

from analysis.papers.paper_conditions import WANTED
from analysis.papers.paper_tables import comparison_table
from analysis.statistics import rate_interval
from device_agents.errors import BadInput
from tests.analysis.paper_sample import pictures, predictions

SIZES = {"pagespeed-jpeg-100": 3_050_000, "pagespeed-jpeg-85": 650_000, "pagespeed-jpeg-50": 250_000}
QUALITIES = {
    ("e", "plain", "pagespeed-jpeg-50"): "RWWRR",
    ("e", "plain", "pagespeed-jpeg-85"): "RRWRA",
    ("e", "plain", "pagespeed-jpeg-100"): "RRW-R",
}


def usual(events, items):
    """The default interval of items that are clusters of their own (intervals/test_effective.py checks it)."""
    interval = rate_interval(np.arange(items) < events)
    return interval.low, interval.high


def test_qualities_by_hand():
    table = predictions(QUALITIES)
    made = comparison_table("paper-2", table, pictures(table, SIZES))
    rows = made.parts[0].frame
    assert rows["condition"].tolist() == ["pagespeed-jpeg-100", "pagespeed-jpeg-85", "pagespeed-jpeg-50"]
    assert rows["size"].tolist() == [3_050_000, 650_000, 250_000]
    assert rows["accuracy"].tolist() == pytest.approx([3 / 4, 3 / 4, 3 / 5])
    assert rows["counted"].tolist() == [4, 4, 5]
    assert (rows["low"][0], rows["high"][0]) == pytest.approx(usual(3, 4))
    assert rows["printed_accuracy"].tolist() == pytest.approx([0.540, 0.543, 0.545])
    assert rows["printed_size_mb"].tolist() == [3.05, 0.65, 0.25]
    compared = made.parts[1].frame
    assert len(compared) == 1
    one = compared.iloc[0]
    # scene 1 alone is right in one and wrong in another; of its three pairs two are divided
    assert (one["rate"], one["unstable"], one["items"]) == (0.2, 1, 5)
    assert one["two"] == pytest.approx((2 / 3) / 5)
    assert one["printed_rate"] == pytest.approx(0.076)
    assert (one["low"], one["high"]) == pytest.approx(usual(1, 5))
    assert "20.0 %" in made.headline
    assert "7.6 %" in made.headline
    assert made.parts[0].cells()[0][:3] == ["pagespeed-jpeg-100", "3.05", "3.05"]
    assert [part.name for part in made.parts] == ["paper-2", "instability", "pairs"]


def test_more_qualities_than_the_papers_are_compared_beside_the_papers_own():
    table = predictions(QUALITIES | {("e", "plain", "pagespeed-jpeg-20"): "WWWWW"})
    compared = comparison_table("paper-2", table, pictures(table, SIZES)).parts[1].frame
    assert compared["conditions"].tolist() == [3, 4]
    assert compared["rate"].tolist() == pytest.approx([0.2, 4 / 5])
    assert compared["as_in_the_paper"].tolist() == [True, False]
    assert math.isnan(compared["printed_rate"][1])


def test_plain_jpeg_stands_in_where_there_is_no_pagespeed():
    table = predictions({("e", "", "jpeg-85"): "RW", ("e", "", "jpeg-50"): "RR", ("e", "", "pagespeed-jpeg-50"): "RR"})
    made = comparison_table("paper-2", table, pictures(table, {"jpeg-85": 2, "jpeg-50": 1}))
    assert made.parts[0].frame["condition"].tolist() == ["jpeg-85", "jpeg-50"]
    assert "of which this run has no full likeness" in made.headline
    assert "coded again from the photographs as shot" in made.parts[0].note


def test_formats_in_the_papers_order_and_of_one_isp():
    answers = {("e", "a", f"imagemagick-{name}"): "RW" for name in ("heif", "webp", "png", "jpeg")}
    table = predictions(answers | {("e", "b", "imagemagick-jpeg"): "WW", ("e", "a", "png"): "RR"})
    made = comparison_table("paper-3", table, pictures(table, {"imagemagick-png": 6_490_000}))
    rows = made.parts[0].frame
    assert rows["condition"].tolist() == [f"imagemagick-{name}" for name in ("jpeg", "png", "webp", "heif")]
    assert rows["printed_as"].tolist() == ["JPEG", "PNG", "WEBP", "HEIF"]
    assert made.parts[1].frame["rate"].tolist() == [0.0]
    assert made.parts[1].frame["printed_rate"].tolist() == pytest.approx([0.0966])


def test_converters_name_the_pair_that_is_most_like_the_papers():
    names = {"darktable-scene-referred": "RWWR", "dcraw": "RRWW", "rawtherapee-neutral": "RRWR"}
    table = predictions({("e", isp, "png"): letters for isp, letters in names.items()})
    table = pd.concat([table, predictions({("e", "dcraw", "jpeg-85"): "WWWW"})], ignore_index=True)
    made = comparison_table("paper-4", table, pictures(table, {"png": 1_000_000}))
    compared = made.parts[1].frame
    assert compared["compared"].tolist()[0] == "dcraw, darktable-scene-referred"
    assert compared["rate"].tolist() == [0.5, 0.5]
    assert compared["items"].tolist() == [4, 4]
    assert any("dcraw for ImageMagick" in note for note in made.notes)
    matrix = made.parts[2].frame.set_index(["a", "b"])["rate"]
    assert matrix.to_dict() == {
        ("dcraw", "darktable-scene-referred"): 0.5,
        ("darktable-scene-referred", "rawtherapee-neutral"): 0.25,
        ("dcraw", "rawtherapee-neutral"): 0.25,
    }


def test_the_named_environment_or_the_one_with_most_predictions():
    first = {("e", "", "jpeg-85"): "RR", ("e", "", "jpeg-50"): "RR"}
    second = {("f", "", "jpeg-85"): "RWR", ("f", "", "jpeg-50"): "WRR"}
    table = predictions(first | second)
    sizes = pictures(table, {})
    assert comparison_table("paper-2", table, sizes).parts[1].frame["rate"][0] == pytest.approx(2 / 3)
    assert comparison_table("paper-2", table, sizes, environment="e").parts[1].frame["rate"][0] == 0


@pytest.mark.parametrize("name", list(WANTED))
def test_what_lacks_is_asked_for_with_the_command(name):
    table = predictions({("e", "", ""): "RW"})
    with pytest.raises(BadInput, match=r"expected .* got none; make and predict them with `say --vary (isp|codec)="):
        comparison_table(name, table, pictures(table, {}), command="say")


def test_columns_that_are_absent_are_named():
    with pytest.raises(BadInput, match="isp"):
        comparison_table("paper-2", pd.DataFrame({"picture": []}), pd.DataFrame())
