"""Feature maps: where a variant of a model (INT8, ceil mode, ...) differs from it inside, on one picture.

After figure 5 of the SysNoise paper (Wang et al. 2023). Maps are read at tensors that every path goes through, which
both models have by the same name, or by place where all their sizes agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.run_folder.files import write_whole
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.preprocess import to_tensor
from device_agents.resize import FITS, RESIZERS
from device_agents.runtime_libraries import import_library
from device_agents.runtimes import RUNTIMES, runtime_for
from device_agents.sidecar import Sidecar
from device_agents.view import VIEWS
from hostctl.causes.layer_cuts import Graph, dominators, read_graph
from hostctl.causes.layers import matched
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page, image_uri
from hostctl.pictures.noise_pictures import DECODER, VIEW, read_source
from hostctl.printing import Progress, silent, table_text
from stability_train.variant_files import Made, asked_names, make_variants
from stability_train.zoo import resolve_model

Array = NDArray[Any]
WHERE = (0.15, 0.4, 0.7)  # of the way through the model: early, middle and late
SIDE_PX = 224  # of a map as it is drawn, about
ALONE = (235, 104, 11)  # what only one of the two maps has
# What makes a map: its tensors are (channels, h, w) in ONNX by the standard, (h, w, channels) in TFLite.
KINDS = {
    ".onnx": ("Conv", "Relu", "Clip", "MaxPool", "Add", "Concat"),
    ".tflite": ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "CONCATENATION", "RELU", "RELU6"),
}


def feature_maps(
    folder_or_file: Path,
    *,
    model: str,
    precision: str,
    out: Path,
    picture: str = "",
    layers: Sequence[str] = (),
    sidecar: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Show how variants of a model differ from it inside on one picture; write OUT/feature-maps.html and .csv.

    folder_or_file, picture: as noise_pictures.differences. model: a zoo model's name or an .onnx or .tflite file.
    precision: names and globs of stability_train.variants, or "all". layers: names of tensors, or parts of names that
    one tensor has; none for three, early, middle and late. Gives "page", "csv", "rows" (variant, layer, shape,
    relative: L2 norm of the difference over the map's; largest, correlation, alone: the share of places that only one
    map has) and "left_out". Raises BadInput where no variant can be shown.
    """
    said = lambda line: progress(line, 0, 0, "")  # noqa: E731
    path, card = resolve_model(model, sidecar=sidecar, progress=said)
    pick(KINDS, path.suffix, what="model whose maps can be read, suffix")
    made, reasons = make_variants(path, card, asked_names(precision), progress=said)
    left_out = [f"{name}: {reason}" for name, reason in reasons.items()]
    graph, tensor = read_graph(path), _tensor(folder_or_file, picture, card)
    chosen = _chosen(path, graph, layers)
    base = {name: read_map(path, graph, name, tensor) for name in chosen}
    sections = []
    for number, one in enumerate(made, 1):
        try:
            sections.append(_section(one, path, graph, base, tensor))
        except BadInput as problem:
            left_out.append(f"{one.name}: {problem}")
        progress("feature maps", number, len(made), "")
    rows = [row for section in sections for row in section["rows"]]
    if not rows:
        raise BadInput("\n  ".join([f"{card.name}: no variant's maps can be shown:", *left_out]))
    table = csv_text(rows).encode()
    layers_shown = [
        {"name": name, "short": _short(name), "shape": _shape(found), "image": image_uri(draw_map(found))}
        for name, found in base.items()
    ]
    page = fill_page(
        "feature_maps.html",
        title=f"{card.name} inside, on {picture or folder_or_file.name}",
        layers=layers_shown,
        sections=sections,
        left_out=left_out,
        rows=[{**row, "short": _short(row["layer"])} for row in rows],
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "feature-maps.csv", table)
    write_whole(out / "feature-maps.html", page)
    files = {"page": str(out / "feature-maps.html"), "csv": str(out / "feature-maps.csv")}
    return {"picture": picture or folder_or_file.name, "model": card.name, **files, "rows": rows, "left_out": left_out}


def feature_maps_text(result: Mapping[str, Any]) -> str:
    """Lay out what feature_maps() measured, for the terminal."""
    rows = [{**row, "layer": _short(row["layer"])} for row in result["rows"]]
    left_out = [f"  left out: {line}" for line in result["left_out"]]
    return "\n".join([table_text(rows), *left_out, f"page  {result['page']}", f"csv   {result['csv']}"])


def read_map(path: Path, graph: Graph, name: str, tensor: Array) -> Array:
    """Run a model up to one tensor and give it, float64 (h, w, channels); tensor: the model's input, (1, ...)."""
    data = graph.cut(graph.source, name)
    found = READERS[path.suffix](data, path.suffix, graph, name, tensor)
    if found.ndim != 3:
        raise BadInput(f"{path.name}: expected a map of three sizes at {name}, got {found.ndim}; name another layer")
    return found.astype(np.float64)


def measure(base: Array, other: Array) -> dict[str, float]:
    """Compare two maps (h, w, channels) where both have places, from the top left on; NaN-free, see feature_maps."""
    height, width = (min(sizes) for sizes in zip(base.shape[:2], other.shape[:2], strict=True))
    one, two = base[:height, :width], other[:height, :width]
    difference, size = two - one, float(np.linalg.norm(one))
    spread = float(one.std() * two.std())
    together = float(((one - one.mean()) * (two - two.mean())).mean())
    most = max(base.shape[0] * base.shape[1], other.shape[0] * other.shape[1])
    return {
        "relative": float(np.linalg.norm(difference)) / size if size else 0.0,
        "largest": float(np.abs(difference).max()),
        "correlation": together / spread if spread else 1.0,
        "alone": 1 - height * width / most,
    }


