"""What a page says of the screen it is on, and whether that screen can be used."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from capture.screen import SMALLEST_SIDE
from device_agents.errors import BadInput

LARGEST_SIDE = 8192


@dataclass(frozen=True)
class ScreenReport:
    """What a page says of itself.

    ``height`` and ``width`` are whole device pixels; ``ratio`` is device pixels a CSS pixel; ``scale`` the pinch zoom
    and ``zoom`` the browser's (1 = 100 %); ``gamut`` is what CSS color-gamut says (srgb, p3, rec2020, or none).
    """

    client: str
    height: int
    width: int
    ratio: float = 1.0
    scale: float = 1.0
    zoom: float = 1.0
    visible: bool = True
    gamut: str = "srgb"
    agent: str = ""

    @property
    def identity(self) -> tuple[str, int, int]:
        """What must be the same for a frame on the screen to stay right."""
        return self.client, self.height, self.width


def read_report(values: dict[str, Any]) -> ScreenReport:
    """Read a report from a JSON object; raises BadInput naming missing and unknown keys and wrong types."""
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
    fields = {field.name: field for field in dataclasses.fields(ScreenReport)}
    wrong = sorted(set(values) - set(fields))
    wrong += [name for name in ("client", "height", "width") if name not in values]
    for name in set(values) & set(fields):
        kind, value = str(fields[name].type), values[name]
        if not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "bool"):
            wrong.append(name)
    if wrong:
        raise BadInput(f"expected a screen's report with {', '.join(fields)}; wrong: {', '.join(wrong)}")
    return ScreenReport(**values)


def refusal(report: ScreenReport) -> str:
    """Say why a screen cannot be used as it is now and what to do; "" if it can."""
    if not report.visible:
        return "the page is hidden: bring it to the front"
    if not abs(report.scale - 1) <= 0.01:
        return f"the page is pinched to {report.scale:.0%}: pinch it back to 100 %"
    if not abs(report.zoom - 1) <= 0.04:
        return f"the browser's zoom is {report.zoom:.0%}: press Ctrl+0, and close panels beside the page"
    if max(report.height, report.width) > LARGEST_SIDE:
        return f"the window is {report.width}x{report.height} pixels: make it at most {LARGEST_SIDE} a side"
    if min(report.height, report.width) < SMALLEST_SIDE:
        return f"the window is {report.width}x{report.height} pixels: make it at least {SMALLEST_SIDE} a side"
    return ""
