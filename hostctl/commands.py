"""Each command of the command line as one function, for notebooks too; results are plain dicts and DataFrames.

Those that say what a run found stand in hostctl.findings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd


def run(
    lab: Path,
    *,
    scenes: Path,
    out: Path,
    model: str | None = "mobilenet-v2",
    until_width: float | None = None,
    wait_s: float = 0.0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Photograph scenes with a lab's devices into a run folder, predict with the model, and summarise.

    ``scenes`` is a folder or CSV (capture.scenes); an unfinished run at ``out`` goes on where it stopped. Gives the
    summary of analysis.tables with "run", "missing" (steps without a photograph) and "failures" added. Raises BadInput
    for a wrong lab, scenes, model or disk, DeviceError if no device can be reached. With ``until_width`` (0..1) random
    blocks of scenes are photographed and predicted until the instability's interval is this narrow; that interval holds
    however often it was looked at (analysis.intervals.sequential). The devices are held meanwhile: those that another
    command holds are waited for up to ``wait_s`` seconds, then DeviceError names their holder.
    """
    from capture.scenes import read_scenes
    from hostctl.lab import read_lab
    from hostctl.sessions.sitting import sit
    from hostctl.sessions.until_width import UntilWidth

    if wait_s < 0:
        raise BadInput(f"--wait: expected 0 or more, got {wait_s:g}")
    if until_width is not None and model is None:
        raise BadInput("--until-width needs predictions: leave out --no-predict")
    until = None if until_width is None else UntilWidth(until_width)
    described, shown = read_lab(lab), read_scenes(scenes)
    return sit(described, scenes=shown, out=out, model=model, progress=progress, until=until, wait_s=wait_s)


