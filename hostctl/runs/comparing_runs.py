"""`instability compare RUN_A RUN_B`: what an update of the OS, the app or the model broke, and what it mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.environments import name_conditions
from analysis.run_folder.homes import SETUP
from analysis.store import Run
from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("scene", "angle", "repeat", "device")
UPDATED = ("model_sha256", "runtime_version")  # what an update changes: no reason to tell two conditions apart
MARGIN = 0.02
MOST_LISTED = 50
EXIT_CODES = {"equivalent": 0, "different": 1, "cannot say yet": 4}


@dataclass
class _Sides:
    """Two tables of predictions brought to one set of keys, and what must be known about it."""

    a: pd.DataFrame
    b: pd.DataFrame
    compared: str = "device"
    notes: list[str] = field(default_factory=list)


def compare_runs(
    folder_a: Path, folder_b: Path, *, margin: float = MARGIN, level: float = 0.95, csv: Path | None = None
) -> dict[str, Any]:
    """Compare run B with run A, photograph by photograph: scene, angle, repeat and device (or condition).

    Gives "matched", "only_a", "only_b", "broken" (right in A, clearly wrong in B), "mended", "churn" (another first
    label) with its interval, "accuracy" and "instability" (a, b, difference b - a with its interval, paired by
    cluster, "equivalence" at the margin with the interval of level 0.9 that decides it), "rows" (one a device),
    "broken_items" and "mended_items" (the surest first), "notes" (what differs or cannot be compared), and "verdict"
    with "exit_code" about the accuracy. csv: a file for all items that changed. Raises BadInput where nothing matches.
    """
    import pandas as pd

    sides = _sides(folder_a, folder_b)
    both = _matched(sides)
    for name, part in (("A", sides.a), ("B", sides.b)):
        if left := len(part) - len(both):
            sides.notes.append(f"{left:,} of {len(part):,} answers of {name} have no counterpart")
    if both.empty:
        raise BadInput("expected two runs with photographs in common, got none:\n" + _list(sides.notes))
    judged = both[both["verdict_a"].isin(["right", "wrong"]) & both["verdict_b"].isin(["right", "wrong"])]
    right_a, right_b = judged["verdict_a"] == "right", judged["verdict_b"] == "right"
    changed = {"broken": judged[right_a & ~right_b], "mended": judged[~right_a & right_b]}
    rows = [_row(str(name), part, margin, level) for name, part in both.groupby("device", sort=False, observed=True)]
    whole = _row("all", both, margin, level)
    result: dict[str, Any] = {"a": str(folder_a), "b": str(folder_b), "compared": sides.compared, "margin": margin}
    result |= {"matched": len(both), "only_a": len(sides.a) - len(both), "only_b": len(sides.b) - len(both)}
    result |= {key: whole[key] for key in ("broken", "mended", "churn", "churn_interval", "accuracy")}
    result |= {"instability": _instability(sides, both, margin, level), "rows": rows}
    result |= {f"{name}_items": _listed(part) for name, part in changed.items()}
    verdict = whole["accuracy"]["equivalence"] if whole["accuracy"] else "cannot say yet"
    if csv is not None:
        table = pd.concat([part.assign(change=name) for name, part in changed.items()])
        _write(csv, table.drop(columns=["cluster"]).to_csv(index=False))
        result["csv"] = str(csv)
    return {**result, "notes": sides.notes, "verdict": verdict, "exit_code": EXIT_CODES[verdict]}


def _sides(folder_a: Path, folder_b: Path) -> _Sides:
    """Read both runs and choose what to compare: conditions that both have, else each run's most frequent one."""
    import pandas as pd

    tables, scenes = [], []
    for folder in (folder_a, folder_b):
        from hostctl.runs.reporting import in_order

        with Run.open(folder, write=False) as run:
            tables.append(in_order(run))
            scenes.append({scene.scene: scene for scene in run.scenes()})
        if tables[-1].empty:
            raise BadInput(f"{folder}: expected predictions, got none; run `instability predict {folder} --model NAME`")
    notes = _scene_notes(*scenes)
    a, b = tables
    other = {name for name in scenes[0].keys() & scenes[1].keys() if scenes[0][name].sha256 != scenes[1][name].sha256}
    a, b = a[~a["scene"].isin(other)], b[~b["scene"].isin(other)]
    models = [sorted(set(part["model"])) for part in (a, b)]
    dropped = [*UPDATED, *(["model"] if models[0] != models[1] else [])]
    joined = pd.concat([a, b], ignore_index=True)
    names = name_conditions(joined.drop(columns=dropped)).to_numpy()
    a, b = a.assign(condition=names[: len(a)]), b.assign(condition=names[len(a) :])
    shared = [name for name in dict.fromkeys(a["condition"]) if name in set(b["condition"])]
    if len(shared) > 1 and a["device"].nunique() == b["device"].nunique() == 1:
        a, b = (part[part["condition"].isin(shared)] for part in (a, b))
        made = _Sides(a.assign(device=a["condition"]), b.assign(device=b["condition"]), "environment", notes)
    else:
        made = _Sides(_chosen(a, shared), _chosen(b, shared), "device", notes)
        _name_devices(made)
    made.notes += _setup_notes(made.a, made.b)
    return made


