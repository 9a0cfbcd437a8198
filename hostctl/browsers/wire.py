"""A job of predictions as it goes to a page: files by hash, corners, and what the page cannot work out by itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.predict import Job, JobPicture
from device_agents.records import Corners
from device_agents.runtime_libraries import import_library, read_model
from device_agents.sidecar import sidecar_values
from device_agents.tasks.families import check_post
from device_agents.view import pillow_coefficients, rectified_size

# Each field of an environment that a page must know the name of, and where its info lists them.
VARIANTS = {
    "decoder": "decoders",
    "view": "views",
    "fit": "fits",
    "resizer": "resizers",
    "scaling": "scalings",
    "runtime": "runtimes",
}
MOST_MODEL_BYTES = 1 << 30  # a page holds it three times, and its memory for WebAssembly ends at 4 GB
VIEWS = ("crop", "rectified-pillow", "whole")


def job_files(job: Job) -> dict[str, str]:
    """Give the sha256 of each file of a job, by its path; raises BadInput where one cannot be read or is too large."""
    model = Path(job.model)
    if model.is_file() and model.stat().st_size > MOST_MODEL_BYTES:
        size = model.stat().st_size
        raise BadInput(f"{model}: expected a model of at most {MOST_MODEL_BYTES} bytes for a browser, got {size}")
    paths = {job.model, *(one.file for one in job.pictures)}
    return {path: hash_file(Path(path)) for path in sorted(paths)}


def wire_job(job: Job, labels: tuple[str, ...] | None, files: dict[str, str]) -> dict[str, Any]:
    """Give a job as the page reads it; ``files`` are job_files.

    Raises BadInput for an environment that no page can be asked for: another view than VIEWS, another colour than
    "rgb", more than one thread, another model than the job's, a post, a perturbation.
    """
    fields = ("environment", *VARIANTS, "runtime_version")
    for environment in job.environments:
        check_post(environment.post, sidecar=job.sidecar)
        if environment.perturbation:
            raise BadInput(f"a browser perturbs no pictures; got the perturbation {environment.perturbation}")
        if environment.view not in VIEWS or (environment.colour, environment.threads) != ("rgb", 1):
            raise BadInput(
                f"a browser predicts with the view {', '.join(VIEWS[:-1])} or {VIEWS[-1]}, the colour rgb and one "
                f"thread; got {environment.view}, {environment.colour} and {environment.threads}"
            )
        if environment.model_sha256 not in ("", files[job.model]):
            raise BadInput(f"model {job.model}: expected sha256 {environment.model_sha256}, got {files[job.model]}")
    views = {environment.view for environment in job.environments}
    return {
        "kind": "predict",
        "model": {"sha256": files[job.model]},
        "sidecar": sidecar_values(job.sidecar),
        "quantisation": quantisation_of(Path(job.model)),
        "labels": labels,
        "top_k": job.top_k,
        "pictures": [_picture(one, files[one.file], views) for one in job.pictures],
        "environments": [{name: getattr(one, name) for name in fields} for one in job.environments],
    }


def rectification(corners: Corners) -> dict[str, Any]:
    """Give what device_agents.view's "rectified-pillow" hands to Pillow for these corners: height, width, coefficients.

    The eight coefficients are those of Image.Transform.PERSPECTIVE. Corners that the view refuses give its words under
    "refused": for the page that is one picture's error, as it is on the host.
    """
    try:
        height, width = rectified_size(corners)
        return {"height": height, "width": width, "coefficients": list(pillow_coefficients(corners))}
    except BadInput as problem:
        return {"refused": str(problem)[:300]}


def quantisation_of(model: Path) -> dict[str, list[float]] | None:
    """Give [scale, zero point] of a .tflite model's input and output, which LiteRT.js does not tell; None for others.

    A tensor of floats has the scale 0. Raises BadInput for a file that is no such model.
    """
    if model.suffix.lower() != ".tflite":
        return None
    try:
        interpreter = import_library("litert").Interpreter(model_content=read_model(model))
    except (ValueError, RuntimeError) as problem:
        raise BadInput(f"{model} is no model that litert can read: {problem}") from problem
    found = {"input": interpreter.get_input_details()[0], "output": interpreter.get_output_details()[0]}
    return {name: [float(number) for number in details["quantization"]] for name, details in found.items()}


def _picture(one: JobPicture, sha256: str, views: set[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"picture": one.picture, "sha256": sha256}
    if views - {"whole"}:  # JSON has no infinite numbers, and the page refuses null as the host refuses those
        values["corners"] = [[value if math.isfinite(value) else None for value in corner] for corner in one.corners]
    if "rectified-pillow" in views:
        values["rectified"] = rectification(one.corners)
    return values
