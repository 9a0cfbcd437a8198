import numpy as np
import pytest
from scipy.stats import chi2

from analysis.metrology.gage import gage_of
from analysis.metrology.gage_intervals import generalised_draws, mls
from device_agents.errors import BadInput

STUDIES = 20_000


def test_one_mean_square_is_the_exact_chi_squared_interval():
    low, high = mls([0.0, 0.5], [9.0, 2.0], [3, 10])
    assert low == pytest.approx(0.5 * 2.0 * 10 / chi2.ppf(0.975, 10))
    assert high == pytest.approx(0.5 * 2.0 * 10 / chi2.ppf(0.025, 10))


def test_swapping_signs_mirrors_the_interval():
    low, high = mls([1.0, -1.0, 0.5], [5.0, 2.0, 1.0], [4, 9, 20])
    back = mls([-1.0, 1.0, -0.5], [5.0, 2.0, 1.0], [4, 9, 20])
    assert [-high, -low] == [pytest.approx(float(end)) for end in back]


def test_many_degrees_of_freedom_leave_the_estimate():
    low, high = mls([1.0, -1.0, 2.0], [5.0, 2.0, 1.0], [1e7, 1e7, 1e7])
    assert (low, high) == pytest.approx((5.0, 5.0), abs=0.02)
    draws = generalised_draws([5.0, 2.0], [1e7, 1e7])
    assert draws.mean(axis=1) == pytest.approx([5.0, 2.0], rel=1e-3)


def test_generalised_draws_are_the_inverse_chi_squared():
    draws = generalised_draws([3.0], [4.0])
    for tail in (0.025, 0.5, 0.975):
        assert np.quantile(draws, tail) == pytest.approx(3 * 4 / chi2.isf(tail, 4), rel=0.01)


@pytest.mark.parametrize("operators", [2, 3, 5])
@pytest.mark.parametrize("variances", [(1.0, 0.1, 0.05, 0.2), (1.0, 0.5, 0.0, 0.1), (0.3, 0.02, 0.2, 1.0)])
def test_coverage_with_few_devices(operators, variances):
    """20 parts, 2 repeats, mean squares drawn as scaled chi-squared: 95 % intervals of each cover 93 % or more."""
    part, operator, both, error = variances
    parts, repeats = 20, 2
    inner = error + repeats * both
    expected = np.array([inner + operators * repeats * part, inner + parts * repeats * operator, inner, error])
    df = np.array([parts - 1, operators - 1, (parts - 1) * (operators - 1), parts * operators])
    rng = np.random.default_rng(7)
    ms = expected[:, None] * rng.chisquare(df[:, None], (4, STUDIES)) / df[:, None]
    weights = {
        "part": np.array([1, 0, -1, 0]) / (operators * repeats),
        "operator": np.array([0, 1, -1, 0]) / (parts * repeats),
        "interaction": np.array([0, 0, 1, -1]) / repeats,
        "reproducibility": np.array([0, 1, parts - 1, -parts]) / (parts * repeats),
        "gage": np.array([0, 1, parts - 1, parts * (repeats - 1)]) / (parts * repeats),
    }
    found = {}
    for name, weight in weights.items():
        low, high = mls(weight, ms, df)
        truth = weight @ expected
        found[name] = float(((low <= truth) & (truth <= high)).mean())
    print(
        f"\n{operators} devices, {variances}: "
        + ", ".join(f"{name} {100 * share:.1f}" for name, share in found.items())
    )
    assert min(found.values()) > 0.93


def simulated(rng, gaps):
    cube = rng.normal(0, 1, (20, 1, 1)) + rng.normal(0, 0.4, (1, 4, 1)) + rng.normal(0, 0.3, (20, 4, 1))
    cube = cube + rng.normal(0, 0.5, (20, 4, 3))
    part, operator = (axis.ravel() for axis in np.indices(cube.shape)[:2])
    keep = rng.random(cube.size) >= gaps
    return gage_of(cube.ravel()[keep], part[keep], operator[keep])


@pytest.mark.slow
def test_coverage_of_reml_with_a_fifth_missing():
    """200 studies: shares of intervals that hold the truth, of each source and %GRR (0.93 less two errors)."""
    rng = np.random.default_rng(8)
    truth = {"part": 1.0, "operator": 0.16, "interaction": 0.09, "repeatability": 0.25, "gage": 0.5}
    percent = 100 * np.sqrt(0.5 / 1.5)
    held = {name: 0 for name in (*truth, "%GRR")}
    for _ in range(200):
        found = simulated(rng, 0.2)
        rows = found.components.set_index("source")
        for name, variance in truth.items():
            held[name] += rows["low"][name] <= variance <= rows["high"][name]
        held["%GRR"] += found.percent_grr_interval[0] <= percent <= found.percent_grr_interval[1]
    print("\n" + ", ".join(f"{name} {count / 2:.1f}" for name, count in held.items()))
    assert min(held.values()) / 200 > 0.90


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="weight"):
        mls([0.0], [1.0], [3])
