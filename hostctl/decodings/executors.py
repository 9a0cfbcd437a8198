"""Executors of the decoding experiment: what decodes, preprocesses and infers by a pixel path of its own."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agents.decode_jpeg import JPEG_READERS
from device_agents.errors import BadInput, DeviceError, KitError, pick
from device_agents.hashing import hash_file
from device_agents.predict import check_environment
from device_agents.records import Environment
from device_agents.sidecar import Sidecar
from hostctl.agents.predictor import AgentPredictor, Predictor
from hostctl.browsers.device import browser_environments
from hostctl.decodings.executor_environments import ARM, LEGACY, made_arm, made_legacy
from hostctl.printing import Progress

RUNTIMES = {
    ".tflite": ("litert", "tflite-runtime"),
    ".onnx": ("onnxruntime",),
    ".keras": ("keras",),
}  # in the order of preference
PAGE_DECODER, PAGE_S = "create-image-bitmap", 60.0
HOST, CHROMIUM = "host", "chromium"


@dataclass(frozen=True)
class Asked:
    """One executor that was asked for: its kind, and its variants where they are not the kind's own ("")."""

    kind: str
    decoder: str = ""
    resizer: str = ""
    runtime: str = ""

    @property
    def name(self) -> str:
        """Its name in the run: "legacy-tflite", "legacy-tflite-pillow"."""
        return "-".join(part for part in (self.kind, self.decoder, self.resizer, self.runtime) if part)


@dataclass(frozen=True)
class Executor:
    """An executor at work: what it says of itself, and the environment that each format is predicted in."""

    name: str
    predictor: Predictor
    info: Mapping[str, Any]
    environments: Mapping[str, Environment]  # "jpeg", "png"


def parse_executors(text: str) -> list[Asked]:
    """Read "host,chromium,legacy-tflite:pillow": NAME[:DECODER[/RESIZER[/RUNTIME]]] with commas. Raises BadInput."""
    found = []
    for word in (part.strip() for part in text.split(",") if part.strip()):
        kind, _, variants = word.partition(":")
        pick(EXECUTORS, kind, what="executor")
        parts = variants.split("/")
        if len(parts) > 3:
            raise BadInput(f"--executors: expected NAME:DECODER/RESIZER/RUNTIME at most, got '{word}'")
        found.append(Asked(kind, *parts))
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(
            f"--executors: expected each once, got {', '.join(twice)} twice; give one of them another decoder"
        )
    return found


@contextlib.contextmanager
def opened_executors(
    asked: Sequence[Asked], model: Path, sidecar: Sidecar, *, progress: Progress
) -> Iterator[tuple[list[Executor], dict[str, str]]]:
    """Open executors, making what they need on first use; gives those that can be had, and why the others cannot.

    ``model`` with its sidecar is what they will predict: an executor without a runtime for it cannot be had.
    """
    lacking: dict[str, str] = {}
    found: list[Executor] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="instability-executors-")))
        for one in asked:
            progress("executors", 0, 0, f"{one.name}: opening")
            try:
                found.append(stack.enter_context(EXECUTORS[one.kind](one, model, sidecar, folder / one.name, progress)))
            except KitError as problem:
                lacking[one.name] = str(problem)
                progress("executors", 0, 0, f"{one.name} cannot be had: {problem}")
        yield found, lacking


def executor_of(predictor: Predictor, asked: Asked, model: Path, sidecar: Sidecar) -> Executor:
    """Make an executor of an agent or page that is in reach: installs it and asks it what it has.

    Most JPEG decoders of an agent read no PNG; that is then left to the Pillow that it has. Raises DeviceError where it
    has no runtime for the model, BadInput for an unknown variant.
    """
    predictor.install()
    info = predictor.info()
    if "decoders" in info:  # a page says which of everything it has
        decoders, resizers = (asked.decoder or PAGE_DECODER,), (asked.resizer,) if asked.resizer else ()
        given: Any = {"decoders": decoders, "resizers": resizers, "runtime": asked.runtime}
        (one,) = browser_environments(model, sidecar, info, machine=predictor.name, **given)
        return Executor(predictor.name, predictor, info, {"jpeg": one, "png": one})
    jpeg = Environment(
        model=sidecar.name,
        model_sha256=hash_file(model),
        decoder=asked.decoder or "pillow",
        view="whole",
        colour="rgb",
        fit=sidecar.fit,
        resizer=asked.resizer or sidecar.resizer,
        scaling=sidecar.scaling,
        runtime=_runtime(predictor.name, asked, model, info),
        machine=predictor.name,
    )
    jpeg = replace(jpeg, runtime_version=str(info["runtimes"][jpeg.runtime]))
    check_environment(jpeg)
    png = replace(jpeg, decoder="pillow") if jpeg.decoder in JPEG_READERS else jpeg
    return Executor(predictor.name, predictor, info, {"jpeg": jpeg, "png": png})


