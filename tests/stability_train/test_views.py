"""Views of raw pictures: where the scene lies in a rendering, what changes it, and the names of older kept features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capture.raw import write_dng
from device_agents.errors import BadInput
from device_agents.sidecar import Sidecar
from stability_train.features import view_digest
from stability_train.pairs import is_finite, make_plan
from stability_train.photos import Photo, read_photos
from stability_train.settings import Settings
from stability_train.views import View, ViewMaker
from tests.fakes.rack import picture_of
from tests.fakes.raws import raw_of, run_of_shots

SIDE = 64
SIDECAR = Sidecar("any", SIDE, SIDE, "nhwc", "rgb", "squash", "pillow-bilinear", "zero-one", "logits")
RAWS = {"device": "phone", "noise": "environments", "isps": ("libraw-pinned", "crisp")}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    run = run_of_shots(tmp_path_factory.mktemp("runs") / "shots", 2)
    run.close()
    return read_photos(run.folder)


def test_views_that_need_no_raw_keep_the_names_of_their_features() -> None:
    view = View("ab", seed=(1, 2))
    shown = (
        "View(photo='ab', decoder='pillow', codec='', colour='rgb', resizer='', crop=(), flip=False, noise='none', "
        "strength=None, seed=(1, 2))"
    )
    assert repr(view) == shown
    assert view_digest(view) == "924f1bebc9b72906ac6e7e390b3886fc"
    assert repr(replace(view, isp="crisp")) == f"{shown[:-1]}, isp='crisp')"


def test_a_photo_of_a_run_knows_the_raw_taken_with_it(photos: list[Photo]) -> None:
    assert [photo.raw is not None and photo.raw.is_file() for photo in photos] == [True, True]
    assert len({photo.raw for photo in photos}) == 2


def test_a_rendering_shows_the_scene_at_the_same_place(photos: list[Photo]) -> None:
    maker = ViewMaker(photos, SIDECAR)
    for photo in photos:
        here = maker.picture(View(photo.identity)).astype(float)
        there = maker.picture(View(photo.identity, isp="libraw-pinned")).astype(float)
        assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.97
        other = maker.picture(View(photos[0].identity if photo is photos[1] else photos[1].identity)).astype(float)
        assert np.corrcoef(other.ravel(), there.ravel())[0, 1] < 0.9


def test_isps_codecs_and_sensors_change_the_view_and_come_again(photos: list[Photo], tmp_path: Path) -> None:
    noisy = replace(raw_of(picture_of("scene-0")), noise_profile=(0.01, 1e-4))
    (tmp_path / "noisy.dng").write_bytes(write_dng(noisy))
    photo = replace(photos[0], corners=(), raw=tmp_path / "noisy.dng")
    maker = ViewMaker([photo], SIDECAR)
    base = View(photo.identity, isp="libraw-pinned")
    changed = [
        base,
        replace(base, isp="crisp"),
        replace(base, codec="jpeg-50"),
        replace(base, sensor="fresh-noise", shot=(1,)),
        replace(base, sensor="fresh-noise", shot=(2,)),
    ]
    made = [maker.picture(view) for view in changed]
    for one in range(len(made)):
        for other in range(one):
            assert not np.array_equal(made[one], made[other]), (changed[one], changed[other])
    again = ViewMaker([photo], SIDECAR)
    assert all(np.array_equal(again.picture(view), picture) for view, picture in zip(changed, made, strict=True))


def test_a_view_of_a_raw_that_is_not_there_names_the_photo(photos: list[Photo]) -> None:
    without = replace(photos[0], raw=None)
    with pytest.raises(BadInput, match=f"{without.name}.*expected a raw picture beside it for ISP crisp, got none"):
        ViewMaker([without], SIDECAR).picture(View(without.identity, isp="crisp"))


def test_environments_draw_isps_and_sensors_where_there_is_a_raw(photos: list[Photo]) -> None:
    labels = [replace(photo, labels=(str(number),)) for number, photo in enumerate(photos)]
    settings = Settings(**RAWS, sensors=("", "fresh-noise"))  # type: ignore[arg-type]
    bare = [labels[0], replace(labels[1], raw=None)]
    plan = make_plan(bare, pool=bare, classes=("0", "1"), settings=settings)
    drawn = [plan.views(0, epoch)[1] for epoch in range(40)]
    assert {view.isp for view in drawn} == {"libraw-pinned", "crisp"}
    assert len({view.shot for view in drawn if view.sensor}) == sum(bool(view.sensor) for view in drawn) > 10
    assert all(view.shot == () for view in drawn if not view.sensor)
    assert {plan.views(0, epoch)[0].isp for epoch in range(9)} == {""}, "the clean view is the photograph"
    assert {plan.views(1, epoch)[1].isp for epoch in range(9)} == {""}, "without a raw there is nothing to develop"
    assert not is_finite(settings), "fresh shots are new every epoch"
    few = replace(settings, draws=2)
    plan = make_plan(labels, pool=labels, classes=("0", "1"), settings=few)
    assert is_finite(few)
    assert len({plan.views(0, epoch)[1].shot for epoch in range(60)} - {()}) == 2
    assert is_finite(Settings(**RAWS))  # type: ignore[arg-type]
    none = [replace(photo, raw=None) for photo in labels]
    with pytest.raises(BadInput, match="expected photographs with a raw picture beside them, got none of"):
        make_plan(none, pool=none, classes=("0", "1"), settings=settings)


def test_a_partner_without_a_raw_is_its_own_photograph(photos: list[Photo]) -> None:
    other = replace(photos[0], device="two", raw=None, sha256="another")
    both = [replace(photos[0], labels=("0",)), replace(other, labels=("0",))]
    settings = Settings(noise="two-images", device="phone", partner="two", mix=("isp",), isps=("crisp",))
    plan = make_plan(both, pool=both, classes=("0", "1"), settings=settings)
    clean, noisy = plan.views(0, 0)
    assert (clean.isp, noisy.isp, noisy.photo) == ("crisp", "", both[1].identity)
