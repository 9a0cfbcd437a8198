"""The frame code: a 24-bit number and its CRC-8 as black and white cells, each bit beside its opposite.

Every bit is a pair of cells, one above the other: white over black is 1, black over white is 0. A pair is read by its
difference, so no threshold depends on exposure or vignetting; and a mixture of two frames lowers the difference of
every pair in which they differ, so that a torn or ghosted frame is seen even when the sum would come out right.
The lowest bit comes first, and the strip below the scene is mirrored: a frame and the one after it always differ in the
outermost pair at both ends, so that a screen that paints from side to side is caught wherever it stands.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

STIMULUS_BITS = 24
CODE_BITS = 32
LEAST_CONTRAST = 0.3  # below this share of full contrast a pair of cells says nothing
_ORDER = np.r_[STIMULUS_BITS - 1 : -1 : -1, STIMULUS_BITS:CODE_BITS]  # which bit, most significant first, stands where


class CodeReading(NamedTuple):
    """What one strip says: the number, or None where it cannot be read, and the contrast of its weakest pair (0..1).

    ``haze``: how far the given black lies above the cells' own, on the way to white (0..1).
    """

    stimulus: int | None
    purity: float
    haze: float = 0.0


def crc8(data: bytes) -> int:
    """Give CRC-8/I-432-1 of the bytes: polynomial x^8+x^2+x+1, start 0, final xor 0x55 (ITU-T I.432.1).

    Any two codes of 32 bits differ in at least four of them, and every burst of up to eight wrong bits is noticed; of
    bursts in the strip, where the bits stand in another order, all but one pattern of four bits across the CRC's start.
    """
    remainder = 0
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = ((remainder << 1) ^ 0x07) & 0xFF if remainder & 0x80 else remainder << 1
    return remainder ^ 0x55


def encode_cells(stimulus: int, *, mirrored: bool = False) -> NDArray[np.bool_]:
    """Give the cells of a number, shape (2, 32), True for white: 24 bits, the lowest one left, and their CRC.

    Raises BadInput unless 0 <= stimulus < 2**24.
    """
    if not 0 <= stimulus < 1 << STIMULUS_BITS:
        raise BadInput(f"expected a stimulus number from 0 to {(1 << STIMULUS_BITS) - 1}, got {stimulus}")
    data = stimulus.to_bytes(3, "big")
    bits = np.unpackbits(np.frombuffer(data + bytes([crc8(data)]), np.uint8)).astype(bool)
    bits = bits[_ORDER]
    return np.stack([bits, ~bits])[:, :: -1 if mirrored else 1]


def decode_cells(
    levels: NDArray[np.float64], *, white: NDArray[np.float64], black: float, mirrored: bool = False
) -> CodeReading:
    """Read a number from the grey levels of the cells.

    Parameters: ``levels`` (2, 32), any linear or gamma-coded scale; ``white`` (32,) the level of the white border at
    each column; ``black`` the level of black. The number is None where a pair has less than LEAST_CONTRAST of the full
    contrast, or where the CRC does not agree.
    """
    full = np.maximum(white - black, 1e-6)
    difference = (levels[0] - levels[1]) / full
    purity = float(np.clip(np.abs(difference).min(), 0.0, 1.0))
    haze = _haze(levels, white=white, black=black)
    if purity < LEAST_CONTRAST:
        return CodeReading(None, purity, haze)
    bits = (difference > 0)[:: -1 if mirrored else 1]
    code = np.packbits(bits[np.argsort(_ORDER)]).tobytes()
    if crc8(code[:3]) != code[3]:
        return CodeReading(None, purity, haze)
    return CodeReading(int.from_bytes(code[:3], "big"), purity, haze)


def _haze(levels: NDArray[np.float64], *, white: NDArray[np.float64], black: float) -> float:
    """Give where ``black`` lies between the typical dark cell (0) and white (1).

    The cells are wide, and what the black is read from, lines of a marker's cell, is narrow: a blur lets light into
    it, whatever its direction; edges that are upright and level show less of one along a diagonal.
    """
    dark = float(np.median(levels.min(axis=0)))
    return float(np.clip((black - dark) / max(float(np.median(white)) - dark, 1e-6), 0.0, 1.0))