def _chosen(table: pd.DataFrame, shared: Sequence[str]) -> pd.DataFrame:
    """The rows of one condition: of those in both runs, or else of all, the one with most predictions as shot."""
    fit = table[table["condition"].isin(shared)] if shared else table
    shot = fit[(fit["isp"] == "") & (fit["codec"] == "")]
    fit = shot if len(shot) else fit
    most = fit["condition"].value_counts(sort=False)
    return fit[fit["condition"] == most.idxmax()] if len(most) else fit


def _name_devices(sides: _Sides) -> None:
    """Take two runs' only devices for each other, whatever they are called; else say whose names are in one run."""
    names = [list(dict.fromkeys(part["device"])) for part in (sides.a, sides.b)]
    if len(names[0]) == len(names[1]) == 1 and names[0] != names[1]:
        sides.notes.append(f"the device '{names[1][0]}' of B is compared with '{names[0][0]}' of A")
        sides.b = sides.b.assign(device=names[0][0])
        return
    for which, (here, there) in {"A": (names[0], names[1]), "B": (names[1], names[0])}.items():
        if only := [str(name) for name in here if name not in there]:
            sides.notes.append(f"devices in {which} alone: {', '.join(only)}")


def _scene_notes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    common = a.keys() & b.keys()
    other = sum(a[name].sha256 != b[name].sha256 for name in common)
    labels = sum(a[name].sha256 == b[name].sha256 and a[name].labels != b[name].labels for name in common)
    notes = [f"{len(a.keys() ^ b.keys())} scenes are in one run only"] if a.keys() ^ b.keys() else []
    notes += [f"{other} scenes of the same name show other pictures: left out"] if other else []
    return notes + ([f"{labels} scenes accept other labels in B; each run is judged by its own"] if labels else [])


