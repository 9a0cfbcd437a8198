"""The training demo without a rack: tiny photographs of its three devices, its tables counted by hand, its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from hostctl.demos import demo_train, demo_train_page
from hostctl.demos.demo import demo
from hostctl.demos.demo_train import NAMES, SCHEMES, SEEDS, Cell, Judged
from stability_train.kept_heads import Backbone, KeptViews
from stability_train.photos import Photo
from stability_train.settings import Settings
from tests.fakes.tiny_training import tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("photos"), objects=5, devices=NAMES)


def judged_of(photos: list[Photo], wrong: dict[tuple[int, int, int], int]) -> Judged:
    """All right, but for (scheme, object, device) in the first ``n`` seeds."""
    objects = tuple(sorted({photo.scene for photo in photos}))
    right = np.ones((len(SCHEMES), SEEDS, len(objects), len(NAMES)), bool)
    for (scheme, place, device), seeds in wrong.items():
        right[scheme, :seeds, place, device] = False
    return Judged(objects, np.where(right, "yes", "no").astype(object), right)


def test_every_scheme_is_trained_once_and_judged_on_objects_that_it_never_saw(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_train, "_photographed", lambda out, each, progress: photos)
    monkeypatch.setattr(demo_train, "COMMON", {**demo_train.COMMON, "epochs": 2})
    monkeypatch.setattr(demo_train, "FOLDS", 2)
    for module in (demo_train, demo_train_page):
        monkeypatch.setattr(module, "SEEDS", 1)
    by_name = {photo.identity: photo for photo in photos}
    seen: list[set[Photo]] = []
    plain = Backbone.train_head

    def watched(self: Backbone, kept: KeptViews, places: list[int], *, settings: Settings) -> object:
        views = [view for epoch in range(2) for place in places for view in kept.plan.views(place, epoch)]
        seen.append({by_name[view.photo] for view in views})
        return plain(self, kept, places, settings=settings)

    monkeypatch.setattr(Backbone, "train_head", watched)
    said: list[tuple[str, int, int]] = []
    base = str(tiny_base(tmp_path / "base"))
    found = demo_train.demo_train(
        out=tmp_path, model=base, each=5, progress=lambda stage, done, total, note: said.append((stage, done, total))
    )
    assert [{photo.device for photo in one} for one in seen] == 2 * [set(scheme.devices) for scheme in SCHEMES]
    assert {len({photo.cluster for photo in one}) for one in seen} == {7, 8}, "the half of fifteen is held out"
    for one, other in zip(seen[:3], seen[3:], strict=True):
        assert not {photo.cluster for photo in one} & {photo.cluster for photo in other}
    assert said[-1] == ("trainings", 6, 6)
    assert [row["scheme"] for row in found["parts"]["schemes"]["rows"]] == [scheme.name for scheme in SCHEMES]
    assert found["headline"] in demo_train_page.train_text(found)
    assert Path(found["page"]).is_file()
    seen.clear()
    demo_train.demo_train(out=tmp_path, model=base, each=5)
    assert not seen, "what is there is not made again"


def test_the_tables_can_be_counted_by_hand(photos: list[Photo], tmp_path: Path) -> None:
    # Plain: five objects wrong on the third device only, in both seeds; one of them in the stability scheme, in one.
    wrong = {(0, place, 2): SEEDS for place in range(5)} | {(2, 0, 2): 1}
    judged = judged_of(photos, wrong)
    found = demo_train_page.write_result(tmp_path, judged, photos)
    rows = {row["scheme"]: row for row in found["parts"]["schemes"]["rows"]}
    assert rows["plain"]["flagship and old"] == pytest.approx(5 / 15)
    assert rows["plain"]["flagship and budget"] == 0
    assert rows["stability"]["flagship and old"] == pytest.approx(1 / 30)
    assert rows["plain"]["old"] == pytest.approx(10 / 15)
    tests = {(row["pair"], row["against"]): row for row in found["parts"]["tests"]["rows"]}
    told = tests["flagship and old", "plain"]
    assert told["change"] == pytest.approx(1 / 30 - 5 / 15)
    assert (told["steadier"], told["less"]) == (5, 0)
    # Changes of -2, -2, -2, -2 and -1: of 32 ways to sign them, two are as far from 0.
    assert told["p"] == pytest.approx(2 / 32)
    assert "is not sure of that (p = 0.06)" in found["headline"]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert page.count("<article") == 5
    assert "steadier after stability training" in page


def test_the_headline_is_sure_only_of_a_fall_that_the_test_finds(photos: list[Photo], tmp_path: Path) -> None:
    fall = judged_of(photos, {(0, place, 2): SEEDS for place in range(9)})
    assert (
        "The paired test is sure of it (p = 0.004)" in demo_train_page.write_result(tmp_path, fall, photos)["headline"]
    )
    rise = judged_of(photos, {(2, place, 2): SEEDS for place in range(9)})
    said = demo_train_page.write_result(tmp_path, rise, photos)["headline"]
    assert "does not fall" in said
    assert "is sure of it" not in said


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected at least 5 objects a class"):
        demo_train.demo_train(out=tmp_path, each=4)
    with pytest.raises(BadInput, match="one of --quick, --study and --train"):
        demo(train=True, quick=True)
    with pytest.raises(BadInput, match="draws its own objects"):
        demo(train=True, scenes=tmp_path)


def test_cells_have_files_of_their_own(tmp_path: Path) -> None:
    cells = demo_train._cells(tmp_path, "mobilenet-v2")
    assert len({cell.file for cell in cells}) == len(cells) == 30
    assert all(isinstance(cell, Cell) and "," not in cell.file.name for cell in cells)
    assert {cell.settings.alpha for cell in cells if cell.scheme.name == "stability"} == {10.0}
