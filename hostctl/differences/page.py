"""The page of a differential test, from its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.differential.page import Shown, html_text
from hostctl.differences.localising import Located
from hostctl.differences.result import Tables

COLUMNS = tuple(Located.__dataclass_fields__)


def page_text(result: Mapping[str, Any], tables: Tables) -> str:
    """Write the page as one HTML text."""
    located = pd.DataFrame(result["located"], columns=list(COLUMNS))
    return html_text(
        Shown(
            title="Differential test",
            sentence=result["sentence"],
            remarks=remarks(result),
            variants=tables.variants,
            pairs=tables.pairs,
            means=tables.means,
            degenerate=tables.degenerate,
            located=located.assign(**{name: located[name].map(plain_name) for name in ("layer", "other_layer")}),
            provenance=_provenance(result, tables),
        )
    )


def plain_name(layer: str) -> str:
    """The first of the names that a converter has joined by ";" into that of a fused layer."""
    first, *rest = layer.split(";")
    return f"{first} (and {len(rest)} fused)" if rest else first


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What to know besides the sentence: equal bits, degenerate variants, drift, what was left out or failed."""
    told = [f"equal bits on every picture: {', '.join(group)}" for group in result["groups"] if len(group) > 1]
    told += [f"degenerate: {one['variant']}: {one['reason']} ({one['detail']})" for one in result["degenerate"]]
    told += [
        f"the time of {one['variant']} drifted by a factor of {one['drift']:.2f} from first to last"
        for one in result["variants"]
        if one["drifts"]
    ]
    told += [
        f"{one['variant']}: {one['unsteady']} repeats gave other bits than the first"
        for one in result["variants"]
        if one["unsteady"]
    ]
    told += [
        f"{one['b']} counts its classes from {one['offset']:+d} of {one['a']}: one of them has a background class that "
        "its sidecar does not name"
        for one in result["offsets"]
    ]
    told += [f"failed: {one}" for one in result["failures"]]
    return told + [f"left out: {one}" for one in result["left_out"]]


def _provenance(result: Mapping[str, Any], tables: Tables) -> dict[str, str]:
    rounds = tables.variants["rounds"].max()
    threads = ", ".join(str(one) for one in sorted(set(tables.variants["threads"])))
    return {
        "Pictures": f"{result['pictures']:,}",
        "Repeats": str(result["repeats"]),
        "Rounds": "-" if pd.isna(rounds) else f"{rounds:.0f}, in the order of Williams' squares",
        "Threads": threads,
        "Tolerance of a layer": f"{result['tolerance']:g} (relative L2 distance)",
        "Files": "; ".join(f"{row.file} ({row.model})" for row in tables.variants.drop_duplicates("file").itertuples()),
    }
