"""One parent's pictures: each ISP run once for its codecs, corners where they truly are, one line a failure."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture import develop as module
from capture.codec_versions import codec_version
from capture.codecs import CODECS, suffix_of
from capture.develop import Beside, Failed, corners_beside, derived_name, develop, import_picture
from capture.isp import BORDER_PX, ISPS, render
from capture.raw import read_raw
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, TimedOut
from device_agents.records import Picture
from tests.fakes.raws import shoot

RAW = Picture("s|0|0|phone|dng", "0" * 64, ".dng", 9, 640, 480, "s", 0, 0, "phone", crop_sha256="1" * 64, attempt=2)


@pytest.fixture(scope="module")
def shot():
    return shoot("s1")


def beside(shot):
    return Beside(shot.jpeg, shot.in_jpeg)


def moved(corners, x, y):
    return np.asarray(corners) + np.array((x, y))


def test_a_raw_gives_a_picture_for_each_isp_and_codec_with_its_own_size_and_corners(shot):
    asked = [("plain", "jpeg-85"), ("plain", "png"), ("libraw-pinned", "png"), ("soft", "webp-lossless")]
    made = list(develop(RAW, shot.dng, asked, beside=beside(shot)))
    assert [(record.isp, record.codec) for record, _ in made] == asked
    raw = read_raw(shot.dng)
    for record, data in made:
        rgb = DECODERS["pillow"](data)
        assert record.picture == f"s|0|0|phone|dng|{record.isp}|{record.codec}"
        assert (record.parent, record.scene, record.device, record.attempt) == (RAW.picture, "s", "phone", 2)
        assert (record.sha256, record.size) == (hashlib.sha256(data).hexdigest(), len(data))
        assert (record.height, record.width) == rgb.shape[:2] == (500 - 2 * BORDER_PX, 672 - 2 * BORDER_PX)
        assert record.suffix == suffix_of(record.codec)
        assert (record.crop_sha256, record.thumb_sha256) == ("", "")
        assert np.abs(moved(shot.in_raw, -BORDER_PX, -BORDER_PX) - record.corners).max() < 0.1
        if record.codec != "jpeg-85":
            assert np.array_equal(rgb, render(raw, record.isp))


def test_each_isp_runs_once_and_the_raw_is_read_once(shot, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "render", lambda raw, isp: calls.append(isp) or render(raw, isp))
    monkeypatch.setattr(module, "read_raw", lambda data: calls.append("read") or read_raw(data))
    asked = [(isp, codec) for isp in ("plain", "libraw-pinned") for codec in ("png", "jpeg-85", "jpeg-50")]
    assert len(list(develop(RAW, shot.dng, asked, beside=beside(shot)))) == 6
    assert calls == ["read", "libraw-pinned", "plain"]


def test_without_a_photograph_beside_it_a_raw_has_no_corners_and_nothing_more_is_rendered(shot, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "render", lambda raw, isp: calls.append(isp) or render(raw, isp))
    ((record, _),) = develop(RAW, shot.dng, [("plain", "png")])
    assert record.corners == ()
    assert calls == ["plain"]


def test_a_photograph_is_coded_again_upright_and_keeps_its_corners(shot):
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(shot.jpeg)).save(turned, "JPEG", exif=exif)
    parent = Picture("s|0|0|phone|jpg", "0" * 64, ".jpg", 9, 480, 640, "s", corners=shot.in_jpeg)
    (one, data), (two, _) = develop(parent, turned.getvalue(), [("", "png"), ("", "jpeg-50")])
    assert (one.picture, two.picture) == ("s|0|0|phone|jpg||png", "s|0|0|phone|jpg||jpeg-50")
    assert (one.height, one.width) == (640, 480)
    assert one.corners == shot.in_jpeg
    assert Image.open(io.BytesIO(data)).getexif().get(0x0112, 1) == 1
    assert np.array_equal(DECODERS["pillow"](data), DECODERS["pillow"](turned.getvalue()))


def test_corners_follow_a_picture_that_was_scaled_and_cut(shot):
    whole = Image.fromarray(render(read_raw(shot.dng), "plain"))
    small = whole.resize((whole.width * 3 // 4, whole.height * 3 // 4)).crop((9, 6, 490, 362))
    found = corners_beside(np.asarray(small), beside(shot))
    truth = (moved(shot.in_raw, 0.5 - BORDER_PX, 0.5 - BORDER_PX)) * 0.75 - 0.5 - np.array((9, 6))
    assert np.abs(truth - found).max() < 0.3


def test_without_markers_corners_are_carried_over_where_the_sizes_agree_and_refused_where_not(shot):
    blank = np.full((480 - 8, 640 - 8, 3), 90, np.uint8)
    assert np.allclose(corners_beside(blank, beside(shot), cut_px=4), moved(shot.in_jpeg, -4, -4))
    with pytest.raises(BadInput, match="expected at least 2 markers seen here and in the photograph .* 632x472 with 3"):
        corners_beside(blank, beside(shot), cut_px=3)
    same = shoot("s1", margin=False)
    file = io.BytesIO()
    Image.new("RGB", (640, 480), (90, 90, 90)).save(file, "PNG")
    grey = Beside(file.getvalue(), shot.in_jpeg)
    ((record, _),) = develop(RAW, same.dng, [("plain", "png")], beside=grey)
    assert np.allclose(record.corners, moved(shot.in_jpeg, -BORDER_PX, -BORDER_PX))
    (failed,) = develop(RAW, shot.dng, [("plain", "png"), ("soft", "png")], beside=grey)
    assert failed.where == RAW.picture
    assert failed.reason.startswith("corners: BadInput: expected at least 2 markers")


def test_each_failure_is_one_line_and_the_rest_goes_on(shot, monkeypatch):
    def hang(raw, isp):
        if isp == "crisp":
            raise TimedOut("RawTherapee: expected a picture within 300 s, got none\nsecond line")
        return render(raw, isp)[: -1 if isp == "soft" else None]

    def broken(rgb, *, exif=b""):
        raise ValueError("no room")

    monkeypatch.setattr(module, "render", hang)
    monkeypatch.setitem(CODECS, "png", broken)
    asked = [(isp, codec) for isp in ("crisp", "plain", "soft") for codec in ("png", "jpeg-85")]
    made = list(develop(RAW, shot.dng, asked, beside=beside(shot)))
    failed = {one.where: one.reason for one in made if isinstance(one, Failed)}
    assert failed == {
        f"{RAW.picture}|crisp": "develop: TimedOut: RawTherapee: expected a picture within 300 s, got none",
        f"{RAW.picture}|plain|png": "encode: ValueError: no room",
        f"{RAW.picture}|soft": "develop: BadInput: expected 664x492 pixels as of libraw-pinned, got 664x491",
    }
    assert [one[0].codec for one in made if not isinstance(one, Failed)] == ["jpeg-85"]


@pytest.mark.parametrize("asked", [("plain", "png"), ("", "png")])
def test_bytes_that_are_no_picture_are_one_failure_for_all(asked):
    (failed,) = develop(RAW, b"hello", [asked, (asked[0], "jpeg-85")])
    assert failed.where == RAW.picture
    assert "\n" not in failed.reason
    assert failed.reason.startswith("read:" if asked[0] else "decode:")


def test_an_outside_rendering_keeps_its_bytes_and_gets_corners(shot):
    rgb = render(read_raw(shot.dng), "balanced")
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "TIFF")
    record, data = import_picture(RAW, file.getvalue(), isp="photoshop", suffix=".tif", beside=beside(shot))
    assert data == file.getvalue()
    assert record.picture == derived_name(RAW.picture, ("photoshop", "tif"))
    assert (record.isp, record.codec, record.suffix, record.parent) == ("photoshop", "tif", ".tif", RAW.picture)
    assert np.abs(moved(shot.in_raw, -BORDER_PX, -BORDER_PX) - record.corners).max() < 0.1
    failed = import_picture(RAW, b"hello", isp="photoshop", suffix=".tif")
    assert isinstance(failed, Failed)
    assert failed.where == f"{RAW.picture}|photoshop|tif"


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_codec_names_its_library_and_version(codec):
    assert any(character.isdigit() for character in codec_version(codec))


@pytest.mark.parametrize("name", ["vivo_x90_3_4_1024x1024.dng", "nikon_dsc1339_768x512.dng", "canon_eos_6d_linear.dng"])
def test_the_packs_real_raws_develop(name):
    folder = os.environ.get("INSTABILITY_DATA")
    if not folder:
        pytest.skip("INSTABILITY_DATA is not set")
    data = (Path(folder) / "raw" / name).read_bytes()
    isps = [isp for isp in ISPS if isp in ("plain", "crisp", "libraw-pinned", "libraw-auto-bright")]
    made = list(develop(RAW, data, [(isp, "jpeg-85") for isp in isps]))
    assert [record.isp for record, _ in made] == isps
    assert len({(record.height, record.width) for record, _ in made}) == 1
    assert len({record.sha256 for record, _ in made}) == len(isps)
