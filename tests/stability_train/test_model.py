"""The trained model: where it is cut, what is frozen, that two views do not share statistics, and kept features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train import features
from stability_train.batches import Batches
from stability_train.checkpoint import Progress, read_checkpoint, write_checkpoint
from stability_train.features import Features
from stability_train.pairs import make_plan
from stability_train.settings import Settings
from stability_train.views import View, ViewMaker
from tests.fakes.tiny_training import CLASSES, SIDECAR, tiny_network, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
RNG = np.random.default_rng(9)
PICTURES = RNG.normal(size=(2, 4, 16, 16, 3)).astype(np.float32)
TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]


def built(**settings: Any) -> tuple[Any, Any, Settings]:
    from stability_train.model import StabilityModel, build_network

    asked = Settings(**settings)
    network = build_network(tiny_network(), classes=3, settings=asked)
    return network, StabilityModel(network.tail, asked), asked


@pytest.mark.parametrize(
    ("trainable", "trained"),
    [
        ("head", {"logits"}),
        ("last-block", {"last", "logits"}),
        ("from:last", {"last", "logits"}),
        ("all", {"stem", "branch", "last", "logits"}),
    ],
)
def test_what_is_trained_and_that_front_and_tail_are_the_whole(trainable: str, trained: set[str]) -> None:
    network, model, _ = built(trainable=trainable)
    assert {variable.path.split("/")[0] for variable in model.tail.trainable_variables} == trained
    features = PICTURES[0] if network.front is None else network.front(PICTURES[0], training=False)
    embedding, logits = network.tail(features, training=False)
    assert np.asarray(logits) == pytest.approx(np.asarray(network.whole(PICTURES[0], training=False)), abs=1e-5)
    assert embedding.shape == (4, 8)
    assert tuple(features.shape[1:]) == network.front_shape


def test_the_extra_dense_layer_is_the_embedding_and_the_seed_draws_the_head() -> None:
    network, model, _ = built(loss="embedding", embedding_units=7)
    assert [tuple(one.shape) for one in model.tail.trainable_variables] == [(8, 7), (7,), (7, 3), (3,)]
    again, other = built(loss="embedding", embedding_units=7)[0], built(loss="embedding", embedding_units=7, seed=1)[0]
    kernels = [np.asarray(one.whole.layers[-1].kernel) for one in (network, again, other)]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_a_kept_head_is_the_models_own() -> None:
    from stability_train.model import build_network

    base = tiny_network()
    network = build_network(base, classes=5, settings=Settings(head="keep"))
    assert np.array_equal(np.asarray(network.whole(PICTURES[0])), np.asarray(base(PICTURES[0])))
    with pytest.raises(BadInput, match="expected 3 classes, as the label list has, got a head of 5"):
        build_network(base, classes=3, settings=Settings(head="keep"))


def steps(model: Any, *, count: int = 1) -> dict[str, float]:
    import tensorflow as tf

    step = tf.function(model.train_step)
    for _ in range(count):
        found = step((tf.constant(PICTURES), tf.constant(TARGETS)))
    return {name: float(value) for name, value in found.items()}


def test_frozen_statistics_do_not_move_and_views_in_one_pass_do_not_see_each_other() -> None:
    network, model, _ = built(trainable="all", learning_rate=0.01)
    before = [np.asarray(one) for one in model.tail.non_trainable_variables]
    alone = [network.tail(view, training=True)[1] for view in PICTURES]
    joined = network.tail(PICTURES.reshape(8, 16, 16, 3), training=True)[1]
    assert np.asarray(joined) == pytest.approx(np.concatenate([np.asarray(one) for one in alone]), abs=1e-5)
    steps(model, count=3)
    after = [np.asarray(one) for one in model.tail.non_trainable_variables]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_views_apart_are_each_normalised_by_themselves() -> None:
    network, model, _ = built(trainable="all", batch_norm="apart", alpha=1.0, learning_rate=1e-12)
    expected = [np.asarray(network.tail(view, training=True)[1]) for view in PICTURES]
    joined = np.asarray(network.tail(PICTURES.reshape(8, 16, 16, 3), training=True)[1])
    assert not np.allclose(joined, np.concatenate(expected), atol=1e-3), "together they share statistics"
    clean, noisy = (np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in expected)
    divergence = (clean * np.log(clean / noisy)).sum(axis=1).mean()
    assert steps(model)["stability"] == pytest.approx(divergence, rel=1e-3)


def test_the_loss_is_the_clean_cross_entropy_and_alpha_times_the_stability() -> None:
    network, model, _ = built(trainable="last-block", alpha=5.0)
    front = network.front
    assert front is not None
    logits = [np.asarray(network.whole(view, training=False), np.float64) for view in PICTURES]
    logs = [one - np.log(np.exp(one).sum(axis=1, keepdims=True)) for one in logits]
    cross_entropy = -(TARGETS * logs[0]).sum(axis=1).mean()
    stability = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1).mean()
    import tensorflow as tf

    stacked = tf.stack([front(view, training=False) for view in PICTURES])
    found = {name: float(value) for name, value in model.train_step((stacked, tf.constant(TARGETS))).items()}
    assert found["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-4)
    assert found["stability"] == pytest.approx(stability, rel=1e-3)
    assert found["loss"] == pytest.approx(cross_entropy + 5 * stability, rel=1e-4)


def test_features_are_computed_once_and_found_again_on_disk(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path / "photos", objects=1)
    views = [View(photo.identity) for photo in photos]
    maker = ViewMaker(photos, SIDECAR)

    def front(tensor: np.ndarray) -> np.ndarray:
        return tensor.mean(axis=(0, 1))

    first = Features(front, maker, digest="front", folder=tmp_path / "kept")
    first.add(views[:4])
    first.add([*views, *views])
    assert first.computed == 6
    part = next(iter((tmp_path / "kept" / "front").iterdir()))
    again = Features(front, maker, digest="front", folder=tmp_path / "kept")
    again.add(views)
    assert again.computed == 0
    assert np.array_equal(again.feature(views[5]), front(maker.tensor(views[5])))
    part.write_bytes(part.read_bytes()[:100])
    damaged = Features(front, maker, digest="front", folder=tmp_path / "kept")
    damaged.add(views)
    assert damaged.computed in (2, 4), "what was in the damaged part"
    assert Features(front, maker, digest="other", folder=tmp_path / "kept")._kept == {}


def test_features_say_how_far_they_are_and_stopped_keep_what_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_PART", 2)
    photos = tiny_photos(tmp_path / "photos", objects=1)
    views = [View(photo.identity) for photo in photos]
    maker = ViewMaker(photos, SIDECAR)
    told = []

    def said(done: int, total: int) -> None:
        told.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    def front(tensor: np.ndarray) -> np.ndarray:
        return tensor.mean(axis=(0, 1))

    with pytest.raises(KeyboardInterrupt):
        Features(front, maker, digest="front", folder=tmp_path / "kept").add(views, said=said)
    assert told == [(2, 6), (4, 6)]
    again = Features(front, maker, digest="front", folder=tmp_path / "kept")
    again.add(views)
    assert again.computed == 2


def test_a_stream_from_a_later_step_gives_what_the_whole_gives_from_there(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=3)
    plan = make_plan(photos, pool=photos, classes=CLASSES, settings=Settings(batch=4, device="one", mixing="mixup"))
    maker = ViewMaker(photos, SIDECAR)
    for within in (False, True):
        asked: dict[str, Any] = {"shape": maker.shape, "classes": 3, "workers": 2, "within_epoch": within}
        with Batches(plan, maker.tensor, **asked) as batches:
            whole = list(batches.stream(epoch=0, step=0, epochs=2))
            rest = list(batches.stream(epoch=0, step=2, epochs=2))
            assert batches.steps == 3
            assert [one.shape for one, _ in whole[:3]] == [(2, 4, 16, 16, 3), (2, 4, 16, 16, 3), (2, 1, 16, 16, 3)]
            assert len(whole) == 6
            for one, other in zip(whole[2:], rest, strict=True):
                assert np.array_equal(one[0], other[0])
                assert np.array_equal(one[1], other[1])


def test_a_checkpoint_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    arrays = {"weights": [np.arange(6.0).reshape(2, 3), np.array(4, np.int64)], "optimiser": []}
    write_checkpoint(path, arrays, Progress(epoch=2, step=1, history=[{"loss": 0.5}], best=None))
    groups, progress = read_checkpoint(path)
    assert progress == Progress(epoch=2, step=1, history=[{"loss": 0.5}])
    assert [array.tolist() for array in groups["weights"]] == [[[0, 1, 2], [3, 4, 5]], 4]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BadInput, match="expected a checkpoint, got a damaged file"):
        read_checkpoint(path)
