"""Pages of pictures in one file that opens without a server: PNG and CSV as data addresses, the report's look."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from capture.encode import encode_png
from device_agents.decode import RGB


def fill_page(template: str, **values: Any) -> bytes:
    """Fill a template of analysis/templates, everything escaped; gives HTML in UTF-8."""
    from analysis.report import render_page

    return render_page(template, **values).encode()


def image_uri(picture: RGB) -> str:
    """Give a picture, uint8 (height, width, 3), as a PNG in a data: address."""
    return data_uri(encode_png(picture, level=9), "image/png")


def data_uri(data: bytes, kind: str) -> str:
    """Give bytes of a MIME type as a data: address."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out rows with the same keys as CSV with a header; raises IndexError where there are none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
