"""The experiment's pictures: which are encoded, which stay, and the PNG that holds the host's decode."""

import io

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.decode import decode_pillow
from device_agents.errors import BadInput
from hostctl.causes.photographs import coding_of
from hostctl.decodings.pictures import ALL, AS_IS, NEEDED, Coding, as_jpeg, count_encoded, run_of_scenes
from hostctl.printing import silent


def picture(seed=0, *, format="JPEG", **options):
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((33, 24), Image.Resampling.BICUBIC))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


HALVED, FULL, PNG = picture(quality=70, subsampling=2), picture(quality=70, subsampling=0), picture(format="PNG")


@pytest.mark.parametrize(("encode", "kept"), [(AS_IS, [HALVED, FULL, PNG]), (NEEDED, [HALVED]), (ALL, [])])
def test_what_is_encoded_and_what_stays(encode, kept):
    for data, suffix in ((HALVED, ".jpeg"), (FULL, ".jpeg"), (PNG, ".png")):
        got, got_suffix = as_jpeg(data, suffix, Coding(85, "4:2:0", encode))
        if data in kept:
            assert (got, got_suffix) == (data, suffix)
        else:
            assert (coding_of(got).text, got_suffix) == ("jpeg-85 4:2:0", ".jpg")
            assert abs(decode_pillow(got).astype(int) - decode_pillow(data)).mean() < 6


def test_what_is_no_picture_stays_as_it_is():
    assert as_jpeg(b"no picture", ".jpg", Coding()) == (b"no picture", ".jpg")


def test_wrong_settings_are_refused():
    with pytest.raises(BadInput, match="--quality: expected 1 to 100, got 0"):
        Coding(quality=0)
    with pytest.raises(BadInput, match="--sampling: expected 4:2:0, 4:2:2, 4:4:4, got '4:1:1'"):
        Coding(sampling="4:1:1")


@pytest.fixture
def scenes(tmp_path):
    """Caltech101's layout: CLASS/PICTURE.jpg."""
    for name, data in {"cat/image_0001.jpg": HALVED, "cat/image_0002.jpg": FULL, "dog/image_0001.jpg": HALVED}.items():
        (tmp_path / "101" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "101" / name).write_bytes(data)
    return tmp_path / "101"


def test_each_scene_is_a_jpeg_and_the_png_of_the_hosts_decode(scenes, tmp_path):
    with run_of_scenes(scenes, tmp_path / "run", Coding(), progress=silent) as run:
        records = list(run.picture_records())
        assert count_encoded(run) == (1, 2)
        jpegs = {one.picture: one for one in records if not one.parent}
        assert sorted(jpegs) == ["cat/image_0001", "cat/image_0002", "dog/image_0001"]
        for one in records:
            if one.parent:
                assert (one.codec, one.suffix) == ("png", ".png")
                there = decode_pillow(run.file(jpegs[one.parent].sha256).read_bytes())
                assert np.array_equal(decode_pillow(run.file(one.sha256).read_bytes()), there)
        assert [one.labels for one in run.scenes()] == [("cat",), ("cat",), ("dog",)]
    with run_of_scenes(scenes, tmp_path / "run", Coding(), progress=silent) as again:
        assert list(again.picture_records()) == records
    with pytest.raises(BadInput, match="made with other settings"):
        run_of_scenes(scenes, tmp_path / "run", Coding(quality=75), progress=silent)


def test_devices_have_records_of_their_own_of_one_file(scenes, tmp_path):
    run = run_of_scenes(scenes, tmp_path / "run", Coding(encode=ALL), devices=("pi", "nano"), progress=silent)
    with run:
        records = list(run.picture_records())
    assert len(records) == 3 * 2 * 2
    assert len({one.sha256 for one in records}) == 2 * 2  # two of the three files are equal
    assert {one.device for one in records} == {"pi", "nano"}


def test_a_folder_without_pictures_and_a_file_that_is_none(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="expected"):
        run_of_scenes(tmp_path / "empty", tmp_path / "run", Coding(), progress=silent)
    (tmp_path / "in" / "cat").mkdir(parents=True)
    (tmp_path / "in" / "cat" / "a.jpg").write_bytes(b"no picture")
    with run_of_scenes(tmp_path / "in", tmp_path / "run", Coding(), progress=silent) as run:
        assert [one.picture for one in run.picture_records()] == ["cat/a"]
        assert len(run.failures()) == 1
    with Run.open(tmp_path / "run", write=False) as run:
        assert run.file(next(iter(run.picture_records())).sha256).read_bytes() == b"no picture"
