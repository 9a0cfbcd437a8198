"""`instability identify`: files of pixels to readings, the search, and the contract that comes of it.

Pixels come as .npy, as a picture without loss, as JSON (lists of numbers, or {"shape": ..., "values": ...}), or as a
folder with what each file of a probe gave back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.causes.readings import readings
from device_agents.decode import decode_pillow
from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.preprocess import FAILURES, fingerprint
from device_agents.records import Environment, Prediction
from device_agents.resize import RESIZERS
from device_agents.sidecar import Sidecar
from hostctl.causes.identifying import choose_catalogue, identify, summary
from stability_train.contract import write_contract
from stability_train.probe import Probe, join_pieces, read_probe

Array = npt.NDArray[Any]
LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".ppm")


def identify_pixels(
    picture: Path,
    pixels: Path,
    *,
    probe: Path | None = None,
    shape: Sequence[int] = (),
    among: Sequence[str] = (),
    contract: Path | None = None,
    sidecar: Sidecar | None = None,
) -> dict[str, Any]:
    """Say which way through the catalogue turned a picture into pixels; see identifying.summary for what it gives.

    ``probe`` is the probe.json of the files that gave the pixels (a folder of them needs it); ``shape`` that of a flat
    list; ``among`` limits the catalogue. With ``contract`` a folder, the preprocessing contract is written there: the
    sidecar's, with the differences named, or without a sidecar what was found. Raises BadInput.
    """
    made = None if probe is None else read_probe(probe)
    values = read_values(pixels, probe=made)
    quantisation = None
    if made is not None:
        shape = shape or made.input.shape
        quantisation = (made.input.scale, made.input.zero_point) if made.input.scale else None
    found = readings(values, shape=tuple(shape), quantisation=quantisation)
    try:
        data = picture.read_bytes()
    except OSError as problem:
        raise BadInput(f"cannot read the picture {picture}: {problem}") from problem
    identified = identify(data, found, catalogue=choose_catalogue(among))
    answer = {"picture": str(picture), "pixels": str(pixels), **summary(identified)}
    if contract is not None:
        wanted = sidecar or _found_sidecar(answer, found[0].pixels.shape)
        decoder = "pillow" if sidecar or "pillow" in answer["decoder"] else answer["decoder"][0]
        colour = "rgb" if sidecar else answer["colour"][0]
        written = write_contract(contract, wanted, decoder=decoder, colour=colour, identified=answer)
        answer |= {"contract": str(contract / "contract.json"), "differences": written["differences"]}
    return answer


def read_values(path: Path, *, probe: Probe | None = None) -> Array:
    """Read numbers or pixels from a file, or from a folder what each probe file gave; raises BadInput."""
    if path.is_dir():
        if probe is None:
            raise BadInput(f"{path} is a folder: expected the probe.json of the files that gave these pixels (--probe)")
        files = {one.stem: one for one in sorted(path.iterdir()) if one.suffix in (".npy", ".json")}
        names = {file for file, *_ in probe.pieces}
        outputs = {name: _outputs(files[Path(name).stem]) for name in names if Path(name).stem in files}
        return join_pieces(probe, outputs)
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if path.suffix == ".json":
            return _numbers(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix.lower() in LOSSLESS:
            return decode_pillow(path.read_bytes())
    except (OSError, ValueError, TypeError) as problem:
        raise BadInput(f"cannot read the pixels {path}: {problem}") from problem
    raise BadInput(f"expected pixels as .npy, .json or {', '.join(LOSSLESS)} (no JPEG: it loses), got {path.name}")


def identify_reported(
    data: bytes, prediction: Prediction, *, environment: Environment, sidecar: Sidecar
) -> dict[str, list[str]]:
    """Say which variants give the fingerprints that an agent reported for a picture file; [] for none of them.

    "decoder": those whose pixels hash as ``pixels_sha256`` says. "resizer": "FIT RESIZER" pairs whose result, from such
    pixels, hashes as ``resized_sha256`` says; only for the whole view without a colour round trip, as the others need
    more than the file. A hash is a proof or nothing: for what comes near, the pixels themselves are needed.
    """
    catalogue = choose_catalogue()
    decoders: list[str] = []
    pixels: Array | None = None
    for name, decode in catalogue.decoders.items():
        try:
            picture = decode(data)
        except FAILURES:  # a decoder that this machine lacks, or that refuses this picture, is not the one
            continue
        if fingerprint(picture) == prediction.pixels_sha256:
            decoders.append(name)
            pixels = picture
    if pixels is None or (environment.view, environment.colour) != ("whole", "rgb"):
        return {"decoder": decoders, "resizer": []}
    pairs: list[str] = []
    for fit in FITS:
        for resizer in RESIZERS:
            try:
                resized = FITS[fit](pixels, RESIZERS[resizer], sidecar.input_height, sidecar.input_width)
            except FAILURES:  # as above
                continue
            if fingerprint(resized) == prediction.resized_sha256:
                pairs.append(f"{fit} {resizer}")
    return {"decoder": decoders, "resizer": pairs}


def _outputs(path: Path) -> list[Array]:
    """One probe file's outputs: one array, or in JSON a list of lists, one an output."""
    values = read_values(path)
    return [np.asarray(values)] if values.dtype != object else [_numbers(one) for one in values]