def draw_map(values: Array) -> RGB:
    """Draw a map's mean over the channels, its least value black and its largest white, enlarged by whole pixels."""
    mean = values.mean(axis=2)
    span = float(mean.max() - mean.min())
    return _enlarged(_grey((mean - mean.min()) / span if span else np.zeros_like(mean)))


def draw_difference(base: Array, other: Array) -> RGB:
    """Draw |other - base|, the mean over the channels, its largest value white; what only one has in ALONE."""
    height, width = (min(sizes) for sizes in zip(base.shape[:2], other.shape[:2], strict=True))
    rows, columns = (max(sizes) for sizes in zip(base.shape[:2], other.shape[:2], strict=True))
    mean = np.abs(other[:height, :width] - base[:height, :width]).mean(axis=2)
    drawn = np.empty((rows, columns, 3), np.uint8)
    drawn[:] = ALONE
    drawn[:height, :width] = _grey(mean / mean.max() if mean.max() else mean)
    return _enlarged(drawn)


def _section(one: Made, path: Path, graph: Graph, base: Mapping[str, Array], tensor: Array) -> dict[str, Any]:
    """A variant's maps beside the model's: a row and a figure a layer."""
    pick(KINDS, one.path.suffix, what="variant whose maps can be read, suffix")
    if one.path.suffix != path.suffix:
        raise BadInput(f"expected a {path.suffix} file, as the model is, got {one.path.suffix}: no layer is the same")
    other = read_graph(one.path)
    names = _pairs(graph, other)
    rows, figures = [], []
    for layer, expected in base.items():
        if layer not in names:
            continue
        found = read_map(one.path, other, names[layer], tensor)
        facts = measure(expected, found)
        rows.append({"variant": one.name, "layer": layer, "shape": _shape(found), **facts})
        figures.append(
            {
                "layer": _short(layer),
                "facts": facts,
                "image": image_uri(draw_difference(expected, found)) if facts["largest"] or facts["alone"] else "",
            }
        )
    if not rows:
        raise BadInput(f"none of the layers {', '.join(base)} is in {one.path.name}")
    return {"name": one.name, "rows": rows, "figures": figures, "flips": one.flips, "pictures": one.pictures}


def _pairs(a: Graph, b: Graph) -> dict[str, str]:
    """The tensors of two graphs that are the same: by name whatever their sizes (ceil mode changes them), or place."""
    there = set(dominators(b))
    same = {name: name for name in dominators(a) if name in there}
    return same if len(same) > 2 else dict(matched(a, b))


def _chosen(path: Path, graph: Graph, wanted: Sequence[str]) -> list[str]:
    """The layers to show, in the graph's order."""
    kinds = {name: node.kind for node in graph.nodes for name in node.outputs}
    maps = [name for name in dominators(graph) if kinds.get(name) in KINDS[path.suffix] and name != graph.sink]
    if not maps:
        raise BadInput(f"{path.name}: expected tensors that all paths go through and that are maps, got none")
    if not wanted:
        return list(dict.fromkeys(maps[round(share * (len(maps) - 1))] for share in WHERE))
    found = []
    for word in wanted:
        some = [name for name in maps if name == word] or [name for name in maps if word in name]
        if len(some) != 1:
            shown = ", ".join((some or maps)[:8])
            raise BadInput(f"layer '{word}': expected one tensor, got {len(some)}; there are {shown}, ...")
        found += some
    return [name for name in maps if name in found]


def _tensor(folder_or_file: Path, picture: str, card: Sidecar) -> Array:
    source = read_source(folder_or_file, picture)
    if not source.photograph:
        raise BadInput(f"{source.name}: expected a coded picture to run the model on, got a raw; develop it first")
    seen = DECODERS[DECODER](source.photograph)
    seen = VIEWS[VIEW](seen, source.corners) if source.corners else seen
    resized = FITS[card.fit](seen, RESIZERS[card.resizer], card.input_height, card.input_width)
    return to_tensor(resized, scaling=card.scaling, layout=card.layout, colour_order=card.colour_order)


def _read_onnx(data: bytes, suffix: str, graph: Graph, name: str, tensor: Array) -> Array:
    onnxruntime = import_library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # a cut declares sizes that ceil mode changes
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {session.get_inputs()[0].name: tensor})[0][0]
    return found.transpose(1, 2, 0) if found.ndim == 3 else found


def _read_tflite(data: bytes, suffix: str, graph: Graph, name: str, tensor: Array) -> Array:
    with tempfile.TemporaryDirectory(prefix="instability-maps-") as folder:
        path = Path(folder) / f"cut{suffix}"
        path.write_bytes(data)
        values = RUNTIMES[runtime_for(path)](path, 1)(tensor)
    return np.asarray(values).reshape(graph.shapes[name])


READERS: dict[str, Callable[[bytes, str, Graph, str, Array], Array]] = {".onnx": _read_onnx, ".tflite": _read_tflite}


def _grey(values: Array) -> RGB:
    """Shares 0..1 (h, w) as grey pixels (h, w, 3)."""
    return np.repeat(np.rint(255 * values).astype(np.uint8)[..., None], 3, axis=2)


def _enlarged(pixels: RGB) -> RGB:
    times = max(1, round(SIDE_PX / max(pixels.shape[:2])))
    return np.ascontiguousarray(pixels.repeat(times, axis=0).repeat(times, axis=1))


def _shape(values: Array) -> str:
    return " x ".join(str(size) for size in values.shape)


def _short(name: str) -> str:
    """A tensor's name without the path before it; TFLite joins the names of what it folded with semicolons."""
    return name.split(";")[0] if len(name) <= 48 else f"...{name.split(';')[-1][-44:]}"
