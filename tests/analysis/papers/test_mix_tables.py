"""The matrix of training against testing: the paper's printed means and deviations, and a study to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.papers.mix_tables import MIX, PRINTED, mix_table, spread
from analysis.papers.table_page import write_table
from device_agents.errors import BadInput

# As printed beside the matrices of tables 6 and 7 of SysNoise: mean and Std. of each row.
PRINTED_ENDS = {
    ("resizer", "Pillow-bilinear"): (74.460, 2.02),
    ("resizer", "Pillow-nearest"): (75.739, 0.463),
    ("resizer", "Pillow-cubic"): (74.848, 1.68),
    ("resizer", "OpenCV-nearest"): (75.826, 0.571),
    ("resizer", "OpenCV-bilinear"): (75.987, 0.629),
    ("resizer", "OpenCV-cubic"): (74.835, 1.62),
    ("resizer", MIX): (76.156, 0.270),
    ("decoder", "Pillow"): (76.055, 0.645),
    ("decoder", "OpenCV"): (76.129, 0.660),  # printed: 76.126 and 0.656, which its three cells do not give
    ("decoder", "FFmpeg"): (75.904, 0.360),
    ("decoder", MIX): (76.489, 0.0653),
}


@pytest.mark.parametrize("row", list(PRINTED_ENDS), ids="-".join)
def test_the_printed_mean_and_sample_deviation_follow_from_the_printed_cells(row: tuple[str, str]) -> None:
    mean, deviation = PRINTED_ENDS[row]
    cells = np.array(PRINTED[row[0]].accuracy[row[1]])
    assert cells.mean() == pytest.approx(mean, abs=6e-4)
    assert spread(cells) == pytest.approx(deviation, rel=6e-3)


def marks() -> np.ndarray:
    """Two variants and the mix, two seeds, four pictures of four objects, tested with both variants."""
    right = np.ones((3, 2, 4, 2), bool)
    right[0, :, 0, 1] = False  # trained with a: picture 0 wrong through b, in both seeds
    right[0, 0, 1, 1] = False  # and picture 1, in one
    right[1, :, :2, 0] = False  # trained with b: two pictures wrong through a
    return right


def study(right: np.ndarray, clusters: tuple[str, ...] = ("p", "q", "r", "s")):
    return mix_table(right, clusters, rows=("a", "b", MIX), variants=("a", "b"), family="decoder", trained="so.")


def test_a_study_that_can_be_counted_by_hand(tmp_path) -> None:
    table = study(marks())
    matrix = table.parts[0].frame.set_index("row")
    assert matrix.loc["a", ["a", "b"]].tolist() == [1.0, 5 / 8]
    assert matrix.loc["b", ["a", "b"]].tolist() == [0.5, 1.0]
    assert matrix.loc["a", "mean"] == 13 / 16
    assert matrix.loc["b", "sd"] == pytest.approx(0.5 / 2**0.5)
    assert matrix.loc["a", "seed_sd"] == pytest.approx(0.125 / 2**0.5), "means of 3/4 and 7/8"
    assert matrix["instability"].tolist() == [3 / 8, 0.5, 0.0]
    for name in ("mean", "sd", "instability"):
        assert (matrix[f"{name}_low"] <= matrix[name]).all()
        assert (matrix[name] <= matrix[f"{name}_high"]).all()
    compared = table.parts[1].frame.set_index("row")
    assert compared["mean"].tolist() == [3 / 16, 0.25]
    assert compared["instability"].tolist() == [-3 / 8, -0.5]
    assert "surely fewer than with none of the 2 single ones" in table.headline, "four objects show nothing"
    page, numbers = write_table(tmp_path, table, provenance={}, virtual=False)
    assert "0.0653" not in page.read_text()
    assert "76.53" in page.read_text()
    assert numbers.read_text().splitlines()[0].startswith("row,a,b,mean")


def test_seeds_are_no_evidence_and_objects_are() -> None:
    rng = np.random.default_rng(0)
    one = rng.random((3, 1, 60, 2)) < 0.8
    objects = tuple(f"object {number}" for number in range(60))
    thrice = study(np.repeat(one, 3, axis=1), objects).parts[0].frame
    once = study(one, objects).parts[0].frame
    width = (thrice["instability_high"] - thrice["instability_low"]) / (
        once["instability_high"] - once["instability_low"]
    )
    assert (width > 0.9).all(), "the same answers three times tell no more"


def test_many_objects_that_change_are_a_sure_finding() -> None:
    right = np.ones((3, 1, 100, 2), bool)
    right[:2, 0, :20, 1] = False
    table = study(right, tuple(map(str, range(100))))
    assert "surely fewer than with 2 of the 2 single ones" in table.headline


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="expected marks of 3 rows, seeds, 3 pictures and 2 variants"):
        study(marks(), ("p", "q", "r"))
