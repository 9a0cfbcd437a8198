"""Which environments a design compares: the words of --vary, single changes, products, and the greedy stack."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from device_agents.records import Environment
from device_agents.resize import RESIZERS
from hostctl.predictions import conditions, designs
from hostctl.predictions.conditions import Condition

BASE = Condition(Environment("m", "", "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert", "2.1"))


def changed(**fields):
    """The base with some fields of its environment changed."""
    return Condition(replace(BASE.environment, **fields))


TWO = {"decoder": [{"decoder": "pillow"}, {"decoder": "opencv"}], "resizer": [{"resizer": f"r{n}"} for n in range(3)]}


def test_names_globs_and_all_are_looked_up_in_the_families():
    asked = designs.parse_vary(["resizer=pillow-*", "resizer=opencv-area,pillow-box", "threads=1,4"])
    pillows = {name: False for name in sorted(RESIZERS) if name.startswith("pillow-")}
    assert asked == {"resizer": {**pillows, "opencv-area": True, "pillow-box": True}, "threads": {1: True, 4: True}}
    for family, table in conditions.FAMILIES.items():
        if table:
            assert list(designs.parse_vary([f"{family}=all"])[family]) == sorted(table)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("resize=all", "unknown family to vary 'resize'; did you mean 'resizer'?"),
        ("resizer=pilow-box", "unknown resizer 'pilow-box'; did you mean 'pillow-box'?"),
        ("resizer=none-*", "unknown resizer 'none-.'"),
        ("resizer", "expected FAMILY=VARIANT"),
        ("threads=all", "expected whole numbers from 1"),
        ("threads=0", "expected whole numbers from 1"),
    ],
)
def test_a_wrong_word_is_refused_with_what_is_near(word, message):
    with pytest.raises(BadInput, match=message):
        designs.parse_vary([word])


def test_one_at_a_time_is_the_base_and_each_change_once():
    found = designs.one_at_a_time(BASE, TWO)
    assert found[0] == BASE
    assert [conditions.changes(one, BASE) for one in found[1:]] == [
        {"decoder": "opencv"},
        *({"resizer": f"r{n}"} for n in range(3)),
    ]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_factorial_is_every_combination_and_the_base(sizes):
    families = ["decoder", "view", "colour", "resizer"][: len(sizes)]
    variants = {name: [{name: f"v{n}"} for n in range(size)] for name, size in zip(families, sizes, strict=True)}
    found = designs.factorial(BASE, variants)
    assert len(found) == len(set(found)) == 1 + math.prod(sizes)
    assert {tuple(one.variant(name) for name in families) for one in found[1:]} == {
        tuple(combination) for combination in _combinations([[f"v{n}" for n in range(size)] for size in sizes])
    }


def _combinations(lists):
    return [[]] if not lists else [[one, *rest] for one in lists[0] for rest in _combinations(lists[1:])]


def test_a_runtime_comes_with_its_version():
    variants = {"runtime": [{"runtime": "onnxruntime", "runtime_version": "1.2"}]}
    for design in designs.DESIGNS.values():
        assert design(BASE, variants)[1] == Condition(
            replace(BASE.environment, runtime="onnxruntime", runtime_version="1.2")
        )


def test_candidates_add_one_variant_to_what_is_stacked():
    stacked = changed(decoder="opencv")
    found = designs.candidates(stacked, {"resizer": [*TWO["resizer"], {"resizer": "pillow-box"}]})
    assert list(found) == [changed(decoder="opencv", resizer=f"r{n}") for n in range(3)]
    assert list(found.values()) == [("resizer", {"resizer": f"r{n}"}) for n in range(3)]
    assert designs.candidates(stacked, {}) == {}


def test_the_halves_are_of_clusters_and_do_not_change():
    clusters = pd.Series([f"c{n % 50}" for n in range(200)])
    half = designs.scoring_half(clusters)
    assert half.groupby(clusters).nunique().eq(1).all()
    assert 15 <= half[:50].sum() <= 35
    # The last hexadecimal digits that `printf 0:c0 | sha256sum` and its like give: 2, 7, 0, 7; odd ones score.
    assert half[:4].tolist() == [False, True, False, True]
    assert not half.equals(designs.scoring_half(clusters, seed=1))


def test_the_most_harmful_is_chosen_by_the_choosing_half_alone():
    some = [changed(resizer=f"r{n}") for n in range(3)]
    names = [f"c{n}" for n in range(40)]
    scoring = designs.scoring_half(pd.Series(names)).tolist()
    harmful = {0: lambda score: score, 1: lambda score: not score, 2: lambda score: False}  # r1 on the choosing half
    table = pd.DataFrame(
        [
            {"condition": one.name, "cluster": name, "verdict": "wrong" if harmful[n](score) else "right"}
            for n, one in enumerate(some)
            for name, score in zip(names, scoring, strict=True)
        ]
    )
    assert designs.most_harmful(table, some) == some[1]
    assert designs.most_harmful(table, [some[2], some[0]]) == some[2]  # equals: the first
    assert designs.most_harmful(table.assign(verdict="missing"), some) is None


def test_isps_and_codecs_are_varied_like_anything_else():
    variants = {"isp": [{"isp": "crisp"}, {"isp": "soft"}], "codec": [{"codec": "jpeg-50"}], "decoder": TWO["decoder"]}
    base = Condition(BASE.environment, "libraw-pinned", "png")
    single = designs.one_at_a_time(base, variants)
    assert [one.made for one in single] == [
        *(("libraw-pinned", "png"), ("crisp", "png"), ("soft", "png"), ("libraw-pinned", "jpeg-50")),
        ("libraw-pinned", "png"),
    ]
    assert [conditions.describe_changes(one, base) for one in single[1:]] == [
        *("isp=crisp", "isp=soft", "codec=jpeg-50", "decoder=opencv")
    ]
    product = designs.factorial(base, variants)
    assert len(product) == 1 + 2 * 1 * 2
    made = conditions.by_making(product)
    assert list(made) == [("libraw-pinned", "png"), ("crisp", "jpeg-50"), ("soft", "jpeg-50")]
    assert [one.decoder for one in made["crisp", "jpeg-50"]] == ["pillow", "opencv"]


def test_predictions_are_sorted_to_their_conditions():
    here = BASE.environment.environment
    rows = [("", "", here), ("crisp", "png", here), ("crisp", "png", "another"), ("", "png", here), ("", "", here)]
    table = pd.DataFrame(rows, columns=["isp", "codec", "environment"])
    asked = [BASE, Condition(BASE.environment, "crisp", "png")]
    found = conditions.of_conditions(table, asked)
    assert found.index.tolist() == [0, 1, 4]
    assert found["condition"].tolist() == [asked[0].name, asked[1].name, asked[0].name]
    assert conditions.of_conditions(table.head(0), asked)["condition"].tolist() == []


def test_chains_are_varied_by_their_names_joined():
    names = ["rotate-5+gain-90", "rotate-5"]
    assert designs.parse_vary([f"perturbation={','.join(names)}"]) == {"perturbation": dict.fromkeys(names, True)}
    assert designs.parse_vary(["post=offset-1+round-up"]) == {"post": {"offset-1+round-up": True}}
    for word in ("perturbation=rotate-5+gaine-90", "perturbation=gaine-90"):
        with pytest.raises(
            BadInput, match=r"unknown perturbation 'gaine-90'; did you mean 'gain-90'\? known: .*, gain-\.\., "
        ):
            designs.parse_vary([word])
    with pytest.raises(BadInput, match="unknown post 'offset-7'"):
        designs.parse_vary(["post=offset-1+offset-7"])
