"""`instability diff`: the same models in many variants on the same pictures, measured, compared and written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.differential.layers import TOLERANCE
from analysis.run_folder.files import write_whole
from analysis.run_folder.ledger import is_made
from analysis.store import Run
from analysis.tables import to_json
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput
from device_agents.records import Picture
from hostctl.differences.asked import ModelFile, Variant, find_variants, read_models
from hostctl.differences.kept import TABLES, Kept, Plan
from hostctl.differences.localising import Located, locate_all
from hostctl.differences.measuring import load_variants, measure
from hostctl.differences.result import Tables, make_tables, sentence
from hostctl.pictures.file_runs import run_of_files
from hostctl.printing import Progress

REPEATS = 3
SEED = 1


@dataclass(frozen=True)
class Asked:
    """A differential test: models and pictures, and as in the command's options; limit: a share of pictures, 0..1."""

    models: tuple[str, ...]
    pictures: Path
    variants: tuple[str, ...] = ()
    out: Path | None = None
    lab: Path | None = None
    on: str = ""
    repeats: int = REPEATS
    threads: int = 1
    decoder: str = "pillow"
    view: str | None = None
    tolerance: float = TOLERANCE
    layers: bool = True
    limit: float | None = None
    seed: int = SEED
    junit: Path | None = None


def differ(asked: Asked, *, progress: Progress) -> dict[str, Any]:
    """Do a differential test, or what is missing of it, and write its page into the run.

    Gives "run", "page", "sentence", "variants", "pairs", "means", "degenerate", "groups", "located", "left_out",
    "failures", "offsets", "repeats", "pictures", "limit" with "exceeded" (the pairs above it), and "exit_code" (1 where
    there are any). Raises BadInput for what is asked wrong, and where no variant runs.
    """
    _check(asked)
    files = read_models(asked.models, progress=progress)
    with _opened(asked) as run:
        view = asked.view or ("rectified-pillow" if run.steps() else "whole")
        variants, left = find_variants(files, asked.variants, decoder=asked.decoder, view=view, threads=asked.threads)
        loaded, failed = load_variants(variants)
        if not loaded:
            raise BadInput("expected a variant that runs, got none:\n" + "\n".join(f"  - {one}" for one in failed))
        pictures = [one for one in run.picture_records() if one.suffix not in RAW_SUFFIXES]
        if not pictures:
            raise BadInput(f"{asked.pictures}: expected pictures, got none")
        here = [one.variant for one in loaded]
        plan = _plan(here, pictures, asked)
        kept = Kept(run.folder, plan)
        measure(run, loaded, pictures, kept=kept, plan=plan, progress=progress)
        parts = {name: [kept.read(name)] for name in TABLES}
        there, more = _on_device(asked, run, files, pictures, parts, view, progress)
        tables = make_tables(run, [*here, *there], *(pd.concat(parts[name], ignore_index=True) for name in TABLES))
        located = _located(
            asked, run, [*here, *there], tables, pd.concat(parts["outputs"], ignore_index=True), progress
        )
        result = _result(asked, run, tables, located, [*left, *failed, *more])
        page = write_page(kept.folder, result, tables)
        _junit(asked, result)
        return {**result, "page": str(page)}


def _check(asked: Asked) -> None:
    if asked.repeats < 1:
        raise BadInput(f"--repeats: expected 1 or more, got {asked.repeats}")
    if asked.threads < 1:
        raise BadInput(f"--threads: expected 1 or more, got {asked.threads}")
    if not 0 < asked.tolerance < 2:
        raise BadInput(f"--tolerance: expected a relative distance between 0 and 2, got {asked.tolerance:g}")
    if asked.limit is not None and not 0 <= asked.limit <= 1:
        raise BadInput(f"--limit: expected a share of the pictures from 0 to 1, got {asked.limit:g}")
    if bool(asked.lab) != bool(asked.on):
        raise BadInput("--lab and --on go together: expected both or neither")