def predict(
    run: Path | None = None,
    *,
    scenes: Path | None = None,
    out: Path | None = None,
    model: str,
    sidecar: Path | None = None,
    runtime: str | None = None,
    decoder: str = "pillow",
    view: str | None = None,
    isp: str | None = None,
    codec: str | None = None,
    vary: Sequence[str] = (),
    design: str = "one-at-a-time",
    cluster: str = "",
    workers: int = os.cpu_count() or 1,
    lab: Path | None = None,
    on: str = "",
    calibration: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict a run's pictures, or a folder's or CSV's, with a model; gives accuracy and how.

    Without ``view`` the model sees the rectified scene of a run's photographs, and the whole of other pictures.
    ``vary`` asks for more environments, such as "resizer=pillow-*,opencv-*" and "decoder=all", combined by ``design``:
    "one-at-a-time", "factorial" or "stacked". The result then has a row for each condition, compared with the one that
    the other options describe. ISPs and codecs vary too: what they make of the raw pictures (a codec alone: of the
    photographs) is made first and stays in the run. ``isp`` and ``codec`` choose those to start from (raw pictures:
    "libraw-pinned" and "png"; photographs: as they were shot). ``cluster`` is the address of a Dask scheduler to work
    on instead of this host. ``on`` names a device of ``lab`` whose agent does all of it; the result then says
    which cells come out otherwise than on this host, where that has them, and at which stage first. ``calibration`` is
    a folder or CSV of pictures for variants of the model ("precision=int8"; default: the packaged photographs).
    """
    from hostctl.predictions.predicting import Setup, predict_pictures

    if (run is None) == (scenes is None):
        raise BadInput(
            "expected either a run or --scenes (a folder or a CSV of pictures), got "
            + ("neither" if run is None else "both")
        )
    made = (isp, codec, tuple(vary), design)
    setup = Setup(model, sidecar, runtime, decoder, view, *made, cluster, workers, lab, on, calibration)
    return predict_pictures(setup, run=run, scenes=scenes, out=out, progress=progress)


def develop(
    run: Path | None = None,
    *,
    scenes: Path | None = None,
    out: Path | None = None,
    isp: Sequence[str] = (),
    codec: Sequence[str] = (),
    imported: Path | None = None,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make pictures of a run's raws by ISPs and codecs; without ``isp``, of its photographs by codecs.

    ``isp`` and ``codec`` are names, globs or "all". Instead of a run, ``scenes`` is a folder or CSV of raw files. What
    the run has already is not made again. ``imported`` is a folder of pictures that an outside program made of the
    raws, brought in under the one name in ``isp``. Gives "rows" (isp, codec, pictures, failed, mb_mean), "left_out"
    (what globs asked for and is absent here) and "failures", one line each. Raises BadInput, or MissingExtra naming all
    programs that were asked for by name and are absent.
    """
    from hostctl.pictures.development import Request, develop_pictures

    request = Request(run, scenes, out, tuple(isp), tuple(codec), imported, workers)
    return develop_pictures(request, progress=progress)


def noise(
    pictures: Sequence[str],
    *,
    run: Path | None = None,
    vary: Sequence[str] = (),
    fit: str = "short-side-256-crop",
    resizer: str = "pillow-bilinear",
    size: int = 224,
    out: Path = Path("noise"),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Show what variants do to one picture (OUT/noise.html), or where two differ by more than 5 % (OUT/map.html).

    ``pictures`` are one or two files, or with ``run`` names of its pictures. ``vary`` names families or variants, such
    as "decoder" or "resizer=pillow-*": of decoder, resizer, colour, codec and isp; none for all of them.
    """
    from hostctl.pictures.difference_map import difference_map
    from hostctl.pictures.noise_pictures import differences

    if len(pictures) > 2 or (len(pictures) == 2 and vary):
        raise BadInput("expected one picture, with or without --vary, or two pictures to compare")
    paths = [run if run is not None else Path(one) for one in pictures]
    names = ["" if run is None else one for one in pictures]
    if len(pictures) == 2:
        return difference_map(paths[0], paths[1], pictures=(names[0], names[1]), out=out)
    options: dict[str, Any] = {"fit": fit, "resizer": resizer, "size": size}
    return differences(paths[0], picture=names[0], families=vary, out=out, progress=progress, **options)


def dataset(
    scenes: Path,
    *,
    out: Path,
    decoder: str = "pillow",
    colour: str = "rgb",
    fit: str | None = None,
    resizer: str | None = None,
    size: int | None = 224,
    perturbation: str = "",
    layout: str = "imagenet",
    labels: Path | None = None,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write labelled pictures out as a data set, made by variants and perturbed; see write_dataset."""
    from hostctl.pictures.datasets import write_dataset

    made: dict[str, Any] = {"decoder": decoder, "colour": colour, "fit": fit, "resizer": resizer, "size": size}
    made |= {"perturbation": perturbation}
    return write_dataset(scenes, out=out, layout=layout, labels=labels, workers=workers, progress=progress, **made)


def devices(lab: Path) -> pd.DataFrame:
    """Check every device of a lab: one row each, with "ok" and what to do about it in "problem"."""
    from hostctl.lab import read_lab
    from hostctl.labs.inspection import inspect_lab

    return inspect_lab(read_lab(lab))


def show(scenes: Path, *, every_s: float | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
    """Show scenes on a screen, one after the other, each with its markers, until they are all shown or Ctrl-C.

    Prints the address to open on the screen; goes on at Enter, or every_s seconds after each scene was painted.
    """
    from capture.display import DisplayServer
    from capture.scenes import read_scenes
    from hostctl.labs.showing import show_scenes

    display = DisplayServer(host=host, port=port)
    show_scenes(read_scenes(scenes), display, every_s=every_s, stdin=sys.stdin, stdout=sys.stdout)


def models() -> pd.DataFrame:
    """List the zoo's models: name, made or not, size, source, licence, input and preprocessing."""
    import pandas as pd

    from stability_train.zoo import list_models

    return pd.DataFrame(list_models())


def variants(*families: str) -> pd.DataFrame:
    """List every variant of every family (or of some) with the library behind it and its group of identical pixels.

    The groups are measured when this is called; see hostctl.variants. Raises BadInput for an unknown family.
    """
    from hostctl.variants import list_variants

    return list_variants(*families)


def vary_model(
    model: str,
    *,
    precision: str = "all",
    calibration: Path | None = None,
    sidecar: Path | None = None,
    out: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make variants of a model (INT8, ceil mode, ...), each checked against it: hostctl.predictions.model_variants."""
    from hostctl.predictions.model_variants import vary_model as vary

    return vary(model, precision=precision, sidecar=sidecar, calibration=calibration, out=out, progress=progress)


def get_model(name: str, *, progress: Progress = silent) -> dict[str, str]:
    """Make a zoo model if it is not there yet, and give the paths of its files and its preprocessing."""
    from device_agents.sidecar import read_sidecar
    from stability_train import zoo

    model = zoo.get_model(name, progress=partial(progress, "model", 0, 0))
    files = {kind: str(getattr(model, kind)) for kind in ("tflite", "onnx", "keras", "provenance")}
    return {"name": name, **files, "preprocessing": zoo.describe(read_sidecar(model.tflite))}


def probe_model(model: str, *, out: Path | None = None, kind: str = "identity") -> dict[str, Any]:
    """Write the probe files of a model (a zoo name, or a file, which needs no sidecar)."""
    from stability_train.probe import write_probe
    from stability_train.zoo import resolve_model

    path = Path(model) if Path(model).is_file() else resolve_model(model)[0]
    folder = out or Path(f"{path.stem}-probe")
    probe = write_probe(path, folder, kind=kind)
    files = len({one[0] for one in probe.pieces})
    return {"model": str(path), "kind": kind, "files": files, "probe": str(folder / "probe.json")}
