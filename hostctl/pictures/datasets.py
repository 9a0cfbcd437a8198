"""Writes labelled pictures out as a data set: decoded, coloured and resized by chosen variants, as lossless PNG files.

A data set is a folder: the pictures in ImageNet's or COCO's layout, a list of the scenes that capture.scenes reads, and
a manifest that says how they were made. Its bytes depend on the source, the variants and the libraries alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from analysis.run_folder.files import ASIDE, make_folder, write_whole
from capture.encode import encode_png
from capture.scene_layouts import (
    MANIFEST,
    MANIFEST_KIND,
    SUFFIXES,
    Box,
    Coco,
    coco_annotations,
    listing,
    picture_names,
    place_boxes,
    read_coco,
    read_manifest,
)
from capture.scenes import read_scenes, write_scenes
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.perturbations.chains import chain, perturbed
from device_agents.perturbations.families import Perturbation
from device_agents.preprocess import FAILURES, Share, StageFailed, fingerprint
from device_agents.records import Scene, later, to_values
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import read_labels
from hostctl.pictures.prepared import PREPARED_FIT
from hostctl.printing import Progress, silent
from hostctl.workers.parallel import in_parallel

FIT, RESIZER, SIZE_PX = "short-side-256-crop", "pillow-bilinear", 224
LISTINGS = {"imagenet": "labels.csv", "coco": "annotations/instances.json"}
JOURNAL = "making.jsonl"  # what is made so far, a line a picture; folded into the manifest at the end
PNG_LEVEL = 6
STORED = ".npy"

Entry = dict[str, Any]


@dataclass(frozen=True)
class Making:
    """How the pictures are made; without a size they keep their own, and fit and resizer are ""."""

    decoder: str
    colour: str
    fit: str
    resizer: str
    size: int | None
    perturbation: str = later("")


@dataclass(frozen=True)
class _Task:
    """One picture to make, and its boxes with the (height, width) that they were drawn on."""

    scene: Scene
    target: Path
    file: str
    making: Making
    boxes: tuple[Box, ...]
    drawn_on: tuple[int, int] | None


def write_dataset(
    scenes: Path,
    *,
    out: Path,
    decoder: str = "pillow",
    colour: str = "rgb",
    fit: str | None = None,
    resizer: str | None = None,
    size: int | None = SIZE_PX,
    perturbation: str = "",
    layout: str = "imagenet",
    labels: Path | None = None,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the scenes of a folder, CSV or COCO annotations as a data set into ``out``, and tell what was made.

    size: both sides in pixels, None for each picture's own size. perturbation: what is done to the resized pictures, as
    in an environment, each by its own file's hash. layout: "imagenet" (LABEL/NAME.png and labels.csv) or
    "coco" (images/NAME.png and annotations/instances.json: a category for each label, boxes where the source has them).
    labels: a model's label list, for a source that numbers its classes (lines FILE CLASS, as SysNoise's sets have).
    Pixels stored as NumPy arrays (.npy, uint8, RGB) are good sources too; the decoder is then "".
    An unfinished data set goes on where it stopped. A picture that cannot be made is a line in "failures", and is tried
    again the next time. Raises BadInput for unknown names, and for an ``out`` with anything else in it.
    """
    making = _making(decoder, colour, fit, resizer, size, perturbation)
    pick(LISTINGS, layout, what="layout")
    if scenes.is_dir() and out.resolve().is_relative_to(scenes.resolve()):
        raise BadInput(f"{out}: expected a folder outside of the scenes' own, {scenes}")
    class_labels = read_labels(labels) if labels is not None else ()
    listed = read_scenes(scenes, suffixes=(*SUFFIXES, STORED), class_labels=class_labels)
    if all(one.file.endswith(STORED) for one in listed):
        making = replace(making, decoder="")
    coco = _source_annotations(scenes)
    files = picture_names(listed, layout=layout)
    head = _head(making, layout, listed, coco)
    done = _begin(out, head)
    tasks = [
        _Task(one, out, file, making, tuple(coco.boxes.get(one.scene, ())), coco.sizes.get(one.scene))
        for one, file in zip(listed, files, strict=True)
        if one.scene not in done
    ]
    failures: dict[str, str] = {}
    progress("pictures", len(done), len(listed), "")
    with (out / JOURNAL).open("a", encoding="utf-8") as journal:
        for number, entry in enumerate(_made(tasks, workers), len(done) + 1):
            if "error" in entry:
                failures[entry["scene"]] = entry["error"]
            else:
                done[entry["scene"]] = entry
                journal.write(json.dumps(entry) + "\n")
                journal.flush()
            progress("pictures", number, len(listed), "")
    if not done:
        raise BadInput(f"{scenes}: none of the {len(listed)} pictures could be made: {next(iter(failures.values()))}")
    _finish(out, head, listed, done, failures, coco)
    return {
        "dataset": str(out),
        **{key: head[key] for key in ("layout", "variant", "preprocessing")},
        "pictures": len(done),
        "made_now": len(tasks) - len(failures),
        "bytes": sum((out / entry["file"]).stat().st_size for entry in done.values()),
        "failed": len(failures),
        "failures": [f"{one.scene}: {failures[one.scene]}" for one in listed if one.scene in failures],
    }


