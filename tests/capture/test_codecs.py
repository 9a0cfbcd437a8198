"""Every codec decodes again to about the same picture, with the same bytes each time."""

import io
from datetime import datetime

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from skimage import data, metrics

from capture import codecs
from device_agents.errors import BadInput

PICTURE = np.ascontiguousarray(data.astronaut()[40:200, 120:320])


def decoded(content, suffix):
    if suffix == ".heic":
        return np.asarray(pillow_heif.read_heif(io.BytesIO(content)).to_pillow().convert("RGB"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def quality_db(name):
    content = codecs.CODECS[name](PICTURE)
    return metrics.peak_signal_noise_ratio(PICTURE, decoded(content, codecs.suffix_of(name)))


@pytest.mark.parametrize("name", codecs.CODECS)
def test_every_codec_gives_the_picture_back_and_repeats(name):
    content = codecs.CODECS[name](PICTURE)
    again = decoded(content, codecs.suffix_of(name))
    assert again.shape == PICTURE.shape
    assert np.abs(again.astype(float) - PICTURE).mean() < 8.0
    assert codecs.CODECS[name](PICTURE) == content


def test_png_is_lossless():
    assert np.array_equal(decoded(codecs.CODECS["png"](PICTURE), ".png"), PICTURE)


def test_higher_jpeg_quality_is_nearer():
    levels = [quality_db(name) for name in ("jpeg-50", "jpeg-75", "jpeg-85", "jpeg-92", "jpeg-95", "jpeg-100")]
    assert levels == sorted(levels)


@pytest.mark.parametrize(("name", "samples"), [("jpeg-85", (2, 2)), ("jpeg-85-444", (1, 1))])
def test_chroma_subsampling_is_what_the_name_says(name, samples):
    with Image.open(io.BytesIO(codecs.CODECS[name](PICTURE))) as picture:
        assert picture.layer[0][1:3] == samples


@pytest.mark.parametrize("name", ["jpeg-85", "png", "webp-80", "heif-50"])
def test_exif_travels_with_the_file(name):
    taken = datetime(2026, 11, 22, 9, 30, 15)
    block = codecs.exif_block(make="Virtual", model="Old", taken=taken)
    content = codecs.CODECS[name](PICTURE, exif=block)
    if name.startswith("heif"):
        exif = pillow_heif.read_heif(io.BytesIO(content)).to_pillow().getexif()
    else:
        exif = Image.open(io.BytesIO(content)).getexif()
    assert (exif[271], exif[272]) == ("Virtual", "Old")
    assert exif.get_ifd(0x8769)[36867] == "2026:11:22 09:30:15"


def test_no_time_is_written_unless_given():
    block = codecs.exif_block(make="Virtual", model="Old")
    exif = Image.open(io.BytesIO(codecs.CODECS["jpeg-85"](PICTURE, exif=block))).getexif()
    assert 36867 not in exif.get_ifd(0x8769)


@pytest.mark.parametrize("name", ["jpeg-85", "png", "webp-80", "heif-50"])
@pytest.mark.parametrize("picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_other_arrays_are_refused(name, picture):
    with pytest.raises(BadInput, match="expected a picture uint8"):
        codecs.CODECS[name](picture)


def test_suffixes():
    assert codecs.suffix_of("jpeg-85-444") == ".jpg"
    assert codecs.suffix_of("heif-50") == ".heic"
    with pytest.raises(BadInput, match="unknown codec 'jpeg-84'"):
        codecs.suffix_of("jpeg-84")
