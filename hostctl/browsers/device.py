"""A browser as a device: what it is, one photograph, a job of predictions; and its shutter for the runner."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, DeviceError
from device_agents.hashing import hash_file
from device_agents.predict import Job
from device_agents.preprocess import NOT_AVAILABLE
from device_agents.records import Environment, Prediction
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.families import CLASSIFICATION
from hostctl.browsers.checks import Asked, checked_info, checked_prediction
from hostctl.browsers.link import WebLink
from hostctl.browsers.wire import VARIANTS, job_files, wire_job
from hostctl.labs.shutter import RemoteFile

ASK_TIMEOUT_S = 30.0
GRACE_S = 10.0  # the page gives up by itself and says why; the host waits a little longer, so as to hear it
PREDICTION_SILENCE_S = 180.0  # the first answer comes after the model was fetched over Wi-Fi and compiled
KEPT_SHOTS = 64
# By a model's suffix; the first of them, in WebAssembly, is what every browser has.
RUNTIMES_BY_SUFFIX = {
    ".tflite": ("litert-js", "litert-js-webgpu"),
    ".onnx": ("onnxruntime-web", "onnxruntime-web-webgpu"),
}


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

        Of another task than classification every prediction is "not available". Raises BadInput where the job asks for
        what no page can do (wire), DeviceError where the page answers what was not asked or leaves some out.
        """
        if job.sidecar.task != CLASSIFICATION:
            yield from _not_available(job)
            return
        labels = job.labels
        if labels is None and job.sidecar.labels:
            labels = read_labels(Path(job.model).parent / job.sidecar.labels)
        asked, files = Asked.of(job, labels), job_files(job)
        values, left = wire_job(job, labels, files), set(asked.cells)
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
    view: str = "whole",
    decoders: tuple[str, ...] = ("create-image-bitmap",),
    resizers: tuple[str, ...] = (),
    runtime: str = "",
) -> tuple[Environment, ...]:
    """Give the environments of a model in a page: every decoder with every resizer (the sidecar's by default).

    ``runtime`` is one of RUNTIMES_BY_SUFFIX, "" the one in WebAssembly. Raises BadInput where the page that said
    ``info`` of itself does not have a variant.
    """
    runtimes = RUNTIMES_BY_SUFFIX.get(model.suffix.lower())
    if runtimes is None:
        raise BadInput(f"expected a .tflite or .onnx model for a browser, got {model.name}")
    if runtime not in ("", *runtimes):
        raise BadInput(f"unknown runtime '{runtime}' for {model.name} in a browser; known: {', '.join(runtimes)}")
    runtime = runtime or runtimes[0]
    first = Environment(
        model=sidecar.name,
        model_sha256=hash_file(model),
        decoder=decoders[0],
        view=view,
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
    for environment, (field, known) in itertools.product(made, VARIANTS.items()):
        if getattr(environment, field) not in info[known]:
            raise BadInput(_unknown(field, getattr(environment, field), info, machine))
    return made


def _not_available(job: Job) -> Iterator[Prediction]:
    why = f"{NOT_AVAILABLE}a page predicts {CLASSIFICATION} alone, the model's task is {job.sidecar.task}"
    for picture, environment in itertools.product(job.pictures, job.environments):
        yield Prediction(picture.picture, environment.environment, error=f"{why}; predict on the host or an agent")


def _unknown(field: str, name: str, info: dict[str, Any], machine: str) -> str:
    why = info.get("webgpu", {}).get("error", "") if name.endswith("-webgpu") else ""
    there = ", ".join(sorted(info[VARIANTS[field]]))
    return f"unknown {field} '{name}' for the page of {machine}{f' ({why})' if why else ''}; known: {there}"
