"""The three files of a small page (index.html, page.js, page.css) as a blueprint's addresses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Blueprint

FILES = {
    "page": ("", "index.html", "text/html"),
    "script": ("page.js", "page.js", "text/javascript"),
    "style": ("page.css", "page.css", "text/css"),
}


def add_page_files(pages: Blueprint, folder: Path) -> None:
    """Serve a folder's page at /NAME/, NAME the blueprint's (endpoint "page"), and beside it its script and style."""
    from flask import Response

    for endpoint, (path, file, kind) in FILES.items():

        def view(file: str = file, kind: str = kind) -> Response:
            return Response((folder / file).read_bytes(), mimetype=kind)

        pages.add_url_rule(f"/{pages.name}/{path}", endpoint=endpoint, view_func=view)