def _setup_notes(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Which fields of the environments differ between the runs."""
    notes = []
    for name in (*SETUP, "runtime_version", "isp", "codec"):
        one, two = ([str(value) for value in dict.fromkeys(part[name])] for part in (a, b))
        if set(one) != set(two):
            notes.append(f"{name}: {_few(one)} in A, {_few(two)} in B")
    return notes


def _matched(sides: _Sides) -> pd.DataFrame:
    """The answers that both have, by KEYS and object; columns of A and of B end in _a and _b."""
    from analysis.instability import held

    columns, keys = ["label_1", "score_1", "verdict"], list(held(sides.a, KEYS))
    if keys != list(held(sides.b, KEYS)):
        raise BadInput("expected two runs of one task, got one that judges objects and one that judges pictures")
    parts = []
    for part in (sides.a, sides.b):
        if part.duplicated(keys).any():
            raise BadInput("expected one prediction of each photograph and device in a condition, got two")
        parts.append(part[[*keys, *columns, "cluster"]])
    return parts[0].merge(parts[1].drop(columns="cluster"), on=keys, suffixes=("_a", "_b"))


def _row(name: str, both: pd.DataFrame, margin: float, level: float) -> dict[str, Any]:
    from analysis.statistics import rate_interval

    given = both[(both["verdict_a"] != "missing") & (both["verdict_b"] != "missing")]
    other = (given["label_1_a"] != given["label_1_b"]).to_numpy(float)
    interval = rate_interval(other, given["cluster"], level=level)
    judged = both[both["verdict_a"].isin(["right", "wrong"]) & both["verdict_b"].isin(["right", "wrong"])]
    one, two = ((judged[f"verdict_{side}"] == "right").to_numpy(float) for side in "ab")
    return {
        "device": name,
        "matched": len(both),
        "broken": int((one > two).sum()),
        "mended": int((one < two).sum()),
        "churn": float(other.mean()) if len(given) else None,
        "churn_interval": [interval.low, interval.high] if len(given) else None,
        "accuracy": _change(one, two, judged["cluster"], margin, level) if len(judged) else None,
    }


def _instability(sides: _Sides, both: pd.DataFrame, margin: float, level: float) -> dict[str, Any] | None:
    """The change of the instability across the devices, on answers that count in both runs."""
    from analysis.instability import instability

    judged = both[both["verdict_a"].isin(["right", "wrong"]) & both["verdict_b"].isin(["right", "wrong"])]
    found = [
        instability(judged.rename(columns={f"verdict_{side}": "verdict", f"label_1_{side}": "label_1"})).counted
        for side in "ab"
    ]
    if found[0].empty:
        sides.notes.append(f"no change of instability: no photograph counts on two {sides.compared}s in both runs")
        return None
    marks = [part["unstable"].to_numpy(float) for part in found]
    return _change(marks[0], marks[1], found[0]["cluster"], margin, level)


def _change(one: Any, two: Any, clusters: Any, margin: float, level: float) -> dict[str, Any]:
    from analysis.measures.equivalence import equivalence
    from analysis.statistics import difference_interval

    test = equivalence(one, clusters, two, clusters, margin=margin)
    wide = difference_interval(two, clusters, one, clusters, level=level)
    return {
        **{"a": float(one.mean()), "b": float(two.mean()), "difference": test.difference, "items": len(one)},
        **{"interval": [wide.low, wide.high], "equivalence": test.verdict},
        "equivalence_interval": [test.interval.low, test.interval.high],
    }


def _listed(part: pd.DataFrame) -> list[dict[str, Any]]:
    from analysis.tables import to_json

    sure = part.assign(sure=part[["score_1_a", "score_1_b"]].min(axis=1)).sort_values("sure", ascending=False)
    rows: list[dict[str, Any]] = to_json(sure.drop(columns=["sure", "cluster"]).head(MOST_LISTED))
    return rows


def _few(names: Sequence[str]) -> str:
    shown = [name[:12] if len(name) == 64 else name or "(none)" for name in names[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _list(notes: Sequence[str]) -> str:
    return "\n".join(f"  - {note}" for note in notes)


def _write(path: Path, text: str) -> None:
    from analysis.run_folder.files import write_whole

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode("utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot write {path}: {problem.strerror}; name another file") from problem


def compared_text(result: Mapping[str, Any]) -> str:
    """Lay out a comparison for the terminal: the answer, a row a device, what broke, and what to know."""
    from hostctl.printing import percent, table_text

    right, matched = result["accuracy"], result["matched"]
    lines = [
        f"{matched:,} answers compared: {result['broken']} broken, {result['mended']} mended, another label on "
        f"{percent(result['churn'], result['churn_interval'])}"
    ]
    for name in ("accuracy", "instability"):
        if one := result[name]:
            inside = f"within ±{100 * result['margin']:g} points: {one['equivalence']}"
            change = percent(one["difference"], one["interval"])
            lines.append(f"{name}: {percent(one['a'])} -> {percent(one['b'])}, change {change}; {inside}")
    rows = [
        {
            result["compared"]: row["device"],
            **{name: str(row[name]) for name in ("matched", "broken", "mended")},
            "other label": percent(row["churn"]),
            "accuracy A": percent(row["accuracy"]["a"] if row["accuracy"] else None),
            "accuracy B": percent(row["accuracy"]["b"] if row["accuracy"] else None),
        }
        for row in result["rows"]
    ]
    lines += ["", table_text(rows), ""] if right else ["no answer counts in both runs", ""]
    for name in ("broken", "mended"):
        for row in result[f"{name}_items"][:5]:
            where = f"{row['scene']} ({row['angle']}°, repeat {row['repeat']}) on {row['device']}"
            lines.append(f"  {name}: {where}: {row['label_1_a']} -> {row['label_1_b']}")
    return "\n".join([*lines, *[f"  note: {note}" for note in result["notes"]]])
