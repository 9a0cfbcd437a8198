"""A browser as a device: what it is, one photograph, a job of predictions; and its shutter for the runner."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, DeviceError
from device_agents.predict import Job, hash_file
from device_agents.records import Environment, Prediction
from device_agents.runtime_libraries import import_library, read_model
from device_agents.sidecar import Sidecar, read_labels, sidecar_values
from hostctl.shutter import RemoteFile
from hostctl.web_checks import Asked, checked_info, checked_prediction
from hostctl.web_link import WebLink

ASK_TIMEOUT_S = 30.0
GRACE_S = 10.0  # the page gives up by itself and says why; the host waits a little longer, so as to hear it
PREDICTION_SILENCE_S = 180.0  # the first answer comes after the model was fetched over Wi-Fi and compiled
KEPT_SHOTS = 64
RUNTIME_BY_SUFFIX = {".tflite": "litert-js", ".onnx": "onnxruntime-web"}
_VARIANTS = {"decoder": "decoders", "fit": "fits", "resizer": "resizers", "scaling": "scalings", "runtime": "runtimes"}


@dataclass(frozen=True)
class WebShot:
    """A photograph that a page has sent: our file of it, and by which way and with which track it was taken."""

    path: Path
    size: int
    about: dict[str, Any]


class WebDevice:
    """A page that is open on a phone, called through its link."""

    def __init__(self, link: WebLink) -> None:
        self.link, self.name = link, link.name

    def info(self, *, timeout_s: float = ASK_TIMEOUT_S) -> dict[str, Any]:
        """What the browser says of itself: its software, its cameras, and the variants that the page has.

        "camera" holds the track's settings and capabilities, or why there is none under "error".
        """
        for values, _ in self.link.do({"kind": "info", "timeout_s": timeout_s}, silence_s=timeout_s + GRACE_S):
            return checked_info(values.get("info"), name=self.name)
        raise AssertionError("do() yields or raises")

    def shoot(self, *, way: str = "canvas", reopen: bool = False, timeout_s: float) -> WebShot:
        """Take one photograph: way "take-photo", "canvas" (a frame of the video as PNG) or "file" (a person taps).

        ``reopen`` opens the camera anew, which Chromium's fake camera needs to see a changed file. Raises DeviceError
        with the page's words, TimedOut, Unreachable.
        """
        job = {"kind": "shoot", "way": way, "reopen": reopen, "timeout_s": timeout_s}
        for values, path in self.link.do(job, silence_s=timeout_s + GRACE_S):
            about = values.get("shot")
            if path is None or not isinstance(about, dict):
                raise DeviceError(f"{self.name}: expected a photograph and how it was taken, got {str(values)[:80]}")
            return WebShot(path, path.stat().st_size, about)
        raise AssertionError("do() yields or raises")

    def predict(self, job: Job, *, silence_s: float = PREDICTION_SILENCE_S) -> Iterator[Prediction]:
        """Predict a job of this machine's files in the page; gives each prediction as it comes, each once.

        The page knows no corners, so only the view "whole" and the colour "rgb". Raises BadInput where the job asks
        for others, DeviceError where the page answers what was not asked or leaves some out.
        """
        labels = job.labels
        if labels is None and job.sidecar.labels:
            labels = read_labels(Path(job.model).parent / job.sidecar.labels)
        asked, files = Asked.of(job, labels), _files(job)
        values, left = _wire(job, labels, files), set(asked.cells)
        by_hash = {sha256: Path(path) for path, sha256 in files.items()}
        answers = self.link.do(values, files=by_hash, most=len(asked.cells) + 1, silence_s=silence_s)
        for answer, _ in answers:
            if "done" in answer:
                break
            prediction = checked_prediction(answer.get("prediction"), asked, name=self.name)
            cell = (prediction.picture, prediction.environment)
            if cell in left:  # a job that was delivered twice is answered twice
                left.remove(cell)
                yield prediction
        answers.close()  # type: ignore[attr-defined]
        if left:
            raise DeviceError(f"{self.name}: the page left out {len(left)} predictions, such as {min(left)}")


class WebShutter:
    """A Shutter over a page; its files are on this machine already, so LocalTransport fetches them."""

    def __init__(self, device: WebDevice, *, way: str = "canvas", reopen: bool = False) -> None:
        self._device, self._way, self._reopen = device, way, reopen
        self._kept: list[Path] = []

    def prepare(self) -> None:
        """Check that a page is open whose browser has this way of taking photographs; raises DeviceError."""
        there = self._device.info()["cameras"]
        if self._way not in there:
            raise DeviceError(f"{self._device.name}: expected the camera '{self._way}' in the page, got {there}")

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Take one photograph; its file stays until KEPT_SHOTS later ones were taken, or release."""
        shot = self._device.shoot(way=self._way, reopen=self._reopen, timeout_s=timeout_s)
        self._kept.append(shot.path)
        for old in self._kept[:-KEPT_SHOTS]:
            old.unlink(missing_ok=True)
        self._kept = self._kept[-KEPT_SHOTS:]
        return [RemoteFile(str(shot.path), shot.size)]

    def release(self) -> None:
        """Remove the photographs that are still there."""
        for path in self._kept:
            path.unlink(missing_ok=True)
        self._kept = []


