"""Settings: what is written as TOML reads back the same, and differences are named by key."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder.run_settings import differences, from_toml, to_toml
from device_agents.errors import BadInput

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TABLES = st.recursive(
    st.dictionaries(KEYS, PLAIN, max_size=3),
    lambda inner: st.dictionaries(
        KEYS, st.one_of(PLAIN, st.lists(PLAIN, max_size=3), inner, st.lists(inner, min_size=1, max_size=2)), max_size=4
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(TABLES)
def test_what_is_written_reads_back_the_same(values: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(values)) == values


def test_the_text_is_what_a_person_would_write() -> None:
    values = {
        "name": "demo",
        "seed": 1,
        "rate": 0.5,
        "big": 1e300,
        "angles": (0, 10),
        "path": Path("a/b"),
        "on": True,
        "display": {"width": 1280, "server": {"port": 0}},
        "device": [{"name": 'the "one"'}, {"name": "two\nlines"}],
        "empty": [],
    }
    assert to_toml(values) == (
        'name = "demo"\nseed = 1\nrate = 0.5\nbig = 1e+300\nangles = [0, 10]\npath = "a/b"\non = true\nempty = []\n'
        "\n[display]\nwidth = 1280\n\n[display.server]\nport = 0\n"
        '\n[[device]]\nname = "the \\"one\\""\n\n[[device]]\nname = "two\\nlines"\n'
    )


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), object(), b"bytes", [1, {"a": 2}]])
def test_what_toml_cannot_hold_is_named(value: object) -> None:
    with pytest.raises(BadInput, match="setting 'lab.wrong'"):
        to_toml({"lab": {"wrong": value}})


def test_a_file_that_is_not_toml() -> None:
    with pytest.raises(BadInput, match="run.toml: expected TOML"):
        from_toml("a = \n", name="run.toml")


def test_differences_are_listed_by_key() -> None:
    old = {"seed": 1, "lab": {"width": 3, "gone": "x"}, "device": [{"name": "a"}, {"name": "b"}], "same": [1]}
    new = {"seed": 2, "lab": {"width": 3}, "device": [{"name": "a"}, {"name": "c"}, {"name": "d"}], "same": [1]}
    assert differences(old, new) == [
        "device.2.name: 'b' there, 'c' here",
        "device.3.name: nothing there, 'd' here",
        "lab.gone: 'x' there, nothing here",
        "seed: 1 there, 2 here",
    ]
    assert differences(old, old) == []
