"""The parts of table 6 as they are printed: which columns, what they are called, and how schemes are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.papers.printed_table import Column, Part

if TYPE_CHECKING:
    import pandas as pd

    from stability_train.nested import Study

LOSS_NAMES = {"embedding": "embedding distance", "relative-entropy": "relative entropy"}


def scheme_name(noise: str, loss: str) -> str:
    """Name a scheme for people: "two-images, embedding distance"."""
    loss_name = LOSS_NAMES.get(loss, loss)
    if noise != "none":
        return f"{noise}, {loss_name}"
    return "no noise, extra layer" if loss == "embedding" else "no noise"


def main_part(frame: pd.DataFrame, device: str, partner: str) -> Part:
    """The paper's table: instability, the change against no noise with its tests, and the printed value."""
    columns = (
        Column("loss_name", "loss"),
        Column("noise", "noise"),
        Column("chosen", "chosen by fold"),
        Column("validated", "validated %", "percent"),
        Column("instability", "instability %", "percent", ("instability_low", "instability_high")),
        Column("change", "against no noise", "points", ("low", "high")),
        Column("p", "p", "chance"),
        Column("holm", "Holm", "chance"),
        Column("paper", "paper %", "printed-percent"),
    )
    note = f"Instability between {device} and {partner} on objects that were neither trained nor chosen on; points."
    return Part("table6", "Table 6", note, _with(frame, columns), columns)


def accuracy_part(frame: pd.DataFrame, study: Study) -> Part:
    """Accuracy and average precision of device and partner, and the spread over seeds."""
    columns = (
        Column("loss_name", "loss"),
        Column("noise", "noise"),
        Column("accuracy", "accuracy %", "percent", ("accuracy_low", "accuracy_high")),
        Column("accuracy_change", "against no noise", "points", ("accuracy_change_low", "accuracy_change_high")),
        Column("p_accuracy", "p", "chance"),
        *(Column(f"accuracy_{one}", f"{one} %", "percent") for one in study.devices),
        Column("average_precision", "average precision %", "percent"),
        Column("seed_spread", "spread over seeds", "points"),
    )
    note = "Of device and partner together; the spread is the standard deviation of the instability over the seeds."
    return Part("accuracy", "Accuracy", note, _with(frame, columns), columns)


def unseen_part(frame: pd.DataFrame, study: Study) -> Part:
    """Instability between the device and those never seen, and over all."""
    device = study.devices[0]
    columns = [Column("loss_name", "loss"), Column("noise", "noise")]
    for one in study.unseen:
        name = f"unseen_{one}"
        columns.append(Column(name, f"{device}, {one} %", "percent", (f"{name}_low", f"{name}_high")))
        columns.append(Column(f"change_{one}", f"{one}: against no noise", "points", (f"low_{one}", f"high_{one}")))
        columns.append(Column(f"p_{one}", f"{one}: p", "chance"))
    columns.append(Column("all", f"all {len(study.devices)} %", "percent", ("all_low", "all_high")))
    columns.append(Column("change_all", "all: against no noise", "points", ("low_all", "high_all")))
    columns.append(Column("p_all", "all: p", "chance"))
    note = "Devices that nothing was trained or chosen on; p is not corrected."
    return Part("unseen", "Devices never seen", note, _with(frame, columns), tuple(columns))


def orders_part(frame: pd.DataFrame) -> Part:
    """What the paper's table orders, and whether it holds here."""
    columns = (
        Column("order", "order in the paper"),
        Column("paper", "paper, points", "points"),
        Column("change", "here, points", "points", ("low", "high")),
        Column("p", "p", "chance"),
        Column("here", "here"),
    )
    return Part("orders", "The paper's orders", "Paired by object; p is not corrected.", frame, columns)


def choice_part(choice: pd.DataFrame) -> Part:
    """What validation chose in each fold."""
    columns = (
        *(Column(name, name) for name in ("noise", "loss", "fold")),
        Column("alpha", "alpha", "text"),
        Column("strength", "strength", "text"),
        Column("instability", "validated instability %", "percent"),
        Column("accuracy", "validated accuracy %", "percent"),
        Column("baseline_accuracy", "no noise: accuracy %", "percent"),
        Column("guarded", "within the guard", "yes-no"),
        Column("tried", "tried", "number"),
    )
    return Part("choices", "What validation chose in each fold", "", choice, columns, aside=True)


def attempts_part(attempts: pd.DataFrame) -> Part:
    """Every training that was made."""
    columns = (
        *(Column(name, name) for name in ("noise", "loss", "alpha", "strength", "fold", "seed")),
        Column("instability", "validated instability %", "percent"),
        Column("accuracy", "validated accuracy %", "percent"),
        Column("seconds", "seconds", "as-printed"),
        Column("error", "error"),
    )
    return Part("attempts", "All attempts", "", attempts, columns, aside=True)


def chosen_text(row: Mapping[str, Any]) -> dict[str, str]:
    """Write what was chosen in each fold, "(!)" where no scheme kept within the guard, and the loss's name."""

    def shown(alpha: float, strength: float | None) -> str:
        return f"{alpha:g}" + ("" if strength is None or strength != strength else f" ({strength:g})")

    pairs = zip(row["alphas"], row["strengths"], strict=True)
    chosen = ", ".join(shown(*pair) for pair in pairs) if row["noise"] != "none" else "-"
    mark = "" if row["guarded"] else " (!)"
    return {"chosen": chosen + mark, "loss_name": LOSS_NAMES.get(row["loss"], row["loss"])}


def _with(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The columns that a part shows, with their intervals; those that no row has are empty."""
    names = [name for column in columns for name in (column.name, *(column.interval or ()))]
    return frame.reindex(columns=names)