def browser_environments(
    model: Path,
    sidecar: Sidecar,
    info: dict[str, Any],
    *,
    machine: str,
    decoders: tuple[str, ...] = ("create-image-bitmap",),
    resizers: tuple[str, ...] = (),
) -> tuple[Environment, ...]:
    """Give the environments of a model in a page: every decoder with every resizer (the sidecar's by default).

    Raises BadInput where the page that said ``info`` of itself does not have a variant.
    """
    runtime = RUNTIME_BY_SUFFIX.get(model.suffix.lower())
    if runtime is None:
        raise BadInput(f"expected a .tflite or .onnx model for a browser, got {model.name}")
    first = Environment(
        model=sidecar.name,
        model_sha256=hash_file(model),
        decoder=decoders[0],
        view="whole",
        colour="rgb",
        fit=sidecar.fit,
        resizer=sidecar.resizer,
        scaling=sidecar.scaling,
        runtime=runtime,
        runtime_version=info["runtimes"].get(runtime, ""),
        machine=machine,
    )
    cells = itertools.product(decoders, resizers or (sidecar.resizer,))
    made = tuple(replace(first, decoder=decoder, resizer=resizer) for decoder, resizer in cells)
    for environment, (field, known) in itertools.product(made, _VARIANTS.items()):
        if getattr(environment, field) not in info[known]:
            there = ", ".join(sorted(info[known]))
            raise BadInput(f"unknown {field} '{getattr(environment, field)}' for the page of {machine}; known: {there}")
    return made


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


def _files(job: Job) -> dict[str, str]:
    """The sha256 of each file of a job, by its path."""
    paths = {job.model, *(one.file for one in job.pictures)}
    return {path: hash_file(Path(path)) for path in sorted(paths)}


def _wire(job: Job, labels: tuple[str, ...] | None, files: dict[str, str]) -> dict[str, Any]:
    """The job as the page reads it."""
    fields = ("environment", *_VARIANTS, "runtime_version")
    for environment in job.environments:
        if (environment.view, environment.colour, environment.threads) != ("whole", "rgb", 1):
            raise BadInput("a browser predicts with the view 'whole', the colour 'rgb' and one thread; change the job")
        if environment.model_sha256 not in ("", files[job.model]):
            raise BadInput(f"model {job.model}: expected sha256 {environment.model_sha256}, got {files[job.model]}")
    return {
        "kind": "predict",
        "model": {"sha256": files[job.model]},
        "sidecar": sidecar_values(job.sidecar),
        "quantisation": quantisation_of(Path(job.model)),
        "labels": labels,
        "top_k": job.top_k,
        "pictures": [{"picture": one.picture, "sha256": files[one.file]} for one in job.pictures],
        "environments": [{name: getattr(one, name) for name in fields} for one in job.environments],
    }
