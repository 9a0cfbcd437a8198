"""The instability paper's tables 2 to 4 from a run: size, accuracy and instability of qualities, formats and ISPs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.accuracy import accuracy
from analysis.instability import ROW, instability, pairs
from analysis.papers.paper_conditions import PRINTED, conditions, like_the_paper
from analysis.papers.printed_table import Bars, Column, Part, PrintedTable, percent_text
from analysis.papers.published import COMPARISONS
from analysis.run_folder.homes import SETUP
from device_agents.errors import BadInput

ITEM = ("scene", "angle", "repeat", "device")
NEEDED = (*ITEM, "picture", "environment", "isp", "codec", "verdict")
TITLES = {
    "paper-2": "JPEG qualities (table 2)",
    "paper-3": "Formats at ImageMagick's defaults (table 3)",
    "paper-4": "Raw converters (table 4)",
}
REASONS = {
    "paper-2": (
        "The paper's pictures are raws of two real phones that saw a screen (1,537 scenes of five classes); its sizes "
        "are those of their sensors, and the raw converter before the codec was ImageMagick's.",
    ),
    "paper-3": (
        "The paper's pictures are raws of two real phones; its WebP and HEIF sizes depend on the versions of libwebp, "
        "libheif and x265 behind its ImageMagick, which it does not name.",
    ),
    "paper-4": (
        "The paper's second converter is Adobe Photoshop, whose rendering nobody can run without a licence; another "
        "finished look stands for it here.",
        "Instability grows with the number of converters; the paper compared two, so compare pairs with pairs.",
    ),
}
COMMON = (
    "The paper's MobileNetV2 has weights that it does not name, and its answers were judged by hand.",
    "File sizes here are means of bytes / 1,000,000; the paper does not say whether its MB are 10^6 or 2^20 bytes.",
)
ROWS = (
    Column("condition", "condition"),
    Column("size", "mean size (MB)", "megabytes"),
    Column("printed_size_mb", "paper (MB)", "as-printed"),
    Column("accuracy", "accuracy (%)", "percent", ("low", "high")),
    Column("printed_accuracy", "paper (%)", "printed-percent"),
    Column("counted", "n", "number"),
)
COMPARED = (
    Column("compared", "conditions compared"),
    Column("conditions", "number", "number"),
    Column("rate", "instability (%)", "percent", ("low", "high")),
    Column("printed_rate", "paper (%)", "printed-percent"),
    Column("two", "of two random ones (%)", "percent"),
    Column("items", "n", "number"),
    Column("uncounted", "not compared", "number"),
)


def comparison_table(
    name: str,
    predictions: pd.DataFrame,
    pictures: pd.DataFrame,
    *,
    environment: str | None = None,
    command: str = "instability predict RUN --model NAME",
    level: float = 0.95,
) -> PrintedTable:
    """Make "paper-2", "paper-3" or "paper-4" from the long table of predictions and the table of pictures (with size).

    environment: which one; None takes the one that predicted most of these pictures. command: how the missing pictures
    would be made, for the message. An item is (scene, angle, repeat, device): the root picture. Rates are 0..1.
    Raises BadInput where the run has fewer than two conditions of the table, naming what to run.
    """
    absent = [column for column in NEEDED if column not in predictions.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(predictions.columns)}")
    chosen, across, found = conditions(name, predictions, environment=environment, command=command)
    chosen = chosen.iloc[chosen[across].map(found.index).argsort(kind="stable")]
    rows = _rows(name, chosen, pictures, across, found, level)
    compared = _compared(name, chosen, across, found, level)
    parts = [
        Part(name, TITLES[name], _fixed(chosen, across), rows, ROWS),
        Part("instability", "Instability across them", "Items: scene, angle, repeat, device.", compared, COMPARED),
    ]
    if len(found) > 2:
        matrix = pairs(chosen, across=across, item=ITEM, level=level)
        told = Column("rate", "instability (%)", "percent", ("low", "high"))
        columns = (Column("a", "one"), Column("b", "the other"), told, Column("items", "n", "number"))
        parts.append(Part("pairs", "Every two", "Items on which exactly one of the two is right.", matrix, columns))
    return PrintedTable(
        name=name,
        title=TITLES[name],
        headline=_headline(name, compared),
        parts=tuple(parts),
        notes=(*_notes(name, found), _environment_text(chosen)),
        reasons=(*REASONS[name], *_compressed_before(chosen), *COMMON, _few(compared)),
        figures=_figures(name, rows, compared),
        source=(COMPARISONS[name].source,),
    )


def _rows(
    name: str, table: pd.DataFrame, pictures: pd.DataFrame, across: str, order: Sequence[str], level: float
) -> pd.DataFrame:
    sizes = pictures.set_index("picture")["size"]
    table = table.assign(size=table["picture"].map(sizes))
    found = accuracy(table, by=across, level=level).set_index(across)
    found["size"] = table.drop_duplicates("picture").groupby(across)["size"].mean()
    found["counted"] = found["right"] + found["wrong"]
    printed = COMPARISONS[name].conditions
    there = [printed.get(PRINTED[name].get(one, "")) for one in order]
    rows = found.loc[list(order)].rename_axis("condition").reset_index()
    rows["printed_as"] = [PRINTED[name].get(one, "") for one in order]
    rows["printed_size_mb"] = [float("nan") if one is None or one.size_mb is None else one.size_mb for one in there]
    rows["printed_accuracy"] = [float("nan") if one is None else one.accuracy_percent / 100 for one in there]
    first = ["condition", "printed_as", "size", "printed_size_mb", "accuracy", "low", "high", "printed_accuracy"]
    return rows[[*first, "counted", "right", "wrong", "ambiguous", "missing"]]


def _compared(name: str, table: pd.DataFrame, across: str, found: Sequence[str], level: float) -> pd.DataFrame:
    """Instability across the paper's own conditions first, then across all of the run's where there are more."""
    like = [one for one in like_the_paper(name, found) if one in found]
    complete = len(like) == len(COMPARISONS[name].conditions)
    sets = [like] if complete else []
    sets += [list(found)] if list(found) != like or not complete else []
    rows = []
    for number, some in enumerate(sets):
        result = instability(table[table[across].isin(some)], across=across, item=ITEM)
        ends = result.interval(level=level)
        as_printed = complete and not number
        row = (result.rate, ends.low, ends.high, result.unstable, result.items, result.uncounted)
        rows.append(
            {"compared": ", ".join(some), "as_in_the_paper": as_printed, "conditions": len(some)}
            | dict(zip(ROW, row, strict=True))
            | {"two": result.rarefied(2) if len(some) > 2 else float("nan")}
            | {"printed_rate": COMPARISONS[name].instability_percent / 100 if as_printed else float("nan")}
        )
    return pd.DataFrame(rows)


def _fixed(table: pd.DataFrame, across: str) -> str:
    other = "codec" if across == "isp" else "isp"
    kept = table[other].iloc[0]
    made = "coded again from the photographs as shot" if not kept else f"{other} {kept}"
    return f"One environment, {made}. Intervals hold 95 % and count objects as evidence."


def _headline(name: str, compared: pd.DataFrame) -> str:
    first = compared.iloc[0]
    told = percent_text(first["rate"], (first["low"], first["high"]))
    printed = COMPARISONS[name].instability_percent
    if first["as_in_the_paper"]:
        return f"Instability across {first['compared']}: {told}; the paper printed {printed:g} %."
    return (
        f"Instability across {first['compared']}: {told}. The paper printed {printed:g} % across "
        f"{', '.join(COMPARISONS[name].conditions)}, of which this run has no full likeness."
    )


def _notes(name: str, found: Sequence[str]) -> tuple[str, ...]:
    if name != "paper-4":
        return ()
    like = like_the_paper(name, found)
    if len(like) < 2:
        return ("This run has no pair that is like the paper's ImageMagick and Adobe Photoshop.",)
    return (
        f"Most like the paper's pair: {like[0]} for ImageMagick (which hands raws to dcraw or LibRaw, auto-brightened) "
        f"and {like[1]} for Adobe Photoshop.",
    )


def _environment_text(table: pd.DataFrame) -> str:
    first = table.iloc[0].to_dict()
    told = " ".join(f"{field}={first[field]}" for field in SETUP if field in first and field != "model_sha256")
    return f"Environment: {told}."


def _compressed_before(table: pd.DataFrame) -> tuple[str, ...]:
    if (table["isp"] != "").all():
        return ()
    return ("These pictures are photographs that a camera had compressed before; the paper's are raws.",)


def _few(compared: pd.DataFrame) -> str:
    items, width = int(compared["items"].iloc[0]), compared["high"].iloc[0] - compared["low"].iloc[0]
    return f"Only {items:,} items are compared here; the interval is {100 * width:.1f} points wide."


def _figures(name: str, rows: pd.DataFrame, compared: pd.DataFrame) -> tuple[Bars, ...]:
    def bars(frame: pd.DataFrame, value: str, label: str, printed: str) -> pd.DataFrame:
        columns = {"name": frame[label], "value": frame[value], "low": frame["low"], "high": frame["high"]}
        shown = pd.DataFrame({**columns, "published": frame[printed]})
        return shown.assign(**{one: 100 * shown[one] for one in ("value", "low", "high", "published")})

    told = compared.assign(named=[f"{number} compared" for number in compared["conditions"]])
    return (
        Bars(
            "Accuracy",
            "accuracy (%)",
            "Lines are 95 % intervals by object; a diamond is the paper's value.",
            bars(rows, "accuracy", "condition", "printed_accuracy"),
        ),
        Bars(
            "Instability",
            "instability (%)",
            "Across all conditions of a row; a diamond is the paper's value.",
            bars(told, "rate", "named", "printed_rate"),
        ),
    )
