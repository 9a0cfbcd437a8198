"""Drawings: the views and the targets of each remedy by its definition, and what is said of each."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.losses import LOSSES
from stability_train.remedies import remedies
from stability_train.remedies.conditions import KIN
from stability_train.remedies.remedies import REMEDIES, STANDARD, Example
from stability_train.remedies.study import choose_remedies


def example(label: int, level: int) -> Example:
    return Example(np.full((16, 16, 3), level, np.uint8), np.eye(4, dtype=np.float32)[label])


ONE, OTHER = example(0, 200), example(2, 100)


class FixedBeta:
    """A generator whose beta() is known."""

    def __init__(self, share: float) -> None:
        self._share, self._rng = share, np.random.default_rng(0)

    def beta(self, *_: float) -> float:
        return self._share

    def uniform(self, *ends: float) -> float:
        return self._rng.uniform(*ends)


def test_mixup_mixes_picture_and_target_in_the_same_shares() -> None:
    (mixed,), target = remedies.draw_mixup(ONE, OTHER, FixedBeta(0.7))  # type: ignore[arg-type]
    assert np.all(mixed == 170)
    assert target == pytest.approx([0.7, 0, 0.3, 0])


def test_cutmix_gives_the_target_by_the_area_that_is_left() -> None:
    (mixed,), target = remedies.draw_cutmix(ONE, OTHER, FixedBeta(0.5))  # type: ignore[arg-type]
    assert target[0] == pytest.approx((mixed[..., 0] == 200).mean())
    assert target.sum() == pytest.approx(1)


def test_label_smoothing_spreads_a_tenth() -> None:
    _, target = remedies.draw_smoothed(ONE, OTHER, np.random.default_rng(0))
    assert target == pytest.approx([0.925, 0.025, 0.025, 0.025])


def test_turned_views_are_quarters() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    views, _ = remedies.draw_turned(Example(picture, ONE.target), OTHER, np.random.default_rng(0))
    assert np.array_equal(views[0], picture)
    assert np.array_equal(views[1][0], picture[:, -1]), "a quarter against the clock: the right column is on top"
    assert np.array_equal(np.rot90(views[3]), picture)


@pytest.mark.parametrize("name", REMEDIES)
def test_every_remedy_has_the_views_that_its_loss_compares(name: str) -> None:
    one = REMEDIES[name]
    views, target = one.draw(ONE, OTHER, np.random.default_rng(1))
    expected = 4 if one.how == "rotation" else 1 + (LOSSES[one.loss].noisy_views if one.loss else 0)
    assert len(views) == expected
    assert all(view.shape == (16, 16, 3) and view.dtype == np.uint8 for view in views)
    assert target.sum() == pytest.approx(1)
    assert target.dtype == np.float32
    again, _ = one.draw(ONE, OTHER, np.random.default_rng(1))
    assert all(np.array_equal(view, other) for view, other in zip(views, again, strict=True))
    assert one.about
    assert one.source
    assert one.weights_of in ("", *REMEDIES)


def test_words_of_overlap_are_words_of_some_remedy() -> None:
    assert set(KIN) <= {word for one in REMEDIES.values() for word in one.trains_with}


def test_a_choice_always_holds_the_standard_and_keeps_the_order() -> None:
    assert choose_remedies(("tent", "mixup")) == (STANDARD, "mixup", "tent")
    assert choose_remedies(()) == tuple(REMEDIES)
    with pytest.raises(BadInput, match="did you mean 'mixup'"):
        choose_remedies(("mixupp",))
