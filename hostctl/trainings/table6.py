"""Table 6 and figure 7 of a study as a page, Markdown, CSV, JSON and text, and what of the paper holds here."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.pages.answer import VIRTUAL
from analysis.pages.drawing import Plot
from analysis.pages.section_plots import plot_curves
from analysis.papers.printed_table import Bars, Part, PrintedTable, percent_text
from analysis.papers.published import INSTABILITY
from analysis.papers.table_page import as_shown, csv_text, draw
from analysis.report import render_page
from analysis.run_folder.files import write_whole
from analysis.tables import to_json
from hostctl.trainings.table6_numbers import (
    PAPER,
    Answers,
    curves,
    difference,
    open_answers,
    openings,
    power,
    scheme_rows,
)
from hostctl.trainings.table6_parts import (
    accuracy_part,
    attempts_part,
    choice_part,
    chosen_text,
    main_part,
    orders_part,
    scheme_name,
    unseen_part,
)

if TYPE_CHECKING:
    from stability_train.nested import Study

NAME = "table6"
SHORT = {"relative-entropy": "entropy"}  # so that a figure holds its names
PAPERS_ORDER = (  # what table 6 says beyond "better than no noise": the first of each is the lower one there
    ("the extra layer alone", ("none", "relative-entropy"), ("none", "embedding")),
    ("two images: embedding", ("two-images", "embedding"), ("two-images", "relative-entropy")),
    ("subsample: embedding", ("subsample", "embedding"), ("subsample", "relative-entropy")),
    ("distortion: relative entropy", ("distortion", "relative-entropy"), ("distortion", "embedding")),
    ("Gaussian: relative entropy", ("gaussian", "relative-entropy"), ("gaussian", "embedding")),
    ("the whole device, not ten a class", ("two-images", "embedding"), ("subsample", "embedding")),
)


def table6(
    study: Study,
    choice: pd.DataFrame,
    *,
    seeds: Sequence[int],
    out: Path,
    drop: float,
    attempts: pd.DataFrame,
    virtual: bool = False,
) -> dict[str, Any]:
    """Open the test objects for a choice; write OUT/table6.html, .md, .csv and .json; give what they hold.

    choice: as nested.choose gives it. drop: the guard of accuracy that it was made with. attempts: all of them.
    virtual: whether devices were simulated; the page says so.
    """
    tested = open_answers(study, choice, seeds=seeds)
    rows = scheme_rows(tested, study, choice)
    best = best_scheme(choice)
    several = sum(row["noise"] != "none" for row in rows)
    powers = power(tested, best, ("none", best[1]), study.devices[:2], tests=max(1, several)) if best else {}
    orders = order_rows(tested, study)
    made = printed(study, rows, orders, best, powers, choice=choice, attempts=attempts, seeds=len(seeds), drop=drop)
    shown = {scheme: curve for scheme, curve in curves(tested, study.devices[:2]).items() if scheme in _drawn(best)}
    figure7 = plot_curves({scheme_name(*scheme): shown[scheme] for scheme in _drawn(best) if scheme in shown})
    told: dict[str, Any] = {
        "table": NAME,
        "title": made.title,
        "headline": made.headline,
        "rows": rows,
        "orders": orders,
    }
    told |= {"best": list(best or ()), "power": powers, "notes": list(made.notes), "reasons": list(made.reasons)}
    told |= {
        "attempts": len(attempts),
        "openings": len(openings(study.folder)),
        "devices": list(study.devices),
        "virtual": virtual,
    }
    told |= {"parts": {part.name: {"title": part.title, "note": part.note, **_cells(part)} for part in made.parts}}
    files = {kind: str(out / f"{NAME}.{kind}") for kind in ("html", "md", "csv", "json")}
    told = {**to_json(told), "files": files}
    _write(out, made, figure7, told, study)
    return told


def best_scheme(choice: pd.DataFrame) -> tuple[str, str] | None:
    """Give the noise and loss with the lowest validated instability, the mean over folds; None without any noise."""
    noisy = choice[choice["noise"] != "none"]
    if noisy.empty:
        return None
    means = noisy.groupby(["noise", "loss"])[["instability", "accuracy"]].mean().reset_index()
    row = means.sort_values(["instability", "accuracy"], ascending=[True, False], kind="stable").iloc[0]
    return str(row["noise"]), str(row["loss"])


def order_rows(tested: Answers, study: Study) -> list[dict[str, Any]]:
    """Compare what the paper's table orders, where both schemes were tried: the change, its interval, and a word."""
    found = []
    for what, a, b in PAPERS_ORDER:
        if a in tested.right and b in tested.right:
            its = difference(tested, a, b, study.devices[:2])
            word = "holds" if its["high"] < 0 else "reversed" if its["low"] > 0 else "not shown"
            row = {"order": f"{what}: {scheme_name(*a)} below {scheme_name(*b)}", **its}
            found.append(row | {"paper": (PAPER[a] - PAPER[b]) / 100, "here": word})
    return found


