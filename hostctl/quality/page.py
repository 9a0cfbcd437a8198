"""The page of a rack's qualification: scores, what to do, the charts as each device saw them, definitions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hostctl.quality.measures import look
from hostctl.quality.scores import SCORES

if TYPE_CHECKING:
    from analysis.store import Run
    from capture.charts import RGB

LONGEST_PX, QUALITY = 420, 88
STRETCH = 6  # of the contrast around the mean, so that bands and moire of a percent can be seen
PAGE = "qualify.html"
SHOWN = {
    "flat-mid": f"flat field, contrast x {STRETCH}",
    "lines": f"fine grids, blurred, contrast x {STRETCH}",
    "edges": "an edge in the middle",
    "golden": "ramp and colours",
}


def write_page(run: Run, found: Mapping[str, Any], *, virtual: bool) -> Path:
    """Write RUN/report/qualify.html, one file without scripts, and give its path."""
    from analysis.pages.answer import VIRTUAL
    from analysis.run_folder.files import write_whole
    from hostctl.pictures.noise_page import fill_page

    path = run.folder / "report" / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = {row["device"]: _figures(run, row["device"]) for row in found["devices"] if _seen(row)}
    values = {"found": found, "scores": SCORES, "shown": shown, "headline": headline(found), "text": value_text}
    write_whole(path, fill_page("qualify.html", warning=VIRTUAL if virtual else "", **values))
    return path


def headline(found: Mapping[str, Any]) -> str:
    """Give the answer in one sentence."""
    count = len(found["devices"])
    warned = [row["device"] for row in found["devices"] if row["verdict"] == "warn"]
    if found["failed"]:
        return f"{len(found['failed'])} of {count} devices fail: {', '.join(found['failed'])}"
    if warned:
        return f"No device of {count} fails; look at {', '.join(warned)}"
    return f"All {count} devices pass" if count > 1 else "The device passes"


def value_text(value: float | None) -> str:
    """Give a score's value with three digits, "-" for none."""
    if value is None:
        return "-"
    value = 0.0 if abs(value) < 1e-6 else value  # what arithmetic leaves of nothing
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def qualified_text(found: Mapping[str, Any]) -> str:
    """Lay out a qualification for a person: the table, the reasons, and what to do."""
    from hostctl.printing import table_text

    rows = []
    for score in SCORES:
        cells = {"score": f"{score.title} ({score.unit})", "limit": score.limits}
        for row in found["devices"]:
            one = row["scores"][score.key]
            cells[row["device"]] = f"{value_text(one['value'])} {one['verdict']}"
        rows.append(cells)
    lines = [table_text(rows), "", headline(found)]
    for row in found["devices"]:
        if row["advice"] or row["reasons"]:
            lines += ["", f"{row['device']}:"]
            lines += [f"  refused: {one}" for one in row["reasons"]]
            lines += [f"  - {one}" for one in row["advice"]]
    return "\n".join([*lines, "", f"page: {found['page']}"])


def _seen(row: Mapping[str, Any]) -> bool:
    return any(one["value"] is not None for key, one in row["scores"].items() if key != "accepted")


def _figures(run: Run, device: str) -> list[dict[str, str]]:
    """The charts of a device's first shots, made small; contrast stretched where the eye would see nothing."""
    seen = look(run, device, most=2)
    pictures = {name: _drawn(name, seen.shots[name][0]) for name in SHOWN if seen.shots.get(name)}
    figures = [{"image": _uri(one), "words": SHOWN[name]} for name, one in pictures.items()]
    pairs = [shots[:2] for name, shots in seen.shots.items() if len(shots) > 1 and name == "golden"]
    words = "where two shots differ by more than 5 %"
    return figures + [{"image": _uri(_map(*pair)), "words": words} for pair in pairs]


def _drawn(name: str, picture: RGB) -> RGB:
    import cv2

    from capture import charts

    if name == "edges":
        part = charts.FOCUS_EDGES[0].cut(picture)
        spare = (part.shape[0] - part.shape[1]) // 2
        return part[spare : spare + part.shape[1]] if spare > 0 else part
    if name == "lines":
        blur = 1.5 * max(charts.PERIODS_PX) * picture.shape[0] / charts.SIZE[0]
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur))
    return _stretched(picture) if name in ("flat-mid", "lines") else picture


def _stretched(picture: RGB) -> RGB:
    centre = np.median(picture.reshape(-1, 3), axis=0)
    stretched: RGB = np.clip(128 + STRETCH * (picture - centre), 0, 255).astype(np.uint8)
    return stretched


def _map(first: RGB, second: RGB) -> RGB:
    from analysis.differences import VISIBLE, to_one_size
    from analysis.measures.pixel_differences import draw_map, visible_pixels

    first, second = to_one_size(first, second)
    return draw_map(first, visible_pixels(first, second, threshold=VISIBLE))


def _uri(picture: RGB) -> str:
    """Give a picture as a small JPEG in a data: address."""
    import io

    from PIL import Image

    from hostctl.pictures.noise_page import data_uri

    image, stream = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BOX)
    image.save(stream, "JPEG", quality=QUALITY)
    return data_uri(stream.getvalue(), "image/jpeg")
