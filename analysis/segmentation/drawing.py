"""Masks drawn over pictures: a colour a class, its name where it is largest, and stripes where the truth says another.

Classes are told apart by name and not by colour alone, mistakes by white and black stripes, which show on any ground.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.masks import OTHER, UNSEEN, answered, own_name, placed_on
from device_agents.tasks.answers import NO_CLASS, Mask, read_mask

RGB = NDArray[np.uint8]
Classes = NDArray[np.uint8]

# Okabe and Ito's colours, told apart by the colour-blind too, then lighter and darker ones; classes take them in order.
PALETTE = (
    *((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66)),
    *((122, 81, 149), (99, 132, 49), (140, 86, 75), (188, 189, 220), (255, 152, 150), (23, 190, 207), (127, 127, 127)),
)
STRANGE = (60, 60, 60)  # a class that the truth does not know, or none
OPACITY = 0.5
STRIPE_PX = 4
LEAST_SHARE = 0.01  # of the picture that a class must fill to be named
FONT_PX = 11


def draw_answer(picture: RGB, detail: str, truth: str = "") -> RGB:
    """Draw an answer's classes over a picture, uint8 (height, width, 3), at the size it has; gives a new one.

    With a truth, classes are the truth's and pixels that it says otherwise are striped; without one they are the
    model's own.
    """
    mask = read_mask(detail)
    if not truth:
        return _drawn(picture, _sized(mask, mask.classes, picture), mask.labels, None)
    told = read_mask(truth)
    classes = answered(mask, told)
    wrong = (classes != told.classes) & (told.classes != NO_CLASS) & (classes != UNSEEN)
    stripes = _sized(told, wrong.astype(np.uint8), picture) == 1
    return _drawn(picture, _sized(told, classes, picture), told.labels, stripes)


def draw_truth(picture: RGB, truth: str) -> RGB:
    """Draw a truth's classes over a picture; pixels that do not count stay as they are."""
    told = read_mask(truth)
    return _drawn(picture, _sized(told, told.classes, picture), told.labels, None)


def _sized(mask: Mask, values: NDArray[Any], picture: RGB) -> Classes:
    """The values of a mask's pixels at the pixels of the viewed picture."""
    height, width = picture.shape[:2]
    grid = Mask(height, width, np.zeros((height, width), np.uint8), ("any",))
    named = tuple(str(number) for number in range(NO_CLASS))
    return placed_on(Mask(mask.height, mask.width, values.astype(np.uint8), named, mask.extent), grid)


def _drawn(picture: RGB, classes: Classes, labels: tuple[str, ...], stripes: NDArray[np.bool_] | None) -> RGB:
    colours = np.zeros((256, 3))
    for place in range(OTHER + 1):
        colours[place] = PALETTE[place % len(PALETTE)] if place < len(labels) else STRANGE
    mixed = picture * (1 - OPACITY) + colours[classes] * OPACITY
    found = np.where((classes != NO_CLASS)[..., None], np.rint(mixed), picture).astype(np.uint8)
    if stripes is not None:
        rows, columns = np.indices(classes.shape)
        band = (rows + columns) // STRIPE_PX % 3
        found[stripes & (band == 0)] = 255
        found[stripes & (band == 1)] = 20
    return _named(found, classes, labels)


def _named(picture: RGB, classes: Classes, labels: tuple[str, ...]) -> RGB:
    """Write each class's name at the pixel of it that lies deepest inside."""
    from PIL import Image, ImageDraw, ImageFont
    from scipy.ndimage import distance_transform_edt

    image = Image.fromarray(np.ascontiguousarray(picture))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=FONT_PX)
    for place in (int(one) for one in np.unique(classes) if one != NO_CLASS):
        own = classes == place
        if own.mean() < LEAST_SHARE:
            continue
        row, column = np.unravel_index(int(distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1].argmax()), own.shape)
        words = own_name(labels[place]) if place < len(labels) else "other"
        x0, y0, x1, y1 = pen.textbbox((0, 0), words, font=font)
        left = min(max(0, int(column) - round(x1 - x0) // 2 - 2), max(0, image.width - round(x1 - x0) - 5))
        top = min(max(0, int(row) - round(y1 - y0) // 2 - 2), max(0, image.height - round(y1 - y0) - 5))
        pen.rectangle((left, top, left + round(x1 - x0) + 4, top + round(y1 - y0) + 4), fill="#111111")
        pen.text((left + 2 - x0, top + 2 - y0), words, font=font, fill="#ffffff")
    return np.asarray(image)
