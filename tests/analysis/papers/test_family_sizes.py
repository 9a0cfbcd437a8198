import pandas as pd
import pytest

from analysis.papers.family_sizes import size_lines, trend_rows

MODELS = {
    "small": {"bytes": 2_000_000, "family": "net"},
    "large": {"bytes": 8_000_000, "family": "net"},
    "other": {"bytes": 1_000_000, "family": "alone"},
    "unknown": {"bytes": 1_000_000, "family": ""},
}


def numbers(deltas):
    rows = [{"model": name, "noise": "decode", "mean": delta, "low": 0.0, "high": 0.1} for name, delta in deltas]
    return pd.DataFrame(rows)


def test_the_slope_is_per_doubling():
    rows = trend_rows(numbers([("large", 0.01), ("small", 0.05), ("other", 0.9), ("unknown", 0.9)]), MODELS)
    assert len(rows) == 1
    assert rows["slope"][0] == pytest.approx((0.01 - 0.05) / 2)
    assert (rows["smallest"][0], rows["largest"][0], rows["models"][0]) == ("small", "large", 2)


def test_one_size_or_no_delta_is_no_trend():
    same = MODELS | {"large": MODELS["small"]}
    assert trend_rows(numbers([("large", 0.01), ("small", 0.05)]), same).empty
    assert trend_rows(numbers([("large", float("nan")), ("small", 0.05)]), MODELS).empty
    assert trend_rows(numbers([("large", 0.01), ("small", 0.05)]), {}).empty


def test_lines_are_in_points_and_megabytes():
    lines = size_lines(numbers([("large", 0.01), ("small", 0.05), ("other", 0.9)]), MODELS, {"net"})
    assert lines.frame["size_mb"].tolist() == [2, 8]
    assert lines.frame["value"].tolist() == pytest.approx([5, 1])
    assert set(lines.frame["series"]) == {"net: decode"}
