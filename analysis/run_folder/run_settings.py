"""A run's settings: written as TOML, read back, and two sets of them compared key by key.

The standard library reads TOML and does not write it; the writer here knows the values that settings hold: strings,
booleans, integers, finite floats, lists of these or of tables, and tables.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from device_agents.errors import BadInput

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_toml(settings: Mapping[str, Any]) -> str:
    """Write settings as TOML 1.0 text; raises BadInput naming a key whose value it cannot hold (None, nan)."""
    lines: list[str] = []
    _write_table(settings, (), lines)
    return "\n".join(lines).strip() + "\n"


def from_toml(text: str, *, name: str) -> dict[str, Any]:
    """Read settings from TOML text; raises BadInput naming the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BadInput(f"{name}: expected TOML, got a line that is not: {problem}") from problem


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in what two sets of settings differ: one line a dotted key, sorted; "seed: 1 there, 2 here"."""
    there, here = _flat(old, ""), _flat(new, "")
    keys = sorted(key for key in there.keys() | here.keys() if _shown(there, key) != _shown(here, key))
    return [f"{key}: {_shown(there, key)} there, {_shown(here, key)} here" for key in keys]


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """Write a table's plain values, then its tables: a value after a sub-table's header belongs to that."""
    nested = {key: value for key, value in table.items() if _is_table(value) or _is_tables(value)}
    for key, value in table.items():
        if key not in nested:
            lines.append(f"{_key(key)} = {_value(value, '.'.join((*path, key)))}")
    for key, value in nested.items():
        header = ".".join(_key(part) for part in (*path, key))
        for entry in [value] if _is_table(value) else value:
            lines.append(f"\n[{header}]" if _is_table(value) else f"\n[[{header}]]")
            _write_table(entry, (*path, key), lines)


def _value(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value) if any(mark in repr(value) for mark in ".e") else f"{value!r}.0"
    if isinstance(value, str | PurePath):
        return _string(str(value))
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "[" + ", ".join(_value(part, where) for part in value) + "]"
    raise BadInput(f"setting '{where}': expected a string, number, boolean, list or table, got {value!r}")


def _string(text: str) -> str:
    return '"' + "".join(ESCAPES.get(mark) or _printable(mark) for mark in text) + '"'


def _printable(mark: str) -> str:
    return f"\\u{ord(mark):04X}" if ord(mark) < 0x20 or ord(mark) == 0x7F else mark


def _key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else _string(key)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_table(part) for part in value)


def _flat(settings: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Flatten tables, and lists of tables by number, to dotted keys."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if _is_table(value):
            found |= _flat(value, f"{name}.")
        elif _is_tables(value):
            found |= _flat({str(number): part for number, part in enumerate(value, 1)}, f"{name}.")
        else:
            found[name] = value
    return found


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "nothing"
