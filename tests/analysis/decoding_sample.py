"""Hand-made tables of the decoding experiment: a word a cell says what an executor got and answered."""

import pandas as pd

from analysis.run_folder.parts import LABELS, SCORES

RIGHT, WRONG, UNCLEAR = "cat", "dog", "lynx"
VERDICTS = {RIGHT: "right", WRONG: "wrong", UNCLEAR: "ambiguous", "": "missing"}


def cell(executor, form, scene, *, label=RIGHT, pixels=1, resized=None, tensor=None, score=0.9, cluster=None):
    resized = pixels if resized is None else resized
    tensor = resized if tensor is None else tensor
    row = {"executor": executor, "format": form, "scene": scene, "cluster": cluster or scene}
    row |= {"verdict": VERDICTS[label], "pixels": pixels, "resized": resized, "tensor": tensor}
    row |= {name: "" for name in LABELS} | {name: float("nan") for name in SCORES}
    return row | {"label_1": label or None, "score_1": score if label else float("nan")}


def table(*cells):
    return pd.DataFrame(cells)


def scene(name, jpeg, png=None, **more):
    """The cells of a scene: ``jpeg`` and ``png`` hold what each of the executors a, b, c, ... got."""
    png = [{} for _ in jpeg] if png is None else png
    found = []
    for form, cells in (("jpeg", jpeg), ("png", png)):
        found += [cell("abcdef"[number], form, name, **{**more, **one}) for number, one in enumerate(cells)]
    return found
