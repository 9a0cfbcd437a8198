"""Frozen sets: the same again, and everything that makes one another set."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from device_agents.perturbations import known
from device_agents.perturbations.families import Perturbation
from hostctl.suites import frozen
from hostctl.suites.frozen import check_same, freeze, read_frozen, verify

NAMES = ("rotate-5", "shift-crop-1", "camera-noise-4+translate-1")


@pytest.fixture
def scenes(tmp_path):
    """Two pictures, of which one is too flat for a shift."""
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name, size in (("a", (60, 80)), ("b", (6, 90))):
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "labels.csv").write_text("file,labels,cluster\na.png,cat,one\nb.png,dog|wolf,two\n")
    return tmp_path / "in" / "labels.csv"


@pytest.fixture
def made(scenes, tmp_path):
    return freeze(scenes, out=tmp_path / "set", perturbations=NAMES)


def test_a_set_is_the_same_wherever_it_lies_and_whenever_it_is_made(made, scenes, tmp_path):
    assert made.perturbations == ("", *NAMES)
    assert verify(made.folder).same
    assert verify(made.folder).versions == ()
    shutil.copytree(made.folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "in")
    assert check_same(tmp_path / "copy").sha256 == made.sha256
    again = freeze(tmp_path / "copy" / "labels.csv", out=tmp_path / "again", perturbations=NAMES)
    assert again.sha256 == made.sha256
    assert freeze(again.scenes, out=tmp_path / "other", perturbations=NAMES[:1]).sha256 != made.sha256


def test_outcomes_are_pixels_or_the_reason(made):
    first, flat = made.pictures
    assert len({first["outcomes"][name] for name in made.perturbations}) == 4
    assert "room for a shift of 1 pixels; 90 x 6 leaves 0" in flat["failed"]["shift-crop-1"]
    assert flat["outcomes"]["shift-crop-1"] == ""
    assert len(flat["outcomes"]["rotate-5"]) == 64


def test_a_changed_or_lost_file_is_named(made):
    path = made.folder / made.pictures[0]["file"]
    data = path.read_bytes()
    path.write_bytes(data + b"x")
    assert verify(made.folder).problems[-1] == f"a: the file changed: {made.pictures[0]['file']}"
    path.unlink()
    assert "a: the file is gone" in verify(made.folder).problems[-1]
    path.write_bytes(data)
    assert verify(made.folder).same


def test_other_labels_are_another_set(made):
    listing = made.folder / "labels.csv"
    listing.write_text(listing.read_text().replace("cat", "cow"))
    with pytest.raises(BadInput, match=r"no longer the set that was frozen[\s\S]*other scenes or labels"):
        check_same(made.folder)


def test_a_perturbation_that_gives_other_pixels_is_named(made, monkeypatch):
    turned = Perturbation(lambda picture, rng: picture[::-1], "rotate")
    monkeypatch.setitem(known.PERTURBATIONS, "rotate-5", turned)
    assert verify(made.folder).problems == (
        "a: other pixels under rotate-5",
        "b: other pixels under rotate-5",
    )


def test_a_library_that_changed_is_told_but_no_problem(made, monkeypatch):
    monkeypatch.setattr(frozen, "_versions", lambda: {**made.versions, "pillow": "0.1"})
    found = verify(made.folder)
    assert found.same
    assert found.versions == (f"pillow {made.versions['pillow']} then, 0.1 now",)


def test_a_manifest_that_was_edited_is_refused(made):
    path = made.folder / "frozen.json"
    values = json.loads(path.read_text())
    values["pictures"][0]["outcomes"]["rotate-5"] = "0" * 64
    path.write_text(json.dumps(values))
    with pytest.raises(BadInput, match="changed after it was written"):
        read_frozen(made.folder)
    path.write_text(json.dumps({**values, "schema": 2}))
    with pytest.raises(BadInput, match="newer kit"):
        read_frozen(made.folder)
    path.write_text("{")
    with pytest.raises(BadInput, match="no JSON"):
        read_frozen(made.folder)
    path.write_text("[]")
    with pytest.raises(BadInput, match="another file"):
        read_frozen(made.folder)
    path.unlink()
    with pytest.raises(BadInput, match="there is no"):
        read_frozen(made.folder)


def test_bad_input_is_refused_before_anything_is_frozen(made, scenes, tmp_path):
    with pytest.raises(BadInput, match="unknown perturbation"):
        freeze(scenes, out=tmp_path / "new", perturbations=["rotate-5000"])
    with pytest.raises(BadInput, match="new or empty folder"):
        freeze(scenes, out=made.folder, perturbations=NAMES)
    assert not (tmp_path / "new").exists()
    (tmp_path / "in" / "a.png").write_text("no picture")
    with pytest.raises(BadInput, match="cannot be frozen"):
        freeze(scenes, out=tmp_path / "new", perturbations=NAMES)
    assert not (tmp_path / "new" / "frozen.json").exists()