def _opened(asked: Asked) -> Run:
    if is_made(asked.pictures):
        if asked.out is not None:
            raise BadInput(f"--out: {asked.pictures} is a run and keeps its own results; leave --out away")
        return Run.open(asked.pictures)
    return run_of_files(asked.pictures, asked.out, name="diff")


def _plan(variants: Sequence[Variant], pictures: Sequence[Picture], asked: Asked) -> Plan:
    return Plan(
        tuple(one.variant for one in variants),
        tuple(one.environment.environment for one in variants),
        tuple(one.picture for one in pictures),
        asked.repeats,
        asked.seed,
    )


def _on_device(
    asked: Asked,
    run: Run,
    files: Sequence[ModelFile],
    pictures: Sequence[Picture],
    parts: dict[str, list[pd.DataFrame]],
    view: str,
    progress: Progress,
) -> tuple[list[Variant], list[str]]:
    """Measure on the device asked for, adding to the parts; its variants, and why others are left out."""
    from hostctl.differences.on_device import agent_of, measure_on, variants_on_device

    if asked.lab is None:
        return [], []
    with agent_of(asked.lab, asked.on, folder=run.folder / "lab") as agent:
        variants, left = variants_on_device(
            files, agent, asked.variants, decoder=asked.decoder, view=view, threads=asked.threads
        )
        if variants:
            plan = _plan(variants, pictures, asked)
            kept = Kept(run.folder, plan)
            measure_on(run, variants, pictures, agent, kept=kept, plan=plan, progress=progress)
            for name in TABLES:
                parts[name].append(kept.read(name))
    return variants, left


def _located(
    asked: Asked,
    run: Run,
    variants: Sequence[Variant],
    tables: Tables,
    outputs: pd.DataFrame,
    progress: Progress,
) -> list[Located]:
    if not asked.layers:
        return []
    return locate_all(run, variants, outputs, tables.flips, tolerance=asked.tolerance, progress=progress)


def _result(asked: Asked, run: Run, tables: Tables, located: Sequence[Located], left: Sequence[str]) -> dict[str, Any]:
    good = set(tables.variants.loc[tables.variants["degenerate"] == "", "variant"])
    counted = tables.pairs[tables.pairs["a"].isin(good) & tables.pairs["b"].isin(good)]
    above = counted[counted["rate"] > asked.limit] if asked.limit is not None else counted.head(0)
    told: dict[str, Any] = {
        "run": str(run.folder),
        "sentence": sentence(tables),
        "pictures": tables.pictures,
        "repeats": asked.repeats,
        "tolerance": asked.tolerance,
        "variants": to_json(tables.variants),
        "pairs": to_json(tables.pairs),
        "means": to_json(tables.means),
        "degenerate": to_json(tables.degenerate),
        "groups": [list(group) for group in tables.groups],
        "located": [asdict(one) for one in located],
        "offsets": to_json(tables.offsets),
        "left_out": list(left),
        "failures": _failures(tables),
        "limit": asked.limit,
        "exceeded": [f"{row.a} / {row.b}" for row in above.itertuples(index=False)],
    }
    return {**told, "exit_code": 1 if len(above) else 0}


def _failures(tables: Tables) -> list[str]:
    """The first failed prediction of each variant that has any, with how many there are."""
    some = tables.variants[tables.variants["failed"] > 0]
    counts = zip(some["variant"].astype(str), some["failed"], strict=True)
    return [f"{name}: {failed} predictions failed, such as {tables.errors[name]}" for name, failed in counts]


def write_page(folder: Path, result: Mapping[str, Any], tables: Tables) -> Path:
    """Write the page and its data beside the parts."""
    from hostctl.differences.page import page_text

    page = folder / "index.html"
    write_whole(page, page_text(result, tables).encode("utf-8"))
    return page


def _junit(asked: Asked, result: Mapping[str, Any]) -> None:
    from hostctl.differences.text import junit_text

    if asked.junit is not None:
        try:
            write_whole(asked.junit, junit_text(result).encode("utf-8"))
        except OSError as problem:
            raise BadInput(f"cannot write {asked.junit}: {problem.strerror}; name another file") from problem
