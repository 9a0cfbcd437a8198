"""Photos, splits, pairs and views: no object on two sides, the right partner, and an epoch that comes again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from analysis.store import Run
from capture.scenes import write_scenes
from device_agents.errors import BadInput
from device_agents.records import Picture, Scene
from stability_train.mixing import cutmix, mixup
from stability_train.pairs import Plan, is_finite, make_plan
from stability_train.photos import Photo, classes_of, read_photos
from stability_train.settings import Settings
from stability_train.splits import fold_photos, split_photos
from stability_train.views import View, ViewMaker
from tests.fakes.tiny_training import CLASSES, SIDE, SIDECAR, tiny_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("photos"), objects=4)


def plan_of(photos: list[Photo], **settings: object) -> Plan:
    asked = Settings(**{"device": "one", **settings})  # type: ignore[arg-type]
    return make_plan(photos, pool=photos, classes=CLASSES, settings=asked)


def drawn(cluster: int, label: int, number: int) -> Photo:
    return Photo(f"{number}", Path(), f"{number}", (f"class {label}",), f"object {cluster}", f"{number}")


@options(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=80),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 5),
)
def test_no_split_divides_an_object(drawing: list[tuple[int, int]], share: float, seed: int) -> None:
    some = [drawn(cluster, cluster % 3, number) for number, (cluster, _) in enumerate(drawing)]
    objects = Counter({photo.cluster: photo.label for photo in some}.values())
    if min(objects.values()) < 2:
        with pytest.raises(BadInput, match="at least two objects"):
            split_photos(some, share=share, seed=seed)
        return
    training, held_out = split_photos(some, share=share, seed=seed)
    assert Counter(training) + Counter(held_out) == Counter(some)
    assert not {one.cluster for one in training} & {one.cluster for one in held_out}
    for side in (training, held_out):
        assert {one.label for one in side} == {one.label for one in some}
    folds = fold_photos(some, folds=2, seed=seed)
    assert Counter(one for _, held in folds for one in held) == Counter(some)


def test_a_class_with_too_few_objects_is_named_with_what_to_do(photos: list[Photo]) -> None:
    lonely = [one for one in photos if one.label != "red" or one.cluster == "red-0"]
    told = "class red: expected two objects or more, one object each at least, got 3 folds and 1 objects; give more"
    with pytest.raises(BadInput, match=told):
        fold_photos(lonely, folds=3, seed=0)
    with pytest.raises(BadInput, match="expected 2 to 4 folds.*got 5 folds and 4 objects"):
        fold_photos(photos, folds=5, seed=0)


def test_classes_are_the_labels_and_need_two_objects(photos: list[Photo]) -> None:
    assert classes_of(photos) == CLASSES
    assert classes_of(photos, known=("red", "green", "blue", "grey")) == ("red", "green", "blue", "grey")
    lonely = [one for one in photos if one.label != "red" or one.cluster == "red-0"]
    with pytest.raises(BadInput, match="got one of red"):
        classes_of(lonely)
    with pytest.raises(BadInput, match="expected labels of the model's 2, got blue"):
        classes_of(photos, known=("green", "red"))


def test_two_images_are_the_same_scene_from_the_other_device(photos: list[Photo]) -> None:
    plan = plan_of(photos, noise="two-images", partner="two")
    named = {photo.identity: photo for photo in photos}
    for place in range(len(plan)):
        clean, noisy = (named[view.photo] for view in plan.views(place, 3))
        assert (clean.scene, clean.device, noisy.scene, noisy.device) == (clean.scene, "one", clean.scene, "two")
    without = [photo for photo in photos if photo.name != "green-1-two"]
    with pytest.raises(BadInput, match=r"from two for each of the 12 of one, got none for 1: green-1-one"):
        plan_of(without, noise="two-images", partner="two")


def test_a_subsample_is_n_pictures_of_the_class_and_stays_the_same(photos: list[Photo]) -> None:
    plan = plan_of(photos, noise="subsample", partner="two", subsample=2)
    named = {photo.identity: photo for photo in photos}
    seen: dict[str, set[str]] = {label: set() for label in CLASSES}
    for epoch in range(20):
        for place in range(len(plan)):
            clean, noisy = (named[view.photo] for view in plan.views(place, epoch))
            assert (noisy.label, noisy.device) == (clean.label, "two")
            seen[clean.label].add(noisy.name)
    assert {label: len(names) for label, names in seen.items()} == dict.fromkeys(CLASSES, 2)


def test_an_epoch_comes_again_and_the_next_one_is_another(photos: list[Photo]) -> None:
    plan, again = (plan_of(photos, augment="flip-crop", mix=("decoder", "resizer")) for _ in range(2))
    assert [plan.views(place, 5) for place in range(12)] == [again.views(place, 5) for place in range(12)][:12]
    assert plan.order(5) == again.order(5) != plan.order(6)
    assert sorted(plan.order(5)) == list(range(12))
    clean, noisy = plan.views(0, 5)
    assert (clean.crop, clean.flip, clean.resizer) == (noisy.crop, noisy.flip, noisy.resizer), "geometry is shared"
    seeds = {plan.views(place, epoch)[1].seed for place in range(12) for epoch in range(5)}
    assert len(seeds) == 60, "fresh noise every time"
    few = plan_of(photos, draws=3)
    assert len({few.views(0, epoch)[1].seed for epoch in range(40)}) == 3
    other = Settings(device="one", seed=1)
    assert make_plan(photos, pool=photos, classes=CLASSES, settings=other).order(5) != plan.order(5)


def test_mix_training_draws_every_decoder_and_resizer_alike(photos: list[Photo]) -> None:
    plan = plan_of(photos, noise="none", mix=("decoder", "resizer"), decoders=("pillow", "opencv"))
    counts = Counter(
        (v.decoder, v.resizer) for epoch in range(60) for place in range(12) for v in plan.views(place, epoch)
    )
    assert len(counts) == 8
    assert min(counts.values()) > 55, "720 views in 8 cells: 90 each, give or take 9"


@pytest.mark.parametrize(
    ("settings", "finite"),
    [
        ({}, False),
        ({"draws": 2}, True),
        ({"noise": "none"}, True),
        ({"noise": "environments"}, True),
        ({"noise": "two-images", "partner": "two"}, True),
        ({"noise": "none", "augment": "flip"}, True),
        ({"noise": "none", "augment": "flip-crop"}, False),
        ({"noise": "none", "mixing": "cutmix"}, False),
    ],
)
def test_which_views_come_back(settings: dict[str, object], finite: bool) -> None:
    assert is_finite(Settings(**{"device": "one", **settings})) is finite  # type: ignore[arg-type]


def test_a_view_is_made_as_deployment_makes_it_and_again_the_same(photos: list[Photo]) -> None:
    from PIL import Image

    maker = ViewMaker(photos, SIDECAR, memory_bytes=2 * SIDE * SIDE * 3)
    pixels = np.asarray(Image.open(photos[0].file).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    view = View(photos[0].identity)
    assert np.array_equal(maker.tensor(view), (pixels - 127.5) / 127.5)
    assert np.array_equal(maker.tensor(dataclasses.replace(view, flip=True)), ((pixels - 127.5) / 127.5)[:, ::-1])
    noisy = dataclasses.replace(view, noise="gaussian", strength=0.1, seed=(1, 2), crop=(0.1, 0.1, 0.8, 0.8))
    first = maker.tensor(noisy)
    for photo in photos:
        maker.tensor(View(photo.identity))
    assert np.array_equal(maker.tensor(noisy), first), "also after it was forgotten and decoded again"
    assert maker.decoded == 1 + len(photos), "the memory holds two pictures"
    coded = maker.tensor(dataclasses.replace(view, codec="jpeg-50"))
    assert 0 < np.abs(coded - maker.tensor(view)).mean() < 0.5


def test_photos_of_a_run_are_those_of_its_devices_with_their_corners(photos: list[Photo], tmp_path: Path) -> None:
    scenes = [Scene(one.scene, str(one.file), one.sha256, one.labels, category=one.label) for one in photos[::2]]
    corners = ((-0.5, -0.5), (15.5, -0.5), (15.5, 19.5), (-0.5, 19.5))
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as run:
        for one in photos:
            data = one.file.read_bytes()
            record = Picture(
                one.name, one.sha256, ".png", len(data), 20, 24, one.scene, device=one.device, corners=corners
            )
            run.add_picture(record, {one.sha256: data})
    found = read_photos(tmp_path / "run", devices=("two",))
    assert [(one.name, one.label, one.cluster, one.device) for one in found] == sorted(
        (one.name, one.label, one.cluster, "two") for one in photos if one.device == "two"
    )
    assert ViewMaker(found, SIDECAR).picture(View(found[0].identity)).shape == (SIDE, SIDE, 3)
    with pytest.raises(BadInput, match="expected pictures of three, got none; devices: one, two"):
        read_photos(tmp_path / "run", devices=("three",))
    write_scenes(scenes, tmp_path / "scenes.csv")
    assert {one.identity for one in read_photos(tmp_path / "scenes.csv")} == {one.identity for one in photos[::2]}


def test_mixup_and_cutmix_share_targets_as_they_share_pixels() -> None:
    stacked = np.stack([np.arange(4, dtype=np.float32)] * 2)[:, :, None, None, None] * np.ones((8, 8, 3), np.float32)
    targets = np.eye(4, dtype=np.float32)
    for mixing in (mixup, cutmix):
        mixed, shares = mixing(stacked, targets, np.random.default_rng(3), alpha=1.0)
        assert shares.sum(axis=1) == pytest.approx(np.ones(4))
        assert mixed[0].mean(axis=(1, 2, 3)) == pytest.approx(shares @ np.arange(4.0), abs=1e-5)
        assert np.array_equal(mixed[0], mixed[1])
