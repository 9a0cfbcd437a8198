"""Where two photographs of one thing differ by more than 5 %: a map and the share of pixels; two repeats or two files.

After figure 1 of the instability paper (Cidon et al. 2021): the same phone, two shots seconds apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from analysis.differences import VISIBLE, to_one_size
from analysis.measures import pixel_differences as pixels
from analysis.run_folder.files import make_folder, write_whole
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput
from device_agents.view import VIEWS
from hostctl.pictures.noise_page import fill_page, image_uri
from hostctl.pictures.noise_pictures import DECODER, VIEW, known, read_source

LONGEST_PX = 640  # of a map as it is drawn; it is measured in full


def difference_map(
    first: Path, second: Path, *, out: Path, pictures: tuple[str, str] = ("", ""), threshold: float = VISIBLE
) -> dict[str, Any]:
    """Show where two pictures differ by more than threshold x 255 in a channel, and in what share of them.

    first, second: picture files, or a run each with the name of one of its pictures in ``pictures``: two repeats of a
    device are compared within the first one's scene corners (the camera did not move, what the markers measure does),
    those of two devices each within its own. Pictures of unequal size are reduced to one size. Writes OUT/map.html.
    """
    sources = [read_source(path, name) for path, name in zip((first, second), pictures, strict=True)]
    raws = [one.name for one in sources if not one.photograph]
    if raws:
        raise BadInput(f"expected photographs to compare, got raw files: {', '.join(raws)}; develop them first")
    decoded = [DECODERS[DECODER](one.photograph) for one in sources]
    corners = [one.corners for one in sources]
    still = bool(sources[0].device) and sources[0].device == sources[1].device and decoded[0].shape == decoded[1].shape
    if all(corners):
        corners = [corners[0], corners[0]] if still else corners
        decoded = [VIEWS[VIEW](one, where) for one, where in zip(decoded, corners, strict=True)]
    a, b = to_one_size(*decoded)
    marked = pixels.visible_pixels(a, b, threshold=threshold)
    share, facts = float(marked.mean()), known(pixels.measure(a, b)._asdict())
    shown = [("first", sources[0].name, a), ("second", sources[1].name, b), ("map", "", pixels.draw_map(a, marked))]
    figures = [{"kind": kind, "name": name, "image": image_uri(_small(one))} for kind, name, one in shown]
    words = {"share": share, "threshold": threshold, "facts": facts, "height": a.shape[0], "width": a.shape[1]}
    make_folder(out)
    write_whole(out / "map.html", fill_page("map.html", title="Where two pictures differ", figures=figures, **words))
    names = {"first": sources[0].name, "second": sources[1].name}
    reduced = decoded[0].shape != decoded[1].shape
    return {**names, "page": str(out / "map.html"), **words, "rectified": all(map(bool, corners)), "reduced": reduced}


def _small(picture: RGB) -> RGB:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BOX)  # a pale mark stands for a share of its pixels
    return np.asarray(image)