def _making(
    decoder: str, colour: str, fit: str | None, resizer: str | None, size: int | None, perturbation: str
) -> Making:
    pick(DECODERS, decoder, what="decoder")
    pick(COLOURS, colour, what="colour")
    if chain(perturbation) and size is None:
        raise BadInput("--perturbation is done to pictures of the model's size: expected --size PIXELS, got full")
    if size is None:
        if fit is not None or resizer is not None:
            raise BadInput("--size full keeps each picture's own size: expected no --fit and no --resizer with it")
        return Making(decoder, colour, "", "", None)
    if size < 1:
        raise BadInput(f"--size: expected pixels from 1, or full, got {size}")
    making = Making(decoder, colour, fit or FIT, resizer or RESIZER, size, perturbation)
    pick(FITS, making.fit, what="fit")
    pick(RESIZERS, making.resizer, what="resizer")
    return making


def _source_annotations(scenes: Path) -> Coco:
    """What a source in COCO's layout says of boxes and categories; nothing for the others."""
    source = (listing(scenes) if scenes.is_dir() else None) or scenes
    return read_coco(source) if source.suffix.lower() == ".json" else Coco([], {}, {}, {}, [])


def _head(making: Making, layout: str, scenes: Sequence[Scene], coco: Coco) -> dict[str, Any]:
    """What identifies a data set, known before the first picture is made."""
    facts = [[*to_values(replace(scene, file="")).values(), coco.boxes.get(scene.scene, [])] for scene in scenes]
    digest = hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()
    fitted = ["fit", "resize"] if making.size else []
    stages = ["decode", "colour", *fitted, *(["perturb"] if making.perturbation else [])]
    how = (
        f"the pictures are {making.size} x {making.size}: `instability predict --scenes` sees this manifest, takes the "
        f"fit {PREPARED_FIT}, which leaves them as they are, and only scales them; elsewhere, do not resize or crop"
        if making.size
        else "the pictures have their own sizes: fit, resize and scale them as the model wants"
    )
    return {
        "kind": MANIFEST_KIND,
        "schema": 1,
        "layout": layout,
        "scenes": LISTINGS[layout],
        "variant": to_values(making),
        "preprocessing": {"done": stages, "left": [*([] if making.size else ["fit", "resize"]), "scale"], "how": how},
        "versions": _versions(making),
        "source": {"pictures": len(scenes), "sha256": digest},
    }


def _versions(making: Making) -> dict[str, str]:
    """The versions of the libraries that the pixels and the files come from."""
    from importlib.metadata import PackageNotFoundError, version

    from hostctl.variants import LIBRARIES

    asked = {"instability-kit", "numpy", "pillow"}
    for variant in filter(None, (making.decoder, making.resizer)):
        asked.update(LIBRARIES[max((start for start in LIBRARIES if variant.startswith(start)), key=len)])
    found = {}
    for name in sorted(asked):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # of some variants only one of two packages is installed
            continue
    return found


def _begin(out: Path, head: Mapping[str, Any]) -> dict[str, Entry]:
    """Make the folder, or go on in it: give the entries of the pictures that are there and whole, by scene."""
    there = read_manifest(out)
    if there is None:
        if out.exists() and any(out.iterdir()):
            raise BadInput(f"{out}: expected a new or empty folder, or an unfinished data set; got other files")
        make_folder(out)
    else:
        other = [f"{key}: {there.get(key)} there, {head[key]} now" for key in head if there.get(key) != head[key]]
        if other:
            raise BadInput("\n  ".join([f"{out}: expected the data set that is here, got another one:", *other]))
    entries = list(there.get("pictures", [])) if there else []
    entries += _journal(out / JOURNAL)
    for part in out.rglob(f"{ASIDE}*"):
        part.unlink(missing_ok=True)
    _write_json(out / MANIFEST, {**head, "complete": False, "pictures": there.get("pictures", []) if there else []})
    return {entry["scene"]: entry for entry in entries if _digest(out / entry["file"]) == entry["sha256"]}


