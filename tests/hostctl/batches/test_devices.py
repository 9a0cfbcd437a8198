"""Which devices a batch is asked for, and who shares what."""

import pytest

from device_agents.errors import BadInput
from hostctl.batches.devices import Group, parse_devices, shared_among

LAB = {"a": "agent", "b": "agent", "c": "agent", "host": "host"}


def test_devices_are_counted_named_or_joined():
    assert parse_devices("any:2", LAB) == [Group("any:2", ("a", "b", "c"), 2)]
    assert parse_devices("b, each:2", LAB) == [Group("b", ("b",), 1), Group("each:2", ("a", "c"), 2, each=True)]
    assert parse_devices("c+a,any:1", LAB) == [Group("c+a", ("c", "a"), 2), Group("any:1", ("b",), 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected each device once"),
        ("a,a", "expected each device once"),
        ("a+b,b", "expected each device once"),
        ("any:1,each:1", "any:N or each:N at most once"),
        ("any:4", "expected 1 to 3"),
        ("any:0", "expected 1 to 3"),
        ("a,b,c,any:1", "expected 1 to 0"),
        ("host", 'expected predicts = "agent", got predicts = "host"'),
        ("aa", "unknown device 'aa'"),
        ("any:x", "unknown device 'any:x'"),
    ],
)
def test_what_is_wrong_with_the_devices_is_said(text, message):
    with pytest.raises(BadInput, match=message):
        parse_devices(text, LAB)


def test_who_shares_what():
    groups = parse_devices("b,each:2", LAB)
    assert shared_among(groups, [["b"], ["a", "c"]]) == {"b": ["b"], "a": ["a"], "c": ["c"]}
    assert shared_among(parse_devices("any:2", LAB), [["a", "c"]]) == {"any:2": ["a", "c"]}
