import numpy as np
import pytest

from analysis.intervals import simulate
from analysis.intervals.effective import effective_beta
from analysis.intervals.sequential import confidence_sequence, sequential_interval
from device_agents.errors import BadInput


def means(rate, icc, items, scenes, studies=300):
    rng = np.random.default_rng(scenes)
    return simulate.beta_binomial(rng, studies=studies, scenes=scenes, items=items, rate=rate, icc=icc) / items


@pytest.mark.parametrize(("rate", "icc", "items"), [(0.15, 0.0, 1), (0.1, 0.3, 10), (0.3, 0.5, 10)])
def test_stopping_at_a_width_keeps_the_promise(rate, icc, items):
    drawn = means(rate, icc, items, 250)
    low, high = confidence_sequence(drawn, width=0.15)
    held = (low <= rate) & (rate <= high)
    narrow = high - low <= 0.15
    at = np.where(narrow.any(axis=1), narrow.argmax(axis=1), 249)
    print(f"{rate}: ever {held.all(axis=1).mean():.1%}, stopped {held[np.arange(300), at].mean():.1%}, {np.median(at)}")
    assert held.all(axis=1).mean() >= 0.93  # 95 % less twice the error of 300 studies
    assert held[np.arange(300), at].mean() >= 0.95


def test_the_usual_interval_does_not_keep_it():
    drawn = means(0.3, 0.0, 1, 250)
    held = np.ones(300, dtype=bool)
    for count in range(5, 250, 5):
        low, high = effective_beta(drawn[:, :count], np.array(1.0), level=0.95)
        held &= (low <= 0.3) & (high >= 0.3)
    assert held.mean() < 0.9


def test_a_candidate_left_out_stays_out():
    low, high = confidence_sequence(means(0.2, 0.2, 5, 120, studies=20))
    assert (np.diff(low, axis=1) >= 0).all()
    assert (np.diff(high, axis=1) <= 0).all()


def capital(means, candidate, alpha=0.05):
    """The hedged capital of one candidate, bet by bet."""
    up = down = 1.0
    total, squares, variance, most = 0.5, 0.25, 0.25, 0.0
    for count, value in enumerate(means, 1):
        stake = (2 * np.log(2 / alpha) / (variance * count * np.log(1 + count))) ** 0.5
        up *= 1 + min(stake, 0.5 / candidate) * (value - candidate)
        down *= 1 - min(stake, 0.5 / (1 - candidate)) * (value - candidate)
        total += value
        squares += (value - total / (count + 1)) ** 2
        variance = squares / (count + 1)
        most = max(most, up / 2, down / 2)
    return most


def test_bounds_are_where_a_plain_loop_breaks_the_bank():
    drawn = means(0.2, 0.2, 5, 80, studies=3)
    low, high = confidence_sequence(drawn)
    for study in range(3):
        candidates = np.linspace(0.02, 0.98, 97)
        kept = candidates[[capital(drawn[study], one) < 20 for one in candidates]]
        assert kept.min() - 0.011 <= low[study, -1] <= kept.min()
        assert kept.max() <= high[study, -1] <= kept.max() + 0.011


def test_interval_of_items_takes_clusters_in_their_order():
    found = sequential_interval([1, 0, 0, 0, 1, 1], ["a", "a", "b", "b", "c", "c"], width=0.3)
    low, high = confidence_sequence(np.array([[0.5, 0.0, 1.0]]), width=0.3)
    assert (found.low, found.high, found.clusters) == (low[0, -1], high[0, -1], 3)
    assert np.isnan(sequential_interval([], []).low)


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="between 0 and 1"):
        confidence_sequence(np.array([[2.0]]))