def printed(
    study: Study,
    rows: Sequence[Mapping[str, Any]],
    orders: Sequence[Mapping[str, Any]],
    best: tuple[str, str] | None,
    powers: Mapping[str, float],
    *,
    choice: pd.DataFrame,
    attempts: pd.DataFrame,
    seeds: int,
    drop: float,
) -> PrintedTable:
    """Put the table together: the paper's form, accuracies, devices never seen, orders, choices, all attempts."""
    frame = pd.DataFrame([{**row, **chosen_text(row)} for row in rows])
    device, partner = study.devices[:2]
    parts = [main_part(frame, device, partner), accuracy_part(frame, study)]
    if study.unseen:
        parts.append(unseen_part(frame, study))
    if orders:
        parts.append(orders_part(pd.DataFrame(list(orders))))
    parts += [choice_part(choice), attempts_part(attempts)]
    return PrintedTable(
        name=NAME,
        title="Table 6: stability training",
        headline=headline(rows, best, powers, device=device, partner=partner),
        parts=tuple(parts),
        notes=tuple(_notes(study, powers, attempts, seeds=seeds, drop=drop)),
        reasons=_reasons(study),
        figures=(_bars(frame),),
        source=(f"{INSTABILITY}, table 6 and figure 7, section 9.1",),
    )


def headline(
    rows: Sequence[Mapping[str, Any]],
    best: tuple[str, str] | None,
    powers: Mapping[str, float],
    *,
    device: str,
    partner: str,
) -> str:
    """Say whether the scheme that validation liked best beats plain fine-tuning, and what could be shown at all."""
    found = {(row["noise"], row["loss"]): row for row in rows}
    if best is None:
        return "Plain fine-tuning only: no noise was tried."
    row, plain = found[best], found["none", best[1]]
    clear = row["holm"] < 0.05
    better = sum(one["noise"] != "none" and one["change"] < 0 and one["holm"] < 0.05 for one in rows)
    verdict = "is steadier than" if clear and row["change"] < 0 else "is not shown to be steadier than"
    text = (
        f"Validation liked {scheme_name(*best)} best; on objects never seen it {verdict} plain fine-tuning: "
        f"instability between {device} and {partner} {_rate_text(row)} against {_rate_text(plain)}, "
        f"{_change_text(row)}. "
        f"{better} of {sum(one['noise'] != 'none' for one in rows)} schemes beat plain fine-tuning after Holm's "
        f"correction."
    )
    return (
        f"{text} {powers['objects']:.0f} objects show a fall of {100 * powers['shown']:.1f} points in 4 studies of 5."
    )


def table6_text(told: Mapping[str, Any]) -> str:
    """Lay out a table for the terminal: the answer, the parts, the notes, and where the files are."""
    from hostctl.printing import table_text

    lines = [*([VIRTUAL, ""] if told["virtual"] else []), told["headline"], ""]
    for part in told["parts"].values():
        if part["aside"]:
            continue
        rows = [dict(zip(part["headings"], row, strict=True)) for row in part["shown"]]
        lines += [part["title"], *filter(None, [part["note"]]), table_text(rows), ""]
    return "\n".join([*lines, *told["notes"], "", *(f"{kind:<5} {path}" for kind, path in told["files"].items())])


