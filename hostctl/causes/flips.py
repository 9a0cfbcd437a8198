"""Finds the flips of a run: pairs of ways that saw the same thing and of which one is right and one clearly wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.run_folder.homes import SETUP, at_home
from analysis.run_folder.parts import FINGERPRINTS
from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput
from device_agents.records import Environment
from hostctl.browsers.predictor import on_agent
from hostctl.causes.ways import Way
from hostctl.predictions.comparing import ITEM
from hostctl.predictions.conditions import Condition, describe_changes

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("scene", "angle", "repeat")  # what several devices photographed
NEEDED = (
    *("picture", *ITEM, "suffix", "parent", "isp", "codec", "cluster", "labels", "ambiguous"),
    *("environment", *SETUP, "machine", "label_1", "score_1", "error", "verdict", *FINGERPRINTS),
)
MOST_NAMED = 12
NOWHERE = "|0|0|"  # angle, repeat and device of a file: none


@dataclass(frozen=True)
class Side:
    """One side of a flip: its way, what it is called, and what the run recorded of it (a row of its predictions)."""

    name: str
    way: Way
    recorded: Mapping[str, Any]


@dataclass(frozen=True)
class Flip:
    """An item on which two ways differ: a is right and b clearly wrong, or the two as they were asked for."""

    item: str
    cluster: str
    accepted: tuple[str, ...]
    ambiguous: tuple[str, ...]
    a: Side
    b: Side


def shown_item(item: str) -> str:
    """An item as people read it, and as find_flips takes it: without the angle, repeat and device that files lack."""
    return item.removesuffix(NOWHERE)


def find_flips(run: Run, *, item: str = "", between: Sequence[str] = ()) -> list[Flip]:
    """Find a run's flips, of all items or of those whose name begins with ``item`` ("scene" or "scene|angle|repeat").

    between: two devices, compared by their own photographs, or two conditions of one root picture, each by its name,
    its environment's id, "base", or what it changes of the base ("decoder=opencv resizer=pillow-box"). Without it
    devices are compared where there are several, and conditions else: each wrong one with the base if that is right and
    with the surest right one if there is no base, and a wrong base with each right one. Two that are asked for are a
    flip if their labels differ at all. Raises BadInput for unknown names and where there is no flip to explain.
    """
    table = run.predictions(NEEDED)
    table = table[~table["suffix"].isin(RAW_SUFFIXES)].assign(own=table["environment"])
    if table.empty:
        raise BadInput(
            f"{run.folder}: expected predictions, got none; run `instability predict {run.folder} --model NAME`"
        )
    devices = list(dict.fromkeys(table["device"]))
    if between and len(between) != 2:
        raise BadInput(f"--between: expected two conditions, got {len(between)}")
    across_devices = set(between) <= set(devices) if between else len(devices) > 1
    chosen, keys, base, names = _by_device(run, table) if across_devices else _by_condition(run, table)
    if between:
        pair = [_chosen(word, names) for word in between]
        chosen, base = chosen[chosen["condition"].isin(pair)], ""
    found = [flip for part in _items(chosen, keys, item) for flip in _pairs(run, part, names, base, between)]
    if not found:
        where = f"'{item}'" if item else "any item"
        raise BadInput(f"{run.folder}: expected {where} to flip between {_list(list(names.values()))}; it does not")
    return found


Chosen = tuple["pd.DataFrame", tuple[str, ...], str, dict[str, str]]


def _by_device(run: Run, table: pd.DataFrame) -> Chosen:
    """Devices' own photographs in one setup: the run's base where noted, else the one with most predictions.

    A run of raws alone has no such photographs: what one ISP and codec made of them is compared instead.
    """
    made = table["isp"] + "|" + table["codec"]
    shot = table[made == ("|" if (made == "|").any() else made.mode().iloc[0])]
    home = at_home(shot)
    noted = [one["environment"] for one in (run.note("base") or {}).values()]
    bases = home.loc[home["own"].isin(noted), "environment"]
    setup = (bases if len(bases) else home["environment"]).mode().iloc[0]
    home = home[home["environment"] == setup]
    names = {name: name for name in dict.fromkeys(home["device"])}
    return home.assign(condition=home["device"]), SHOWN, "", names


def _by_condition(run: Run, table: pd.DataFrame) -> Chosen:
    """All conditions of each root picture, named by what they change of the base."""
    environments = {one.environment: one for one in run.environments()}
    table = table.assign(condition=table["isp"] + "|" + table["codec"] + "|" + table["environment"])
    firsts = table.drop_duplicates("condition")[["condition", "isp", "codec", "environment"]]
    known = {
        name: Condition(environments[environment], isp, codec)
        for name, isp, codec, environment in firsts.itertuples(index=False, name=None)
    }
    noted = [f"{one['isp']}|{one['codec']}|{one['environment']}" for one in (run.note("base") or {}).values()]
    base = next((name for name in noted if name in known), next(iter(known)))
    return table, ITEM, base, {name: _describe(one, known[base]) for name, one in known.items()}


def _describe(condition: Condition, base: Condition) -> str:
    here, there = condition.environment, base.environment
    more = [
        f"{name}={getattr(here, name)}" for name in ("model", "machine") if getattr(here, name) != getattr(there, name)
    ]
    if here.model == there.model and here.model_sha256 != there.model_sha256:
        more.append(f"model={here.model}@{here.model_sha256[:8]}")
    words = describe_changes(condition, base)
    return " ".join([*more, *([words] if words != "base" or not more else [])])


def _chosen(word: str, names: Mapping[str, str]) -> str:
    """Give the one condition that a word names."""
    exact = [name for name, text in names.items() if word in (name, text)]
    found = exact or [name for name in names if word and name.rpartition("|")[2].startswith(word)]
    if len(found) != 1:
        what = "is unknown" if not found else f"fits {len(found)} conditions"
        raise BadInput(f"--between: '{word}' {what}; known: {_list(list(names.values()))}")
    return found[0]


def _items(table: pd.DataFrame, keys: Sequence[str], item: str) -> Iterator[pd.DataFrame]:
    """The rows of each item asked for."""
    names = table[list(keys)].astype(str).agg("|".join, axis=1)
    table = table.assign(item=names)
    if item:
        table = table[(names == item) | names.str.startswith(item.rstrip("|") + "|")]
        if table.empty:
            raise BadInput(f"expected an item such as {_list(list(dict.fromkeys(names)), 3)}, got '{item}'")
    several = table.groupby("item", sort=False)["label_1"].transform("nunique") > 1
    for _, part in table[several].groupby("item", sort=False):
        yield part


def _pairs(run: Run, part: pd.DataFrame, names: Mapping[str, str], base: str, between: Sequence[str]) -> Iterator[Flip]:
    rows: dict[str, Mapping[str, Any]] = {str(row["condition"]): row for row in _rows(part)}
    if between:
        pair = [rows[name] for word in between if (name := _chosen(word, names)) in rows]
        if len(pair) == 2 and pair[0]["label_1"] != pair[1]["label_1"] and not any(row["error"] for row in pair):
            a, b = reversed(pair) if pair[1]["verdict"] == "right" else pair
            yield _flip(run, names, a, b)
        return
    right = [row for row in rows.values() if row["verdict"] == "right"]
    wrong = [row for row in rows.values() if row["verdict"] == "wrong"]
    start = rows.get(base, {})
    if not right or not wrong:
        return
    if start.get("verdict") == "wrong":
        yield from (_flip(run, names, row, start) for row in right)
        return
    best = start if start.get("verdict") == "right" else max(right, key=lambda row: float(row["score_1"]))
    yield from (_flip(run, names, best, row) for row in wrong)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _flip(run: Run, names: Mapping[str, str], a: Mapping[str, Any], b: Mapping[str, Any]) -> Flip:
    environments = {one.environment: one for one in run.environments()}
    sides = [Side(names[row["condition"]], _way(row, environments), row) for row in (a, b)]
    return Flip(str(a["item"]), str(a["cluster"]), tuple(a["labels"]), tuple(a["ambiguous"]), *sides)


def _way(row: Mapping[str, Any], environments: Mapping[str, Environment]) -> Way:
    return Way(row["parent"] or row["picture"], row["isp"], row["codec"], on_agent(environments[row["own"]]))


def _list(names: Sequence[str], most: int = MOST_NAMED) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
