"""The list of variants names every key of every family, measures which are alike, and says what is not there."""

import pytest

from capture.codecs import CODECS
from capture.isp import ISPS
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.preprocess import SCALINGS
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES
from device_agents.tasks.families import POSTS
from device_agents.view import VIEWS
from hostctl import commands, printing

FAMILIES = {
    "decoder": DECODERS,
    "view": VIEWS,
    "colour": COLOURS,
    "fit": FITS,
    "resizer": RESIZERS,
    "scaling": SCALINGS,
    "codec": CODECS,
    "isp": ISPS,
    "runtime": RUNTIMES,
    "post": POSTS,
}


@pytest.fixture(scope="module")
def table():
    return commands.variants()


def alike(table, family, *names):
    rows = table[(table["family"] == family) & table["variant"].isin(names)]
    assert len(rows) == len(names)
    return rows["group"].nunique() == 1


def test_every_variant_of_every_family_is_listed_once_with_help(table):
    listed = table.groupby("family", sort=False)["variant"].apply(list).to_dict()
    assert listed == {family: list(known) for family, known in FAMILIES.items()}
    assert table["help"].str.len().min() > 10
    assert table["library"].str.len().min() > 3


def test_what_is_known_to_be_alike_is_found_alike_and_what_differs_differs(table):
    assert alike(table, "decoder", "pillow", "opencv", "jpeg-accurate", "libjpeg-turbo", "mozjpeg")
    assert not alike(table, "decoder", "pillow", "jpeg-fast-dct")
    assert not alike(table, "decoder", "pillow", "ffmpeg")
    assert not alike(table, "resizer", "pillow-bilinear", "opencv-linear")
    assert alike(table, "codec", "png", "webp-lossless", "jxl-lossless")
    assert alike(table, "codec", "jpeg-85", "jpeg-85-progressive")
    assert not alike(table, "isp", "plain", "libraw-pinned")
    assert table.loc[table["family"] == "runtime", "group"].eq(0).all()


def test_what_is_absent_says_what_to_install(table):
    absent = table[~table["available"]].set_index("variant")["help"]
    assert "dali" in absent
    assert "pip install" in absent["dali"]
    assert (table.loc[~table["available"], "group"] == 0).all()


def test_one_family_can_be_asked_for_and_an_unknown_one_is_refused():
    assert set(commands.variants("scaling")["family"]) == {"scaling"}
    with pytest.raises(BadInput, match="unknown family 'decoders'; did you mean 'decoder'?"):
        commands.variants("decoders")


def test_the_text_has_a_table_a_family(table):
    text = printing.variants_text(table[table["family"].isin(["fit", "view"])].to_dict("records"))
    assert text.startswith("view\n")
    assert "\n\nfit\n" in text
    assert text.endswith("measured just now.")
