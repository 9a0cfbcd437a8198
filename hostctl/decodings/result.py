"""What the decoding experiment found in its run, as one dict for --json, and written as a page and as CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from analysis.decoding.cause import causes, verdict
from analysis.decoding.groups import (
    FORMATS,
    JPEG,
    PNG,
    STAGES,
    Comparison,
    Groups,
    compare_formats,
    complete,
    groups_overall,
    groups_within,
    partitions,
    score_differences,
)
from analysis.decoding.page import Found, Shown, html_text
from analysis.papers.printed_table import records
from analysis.run_folder.files import write_whole
from analysis.store import Run
from analysis.tables import to_json
from hostctl.decodings.decoding import NOTE, table_of
from hostctl.decodings.pixels import differences, name_decoders, pixels_of
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 12
MOST_REASONS = 20


def tell(
    run: Run, *, tolerance: float, problems: Mapping[str, str] | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Work out what the run's predictions say, write RUN/report/decoding.html and .csv, and give all of it.

    Keys: run, cause, sentence, counts, executors, lacking (executors that could not be had: why), problems (rows of
    work: the last failure), left_out (scenes and executors: why), comparison, groups, partitions, items, scores,
    decoders (of each group of pixels: the host's decoders that give them), differences, tolerance, page, csv. It all
    fits JSON. problems: what went wrong while predicting.
    """
    whole = table_of(run)
    table, left_out = complete(whole)
    comparison, items = compare_formats(table) if len(table) else (_nothing(), table.head(0))
    found = causes(table, items) if len(items) else causes(table, _no_items())
    told = verdict(table, comparison, found)
    groups = _groups(table, tolerance)
    named = name_decoders(run, table, groups[JPEG]["pixels"]) if len(table) else []
    apart = differences(run, table, named, progress=progress)
    note: dict[str, Any] = run.note(NOTE) or {}
    executors = _executors(run, whole)
    result = {
        "run": str(run.folder),
        "cause": told.cause,
        "sentence": told.sentence,
        "counts": told.counts,
        "executors": records(executors),
        "lacking": note.get("lacking", {}),
        "problems": dict(problems or {}),
        "left_out": left_out,
        "comparison": asdict(comparison),
        "groups": groups,
        "partitions": {name: records(partitions(table, format=name, stage="pixels")) for name in FORMATS},
        "items": records(found),
        "scores": {name: records(score_differences(table, format=name)) for name in FORMATS},
        "decoders": named,
        "differences": records(_by_size(apart, found)),
        "tolerance": tolerance,
        "pictures": {"encoded": note.get("encoded", 0), "kept": note.get("kept", 0)},
    }
    place = run.folder / "report"
    place.mkdir(exist_ok=True)
    page = _page(run, result, table, comparison, executors, apart, found)
    write_whole(place / "decoding.html", html_text(page).encode())
    columns = ["scene", "cluster", "executor", "format", "verdict", "label_1", "score_1", *STAGES, "error"]
    write_whole(place / "decoding.csv", whole[columns].to_csv(index=False).encode())
    whole_result: dict[str, Any] = to_json(result)
    return {**whole_result, "page": str(place / "decoding.html"), "csv": str(place / "decoding.csv")}


def _groups(table: pd.DataFrame, tolerance: float) -> dict[str, dict[str, Groups]]:
    return {
        name: {
            **{stage: groups_overall(table, format=name, stage=stage) for stage in (*STAGES, "scores")},
            "tolerance": groups_within(table, format=name, tolerance=tolerance),
        }
        for name in FORMATS
    }


