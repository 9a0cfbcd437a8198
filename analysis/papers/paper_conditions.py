"""Which of a run's codecs and ISPs stand for the columns of the instability paper's tables 2 to 4."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from device_agents.errors import BadInput

LOSSLESS = ("png", "imagemagick-png", "webp-lossless", "jxl-lossless")
QUALITIES = ("pagespeed-jpeg", "jpeg")  # the first that the run has at two qualities or more
FORMATS = "imagemagick-"

# Kit name -> column of the paper's table; codecs and ISPs that the paper does not print are not here.
PRINTED = {
    "paper-2": {f"{prefix}-{quality}": f"JPEG {quality}" for prefix in QUALITIES for quality in (100, 85, 50)},
    "paper-3": {f"{FORMATS}{name}": name.upper() for name in ("jpeg", "png", "webp", "heif")},
    "paper-4": {
        **dict.fromkeys(("imagemagick", "dcraw", "libraw-auto-bright"), "ImageMagick"),
        **dict.fromkeys(("photoshop", "adobe-photoshop"), "Adobe Photoshop"),
    },
}
# The paper's two converters, and what stands for them here, the most like first.
LIKE_IMAGEMAGICK = ("imagemagick", "dcraw", "libraw-auto-bright")
LIKE_PHOTOSHOP = (
    *("photoshop", "adobe-photoshop"),
    *("darktable-scene-referred", "darktable-display-referred", "rawtherapee-film-curve"),
)

WANTED = {
    "paper-2": (
        "one raw's pictures as JPEG of two qualities or more",
        "--vary codec=pagespeed-jpeg-50,pagespeed-jpeg-85,pagespeed-jpeg-100",
    ),
    "paper-3": (
        "pictures in two of ImageMagick's formats or more",
        "--vary codec=imagemagick-jpeg,imagemagick-png,imagemagick-webp,imagemagick-heif",
    ),
    "paper-4": ("raw pictures developed by two ISPs or more to one lossless codec", "--vary isp=all --vary codec=png"),
}


def conditions(
    name: str, predictions: pd.DataFrame, *, environment: str | None, command: str
) -> tuple[pd.DataFrame, str, list[str]]:
    """Give the predictions that a table is about, the column that it compares, and its values in the paper's order.

    name: "paper-2", "paper-3" or "paper-4". Of several environments: the named one, else the one with the most
    predictions of these pictures; of several ISPs (tables 2 and 3) the one with the most codecs, of several lossless
    codecs (table 4) the one with the most ISPs. Raises BadInput with fewer than two values, naming what to run.
    """
    chosen, across = CHOOSE[name](predictions[predictions["codec"] != ""])
    chosen = _of_environment(chosen, environment)
    found = _in_paper_order(name, chosen[across].unique())
    if len(found) < 2:
        what, how = WANTED[name]
        raise BadInput(
            f"table {name}: expected {what}, got {', '.join(found) or 'none'}; make and predict them with "
            f"`{command} {how}`"
        )
    return chosen, across, found


def like_the_paper(name: str, found: Sequence[str]) -> list[str]:
    """Give those of the found codecs or ISPs that stand for the paper's columns, in its order."""
    if name != "paper-4":
        return [one for one in found if one in PRINTED[name]]
    firsts = [next((one for one in some if one in found), "") for some in (LIKE_IMAGEMAGICK, LIKE_PHOTOSHOP)]
    return [one for one in firsts if one]


def _of_environment(predictions: pd.DataFrame, environment: str | None) -> pd.DataFrame:
    if predictions.empty:
        return predictions
    name = environment or str(predictions["environment"].value_counts(sort=False).idxmax())
    return predictions.loc[predictions["environment"] == name]


def _qualities(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    for prefix in QUALITIES:
        part = _of_one_isp(table[table["codec"].str.fullmatch(rf"{prefix}-\d+")])
        if part["codec"].nunique() > 1:
            return part, "codec"
    return part, "codec"


def _formats(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    return _of_one_isp(table[table["codec"].str.startswith(FORMATS)]), "codec"


def _converters(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The ISPs of the lossless codec that most of them were developed to."""
    made = table[(table["isp"] != "") & table["codec"].isin(LOSSLESS)]
    numbers = made.groupby("codec")["isp"].nunique().reindex(LOSSLESS, fill_value=0)
    return made.loc[made["codec"] == str(numbers.idxmax())], "isp"


def _of_one_isp(table: pd.DataFrame) -> pd.DataFrame:
    """Pictures of one ISP (or of none), the one with the most codecs and then the most pictures."""
    if table.empty:
        return table
    numbers = table.groupby("isp", sort=False).agg(codecs=("codec", "nunique"), pictures=("codec", "size"))
    best = str(numbers.sort_values(["codecs", "pictures"], ascending=False, kind="stable").index[0])
    return table.loc[table["isp"] == best]


def _in_paper_order(name: str, found: Iterable[str]) -> list[str]:
    """The paper's columns first, in its order; then the others, JPEG from the best quality down, else by name."""
    printed = list(PRINTED[name])

    def place(condition: str) -> tuple[int, int, str]:
        quality = re.search(r"jpeg-(\d+)$", condition)
        first = printed.index(condition) if condition in printed else len(printed)
        return (0 if quality else first, -int(quality[1]) if quality else 0, condition)

    return sorted(map(str, found), key=place)


Choose = Callable[[pd.DataFrame], tuple[pd.DataFrame, str]]
CHOOSE: Mapping[str, Choose] = {"paper-2": _qualities, "paper-3": _formats, "paper-4": _converters}
