"""Sets of pictures: named, sampled, each picture once, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from device_agents.records import UNLABELLED
from hostctl.ood.generated import GENERATED
from hostctl.ood.sets import NOTE, known_and_unknown, run_of_sets, side
from tests.device_agents.tiny_models import tiny_sidecar

CARD = tiny_sidecar()


def paint(folder, count, *, seed, label=""):
    rng = np.random.default_rng(seed)
    inside = folder / label if label else folder
    inside.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(inside / f"p{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    paint(root / "parts", 6, seed=1, label="bolt")
    paint(root / "parts", 6, seed=2, label="nut")
    paint(root / "street", 11, seed=3)
    return root


def test_names_are_apart_and_unknown_pictures_have_no_label(folders):
    known, street = known_and_unknown(str(folders / "parts"), [str(folders / "street")], card=CARD)
    assert [known.name, street.name] == ["known", "street"]
    assert (known.scenes[0].scene, known.scenes[0].labels) == ("known/bolt/p00", ("bolt",))
    assert (street.scenes[0].scene, street.scenes[0].labels) == ("street/p00.png", (UNLABELLED,))
    assert len({scene.cluster for one in (known, street) for scene in one.scenes}) == 23


def test_without_unknown_pictures_as_many_are_generated(folders):
    _, *others = known_and_unknown(str(folders / "parts"), [], card=CARD)
    assert [one.name for one in others] == list(GENERATED)
    assert {len(one.scenes) for one in others} == {12}


def test_a_limit_is_a_sample_by_hashes_of_each_set(folders):
    whole = known_and_unknown(str(folders / "parts"), [f"road={folders / 'street'}"], card=CARD)
    some = known_and_unknown(str(folders / "parts"), [f"road={folders / 'street'}", "textures"], card=CARD, most=10)
    assert [len(one.scenes) for one in some] == [10, 10, 10]
    for all_of, part in zip(whole, some, strict=False):
        lowest = sorted(scene.sha256 for scene in all_of.scenes)[:10]
        assert sorted(scene.sha256 for scene in part.scenes) == lowest
    assert some[1].name == "road"


def test_the_run_keeps_which_set_a_scene_is_of_and_goes_on(folders, tmp_path):
    sets = known_and_unknown(str(folders / "parts"), ["uniform-noise"], card=CARD)
    for _ in range(2):
        with run_of_sets(sets, tmp_path / "run") as run:
            note = run.note(NOTE)
            assert run.summary()["pictures"] == 24
            record = next(run.picture_records({"scene": "uniform-noise/0003"}))
            assert (record.width, record.height) == (2, 2)
            assert run.file(record.sha256).is_file()
    assert (note["known"]["unknown"], note["uniform-noise"]["unknown"]) == (False, True)
    assert note["uniform-noise"]["scenes"] == [scene.scene for scene in sets[1].scenes]


def test_generated_pictures_reach_the_model_unresized():
    card = tiny_sidecar(input_height=224, input_width=224)
    assert side(card) == 224
    assert side(tiny_sidecar(input_height=224, input_width=224, fit="short-side-256-crop")) == 256


def test_what_is_refused(folders, tmp_path):
    parts, street = str(folders / "parts"), str(folders / "street")
    few = paint(tmp_path / "few", 9, seed=4)
    with pytest.raises(BadInput, match="expected 10 different pictures or more in a set, got 9"):
        known_and_unknown(parts, [str(few)], card=CARD)
    copied = paint(tmp_path / "copied", 10, seed=5)
    (copied / "p00.png").write_bytes((folders / "parts" / "bolt" / "p00.png").read_bytes())
    with pytest.raises(BadInput, match="the same bytes as known/p00.png and parts/bolt"):
        known_and_unknown(str(copied), [parts], card=CARD)
    with pytest.raises(BadInput, match="street twice; write NAME=FOLDER"):
        known_and_unknown(parts, [street, f"street={street}"], card=CARD)
    with pytest.raises(BadInput, match="there is no .*nowhere"):
        known_and_unknown(parts, [str(tmp_path / "nowhere")], card=CARD)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="got none"):
        known_and_unknown(parts, [str(empty)], card=CARD)
    with pytest.raises(BadInput, match="got the generated set textures"):
        known_and_unknown("textures", [], card=CARD)
    doubled = paint(tmp_path / "doubled", 9, seed=6)
    (doubled / "again.png").write_bytes((doubled / "p00.png").read_bytes())
    with pytest.raises(BadInput, match="got 9"):
        known_and_unknown(parts, [str(doubled)], card=CARD)
    with pytest.raises(BadInput, match="the same bytes as street/p00.png and again/p00.png"):
        known_and_unknown(parts, [street, f"again={street}"], card=CARD)
