"""What `instability develop` does as a whole: choose ISPs and codecs, open the run, develop or import, and count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.pictures.developing import develop_run
from hostctl.pictures.file_runs import run_of_files
from hostctl.pictures.importing import import_pictures
from hostctl.pictures.parents import parents
from hostctl.pictures.picture_versions import chosen
from hostctl.printing import Progress


@dataclass(frozen=True)
class Request:
    """What was asked: isps and codecs are names, globs or "all"; imported is a folder of outside renderings."""

    run: Path | None
    scenes: Path | None
    out: Path | None
    isps: tuple[str, ...]
    codecs: tuple[str, ...]
    imported: Path | None
    workers: int


def develop_pictures(request: Request, *, progress: Progress) -> dict[str, Any]:
    """Develop, code again or import pictures, and give the result that commands.develop gives."""
    if (request.run is None) == (request.scenes is None):
        got = "neither" if request.run is None else "both"
        raise BadInput(f"expected either a run or --scenes (a folder or a CSV of pictures), got {got}")
    if request.imported is not None:
        return _import(request, request.imported, progress)
    isps, without = chosen("isp", request.isps) if request.isps else ([], [])
    codecs, left_out = chosen("codec", request.codecs)
    for note in (left_out := [*without, *left_out]):
        progress("variants", 0, 0, note)
    with _opened(request) as run:
        said = partial(progress, "pictures")
        failures = develop_run(run, isps=isps, codecs=codecs, workers=request.workers, progress=said)
        total = sum(1 for _ in parents(run, raws=bool(isps)))
        rows = [_row(run, isp, codec, 0) for isp in isps or [""] for codec in codecs]
        rows = [{**row, "failed": total - row["pictures"]} for row in rows]
        return {"run": str(run.folder), "rows": rows, "left_out": left_out, "failures": failures}


def _import(request: Request, folder: Path, progress: Progress) -> dict[str, Any]:
    if len(request.isps) != 1 or request.codecs:
        raise BadInput(
            "--import: expected one --isp, the name of the program that made the pictures, such as photoshop, and no "
            f"--codec (that is a file's suffix), got {', '.join(request.isps) or 'no --isp'} and "
            f"{', '.join(request.codecs) or 'no --codec'}"
        )
    (isp,) = request.isps
    with _opened(request) as run:
        failed = import_pictures(run, folder, isp=isp, progress=partial(progress, "pictures"))
        lacking = Counter(one.where.rsplit("|", 1)[-1] for one in failed)
        codecs = sorted({one.codec for one in run.picture_records({"isp": isp})} | lacking.keys())
        rows = [_row(run, isp, codec, lacking[codec]) for codec in codecs]
        lines = [f"{one.where}: {one.reason}" for one in failed]
        return {"run": str(run.folder), "rows": rows, "left_out": [], "failures": lines}


def _opened(request: Request) -> Run:
    if request.run is not None:
        return Run.open(request.run)
    assert request.scenes is not None
    return run_of_files(request.scenes, request.out, raws=bool(request.isps), name="develop")


def _row(run: Run, isp: str, codec: str, failed: int) -> dict[str, Any]:
    sizes = [one.size for one in run.picture_records({"isp": isp, "codec": codec})]
    mb_mean = sum(sizes) / len(sizes) / 1e6 if sizes else None
    return {"isp": isp, "codec": codec, "pictures": len(sizes), "failed": failed, "mb_mean": mb_mean}
