"""The answer in words: from a study's summary to the sentences at the head of a report and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENOUGH_SCENES = 300
VIRTUAL = "These devices are virtual: their cameras are simulated, so the numbers say nothing about real phones."
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def headline(summary: Mapping[str, Any]) -> str:
    """Give the one sentence that answers: how unstable, how surely (in brackets), across what."""
    found = summary["instability"]
    if found["rate"] is None:
        return of_units(_nothing_to_compare(summary), summary)
    return of_units(
        f"Your model is unstable on {percent(found['rate'])} {interval(found)} of these photographs "
        f"across these {counted(summary['devices'], noun(summary))}.",
        summary,
    )


def remarks(summary: Mapping[str, Any], *, virtual: bool) -> list[str]:
    """Give what must be known to read the answer honestly, the most important first; virtual: simulated devices."""
    told = [VIRTUAL if virtual else "", _meaning(summary), _unlabelled(summary), _how_sure(summary)]
    told += [_against_itself(summary), _gaps(summary)]
    return [of_units(one, summary) for one in told if one]


def percent(share: float | None) -> str:
    """Write a share of 1 in percent, whole from 10 % on and with one decimal below, such as "14 %" or "3.1 %"."""
    return "–" if share is None else f"{_number(share)}\u00a0%"


def interval(found: Mapping[str, Any]) -> str:
    """Write the interval of a rate in percent, such as "[9, 21]"; nothing where there is none."""
    if found.get("low") is None or found.get("high") is None:
        return ""
    return f"[{_number(found['low'])}, {_number(found['high'])}]"


def noun(summary: Mapping[str, Any]) -> str:
    """Give the word for what a study compares: "device", or "condition" where they are environments."""
    return "condition" if summary.get("compared") == "environment" else "device"


def unit(summary: Mapping[str, Any]) -> str:
    """Give the word for what is right or wrong: "photograph", or "object" where objects of pictures are judged."""
    return str(summary.get("unit", "photograph"))


def of_units(text: str, summary: Mapping[str, Any]) -> str:
    """Put the study's unit in the place of "photograph"."""
    name = unit(summary)
    if name != "object":
        return text
    for article in ("A", "a"):
        text = text.replace(f"{article} photograph", f"{article}n {name}")
    return text.replace("Photograph", name.capitalize()).replace("photograph", name)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, small numbers as words: "five devices", "one device", "20 scenes"."""
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{word} {noun}" if number == 1 else f"{word} {noun}s"


def _number(share: float) -> str:
    value = 100 * share
    text = f"{value:.0f}" if abs(value) >= 9.95 or abs(value) < 0.005 else f"{value:.1f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _nothing_to_compare(summary: Mapping[str, Any]) -> str:
    right = summary["accuracy_overall"]
    if summary.get("unlabelled") == summary["scenes"]:
        labels = summary["disagreement"]
        if labels["rate"] is None:
            return "No scene has a label, so that no answer is right or wrong: only whether answers agree can be told."
        return (
            f"Your model gives different answers to {percent(labels['rate'])} {interval(labels)} of these photographs "
            f"across these {counted(summary['devices'], noun(summary))}; which are right nobody knows."
        )
    if summary["devices"] > 1:
        return f"No photograph has answers of two {noun(summary)}s that could be compared; see what is missing below."
    told = "With one device there is nothing to compare across devices."
    if right["accuracy"] is None:
        return told + " It gave no answer that counts; see what is missing below."
    return f"{told} It was right on {percent(right['accuracy'])} {interval(right)} of its photographs."


def _meaning(summary: Mapping[str, Any]) -> str:
    found = summary["instability"]
    several = [(summary["angles"], "angles"), (summary["repeats"], "repeats")]
    scenes = f"{summary['scenes']} scene{'s' if summary['scenes'] > 1 else ''}"
    grid = " × ".join([scenes, *[f"{number} {noun}" for number, noun in several if number > 1]])
    if found["rate"] is None:
        return f"Shown: {grid}."
    one = f"at least one {noun(summary)}"
    return (
        f"On {found['unstable']:,} of {found['items']:,} photographs ({grid}) {one} was right and at least one "
        "was clearly wrong. A photograph that all get wrong counts as stable; a failed one does not count."
    )


def _against_itself(summary: Mapping[str, Any]) -> str:
    for over, words in ((one, f"two {one}s of one {noun(summary)}") for one in ("repeat", "angle")):
        if over in summary["excess_over_within"]:
            found = summary["excess_over_within"][over]
            chance = ", which may still be chance" if found["low"] <= 0 else ""
            return (
                f"Two random {noun(summary)}s contradict each other on {percent(found['cross'])} of the photographs, "
                f"{words} on {percent(found['within'])}: {_number(found['excess'])} points {interval(found)} "
                f"more{chance}."
            )
    return ""


def _unlabelled(summary: Mapping[str, Any]) -> str:
    unlabelled, scenes = summary.get("unlabelled", 0), summary["scenes"]
    if not unlabelled:
        return ""
    if unlabelled == scenes:
        return "Accuracy and instability need labels and are not told; whether answers agree needs none."
    return (
        f"{unlabelled} of {scenes} scenes {'has' if unlabelled == 1 else 'have'} no label: no answer is right or wrong "
        "there, so that accuracy and instability are told of the others only; whether answers agree, of all."
    )


def _how_sure(summary: Mapping[str, Any]) -> str:
    found = summary["instability"]
    if found["rate"] is None or summary["clusters"] >= ENOUGH_SCENES:
        return ""
    reach = 50 * (found["high"] - found["low"])
    few = counted(found["clusters"], "scene" if summary["clusters"] == summary["scenes"] else "object")
    verb = "gives" if found["clusters"] == 1 else "give"
    return (
        f"{few.capitalize()} {verb} an interval of about ±{reach:.0f} points: a first look. "
        f"For a number to rely on, show {ENOUGH_SCENES} scenes or more, as `make study` does."
    )


def _gaps(summary: Mapping[str, Any]) -> str:
    found, gaps = summary["instability"], []
    if summary.get("conditions_left_out"):
        gaps.append(f"{summary['conditions_left_out']:,} more conditions of this run are not compared here")
    missing = summary["missing"] + summary["not_predicted"]
    asked = summary["predictions"] + summary["not_predicted"]
    if missing:
        gaps.append(f"{missing:,} of {asked:,} answers {'is' if missing == 1 else 'are'} missing")
    if summary["ambiguous"] and summary.get("unlabelled") != summary["scenes"]:
        gaps.append(f"{summary['ambiguous']:,} of {asked:,} answers count as neither right nor wrong")
    if found["uncounted"] and summary["devices"] > 1 and summary.get("unlabelled") != summary["scenes"]:
        gaps.append(
            f"{found['uncounted']:,} photographs could not be compared, having fewer than two answers that count"
        )
    return ("; ".join(gaps) + ".").capitalize() if gaps else ""