def _numbers(values: Any) -> Array:
    if isinstance(values, dict):
        array = np.asarray(values["values"], values.get("dtype")) if "values" in values else None
        if array is None:
            raise BadInput(f"expected the key 'values' in the JSON object, got {sorted(values)[:5]}")
        return array.reshape(values["shape"]) if "shape" in values else array
    nested = isinstance(values, list) and bool(values) and all(isinstance(one, list) for one in values)
    if nested and len({len(one) for one in values}) > 1:  # outputs of several lengths
        return np.array([None, *values], dtype=object)[1:]
    return np.asarray(values)


def _found_sidecar(answer: dict[str, Any], shape: tuple[int, ...]) -> Sidecar:
    if answer["answer"] == "unknown" or answer["fit"] == [""]:
        raise BadInput(
            "no contract can be written from these pixels alone: "
            + ("what made them is unknown" if answer["answer"] == "unknown" else "they are not resized")
            + "; give the model's sidecar"
        )
    way = answer["ways"][0]
    return Sidecar(
        name=Path(answer["picture"]).stem,
        input_height=shape[0],
        input_width=shape[1],
        layout=answer["layout"],
        colour_order=answer["colour_order"],
        fit=way["fit"],
        resizer=way["resizer"],
        scaling=answer["scaling"],
        outputs="logits",
    )


def identified_text(result: Mapping[str, Any]) -> str:
    """Lay out what identify_pixels found: the answer, the group that fits, the next best, the contract."""
    told = {
        "exact": "identical pixels: proof",
        "rounding": "equal up to rounding: no proof",
        "unknown": "none of the catalogue made these pixels",
    }
    lines = [f"{result['answer']}: {told[result['answer']]}"]
    if result["answer"] != "unknown":
        lines += [
            f"  {family:<14} {' = '.join(name or '(full size)' for name in result[family])}"
            for family in ("decoder", "orientation", "colour", "fit", "resizer")
        ]
        tensor = " ".join(result[name] for name in ("scaling", "layout", "colour_order", "dtype"))
        lines.append(f"  {'tensor':<14} {tensor}")
    lines += [f"  also read as   {other}" for other in result["also"]]
    for key in ("nearest", "runner_up"):
        if result[key] and (key == "runner_up" or result["answer"] != "exact"):
            way = " ".join(value for value in result[key].values() if value)
            apart = _apart(result["distance" if key == "nearest" else "runner_up_distance"])
            lines.append(f"  {key.replace('_', ' '):<14} {way}: {apart}")
    absent = "".join(f"; {name} is not here" for name in result["unavailable"])
    lines.append(f"  {result['compared']} candidates compared{absent}")
    if "contract" in result:
        lines += [f"contract  {result['contract']}", *(f"  {line}" for line in result["differences"])]
    return "\n".join(lines)


def _apart(distance: Mapping[str, float]) -> str:
    share, mean = 100 * distance["share"], distance["mean"]
    return f"{share:.2f} % of the values differ, by {mean:.3g} levels on average, at most {distance['largest']:.3g}"
