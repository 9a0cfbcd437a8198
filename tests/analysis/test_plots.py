from xml.etree import ElementTree

import pytest

from analysis.plots import PLOTS, plots
from analysis.tables import study
from tests.analysis.sample import CLASSES, predictions


@pytest.fixture(scope="module")
def drawn():
    return plots(study(predictions(missing=0.02)), names=CLASSES)


def test_every_figure_is_drawn_and_is_one_svg_element(drawn):
    assert list(drawn) == list(PLOTS)
    for plot in drawn.values():
        root = ElementTree.fromstring(plot.svg)
        assert root.tag.endswith("svg")
        assert plot.title
        assert plot.caption
        assert plot.alt


def test_text_stays_text_and_names_axes_and_classes(drawn):
    assert "accuracy: right answers (%)" in drawn["accuracy"].svg
    assert "pixel-6-like" in drawn["accuracy"].svg
    assert "wine bottle" in drawn["classes"].svg
    assert "angle between device and screen (degrees)" in drawn["angles"].svg


def test_the_same_study_gives_the_same_bytes(drawn):
    again = plots(study(predictions(missing=0.02)), names=CLASSES)
    assert {name: plot.svg for name, plot in again.items()} == {name: plot.svg for name, plot in drawn.items()}


def test_ids_are_unique_across_the_page_and_every_reference_is_met(drawn):
    ids, used = [], set()
    for plot in drawn.values():
        for element in ElementTree.fromstring(plot.svg).iter():
            ids += [value for key, value in element.attrib.items() if key == "id"]
            used |= {value[1:] for key, value in element.attrib.items() if key.endswith("href")}
            used |= {value[5:-1] for value in element.attrib.values() if value.startswith("url(#")}
    assert len(ids) == len(set(ids))
    assert used <= set(ids)


def test_no_date_no_address_no_style_that_reaches_out(drawn):
    for plot in drawn.values():
        assert "<style" not in plot.svg
        assert "<metadata" not in plot.svg
        assert "dc:date" not in plot.svg


def test_what_cannot_be_drawn_is_left_out():
    one = plots(study(predictions(scenes=3, devices=1, angles=(0,), repeats=1)), names={})
    assert {"angles", "within", "pairs", "scores"}.isdisjoint(one)
    assert not plots(study(predictions(scenes=3, missing=1.0)), names={})


def test_names_that_look_like_formulas_or_are_in_other_scripts():
    table = predictions(scenes=4).replace({"device": {"pi-camera-3": "$x_1$ <b>&", "lg-k10-like": "携帯電話"}})
    drawn = plots(study(table), names={})
    assert "$x_1$ &lt;b&gt;&amp;" in drawn["accuracy"].svg
    assert "携帯電話" in drawn["accuracy"].svg


def test_many_classes_are_cut_to_the_least_stable():
    table = predictions(scenes=120, angles=(0,), repeats=1)
    table["category"] = table["scene"].map(
        {name: f"class-{n // 2:02d}" for n, name in enumerate(table["scene"].unique())}
    )
    assert "The 30 least stable of 60 classes" in plots(study(table), names={})["classes"].caption


def test_classes_of_one_scene_are_not_drawn():
    table = predictions(scenes=6, angles=(0,), repeats=1)
    table["category"] = table["scene"]
    assert "classes" not in plots(study(table), names={})
