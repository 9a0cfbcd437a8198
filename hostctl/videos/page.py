"""The page of videos: flips over time, flips under synthetic changes, and the frames around the surest flips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.pages.gallery import Thumbnail, thumbnail
from analysis.run_folder.files import make_folder, write_whole
from analysis.store import Run
from device_agents.decode import decode_pillow
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page
from hostctl.predictions.label_names import read_names
from hostctl.printing import percent
from hostctl.videos.numbers import VIDEO
from hostctl.videos.text import correlation_row, headline, remarks
from hostctl.videos.video import Measured

MOST_ROWS, MOST_MODELS, MOST_FLIPS = 16, 4, 6
BEFORE, AFTER = 1, 2  # frames shown before the first of a flipping pair, and after it
MARKS = ((BLUE, "o"), (ORANGE, "X"), (GREEN, "s"), (GREY, "v"))
COLUMNS = ("model", "scene", "repeat", "time_s", "label_1", "score_1", "verdict", "error")


class Shown(NamedTuple):
    """One frame of a strip: its words, its picture, and whether its answer is another than the frame's before."""

    told: str
    picture: Thumbnail
    turned: bool


def write_page(measured: Measured, folder: Path) -> dict[str, str]:
    """Write FOLDER/video.html and FOLDER/video.csv (a row a frame); gives their paths as "page" and "csv"."""
    result, frames = measured.result, measured.frames
    names = read_names(Path(result["run"]))
    table = csv_text(_csv_rows(measured)).encode()
    plots = {"time": plot_time(frames, measured.pairs)}
    if result["synthetic"]:
        plots["changes"] = plot_changes(result)
    page = fill_page(
        "video.html",
        title="Answers from frame to frame",
        headline=headline(result),
        result=result,
        notes=[*remarks(result), *result["stopped"]],
        correlations=[correlation_row(row) for row in result["correlations"]],
        flips=surest_flips(measured, names),
        plots=plots,
        percent=percent,
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(folder)
    write_whole(folder / "video.csv", table)
    write_whole(folder / "video.html", page)
    return {"page": str(folder / "video.html"), "csv": str(folder / "video.csv")}


def surest_flips(measured: Measured, names: Mapping[str, str]) -> list[tuple[str, list[Shown]]]:
    """The flips whose two answers are both given most surely, each with the frames around it; none shown twice."""
    chosen = _apart(measured.pairs)
    with Run.open(Path(measured.result["run"]), write=False) as run:
        files = {one.picture: one.sha256 for one in run.picture_records()}
        return [
            (_words(row, measured.result), _strip(run, files, _around(measured.frames, row), row, names))
            for row in chosen
        ]


def _apart(pairs: pd.DataFrame) -> list[dict[Any, Any]]:
    """The surest flips, none so near to a surer one of its video that both strips would show the same frames."""
    places = pairs.assign(place=pairs.groupby(VIDEO, sort=False).cumcount())
    chosen: list[dict[Any, Any]] = []
    flips = places[places["flip"] == 1].sort_values("sure", ascending=False, kind="stable")
    for row in flips.to_dict("records"):
        same = [one["place"] for one in chosen if (one["model"], one["scene"]) == (row["model"], row["scene"])]
        if all(abs(place - row["place"]) > BEFORE + AFTER for place in same):
            chosen.append(row)
        if len(chosen) == MOST_FLIPS:
            break
    return chosen


def _words(row: Mapping[Any, Any], result: Mapping[str, Any]) -> str:
    whose = f"{row['model']}, " if len(result["models"]) > 1 else ""
    return f"{whose}{row['scene']}, after {row['time_s']:.2f} s"


def _around(frames: pd.DataFrame, row: Mapping[Any, Any]) -> pd.DataFrame:
    video = frames[(frames["model"] == row["model"]) & (frames["scene"] == row["scene"])]
    at = int(video["repeat"].searchsorted(row["repeat"]))
    some: pd.DataFrame = video.iloc[max(0, at - BEFORE) : at + AFTER + 1]
    return some


def _strip(
    run: Run, files: Mapping[str, str], around: pd.DataFrame, row: Mapping[Any, Any], names: Mapping[str, str]
) -> list[Shown]:
    shown = []
    for frame in around.to_dict("records"):
        picture = thumbnail(decode_pillow(run.file(files[frame["picture"]]).read_bytes()))
        answer = f"failed: {frame['error']}" if frame["error"] else _answer(frame, names)
        told = f"{frame['time_s']:.3f} s: {answer}"
        shown.append(Shown(told, picture, frame["repeat"] == row["next"]))
    return shown


def _answer(frame: Mapping[Any, Any], names: Mapping[str, str]) -> str:
    verdict = ", right" if frame["verdict"] == "right" else ""
    return f"{names.get(frame['label_1'], frame['label_1'])} {100 * frame['score_1']:.0f} %{verdict}"


def plot_time(frames: pd.DataFrame, pairs: pd.DataFrame) -> Plot:
    """A line a video and model over its time, a bar where the answer turns over, a triangle where there is none."""
    groups = list(frames.groupby(VIDEO, sort=False))[:MOST_ROWS]
    several = frames["model"].nunique() > 1
    figure, axes = new_axes(rows=len(groups))
    for row, ((model, scene), video) in enumerate(groups):
        axes.plot([0, video["time_s"].max()], [row, row], color=GREY, lw=1)
        own = pairs[(pairs["model"] == model) & (pairs["scene"] == scene) & (pairs["flip"] == 1)]
        failed = video.loc[video["error"] != "", "time_s"]
        axes.plot(own["time_s"] + own["lag_s"], [row] * len(own), "|", color=ORANGE, ms=11, mew=2, ls="none")
        axes.plot(failed, [row] * len(failed), "v", color=BLUE, ms=5, ls="none")
    name_rows(axes, [f"{scene}, {model}" if several else scene for (model, scene), _ in groups])
    axes.set_xlabel("time (s)")
    more = f" The first {MOST_ROWS} only." if frames.groupby(VIDEO).ngroups > MOST_ROWS else ""
    alt = f"{int(pairs['flip'].sum())} flips in {len(pairs)} pairs of consecutive frames."
    caption = f"A bar: the top-1 label is another than the frame's before; a triangle: no answer.{more}"
    return Plot("Flips over time", caption, alt, svg_text(figure, "time"))


def plot_changes(result: Mapping[str, Any]) -> Plot:
    """The share of flips to the next frame, and under each synthetic change of the same frame, a mark a model."""
    families = list(result["synthetic"])
    figure, axes = new_axes(rows=len(families) + 1, legend=True)
    models = result["summary"][:MOST_MODELS]
    for row, (colour, mark) in zip(models, MARKS, strict=False):
        rates = [row["flip_rate"], *(row["synthetic"][family] for family in families)]
        known = [(100 * rate, place) for place, rate in enumerate(rates) if rate is not None]
        axes.plot(*zip(*known, strict=True), mark, color=colour, ms=7, ls="none", label=row["model"])
    name_rows(axes, ["the next frame", *families])
    axes.set_xlim(left=0)
    axes.set_xlabel("frames whose answer is another (%)")
    axes.grid(axis="x")
    add_legend(axes, 2)
    first = models[0]
    alt = f"{first['model']}: {percent(first['flip_rate'])} to the next frame; " + ", ".join(
        f"{family} {percent(rate)}" for family, rate in first["synthetic"].items()
    )
    caption = "Two small changes of each kind, made of each frame at the model's size: " + "; ".join(
        f"{family} {', '.join(names)}" for family, names in result["synthetic"].items()
    )
    return Plot("Beside synthetic changes", f"{caption}.", alt, svg_text(figure, "changes"))


def _csv_rows(measured: Measured) -> list[dict[str, Any]]:
    flips = measured.pairs.set_index(["model", "scene", "next"])["flip"].to_dict()
    columns = [name for name in COLUMNS if name != "verdict" or measured.result["labelled"]]
    rows = measured.frames[columns].to_dict("records")
    named = {"scene": "video", "repeat": "frame", "label_1": "label", "score_1": "score"}
    return [
        {
            **{named.get(str(name), str(name)): value for name, value in row.items()},
            "flipped": flips.get((row["model"], row["scene"], row["repeat"]), ""),
        }
        for row in rows
    ]
