"""The sample's predictions in several conditions: of one device, and of raws beside photographs."""

import pandas as pd

from tests.analysis.sample import predictions


def several(**options):
    """One device in three conditions: a base, another resizer, and pictures coded again."""
    shape = {"scenes": 12, "devices": 1, "angles": (0,), "repeats": 1}
    fields = {"resizer": "pillow-bilinear", "isp": "", "codec": ""}
    made = [{}, {"resizer": "opencv-area", "environment": "e2"}, {"codec": "jpeg-50"}]
    parts = [predictions(**(shape | options), seed=7 + n).assign(**(fields | one)) for n, one in enumerate(made)]
    parts[2]["picture"] += "||jpeg-50"
    return pd.concat(parts, ignore_index=True)


def with_raws(devices=("pixel-6-like", "galaxy-s10-like"), *, agree=True):
    """Five devices' photographs; the raws of some of them through one ISP, after which these agree."""
    shot = predictions(scenes=20, angles=(0,), repeats=2).assign(isp="", codec="", parent="")
    raws = shot[shot["device"].isin(devices)].copy()
    if agree and len(raws):
        first = raws.groupby(["scene", "repeat"])["verdict"].transform("first")
        raws["verdict"] = first
    raws = raws.assign(isp="libraw-pinned", codec="png", parent=raws["picture"], picture=raws["picture"] + "|isp")
    return shot, pd.concat([shot, raws], ignore_index=True)
