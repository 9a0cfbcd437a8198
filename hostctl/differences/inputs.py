"""A picture's bytes to every input that variants want: decoded once, resized once a size and fit, scaled once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from device_agents.decode import DECODERS
from device_agents.placed import Placed
from device_agents.preprocess import Share, StageFailed, fingerprint, preprocess
from device_agents.records import Corners, Environment
from device_agents.sidecar import Sidecar
from hostctl.differences.asked import Variant

Array = NDArray[Any]


@dataclass(frozen=True)
class Input:
    """A picture ready for one kind of input, or why it is not (error); marks: fingerprints of pixels to tensor."""

    tensor: Array | None = None
    placed: Placed | None = None
    marks: tuple[str, str, str] = ("", "", "")
    error: str = ""


def input_key(variant: Variant) -> tuple[Any, ...]:
    """What a variant's input depends on besides the picture."""
    one, card = variant.environment, variant.sidecar
    chosen = (one.decoder, one.view, one.colour, one.fit, one.resizer, one.scaling)
    return (*chosen, card.input_height, card.input_width, card.layout, card.colour_order)


def prepare(data: bytes, corners: Corners, variants: Iterable[Variant]) -> dict[tuple[Any, ...], Input]:
    """Give the input of each key among the variants; a stage that fails is an Input with its reason."""
    found: dict[tuple[Any, ...], Input] = {}
    shares: dict[tuple[Any, ...], Share] = {}
    for variant in variants:
        if (key := input_key(variant)) not in found:
            found[key] = _prepared(data, corners, variant.environment, variant.sidecar, shares)
    return found


def _prepared(
    data: bytes, corners: Corners, environment: Environment, card: Sidecar, shares: dict[tuple[Any, ...], Share]
) -> Input:
    form = (card.input_height, card.input_width, card.layout, card.colour_order)  # a Share is of one sidecar
    try:
        if form not in shares:
            shares[form] = _seeded(data, environment.decoder, next(iter(shares.values()), None))
        ready = preprocess(data, environment=environment, sidecar=card, corners=corners, share=shares[form])
        return Input(ready.tensor, ready.placed, (ready.pixels_sha256, ready.resized_sha256, ready.tensor_sha256))
    except StageFailed as failure:
        return Input(error=str(failure))


def _seeded(data: bytes, decoder: str, other: Share | None) -> Share:
    """A Share that has what another has decoded, held by reference."""
    share = Share()
    if other is not None:
        pixels = other.once("decode", decoder, lambda: DECODERS[decoder](data), keep=False)
        mark = other.once("fingerprint", decoder, lambda: fingerprint(pixels))
        share.once("decode", decoder, lambda: pixels, keep=False)
        share.once("fingerprint", decoder, lambda: mark)
    return share
