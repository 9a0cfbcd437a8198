"""TURNED: pictures turned by whole quarters, which a network that learnt upright ones can tell from them (RotNet)."""

from __future__ import annotations

from functools import partial
from typing import Dict, Tuple

import numpy as np

from device_agents.decode import RGB
from device_agents.errors import BadInput
from device_agents.perturbations.families import Perturbation

QUARTERS = 4  # a whole turn


def quarter_turn(picture: RGB, rng: np.random.Generator, *, quarters: int) -> RGB:
    """Turn uint8 (height, width, 3) counter-clockwise by quarters (np.rot90), no pixel changed; 4 leave it as it is.

    The question of Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations" (ICLR 2018),
    and of Hendrycks et al. (NeurIPS 2019). Raises BadInput for a picture that is no square: turned, it would be no
    input of the model.
    """
    height, width = picture.shape[:2]
    if height != width:
        raise BadInput(f"expected a square input to turn by a quarter, got {width} x {height}; leave this turn out")
    return np.ascontiguousarray(np.rot90(picture, quarters))


def four_turns(picture: RGB) -> Tuple[RGB, ...]:
    """Give a square picture as it is and turned counter-clockwise by 1, 2 and 3 quarters."""
    return tuple(np.ascontiguousarray(np.rot90(picture, quarters)) for quarters in range(QUARTERS))


TURNED: Dict[str, Perturbation] = {
    f"quarter-turn-{quarters}": Perturbation(partial(quarter_turn, quarters=quarters), "quarter-turn", moves=True)
    for quarters in range(1, QUARTERS)
}