def _runtime(name: str, asked: Asked, model: Path, info: Mapping[str, Any]) -> str:
    """The runtime that an agent has for a model's file; raises DeviceError listing those that it has."""
    wanted = (asked.runtime,) if asked.runtime else RUNTIMES.get(model.suffix.lower(), ())
    for runtime in wanted:
        if runtime in info["runtimes"]:
            return runtime
    there = ", ".join(f"{one} {version}" for one, version in sorted(info["runtimes"].items())) or "none"
    raise DeviceError(
        f"{name}: expected a runtime for {model.name} ({' or '.join(wanted) or 'none known'}), got {there}"
    )


@contextlib.contextmanager
def _here(
    asked: Asked, model: Path, sidecar: Sidecar, folder: Path, *, python: str, decoder: str = ""
) -> Iterator[Executor]:
    """Open an executor that is an agent on this machine under some Python; ``decoder`` where none was asked for."""
    from hostctl.agent import Agent, build_agent_zip
    from hostctl.transport import LocalTransport

    archive = build_agent_zip(folder / "built" / "agent.zip")
    transport = LocalTransport(asked.name)
    agent = Agent(transport, archive, python=python, folder=str(folder / "agent"))
    try:
        yield executor_of(AgentPredictor(agent), replace(asked, decoder=asked.decoder or decoder), model, sidecar)
    finally:
        transport.end()  # after a mistake or Ctrl-C a thread may still be at work in the folder, which goes now


@contextlib.contextmanager
def _host(asked: Asked, model: Path, sidecar: Sidecar, folder: Path, progress: Progress) -> Iterator[Executor]:
    """This machine's own Python with its own libraries."""
    import sys

    with _here(asked, model, sidecar, folder, python=sys.executable) as found:
        yield found


@contextlib.contextmanager
def _legacy(asked: Asked, model: Path, sidecar: Sidecar, folder: Path, progress: Progress) -> Iterator[Executor]:
    """tflite-runtime 2.14 with NumPy 1 and Pillow 9, and FFmpeg's own JPEG decoder."""
    python = made_legacy(progress=progress)
    with _here(asked, model, sidecar, folder, python=str(python), decoder="ffmpeg") as found:
        yield found


@contextlib.contextmanager
def _arm(asked: Asked, model: Path, sidecar: Sidecar, folder: Path, progress: Progress) -> Iterator[Executor]:
    """A 64-bit ARM Python under qemu-user."""
    with _here(asked, model, sidecar, folder, python=str(made_arm(progress=progress))) as found:
        yield found


@contextlib.contextmanager
def _chromium(asked: Asked, model: Path, sidecar: Sidecar, folder: Path, progress: Progress) -> Iterator[Executor]:
    """The page that phones open, in headless Chromium: the browser's decoders and its WebAssembly runtimes."""
    import numpy as np

    from capture.display import DisplayServer
    from hostctl.browsers.device import WebDevice
    from hostctl.browsers.link import WebLink
    from hostctl.browsers.pages import web_blueprint
    from hostctl.browsers.predictor import PagePredictor
    from hostctl.virtual.browser_phone import BrowserPhone

    folder.mkdir(parents=True)
    link = WebLink(asked.name, folder=folder / "shots")
    pages = web_blueprint(link)
    guests = {pages.name: secrets.token_urlsafe(24)}
    seen = np.full((48, 64, 3), 128, np.uint8)
    with DisplayServer(settle_ms=0, blueprints=[pages], guests=guests) as server, link:
        link.address = server.guest_url(pages.name)
        with BrowserPhone(link.address, folder=folder, picture=seen):
            link.wait_for_page(timeout_s=PAGE_S)
            yield executor_of(PagePredictor(WebDevice(link)), asked, model, sidecar)


Opening = Callable[[Asked, Path, Sidecar, Path, Progress], contextlib.AbstractContextManager[Executor]]

EXECUTORS: dict[str, Opening] = {ARM: _arm, CHROMIUM: _chromium, HOST: _host, LEGACY: _legacy}
