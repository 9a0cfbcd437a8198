"""The trainings themselves on a tiny network: PGD's ball, TENT's entropy, the rotation head, tails that begin anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stability_train.remedies.study import Study, begin, read_arrays
from tests.fakes.tiny_training import tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from stability_train.tensorflow_setup import load_tensorflow

    load_tensorflow()
    from stability_train.remedies.bench import Bench

    folder = tmp_path_factory.mktemp("remedies")
    photos = tiny_photos(folder / "photos", objects=6, devices=("one",))
    study = Study(str(tiny_base(folder)), side=0, epochs=3, draws=2, learning_rate=0.01, seeds=1, families=("resizer",))
    begin(study, photos, folder / "study")
    return Bench(study, photos, folder / "study")


def loaded(bench: Any, remedy: str) -> tuple[Any, Any]:
    parts, tail = bench._loaded(remedy)
    tail.begin(0)
    return parts, tail


def test_an_attack_stays_in_its_ball_and_raises_the_loss(bench: Any) -> None:
    import tensorflow as tf

    from stability_train.losses import cross_entropy
    from stability_train.remedies.adversarial import Ball, attack

    parts, tail = loaded(bench, "standard")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 16, 16, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[rng.integers(3, size=6)]

    def logits(batch: Any) -> Any:
        scaled = parts.slope * batch + parts.offset
        return tail.network.tail(tail.network.front(scaled, training=False), training=False)[1]

    changed = attack(logits, pictures, targets, np.zeros_like(pictures), ball=Ball(levels=8, steps=2)).numpy()
    assert np.abs(changed - pictures).max() <= 8 + 1e-4
    assert changed.min() >= 0
    assert changed.max() <= 255
    before, after = (float(tf.reduce_mean(cross_entropy(targets, logits(one)))) for one in (pictures, changed))
    assert after > before
    features = parts.features([one.astype(np.uint8) for one in pictures])
    own = tail.network.front(parts.slope * pictures + parts.offset, training=False)
    assert np.allclose(features, own, atol=1e-4), "the scaling as slope and offset is that of the sidecar"


@pytest.mark.parametrize("kept", [False, True])
def test_tent_lowers_the_entropy_and_begins_anew_each_time(bench: Any, kept: bool) -> None:
    from stability_train.remedies.test_time import Tent

    _, tail = loaded(bench, "standard")
    features = np.random.default_rng(1).normal(size=(40, *tail.network.front_shape)).astype(np.float32)
    weights = tail.network.tail.get_weights()
    tent = Tent(tail.network.tail, classes=3, kept_statistics=kept)
    entropies = []
    for steps in (0, 30, 0):
        found = tent.probabilities(weights, features, steps=steps)
        assert found.sum(1) == pytest.approx(1, abs=1e-5)
        entropies.append(float(-(found * np.log(found + 1e-12)).sum(1).mean()))
    assert entropies[1] < entropies[0]
    assert entropies[2] == pytest.approx(entropies[0], abs=1e-6)
    if kept:
        assert np.allclose(tent.probabilities(weights, features, steps=0), tail.probabilities(features), atol=1e-6)


def test_tent_needs_normalisation() -> None:
    import keras

    from device_agents.errors import BadInput
    from stability_train.remedies.test_time import Tent

    image = keras.Input((4,))
    plain = keras.Model(image, [keras.layers.Identity()(image), keras.layers.Dense(3)(image)])
    with pytest.raises(BadInput, match="expected batch normalisation"):
        Tent(plain, classes=3)


def test_corner_crops_are_corners() -> None:
    from stability_train.remedies.test_time import corner_crops

    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:8, :8] = 255
    means = [float(crop.mean()) for crop in corner_crops(picture)]
    assert len(means) == 4
    assert means[0] > means[1] > means[3]
    assert means[1] == pytest.approx(means[2], abs=1)


def test_the_rotation_loss_is_that_of_its_four_questions(bench: Any) -> None:
    from stability_train.remedies.rotation_head import RotationModel

    _, tail = loaded(bench, "rotation-head")
    model = RotationModel(tail.network.tail, bench._study.settings("rotation-head", 0))
    targets = np.eye(3, dtype=np.float32)[[0, 1]]
    even = [{"logits": np.zeros((2, 7), np.float32)} for _ in range(4)]
    terms = model.terms(even, targets)
    assert float(terms["stability"]) == pytest.approx(np.log(4))
    assert float(terms["cross_entropy"]) == pytest.approx(np.log(3))
    sure = [
        {"logits": np.pad(20 * np.eye(4, dtype=np.float32)[[turns, turns]], ((0, 0), (3, 0)))} for turns in range(4)
    ]
    assert float(model.terms(sure, targets)["stability"]) == pytest.approx(0, abs=1e-6)


def test_equal_answers_have_no_jensen_shannon_divergence() -> None:
    from stability_train.losses import jensen_shannon

    logits = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    assert np.allclose(jensen_shannon(logits, logits, logits), 0, atol=1e-6)


def test_a_layout_takes_the_next_draw_each_epoch() -> None:
    from stability_train.remedies.tails import epoch_order, lay_out

    targets = [np.full((3, 2), draw, np.float32) for draw in range(2)]
    steps = lay_out(targets, views=2, draws=2, epochs=3, batch=2, seed=5)
    assert steps.ends.tolist() == [2, 3, 5, 6, 8, 9]
    order = epoch_order(seed=5, epoch=1, size=3)
    assert steps.rows[:, 3:6].tolist() == [((3 + order) * 2).tolist(), ((3 + order) * 2 + 1).tolist()]
    assert steps.targets[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_a_training_follows_from_its_seed_and_learns_three_colours(bench: Any) -> None:
    held = [read_arrays(bench.train(name, 0)) for name in ("standard", "adversarial", "rotation-head")]
    assert all(float(one["seconds"]) > 0 for one in held)
    path = bench.train("standard", 0)
    before = {name: value for name, value in read_arrays(path).items() if name != "seconds"}
    path.unlink()
    after = read_arrays(bench.train("standard", 0))
    assert all(np.allclose(value, after[name], atol=1e-4) for name, value in before.items()), (
        "whatever was trained between"
    )
    clean = bench._study.conditions()[0]
    names = ("standard", "adversarial", "rotation-head", "multi-crop", "tent")
    answers = read_arrays(bench.ask(clean, 0, names))
    assert {f"{name}{end}" for name in names for end in ("", "/s")} == set(answers)
    assert all(answers[name].shape == (6, 3) for name in names)
    assert all(answers[name].sum(1) == pytest.approx(1, abs=1e-5) for name in names)
    assert answers["standard"].argmax(1).tolist() == [0, 0, 1, 1, 2, 2]