def _journal(path: Path) -> Iterator[Entry]:
    """Read the entries of a journal; a line that a kill cut short is none."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def _made(tasks: Sequence[_Task], workers: int) -> Iterator[Entry]:
    """Make the pictures in worker processes, in any order; in this process for one worker."""
    workers = min(workers, len(tasks))
    return in_parallel(_make, iter(tasks), workers=workers) if workers > 1 else map(_make, tasks)


def _make(task: _Task) -> Entry:
    """Make and write one picture, and give its entry, or its scene and why it cannot be made."""
    making, scene = task.making, task.scene
    try:
        data = Path(scene.file).read_bytes()
        if hashlib.sha256(data).hexdigest() != scene.sha256:
            raise BadInput(f"{scene.file} changed since the scenes were read")
        pixels = COLOURS[making.colour](
            _stored(data) if scene.file.endswith(STORED) else DECODERS[making.decoder](data)
        )
        made, boxes = _resized(pixels, task)
        made = _perturbed(made, pixels, data, making) if making.perturbation else made
    except FAILURES as problem:
        return {"scene": scene.scene, "error": str(StageFailed.because("make", problem))}
    png = encode_png(made, level=PNG_LEVEL)
    (task.target / task.file).parent.mkdir(parents=True, exist_ok=True)
    write_whole(task.target / task.file, png)
    return {
        "scene": scene.scene,
        "file": task.file,
        "sha256": hashlib.sha256(png).hexdigest(),
        "pixels_sha256": fingerprint(made),
        "source_sha256": scene.sha256,
        "height": made.shape[0],
        "width": made.shape[1],
        "boxes": [list(box) for box in boxes],
    }


def _stored(data: bytes) -> RGB:
    pixels = np.load(io.BytesIO(data), allow_pickle=False)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadInput(f"expected an array uint8 (height, width, 3), got {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels)


def _resized(pixels: RGB, task: _Task) -> tuple[RGB, Sequence[Box]]:
    making, source = task.making, pixels.shape[:2]
    if task.boxes and making.perturbation:
        raise BadInput("expected pictures without boxes: they would stay where a perturbation moves what they show")
    if task.boxes and task.drawn_on not in (None, source):
        raise BadInput(f"the boxes are of a picture of {task.drawn_on} (height, width), this one has {source}")
    if making.size is None:
        return pixels, task.boxes
    made = FITS[making.fit](pixels, RESIZERS[making.resizer], making.size, making.size)
    boxes = place_boxes(task.boxes, fit=making.fit, size=making.size, source=source) if task.boxes else []
    return made, boxes


def _perturbed(resized: RGB, pixels: RGB, data: bytes, making: Making) -> RGB:
    size = making.size

    def moved(one: Perturbation, rng: np.random.Generator) -> RGB:
        return cast(RGB, one.apply(pixels, RESIZERS[making.resizer], size, size, rng))

    return perturbed(making.perturbation, data, key=(), once=Share().once, resized=lambda: resized, moved=moved)[1]


def _finish(
    out: Path,
    head: Mapping[str, Any],
    scenes: Sequence[Scene],
    done: Mapping[str, Entry],
    failures: Mapping[str, str],
    coco: Coco,
) -> None:
    """Write the list of scenes, then the manifest that makes the data set whole."""
    there = [replace(one, file=str(out / done[one.scene]["file"])) for one in scenes if one.scene in done]
    target = out / LISTINGS[head["layout"]]
    if head["layout"] == "imagenet":
        write_scenes(there, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_json(target, coco_annotations(there, done, category_ids=coco.category_ids))
    pictures = [done[one.scene] for one in there]
    failed = {one.scene: failures[one.scene] for one in scenes if one.scene in failures}  # workers end in any order
    ends = {"listing_sha256": _digest(target), "failures": failed, "pictures": pictures, "complete": True}
    _write_json(out / MANIFEST, {**head, **ends})
    (out / JOURNAL).unlink()


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
