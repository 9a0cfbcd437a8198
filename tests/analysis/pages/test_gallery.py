import base64
import io

import numpy as np
import pytest
from PIL import Image

from analysis.pages.gallery import cards, thumbnail
from analysis.tables import study
from device_agents.errors import BadInput
from tests.analysis.sample import CLASSES, device_picture, predictions, scene_picture


@pytest.fixture(scope="module")
def found():
    return study(predictions(missing=0.05))


def made(found, **options):
    given = {"load_picture": device_picture, "load_scene": scene_picture, "names": CLASSES}
    return cards(found, **(given | options))


def opened(small):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(small.uri.split(",")[1]))))


def test_a_thumbnail_is_the_picture_made_small():
    picture = scene_picture("scene-001", 480)[:, :300]
    small = thumbnail(picture, longest_px=120)
    assert (small.width, small.height) == (75, 120)
    shrunk = np.asarray(Image.fromarray(picture).resize((75, 120), Image.Resampling.LANCZOS), dtype=int)
    assert np.abs(opened(small).astype(int) - shrunk).mean() < 4


def test_cards_are_the_most_unstable_scenes_in_order(found):
    names = [card.scene for card in made(found, limit=5)]
    assert names == found.frames["scenes"]["scene"].head(5).tolist()


def test_a_card_shows_the_moment_of_most_division_with_every_device(found):
    card = made(found, limit=1)[0]
    table = found.table
    rows = table[(table["scene"] == card.scene) & (table["angle"] == card.angle) & (table["repeat"] == card.repeat)]
    assert [(one.device, one.verdict) for one in card.answers] == list(
        rows[["device", "verdict"]].itertuples(index=False, name=None)
    )
    votes = (
        table[table["scene"] == card.scene].groupby(["angle", "repeat"])["verdict"].value_counts().unstack(fill_value=0)
    )
    here = votes.loc[(card.angle, card.repeat)]
    assert here[["right", "wrong"]].min() == votes[["right", "wrong"]].min(axis=1).max()
    answer = next(one for one in card.answers if one.verdict == "right")
    assert answer.label in card.accepted
    assert 0 < answer.score < 1


def test_the_contrast_is_between_the_surest_right_and_the_surest_wrong(found):
    card = made(found, limit=1)[0]
    best = {
        verdict: max((one for one in card.answers if one.verdict == verdict), key=lambda one: one.score).device
        for verdict in ("right", "wrong")
    }
    assert (card.contrast.right, card.contrast.wrong) == (best["right"], best["wrong"])
    assert opened(card.contrast.thumbnail).std() > 5
    assert 0 <= card.contrast.share <= 1


def test_missing_pictures_leave_a_gap_and_not_an_error(found):
    def broken(name):
        raise BadInput(f"no picture {name}")

    card = made(found, limit=1, load_picture=broken, load_scene=lambda name: None)[0]
    assert card.shown is None
    assert card.contrast is None
    assert all(answer.thumbnail is None for answer in card.answers)


def test_pictures_stay_within_the_budget(found):
    one = made(found, limit=1)[0].size
    some = made(found, budget_bytes=int(2.5 * one))
    assert 1 <= len(some) <= 3
    assert sum(card.size for card in some) <= 2.5 * one


def test_only_some_of_many_devices_but_always_the_contrasted_ones():
    card = made(study(predictions(scenes=10, devices=30, angles=(0,), repeats=1)), limit=1)[0]
    shown = {answer.device for answer in card.answers}
    assert len(shown) + card.more_devices == 30
    assert {card.contrast.right, card.contrast.wrong} <= shown


def test_a_stable_study_has_no_cards():
    table = predictions(scenes=4)
    assert not made(study(table.assign(verdict="right")))


def test_answers_to_one_file_share_its_picture_and_stand_by_label():
    table = predictions(scenes=40, devices=15, angles=(0,), repeats=1)
    table["picture"] = table["scene"]
    card = made(study(table), limit=1, load_scene=lambda scene: None, load_picture=scene_picture)[0]
    assert card.one_file
    assert card.shown is not None  # the picture itself, where the scene's own file has gone
    assert card.contrast is None
    assert card.more_devices == 0
    assert [one.thumbnail for one in card.answers] == [None] * 15
    assert sorted(one.device for *_, group in card.groups for one in group) == sorted(
        one.device for one in card.answers
    )
    sizes = [len(group) for *_, group in card.groups]
    assert sizes == sorted(sizes, reverse=True)
    for verdict, label, group in card.groups:
        assert {(one.verdict, one.label) for one in group} == {(verdict, label)}


def test_without_any_picture_the_answers_stand_alone():
    none = {"load_scene": lambda scene: None, "load_picture": lambda picture: None}
    card = made(study(predictions(scenes=20, devices=14)), limit=1, **none)[0]
    assert card.one_file
    assert card.shown is None
    assert sum(len(group) for *_, group in card.groups) == 14