def markdown(made: PrintedTable) -> str:
    """Write a table as Markdown: headline, parts, notes and reasons."""
    lines = [f"## {made.title}", "", made.headline, ""]
    for part in made.parts:
        if part.aside:
            continue
        lines += [f"**{part.title}**", "", *([part.note, ""] if part.note else [])]
        lines += ["| " + " | ".join(column.heading for column in part.columns) + " |"]
        lines += ["|" + "---|" * len(part.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in part.cells()] + [""]
    lines += [f"- {note}" for note in made.notes]
    lines += ["", "Why this cannot agree with the paper:", "", *(f"- {reason}" for reason in made.reasons)]
    return "\n".join(lines) + "\n"


def _notes(study: Study, powers: Mapping[str, float], attempts: pd.DataFrame, *, seeds: int, drop: float) -> list[str]:
    device, partner = study.devices[:2]
    objects = len({photo.cluster for photo in study.photos})
    failed = int((attempts["error"].fillna("") != "").sum())
    settings = study.settings
    notes = [
        f"{objects} objects in {study.folds} outer folds by object, {seeds} seeds; of each outer training side "
        f"{100 * study.inner_share:.0f} % of the objects validate, others for each seed. Every object is tested once.",
        f"{len(attempts)} trainings of {settings.model}, trainable {settings.trainable}: {settings.epochs} epochs, "
        f"batch {settings.batch}, learning rate {settings.learning_rate:g}, {settings.draws} noises a photo; {failed} "
        "failed; all are listed.",
        f"Alpha and strength of each fold: the lowest instability between {device} and {partner} on validation, mean "
        f"over seeds, among those whose accuracy is at most {100 * drop:g} points below that of no noise.",
        "An item is a scene and repeat, its value the mean over the seeds; intervals and tests count objects. "
        "The seeds are averaged and not a source of doubt in the intervals; their spread is told.",
        f"The test objects were opened for {len(openings(study.folder))} different choice(s).",
    ]
    if powers:
        notes.append(
            f"Power: {powers['objects']:.0f} objects find a fall of {100 * powers['shown']:.1f} points with a "
            f"chance of 80 % at 5 %, of {100 * powers['shown_holm']:.1f} at Holm's strictest step; a fall "
            f"like the paper's ({100 * powers['fall_as_in_paper']:.1f} points here) with a chance of "
            f"{100 * powers['paper']:.0f} %."
        )
    return notes


def _reasons(study: Study) -> tuple[str, ...]:
    return (
        "Other photographs, classes and cameras; the paper names neither the size of its test nor an interval.",
        f"{study.devices[0]} and {study.devices[1]} are this run's devices, not a Samsung and an iPhone.",
        "The paper's grid search says nothing of held-out objects; here every choice is made on other objects than "
        "it is judged on, which can only look worse.",
        f"trainable {study.settings.trainable}: the paper does not say what it froze.",
    )


def _bars(frame: pd.DataFrame) -> Bars:
    rows = pd.DataFrame(
        {
            "name": [
                f"{noise}, {SHORT.get(loss, loss)}" for noise, loss in zip(frame["noise"], frame["loss"], strict=True)
            ],
            "value": 100 * frame["instability"],
            "low": 100 * frame["instability_low"],
            "high": 100 * frame["instability_high"],
            "published": 100 * frame["paper"],
        }
    )
    caption = "By scheme, on objects never seen; lines hold 95 % by object. Diamonds are the paper's, on other phones."
    return Bars("Instability by scheme", "instability (%)", caption, rows)


def _drawn(best: tuple[str, str] | None) -> list[tuple[str, str]]:
    """Figure 7: plain fine-tuning beside the scheme that validation liked best."""
    return [("none", best[1]), best] if best else [("none", "embedding"), ("none", "relative-entropy")]


def _write(out: Path, made: PrintedTable, figure7: Mapping[str, Plot], told: Mapping[str, Any], study: Study) -> None:
    plots = {"scheme": draw(made.figures[0], 0)}
    for name, plot in figure7.items():
        plots[name] = dataclasses.replace(plot, title="Figure 7: precision and recall", caption=_figure7_words(study))
    page = render_page(
        "table.html",
        table=made,
        parts=[as_shown(part) for part in made.parts],
        aside={part.name for part in made.parts if part.aside},
        plots=plots,
        provenance={"study": study.folder.name, "command": " ".join(["instability", *sys.argv[1:]])},
        warning=VIRTUAL if told["virtual"] else "",
    )
    texts = {"html": page, "md": markdown(made), "csv": csv_text(made), "json": json.dumps(told, indent=1) + "\n"}
    for kind, text in texts.items():
        write_whole(out / f"{NAME}.{kind}", text.encode("utf-8"))


def _figure7_words(study: Study) -> str:
    return (
        f"Answers on {study.devices[0]} and {study.devices[1]}, objects never seen, all seeds: right ones among those "
        "at or above a score, as the score falls from left to right."
    )


def _cells(part: Part) -> dict[str, Any]:
    shown = [] if part.aside else part.cells()
    headings = [column.heading for column in part.columns]
    return {
        "headings": headings,
        "shown": shown,
        "aside": part.aside,
        "rows": [] if part.aside else to_json(part.frame),
    }


def _rate_text(row: Mapping[str, Any]) -> str:
    return percent_text(row["instability"], (row["instability_low"], row["instability_high"]))


def _change_text(row: Mapping[str, Any]) -> str:
    ends = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{100 * row['change']:+.1f} points {ends} (p {row['p']:.3f}, {row['holm']:.3f} after Holm)"
