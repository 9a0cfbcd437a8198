"""Make the README's two pictures from a run on drawn scenes: the top of its report, and one scene as devices saw it.

`python -m benchmarks.readme_pictures RUN SCENE [--out docs/images]`
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from analysis.store import Run
from capture.screen import layout_for, render_frame
from device_agents.decode import DECODERS
from device_agents.errors import BadInput

RGB = NDArray[np.uint8]

WIDTH, HEIGHT = 1280, 1100  # of the browser's window, in pixels
CARDS, MARGIN = 2, 18  # how many unstable scenes to show, and the room below them
SHEET_WIDTH = 1080  # of the photographs; wider ones would not fit the file size that we allow
COLUMNS, GAP, CAPTION = 3, 16, 34
TILE = (SHEET_WIDTH - (COLUMNS - 1) * GAP) // COLUMNS
COLOURS = 256


def report_picture(run: Path, out: Path) -> None:
    """Take the top of the run's report as Chromium shows it, down to the second unstable scene, 1280 pixels wide.

    Raises BadInput where the report has fewer unstable scenes.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((run / "report" / "index.html").absolute().as_uri())
        cards = page.locator("article.card")
        if cards.count() < CARDS:
            raise BadInput(f"{run}: expected {CARDS} unstable scenes or more in the report, got {cards.count()}")
        bottom = cards.nth(CARDS - 1).evaluate("card => card.getBoundingClientRect().bottom")
        height = round(bottom) + MARGIN
        page.screenshot(path=out, clip={"x": 0, "y": 0, "width": WIDTH, "height": height}, full_page=True)
        browser.close()
    with Image.open(out) as image:
        _save(image.convert("RGB"), out)


def photographs_picture(run: Path, scene: str, out: Path) -> None:
    """Put the painted frame of a scene and every device's first photograph of it side by side, with captions.

    Raises BadInput where the run has no picture of the scene.
    """
    with Run.open(run, write=False) as opened:
        table = opened.pictures()
        table = table[(table["scene"] == scene) & (table["repeat"] == 1) & (table["suffix"] != ".dng")]
        if table.empty:
            raise BadInput(f"{run}: expected photographs of {scene}, got none")
        shown = next(one for one in opened.scenes() if one.scene == scene)
        display = opened.settings["display"]
        layout = layout_for(display["height"], display["width"])
        pixels = DECODERS["pillow"](Path(shown.file).read_bytes())
        frame = render_frame(pixels, stimulus=int(table["stimulus"].iloc[0]), layout=layout)
        tiles = [("the screen", frame.rgb)]
        for row in table.sort_values("place").to_dict("records"):
            tiles.append((row["device"], DECODERS["pillow"](opened.file(row["sha256"]).read_bytes())))
    _save(_sheet(tiles), out)


def _sheet(tiles: Sequence[tuple[str, RGB]]) -> Image.Image:
    """Lay pictures out in rows, each with its caption below."""
    small = [Image.fromarray(pixels) for _, pixels in tiles]
    small = [
        image.resize((TILE, round(TILE * image.height / image.width)), Image.Resampling.LANCZOS) for image in small
    ]
    height = max(image.height for image in small) + CAPTION
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (SHEET_WIDTH, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, ((caption, _), image) in enumerate(zip(tiles, small, strict=True)):
        x, y = number % COLUMNS * (TILE + GAP), number // COLUMNS * height
        sheet.paste(image, (x, y))
        middle = x + TILE / 2, y + height - CAPTION / 2
        pen.text(middle, caption, fill=(40, 40, 40), font=ImageFont.load_default(18), anchor="mm")
    return sheet


def _save(image: Image.Image, out: Path) -> None:
    """Write a PNG file of few colours: small enough for a repository."""
    out.parent.mkdir(parents=True, exist_ok=True)
    few = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    few.save(out, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme_pictures", description=__doc__)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("scene", help="the scene whose photographs to show")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="where to write (default: docs/images)")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    try:
        report_picture(asked.run, asked.out / "report.png")
        photographs_picture(asked.run, asked.scene, asked.out / "photographs.png")
    except BadInput as problem:
        sys.exit(f"readme_pictures: {problem}")
