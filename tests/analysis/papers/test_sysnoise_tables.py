import math

import pandas as pd
import pytest

from analysis.papers.sysnoise_tables import classification_table
from tests.analysis.paper_sample import predictions

CHANGES = {
    "cv": {"decoder": "opencv"},
    "ff": {"decoder": "ffmpeg"},
    "box": {"resizer": "pillow-box"},
    "nv12": {"colour": "bt601-nv12-nearest"},
    "int": {"scaling": "lite"},
}
ANSWERS = {
    "base": "RRRRRRRRWW",
    "cv": "WRRRRRRRWW",
    "ff": "WWWRRRRRWW",
    "box": "RRRRRRRRRW",
    "nv12": "RRRRRRRRWW",
    "int": "WWWWWWWWWW",
}


def sample(model="mobilenet-v2", **left_out):
    answers = {(name, "", ""): letters for name, letters in ANSWERS.items() if name not in left_out}
    return predictions(answers, changes=CHANGES).assign(model=model)


def by_noise(made, model="mobilenet-v2"):
    rows = next(part for part in made.parts if part.name == "numbers").frame
    return rows[rows["model"] == model].set_index("noise")


def test_the_row_in_the_papers_form_with_the_published_ones_below():
    made = classification_table(sample())
    rows = made.parts[0].frame
    assert rows["source"].tolist() == ["this run, n=10", "paper", "README"]
    ours = rows.iloc[0]
    assert ours["trained"] == "80.00"
    assert ours["decode"] == "20.00 (30.00) ± 14.14"  # 10 and 30 points
    assert ours["resize"] == "-10.00"
    assert ours["colour"] == "0.00"
    assert (ours["precision"], ours["ceil"], ours["combined"]) == ("-/-", "-", "-")
    assert rows.iloc[1][["model", "decode", "resize", "combined"]].tolist() == [
        "MobileNetV2-1",
        "1.39 (1.39)",
        "1.48 (2.43)",
        "5.03",
    ]
    assert rows.iloc[2]["decode"] == "1.70 ± 0.0064"
    published = next(part for part in made.parts if part.name == "published")
    assert len(published.frame) == 41
    assert published.aside


def test_numbers_beside_the_published_ones():
    rows = by_noise(classification_table(sample()))
    assert rows.index.tolist() == ["decode", "resize", "colour mode", "scaling"]
    assert rows["mean"].tolist() == pytest.approx([0.2, -0.1, 0.0, 0.8])
    assert rows["paper"].tolist()[:3] == pytest.approx([0.0139, 0.0148, 0.0007])
    assert rows["readme"].tolist()[:3] == pytest.approx([0.0170, 0.0148, 0.0007])
    assert rows.loc["decode", "paper_max"] == pytest.approx(0.0139)
    assert rows.loc["decode", "readme_std"] == pytest.approx(0.0000643)
    assert math.isnan(rows.loc["scaling", "paper"])
    assert rows.loc["decode", "instability"] == pytest.approx(0.3)
    assert "loses up to 30.00 points to decode (ffmpeg)" in made_headline()


def made_headline():
    return classification_table(sample()).headline


def test_a_family_that_was_not_varied_is_a_dash():
    made = classification_table(sample(box=0, nv12=0))
    assert made.parts[0].frame.iloc[0][["resize", "colour"]].tolist() == ["-", "-"]
    assert math.isnan(by_noise(made).loc["resize", "mean"])
    cells = next(part for part in made.parts if part.name == "numbers").cells()
    assert cells[1][4] == "-"


def test_the_stacked_design_is_the_combined_noise():
    stacked = {
        "rows": [
            {"round": 0, "family": "", "variant": "", "difference": None, "difference_interval": None},
            {"round": 1, "family": "resizer", "variant": "pillow-box", "difference": -0.02},
            {
                "round": 2,
                "family": "decoder",
                "variant": "ffmpeg",
                "difference": -0.05,
                "difference_interval": [-0.09, 0.01],
            },
        ],
    }
    made = classification_table(sample(), stacked={"mobilenet-v2": stacked})
    assert made.parts[0].frame.iloc[0]["combined"] == "5.00"
    row = by_noise(made).loc["combined"]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((0.05, -0.01, 0.09))
    assert row["worst"] == "resizer=pillow-box + decoder=ffmpeg"
    assert row["paper"] == pytest.approx(0.0503)
    other = classification_table(sample(), stacked={"another": stacked})
    assert other.parts[0].frame.iloc[0]["combined"] == "-"


def test_models_of_a_family_have_a_trend():
    large = sample("large").assign(model_sha256="1" * 64)
    large["environment"] = large["environment"] + "-l"
    models = {
        "mobilenet-v2": {"bytes": 4_000_000, "family": "mobilenet"},
        "large": {"bytes": 16_000_000, "family": "mobilenet"},
        "alone": {"bytes": 1, "family": "other"},
    }
    both = pd.concat([sample(), large], ignore_index=True)
    made = classification_table(both, models=models)
    trend = next(part for part in made.parts if part.name == "trend").frame
    assert trend["slope"].tolist() == pytest.approx([0] * 4, abs=1e-12)
    assert set(trend["largest"]) == {"large"}
    assert len(made.figures) == 3
    assert made.parts[0].frame["model"].tolist() == ["mobilenet-v2", "MobileNetV2-1", "MobileNetV2-1", "large"]
    without = classification_table(both)
    assert all(part.name != "trend" for part in without.parts)