def _executors(run: Run, whole: pd.DataFrame) -> pd.DataFrame:
    """One row an executor: what it is, and how many pictures it answered."""
    import pandas as pd

    environments = {one.environment: one for one in run.environments()}
    machines = {str(one["device"]): dict(one["info"]) for one in records(run.devices())}
    rows = []
    for one in (run.note(NOTE) or {}).get("executors", []):
        name = one["executor"]
        mine, jpeg = whole[whole["executor"] == name], environments[one[JPEG]]
        good = mine[mine["verdict"] != "missing"]
        counted = good[(good["format"] == JPEG) & good["verdict"].isin(["right", "wrong"])]
        png = environments[one[PNG]].decoder
        rows.append(
            {
                "executor": name,
                "decoder": jpeg.decoder if png == jpeg.decoder else f"{jpeg.decoder}, PNG: {png}",
                "resizer": jpeg.resizer,
                "runtime": f"{jpeg.runtime} {jpeg.runtime_version}",
                "machine": _machine(machines.get(name, {})),
                **{form: int((good["format"] == form).sum()) for form in FORMATS},
                "failed": int((mine["verdict"] == "missing").sum()),
                "accuracy": float((counted["verdict"] == "right").mean()) if len(counted) else float("nan"),
            }
        )
    columns = ["executor", "decoder", "resizer", "runtime", "machine", *FORMATS, "failed", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def _machine(info: Mapping[str, Any]) -> str:
    """What a machine says of itself, in a few words."""
    libraries = dict(info.get("libraries", {}))
    words = [str(info.get("architecture", "")), f"Python {info['python']}" if "python" in info else ""]
    words += [f"{name} {libraries[name]}" for name in ("pillow", "numpy") if name in libraries]
    browser = re.search(r"(HeadlessChrome|Chrome|Firefox|Version)/[0-9.]+", str(info.get("agent", "")))
    return " ".join(word for word in words if word) or (browser[0].replace("/", " ") if browser else "")


def _remarks(result: Mapping[str, Any]) -> list[str]:
    """What must be known to read the sentence."""
    rates = result["comparison"]
    told = [
        f"{name.upper()}: {one['unstable']} of {one['items']} items unstable ({100 * one['rate']:.2f} %, exact 95 % "
        f"interval {100 * one['low']:.2f} to {100 * one['high']:.2f} %)."
        for name, one in ((name, rates[name]) for name in FORMATS)
        if one["items"]
    ]
    for one in result["decoders"]:
        same = (
            f"the pixels of the host's `{'`, `'.join(one['same_as'])}`"
            if one["same_as"]
            else "pixels of no decoder here"
        )
        told.append(f"{', '.join(one['group'])}: {same}.")
    told += [f"{name} could not be had: {reason}" for name, reason in result["lacking"].items()]
    told += [f"{name}: {reason}" for name, reason in result["problems"].items()]
    left = result["left_out"]
    more = f" and {len(left) - MOST_REASONS} more" if len(left) > MOST_REASONS else ""
    reasons = [f"{name} ({reason})" for name, reason in list(left.items())[:MOST_REASONS]]
    return [*told, *([f"Left out: {', '.join(reasons)}{more}."] if left else [])]


def _page(
    run: Run,
    result: Mapping[str, Any],
    table: pd.DataFrame,
    comparison: Comparison,
    executors: pd.DataFrame,
    apart: pd.DataFrame,
    found: pd.DataFrame,
) -> Found:
    settings, pictures = run.settings, result["pictures"]
    models = ", ".join(dict.fromkeys(one.model for one in run.environments()))
    compared = executors[executors["executor"].isin(table["executor"])]
    return Found(
        title=f"JPEG against PNG: {run.folder.name}",
        sentence=result["sentence"],
        remarks=_remarks(result),
        executors=compared if len(compared) else executors,
        groups=result["groups"] if len(compared) else _alone(executors),
        comparison=comparison,
        partitions={name: partitions(table, format=name, stage="pixels") for name in FORMATS},
        items=found,
        scores={name: score_differences(table, format=name) for name in FORMATS},
        differences=_by_size(apart, found),
        worst=_worst(run, table, result["decoders"], apart, found),
        provenance={
            "run": run.folder.name,
            "model": models,
            "pictures": f"{pictures['encoded']} encoded as JPEG {settings['quality']} {settings['sampling']}, "
            f"{pictures['kept']} as they were",
            "tolerance of scores": f"{result['tolerance']:g}",
        },
    )


def _alone(executors: pd.DataFrame) -> dict[str, dict[str, Groups]]:
    """Groups where nothing can be compared: everyone alone."""
    each: Groups = [(str(name),) for name in executors["executor"]]
    return {name: dict.fromkeys((*STAGES, "scores", "tolerance"), each) for name in FORMATS}


def _by_size(apart: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Pixel differences, those of items that flip first, then the largest mean first."""
    flips = apart["scene"].isin(found["scene"])
    return apart.assign(flips=flips).sort_values(["flips", "mean"], ascending=[False, False], ignore_index=True)


def _worst(
    run: Run, table: pd.DataFrame, named: Sequence[Mapping[str, Any]], apart: pd.DataFrame, found: pd.DataFrame
) -> list[Shown]:
    from analysis.measures.pixel_differences import scaled_difference
    from analysis.pages.gallery import thumbnail
    from hostctl.predictions.label_names import read_names

    decoders = {" ".join(one["group"]): one["same_as"][0] for one in named if one["same_as"]}
    why = dict(zip(found["scene"], found["cause"], strict=True))
    words, shown = read_names(run.folder), []
    for row in records(_by_size(apart, found).head(MOST_SHOWN)):
        scene, group = str(row["scene"]), str(row["group"])
        pair = [pixels_of(run, table, scene, decoders[one]) for one in (next(iter(decoders)), group)]
        if pair[0] is None or pair[1] is None:
            continue
        facts = f"largest {row['max']}, mean {row['mean']:.2f} levels, {100 * row['different']:.0f} % of the pixels"
        flip = f"{_answers(table, scene, words)}; cause: {why[scene]}" if scene in why else ""
        difference = thumbnail(scaled_difference(pair[0], pair[1]))
        shown.append(Shown(scene, thumbnail(pair[0]), difference, group, facts, flip))
    return shown


def _answers(table: pd.DataFrame, scene: str, words: Mapping[str, str]) -> str:
    """Who answered what on a scene's JPEG."""
    mine = table[(table["scene"] == scene) & (table["format"] == JPEG)]
    told = [
        f"{', '.join(rows['executor'])}: {words.get(str(label), str(label))} ({rows['verdict'].iloc[0]})"
        for label, rows in mine.groupby("label_1", sort=False)
    ]
    return "; ".join(told)


def _nothing() -> Comparison:
    from analysis.decoding.groups import Rate

    nan = float("nan")
    none = Rate(0, 0, nan, nan, nan)
    return Comparison(none, none, nan, nan, nan, 0, 0, nan)


def _no_items() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"scene": [], "cluster": [], JPEG: [], PNG: []}).astype({JPEG: bool, PNG: bool})
