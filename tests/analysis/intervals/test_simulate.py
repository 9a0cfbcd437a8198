from dataclasses import replace

import numpy as np
import pytest

from analysis.intervals import simulate
from analysis.intervals.simulate import Latent
from device_agents.errors import BadInput

LAB = Latent((-0.5, 0.0, 0.7), mean=1.2, scene_sd=2.0, moment_sd=0.8)


def rng():
    return np.random.default_rng(3)


def test_beta_binomial_has_its_rate_and_its_correlation():
    sums = simulate.beta_binomial(rng(), studies=400, scenes=250, items=6, rate=0.2, icc=0.3)
    assert sums.mean() / 6 == pytest.approx(0.2, abs=0.004)
    # variance of a sum: n p q (1 + (n - 1) icc)
    assert sums.var() == pytest.approx(6 * 0.16 * (1 + 5 * 0.3), rel=0.03)


def test_verdict_counts_have_their_instability_at_every_m():
    right = simulate.verdict_counts(rng(), studies=200, scenes=50, items=5, rate=0.3, icc=0.2, conditions=4)
    unstable = (right > 0) & (right < 4)
    assert unstable.mean() == pytest.approx(0.3, abs=0.01)
    pair = 2 * right * (4 - right) / 12
    assert pair.mean() == pytest.approx(0.3 * simulate.mean_pair_share(4), abs=0.01)
    assert simulate.mean_pair_share(4) == pytest.approx((3 / 6 + 4 / 6 + 3 / 6) / 3)


@pytest.mark.parametrize(
    "lab",
    [LAB, replace(LAB, slope=3.0), replace(LAB, lost_wrong=0.3, lost_right=0.05), replace(LAB, devices=(0.0, 0.0))],
)
def test_the_truth_of_a_laboratory_is_what_a_huge_study_finds(lab):
    drawn = simulate.latent(rng(), lab, studies=2500, scenes=40, moments=2)
    unstable, counted = simulate.unstable_items(drawn)
    truth = simulate.true_instability(lab, scenes=40, observed=True)
    assert unstable.sum() / counted.sum() == pytest.approx(truth, abs=0.004)


def test_without_losses_both_truths_agree_and_losses_of_wrong_answers_hide_instability():
    assert simulate.true_instability(LAB, observed=True) == pytest.approx(simulate.true_instability(LAB))
    lossy = replace(LAB, lost_wrong=0.4)
    assert simulate.true_instability(lossy, observed=True) < simulate.true_instability(lossy) - 0.02


def test_a_laboratory_is_moved_to_a_rate():
    lab = simulate.calibrated(LAB, 0.05)
    assert simulate.true_instability(lab) == pytest.approx(0.05, abs=1e-6)
    assert lab.mean > LAB.mean
    with pytest.raises(BadInput, match="expected a rate between 0 and"):
        simulate.calibrated(LAB, 0.99)


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="an ICC from 0 to below 1"):
        simulate.beta_binomial(rng(), studies=1, scenes=2, items=2, rate=0.1, icc=1.0)
