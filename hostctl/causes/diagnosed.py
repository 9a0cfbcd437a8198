"""What a diagnosis says: the cost of what was found, the rows for a report, and the text that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.verdicts import verdicts
from device_agents.records import Environment
from hostctl.causes.remade import Maker, Steps
from hostctl.causes.reported import Reported


def cost_of_software(
    rows: pd.DataFrame, cells: Sequence[Reported], claimed: Environment, maker: Maker
) -> dict[str, int]:
    """Count what a device's software faults change, picture by picture, against the claimed way computed here.

    Keys: compared, other_label, broke (right as claimed, wrong as reported) and mended (the other way about).
    """
    steps = Steps.claimed(claimed, maker.sidecar(claimed.model_sha256))
    truth = {row["picture"]: (row["labels"], row["ambiguous"]) for row in rows.to_dict("records")}
    pairs = []
    for cell in cells:
        answer = maker.answer(cell.file, steps, claimed.model_sha256, claimed.runtime)
        if answer is not None and cell.labels:
            pairs.append((cell.labels[0], answer[0][0], *truth[cell.file.picture]))
    if not pairs:
        return {"compared": 0, "other_label": 0, "broke": 0, "mended": 0}
    reported, expected, accepted, ambiguous = zip(*pairs, strict=True)
    ours, theirs = (
        np.asarray(verdicts(np.array(labels, object)[:, None], list(accepted), list(ambiguous)))
        for labels in (reported, expected)
    )
    return {
        "compared": len(pairs),
        "other_label": sum(one != other for one, other in zip(reported, expected, strict=True)),
        "broke": int(((theirs == "right") & (ours == "wrong")).sum()),
        "mended": int(((theirs == "wrong") & (ours == "right")).sum()),
    }


def cost_of_device(table: pd.DataFrame, device: str) -> dict[str, float]:
    """Give the instability across devices with a device and without it; {} where it cannot be computed.

    table: predictions of a run; of each device its own count where it predicted itself, in the environment that most
    of its photographs have.
    """
    from analysis.instability import instability

    own = table[(table["device"] != "") & table["machine"].isin(["host", *table["device"].unique()])]
    kept = []
    for name, part in own.groupby("device", sort=False):
        mine = part[part["machine"] == name]
        part = mine if len(mine) else part[part["machine"] == "host"]
        kept.append(part[part["environment"] == part["environment"].mode().iloc[0]] if len(part) else part)
    if len(kept) < 3:
        return {}
    home = pd.concat(kept, ignore_index=True)
    parts = {"with": home, "without": home[home["device"] != device]}
    rates = {f"instability_{name}": instability(part) for name, part in parts.items()}
    return {name: float(one.rate) for name, one in rates.items() if one.items} if device in set(home["device"]) else {}


def diagnosis_rows(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give the rows of a report's table: device, stage, answer, seen, basis, cost; one a finding, or "nothing"."""
    rows = []
    for device in result["devices"]:
        for one in device["findings"] or [None]:
            row = {"device": device["device"], "stage": "", "answer": "nothing", "seen": _checked(device)}
            if one is not None:
                answer = " = ".join(one["variants"]) or "unknown"
                row |= {"stage": one["stage"], "answer": answer, "seen": one["text"]}
            basis = "" if one is None else "proof" if one["proof"] else "against the other devices"
            rows.append({**row, "basis": basis, "cost": _cost(device["cost"]) if one else ""})
    return rows


def diagnosis_text(result: Mapping[str, Any]) -> str:
    """Lay out a diagnosis: each device with its findings, what they cost, and what could not be told."""
    lines = []
    for device in result["devices"]:
        findings = device["findings"]
        lines.append(
            f"{device['device']}: {'nothing found' if not findings else ''}".rstrip() + f" ({_checked(device)})"
        )
        for one in findings:
            answer = " = ".join(one["variants"]) or "unknown (outside the catalogue)"
            count = f", {one['differing']} of {one['pictures']} pictures" if one["differing"] is not None else ""
            lines.append(f"  {one['stage']}: {answer}")
            lines.append(f"    {one['text']} ({'proof' if one['proof'] else 'against the other devices'}{count})")
        if findings and (cost := _cost(device["cost"])):
            lines.append(f"  costs: {cost}")
        if device["hidden"]:
            lines.append(f"  cannot tell: {', '.join(device['hidden'])} (hidden behind what is unknown before them)")
        lines += [f"  note: {note}" for note in device["notes"]]
    return "\n".join([*lines, *result["notes"]])


def _checked(device: Mapping[str, Any]) -> str:
    software, photographs = device["checked"]["software"], device["checked"]["photographs"]
    parts = [f"{software} predictions"] * (software > 0) + [f"{photographs} photographs"] * (photographs > 0)
    return f"checked: {', '.join(parts)}" if parts else "nothing to check: it predicts on the host"


def _cost(cost: Mapping[str, Any]) -> str:
    parts = []
    if cost.get("compared"):
        broke, mended = cost["broke"], cost["mended"]
        parts.append(f"{cost['other_label']} of {cost['compared']} labels ({broke} broke, {mended} mended)")
    if {"instability_with", "instability_without"} <= set(cost):
        parts.append(f"instability {cost['instability_with']:.1%}, without it {cost['instability_without']:.1%}")
    return "; ".join(parts)
