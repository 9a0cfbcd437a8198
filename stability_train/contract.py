"""The preprocessing contract: what an app must do to a picture, with golden vectors and code that does it.

contract.json names the decoder, colour order, fit, resizer, scaling, layout and type; golden.png is a picture to try an
implementation on, with the sha256 and the first values of the bytes and of the tensor it must give. preprocess.cpp, .kt
and .swift do everything after decoding: a test of the kit compiles the C++ and compares it; nobody has compiled the
other two here, which they say at their beginning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.preprocess import fingerprint, to_tensor
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import Sidecar
from stability_train.contract_code import SAME_BUT_ROUNDING, write_code

FIRST_VALUES = 12
VERSION = 1


def write_contract(
    folder: Path,
    sidecar: Sidecar,
    *,
    decoder: str = "pillow",
    colour: str = "rgb",
    identified: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write contract.json, golden.png and the code into the folder, and give the contract.

    ``identified`` is what identify found of an app (hostctl.causes.identifying.summary); where the app's variants
    differ from the contract's, "differences" says in which. Raises BadInput for an unknown decoder or colour. A colour
    round trip, and a resizer or fit that the code does not know, leave "code" empty with the reason.
    """
    pick(DECODERS, decoder, what="decoder")
    picture = golden_picture()
    resized = FITS[sidecar.fit](picture, RESIZERS[sidecar.resizer], sidecar.input_height, sidecar.input_width)
    tensor = to_tensor(resized, scaling=sidecar.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)
    wanted = ("input_height", "input_width", "layout", "colour_order", "fit", "resizer", "scaling")
    rules = {"decoder": decoder, "orientation": "applied", "colour": colour}
    rules |= {key: value for key, value in asdict(sidecar).items() if key in wanted}
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / "golden.png")
    contract: dict[str, Any] = {
        "version": VERSION,
        "model": sidecar.name,
        **rules,
        "dtype": tensor.dtype.name,
        "golden": {
            "picture": "golden.png",
            "decoded": _golden(picture),
            "bytes": _golden(resized),
            "tensor": _golden(tensor),
            "fingerprint": "sha256 of 'TYPE SIZE SIZE ...' and a line end, then the elements in C order, little-endian",
        },
    }
    if identified is not None:
        contract["identified"] = identified
        contract["differences"] = _differences(rules, identified)
    try:
        if colour != "rgb":
            raise BadInput(f"the generated code makes no colour round trip, and this contract has '{colour}'")
        code = write_code(sidecar, decoder=decoder)
    except BadInput as problem:
        contract |= {"code": [], "code_missing": str(problem)}
    else:
        for name, text in code.items():
            (folder / name).write_text(text, encoding="utf-8")
        contract |= {"code": sorted(code), "code_tolerance": int(sidecar.resizer in SAME_BUT_ROUNDING)}
    (folder / "contract.json").write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")
    return contract


def golden_picture() -> RGB:
    """Make the picture to try an implementation on: ramps, edges and noise, uint8 (341, 467, 3), odd on purpose."""
    y, x = np.mgrid[0:341, 0:467]
    ramps = np.stack([x * 255 // 466, y * 255 // 340, (x + y) * 255 // 806], axis=-1)
    ramps[(x // 23 + y // 29) % 2 == 0] = 255 - ramps[(x // 23 + y // 29) % 2 == 0]
    # A linear congruential generator rather than numpy's, so that the picture can be made again in any language.
    state = np.uint32(1)
    noise = np.empty(341 * 467, np.int64)
    for place in range(noise.size):
        state = np.uint32((int(state) * 1664525 + 1013904223) & 0xFFFFFFFF)
        noise[place] = int(state) >> 27
    return (ramps + noise.reshape(341, 467, 1) - 16).clip(0, 255).astype(np.uint8)


def _golden(array: Any) -> dict[str, Any]:
    flat = array.ravel()
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": fingerprint(array),
        "first_values": [float(value) if array.dtype.kind == "f" else int(value) for value in flat[:FIRST_VALUES]],
    }


def _differences(rules: Mapping[str, Any], identified: Mapping[str, Any]) -> list[str]:
    if identified["answer"] == "unknown":
        return ["what the app does was not identified"]
    lines = []
    for family in ("decoder", "orientation", "colour", "fit", "resizer"):
        found = identified[family]
        if rules[family] not in found and found != [""]:
            lines.append(f"{family}: expected {rules[family]}, the app does {' or '.join(found)}")
    for key in ("scaling", "layout", "colour_order"):
        if key in identified and rules[key] != identified[key]:
            lines.append(f"{key}: expected {rules[key]}, the app does {identified[key]}")
    return lines
