"""Each command of the command line as one function, for notebooks too; results are plain dicts and DataFrames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

    from device_agents.records import Scene


def run(
    lab: Path, *, scenes: Path, out: Path, model: str | None = "mobilenet-v2", progress: Progress = silent
) -> dict[str, Any]:
    """Photograph scenes with a lab's devices into a run folder, predict with the model, and summarise.

    ``scenes`` is a folder or CSV (capture.scenes); an unfinished run at ``out`` goes on where it stopped. Gives the
    summary of analysis.tables with "run", "missing" (steps without a photograph) and "failures" added. Raises BadInput
    for a wrong lab, scenes, model or disk, DeviceError if no device can be reached.
    """
    from capture.scenes import read_scenes
    from hostctl.lab import read_lab
    from hostctl.sitting import sit

    return sit(read_lab(lab), scenes=read_scenes(scenes), out=out, model=model, progress=progress)


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
    vary: Sequence[str] = (),
    design: str = "one-at-a-time",
    cluster: str = "",
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict a run's pictures, or a folder's or CSV's, with a model; gives accuracy and how.

    Without ``view`` the model sees the rectified scene of a run's photographs, and the whole of other pictures.
    ``vary`` asks for more environments, such as "resizer=pillow-*,opencv-*" and "decoder=all", combined by ``design``:
    "one-at-a-time", "factorial" or "stacked". The result then has a row for each environment, compared with the one
    that the other options describe. ``cluster`` is the address of a Dask scheduler to work on instead of this host.
    """
    from hostctl.predicting import Setup, predict_pictures

    if (run is None) == (scenes is None):
        raise BadInput(
            "expected either a run or --scenes (a folder or a CSV of pictures), got "
            + ("neither" if run is None else "both")
        )
    setup = Setup(model, sidecar, runtime, decoder, view, tuple(vary), design, cluster, workers)
    return predict_pictures(setup, run=run, scenes=scenes, out=out, progress=progress)


def report(
    run: Path, *, across: Sequence[str] = (), item: Sequence[str] = ("scene", "angle", "repeat"), top_n: int = 1
) -> dict[str, Any]:
    """Write a run's report (RUN/report/index.html) and give its summary, with its path as "report".

    ``across`` asks for one more cut, the instability between other conditions than devices; see report_run.
    """
    from hostctl.reporting import report_run

    return report_run(run, across=across, item=item, top_n=top_n)


def devices(lab: Path) -> pd.DataFrame:
    """Check every device of a lab: one row each, with "ok" and what to do about it in "problem"."""
    from hostctl.inspection import inspect_lab
    from hostctl.lab import read_lab

    return inspect_lab(read_lab(lab))


def show(scenes: Path, *, every_s: float | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
    """Show scenes on a screen, one after the other, each with its markers, until they are all shown or Ctrl-C.

    Prints the address to open on the screen; goes on at Enter, or every_s seconds after each scene was painted.
    """
    from capture.display import DisplayServer
    from capture.scenes import read_scenes

    _show_all(read_scenes(scenes), DisplayServer(host=host, port=port), every_s)


def models() -> pd.DataFrame:
    """List the zoo's models: name, made or not, size, source, licence, input and preprocessing."""
    import pandas as pd

    from stability_train.zoo import list_models

    return pd.DataFrame(list_models())


def variants(*families: str) -> pd.DataFrame:
    """List every variant of every family (or of some) with the library behind it and its group of identical pixels.

    The groups are measured when this is called; see hostctl.variants. Raises BadInput for an unknown family.
    """
    from device_agents.errors import pick
    from hostctl.variants import list_variants

    table = list_variants()
    known = dict.fromkeys(table["family"])
    for family in families:
        pick(known, family, what="family")
    return table[table["family"].isin(families or known)].reset_index(drop=True)


def get_model(name: str, *, progress: Progress = silent) -> dict[str, str]:
    """Make a zoo model if it is not there yet, and give the paths of its files and its preprocessing."""
    from device_agents.sidecar import read_sidecar
    from stability_train import zoo

    model = zoo.get_model(name, progress=partial(progress, "model", 0, 0))
    files = {kind: str(getattr(model, kind)) for kind in ("tflite", "onnx", "keras", "provenance")}
    return {"name": name, **files, "preprocessing": zoo.describe(read_sidecar(model.tflite))}


def _show_all(scenes: list[Scene], display: Any, every_s: float | None) -> None:
    import time

    with display as server:
        print(f"open {server.url} on the screen, in full screen; waiting for it", flush=True)
        server.wait_for_screen(timeout_s=600.0)
        for number, scene in enumerate(scenes, 1):
            following = (scenes[number], number + 1) if number < len(scenes) else None
            server.show(scene, number, next_scene=following, timeout_s=20.0)
            print(f"{number}/{len(scenes)} {scene.scene} ({scene.category})", flush=True)
            if every_s is None:
                input("Enter shows the next one ")
            else:
                time.sleep(every_s)
