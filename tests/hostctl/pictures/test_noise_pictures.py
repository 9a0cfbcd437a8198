"""Difference pictures: each family against its own sums, what cannot be shown, runs with raws, and the page."""

import base64
import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.measures.pixel_differences import draw_map, measure, scaled_difference, visible_pixels
from analysis.store import Run
from capture.codecs import CODECS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.records import Picture, Scene
from device_agents.resize import FITS, RESIZERS
from hostctl.pictures.difference_map import difference_map
from hostctl.pictures.noise_pictures import differences, read_source

STORED = Path(__file__).parents[2] / "data" / "run-v1"
SIZE = 32


@pytest.fixture
def photograph(tmp_path):
    """A picture with colour and edges as a JPEG."""
    y, x = np.mgrid[0:90, 0:120]
    picture = np.stack([x * 2, y * 2, 255 - x], axis=-1)
    picture[((x // 12 + y // 12) % 2) == 0] //= 3
    path = tmp_path / "shot.jpg"
    Image.fromarray(picture.astype(np.uint8)).save(path, quality=80)
    return path


def rows_of(result, family):
    return {row["variant"]: row for row in result["rows"] if row["family"] == family}


def images(page):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', Path(page).read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_each_family_changes_one_thing(photograph, tmp_path):
    words = ["decoder=jpeg-fast-dct", "resizer=opencv-*", "colour=bt601-*", "codec=jpeg-50,png"]
    result = differences(photograph, families=words, out=tmp_path / "out", size=SIZE)
    data = photograph.read_bytes()
    whole = DECODERS["pillow"](data)

    def shown(picture, resizer="pillow-bilinear"):
        return FITS["short-side-256-crop"](picture, RESIZERS[resizer], SIZE, SIZE)

    base = shown(whole)
    for family, name, variant in (
        ("decoder", "jpeg-fast-dct", shown(DECODERS["jpeg-fast-dct"](data))),
        ("resizer", "opencv-area", shown(whole, "opencv-area")),
        ("codec", "jpeg-50", shown(DECODERS["pillow"](CODECS["jpeg-50"](whole)))),
    ):
        row, facts = rows_of(result, family)[name], measure(base, variant)
        assert row == {"family": family, "variant": name, "same_as": "", **facts._asdict()}
        assert any(np.array_equal(one, scaled_difference(base, variant)) for one in images(result["page"]))
    lossless = rows_of(result, "codec")["png"]
    assert (lossless["max_difference"], lossless["edges"], lossless["same_as"]) == (0, None, "as it is")
    assert [one["family"] for one in result["summary"]] == ["decoder", "resizer", "colour", "codec"]
    worst = max(row["mean_difference"] for row in rows_of(result, "resizer").values())
    assert result["summary"][1]["worst_mean_difference"] == worst
    assert result["left_out"] == []
    assert json.loads(json.dumps(result)) == result


def test_equal_results_share_a_picture(photograph, tmp_path):
    words = ["codec=jpeg-85,jpeg-85-progressive,pagespeed-jpeg-85"]
    result = differences(photograph, families=words, out=tmp_path, size=SIZE)
    rows = rows_of(result, "codec")
    assert [row["same_as"] for row in rows.values()] == ["", "jpeg-85", "jpeg-85"]
    assert result["summary"][0]["distinct"] == 1
    assert len(images(result["page"])) == 2  # the base and one difference


def test_the_csv_has_every_row_and_the_page_has_the_csv(photograph, tmp_path):
    result = differences(photograph, families=["resizer=pillow-*"], out=tmp_path, size=SIZE)
    text = Path(result["csv"]).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["variant"] for row in rows] == [row["variant"] for row in result["rows"]]
    assert "pillow-bilinear" not in {row["variant"] for row in rows}  # the base itself
    assert [float(row["edges"]) for row in rows] == [row["edges"] for row in result["rows"]]
    page = Path(result["page"]).read_text()
    assert base64.b64encode(text.encode()).decode() in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # nothing from elsewhere


def test_what_cannot_be_made_is_told_once(tmp_path, photograph):
    Image.open(photograph).save(tmp_path / "shot.png")
    result = differences(tmp_path / "shot.png", families=["decoder=jpeg-*", "codec=png,jpeg-50", "isp"], out=tmp_path)
    left = result["left_out"]
    assert left[0].startswith("decoder jpeg-accurate, jpeg-fast-dct, ")
    assert "expected a JPEG, got PNG" in left[0]
    assert left[1:] == ["isp: expected a raw picture, got none"]
    assert [one["family"] for one in result["summary"]] == ["codec"]
    with pytest.raises(BadInput, match="shot.png: no difference can be shown:\n  decoder"):
        differences(tmp_path / "shot.png", families=["decoder=jpeg-*"], out=tmp_path)


@pytest.mark.parametrize(
    ("families", "words"),
    [
        (["decode=all"], "unknown family of noises 'decode'; did you mean 'decoder'"),
        (["scaling"], "unknown family of noises 'scaling'"),
        (["decoder=opencvv"], "unknown decoder 'opencvv'; did you mean"),
    ],
)
def test_bad_words(photograph, tmp_path, families, words):
    with pytest.raises(BadInput, match=words):
        differences(photograph, families=families, out=tmp_path)


def test_names_are_escaped(photograph, tmp_path):
    path = photograph.rename(tmp_path / "<img src=x>&.jpg")
    result = differences(path, families=["colour=bt601-float"], out=tmp_path, size=SIZE)
    assert "<img src=x>" not in Path(result["page"]).read_text()


def test_a_raw_file_by_isps_and_what_follows(tmp_path):
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    raw = Path(os.environ["INSTABILITY_DATA"]) / "raw" / "nikon_dsc1339_768x512.dng"
    words = ["isp=plain,soft", "codec=jpeg-50", "decoder=pillow,opencv"]
    result = differences(raw, families=words, out=tmp_path, size=64)
    assert result["base"]["isp"] == "libraw-pinned"
    assert {row["variant"] for row in result["rows"]} == {"plain", "soft", "jpeg-50"}
    assert all(row["max_difference"] > 0 for row in result["rows"])
    assert result["left_out"] == ["decoder: expected a coded picture, got none"]
    with pytest.raises(BadInput, match="expected photographs to compare, got raw files"):
        difference_map(raw, raw, out=tmp_path)


def test_a_picture_of_a_run_is_its_scene_rectified(tmp_path):
    shutil.copytree(STORED, tmp_path / "run")
    with Run.open(tmp_path / "run", write=False) as run:
        records = list(run.picture_records())
    one = records[0]
    source = read_source(tmp_path / "run", one.picture)
    assert (source.name, source.corners, source.device) == (one.picture, one.corners, one.device)
    result = differences(
        tmp_path / "run", picture=one.picture, families=["resizer=pillow-box"], out=tmp_path, size=SIZE
    )
    assert result["picture"] == one.picture
    with pytest.raises(BadInput, match="expected the name of one of its pictures, got 'none'; there are "):
        differences(tmp_path / "run", picture="none", families=[], out=tmp_path)


def test_the_raw_of_the_same_shot_goes_with_a_photograph(tmp_path):
    scene = Scene("s", "s.jpg", "0" * 64, ("n1",))
    names = {"photo": (b"the photograph", ".jpg"), "raw": (b"the raw", ".dng"), "later": (b"developed", ".png")}
    with Run.create(tmp_path / "run", settings={}, scenes=[scene]) as run:
        for name, (data, suffix) in names.items():
            sha = run.put_file(data)
            parent = {"parent": "raw"} if name == "later" else {}
            run.add_picture(Picture(name, sha, suffix, len(data), 4, 4, "s", device="phone", **parent), {sha: data})
    for name in ("photo", "raw"):
        source = read_source(tmp_path / "run", name)
        assert (source.photograph, source.raw) == (b"the photograph", b"the raw")
    assert read_source(tmp_path / "run", "later").photograph == b"developed"


def test_a_map_of_two_files(photograph, tmp_path):
    Image.open(photograph).save(tmp_path / "worse.jpg", quality=10)
    a, b = (DECODERS["pillow"](path.read_bytes()) for path in (photograph, tmp_path / "worse.jpg"))
    result = difference_map(photograph, tmp_path / "worse.jpg", out=tmp_path / "out")
    marked = visible_pixels(a, b)
    assert result["share"] == marked.mean() > 0.05
    assert (result["height"], result["width"], result["rectified"], result["reduced"]) == (90, 120, False, False)
    assert np.array_equal(images(result["page"])[2], draw_map(a, marked))
    assert f"{100 * result['share']:.1f} % of the pixels differ by more than 5 %" in Path(result["page"]).read_text()
    same = difference_map(photograph, photograph, out=tmp_path / "out")
    assert (same["share"], same["facts"]["edges"]) == (0, None)


def test_two_repeats_are_compared_within_the_same_corners_and_two_devices_within_their_own(tmp_path):
    run = shutil.copytree(STORED, tmp_path / "run")
    with Run.open(run, write=False) as opened:
        records = list(opened.picture_records())
    first = records[0]
    again = next(one for one in records if (one.scene, one.device) == (first.scene, first.device) and one != first)
    other = next(one for one in records if one.scene == first.scene and one.device != first.device)
    for one in (again, other):
        result = difference_map(run, run, pictures=(first.picture, one.picture), out=tmp_path / "out")
        assert result["rectified"] == bool(first.corners and one.corners)
        assert 0 <= result["share"] < 0.9
        assert (result["first"], result["second"]) == (first.picture, one.picture)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="cannot read the picture"):
        read_source(tmp_path / "gone.jpg")
    with pytest.raises(BadInput, match="a run's folder"):
        read_source(tmp_path / "gone.jpg", "name")
