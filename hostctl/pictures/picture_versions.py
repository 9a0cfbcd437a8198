"""Which ISPs and codecs were asked for, the versions of them here, and those that made the run's pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from analysis.store import Run
from capture.codec_versions import codec_version
from capture.codecs import CODECS
from capture.isp import ISPS, isp_version
from device_agents.errors import BadInput, MissingExtra, pick

NOTE = "versions"  # the run's note: {"isp NAME": version, "codec NAME": version}
Variant = tuple[str, str]  # a family, "isp" or "codec", and a name of it
TABLES: dict[str, Mapping[str, Any]] = {"isp": ISPS, "codec": CODECS}
VERSIONS: dict[str, Callable[[str], str]] = {"isp": isp_version, "codec": codec_version}


def chosen(family: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Read names, globs and "all", which commas may join: the variants of a family, and a note for each left out.

    A variant whose program or library is absent here is left out where a glob asked for it. Raises BadInput for a word
    that fits none; MissingExtra naming every absent variant that was asked for by its name, and where none is left.
    """
    table, asked = TABLES[family], dict[str, bool]()
    for word in [part.strip() for joined in words for part in joined.split(",") if part.strip()]:
        found = sorted(name for name in table if fnmatchcase(name, "*" if word == "all" else word))
        for name in found or [word]:
            pick(table, name, what=family)
            asked[name] = asked.get(name, False) or name == word
    if not asked:
        raise BadInput(f"expected --{family} with names, globs or all, got none; known: {', '.join(sorted(table))}")
    _, absent = _found((family, name) for name in asked)
    needed = {one: reason for one, reason in absent.items() if asked[one[1]] or len(absent) == len(asked)}
    if needed:
        raise MissingExtra(_listed(needed))
    notes = [f"{family} {name} is left out: {reason}" for (_, name), reason in absent.items()]
    return [name for name in asked if (family, name) not in absent], notes


def keep_versions(run: Run, variants: Iterable[Variant]) -> None:
    """Note the versions of the variants that are going to make pictures of a run.

    Raises MissingExtra naming all that are absent, and BadInput naming all by which the run has pictures already, made
    by another version: the two would not be the same variant.
    """
    here, absent = _found(variants)
    if absent:
        raise MissingExtra(_listed(absent))
    noted: dict[str, str] = run.note(NOTE) or {}
    changed = [
        f"{family} {name}: {noted[key]} there, {version} here"
        for (family, name), version in here.items()
        if noted.get(key := f"{family} {name}", version) != version and any(run.picture_records({family: name}))
    ]
    if changed:
        what = "\n".join(f"  - {line}" for line in changed)
        raise BadInput(
            f"{run.folder}: its pictures were made by other versions; go on with those, or make a new run:\n{what}"
        )
    run.set_note(NOTE, noted | {f"{family} {name}": version for (family, name), version in here.items()})


def _found(variants: Iterable[Variant]) -> tuple[dict[Variant, str], dict[Variant, str]]:
    """The versions of the variants that are here, and the reasons of those that are not."""
    here, absent = {}, {}
    for family, name in variants:
        try:
            here[family, name] = VERSIONS[family](name)
        except MissingExtra as problem:
            absent[family, name] = str(problem)
    return here, absent


def _listed(absent: Mapping[Variant, str]) -> str:
    lines = [f"  - {family} {name}: {reason}" for (family, name), reason in absent.items()]
    return "\n".join([f"nothing was started: {len(lines)} of what was asked for cannot run here:", *lines])
