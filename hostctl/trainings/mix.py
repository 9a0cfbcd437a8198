"""`instability mix`: trains with each variant of a family and with all, tests with each, and writes the table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.files import write_whole
from device_agents.errors import BadInput
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    from analysis.papers.printed_table import PrintedTable
    from stability_train.mix_matrix import Cell, Study
    from stability_train.photos import Photo

# SysNoise's table 6, in the kit's names; of other families the variants that differ on this machine.
SIX_RESIZERS = (
    "pillow-bilinear",
    "pillow-nearest",
    "pillow-bicubic",
    "opencv-nearest",
    "opencv-linear",
    "opencv-cubic",
)
BLOCK = 40  # photos whose features one job computes


@dataclass(frozen=True)
class Look:
    """A job: the features of some photos, through every variant of a study."""

    study: Study
    photos: tuple[Photo, ...]
    folder: Path


def mix(
    source: Path,
    *,
    out: Path,
    family: str = "resizer",
    variants: Sequence[str] = (),
    devices: Sequence[str] = (),
    seeds: int = 3,
    folds: int = 5,
    settings: Mapping[str, Any] | None = None,
    workers: int = 2,
    cache: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make the matrix of training against testing on a run's or labelled folder's photos, into the folder ``out``.

    variants: none for the paper's six resizers, or those of another family that give different pixels here. devices: of
    a run, whose photos; none: all. settings: fields of stability_train.settings.Settings; one that is left out is
    SETTINGS' of what is trained. What is there is not trained again. Gives headline, parts (with rows), notes, and the
    paths of page, csv, markdown and JSON. Raises BadInput for all that cannot work, before the first training.
    """
    from analysis.papers.mix_tables import mix_table
    from hostctl.workers.parallel import in_parallel
    from stability_train import mix_matrix
    from stability_train.photos import read_photos
    from stability_train.settings import settings_from

    if workers < 1:
        raise BadInput(f"expected 1 worker or more, got {workers}")
    photos = read_photos(source, devices=devices)
    given = dict(settings or {})
    asked = settings_from({**_defaults(str(given.get("trainable", "head"))), **given})
    chosen = tuple(variants) or distinct_variants(family)
    study = mix_matrix.make_study(photos, family=family, variants=chosen, seeds=seeds, folds=folds, settings=asked)
    mix_matrix.begin(study, photos, out)
    cells = mix_matrix.cells(study, out)
    owed = [cell for cell in cells if not cell.file.exists()]
    if owed and asked.trainable != "all":
        blocks = [tuple(photos[start : start + BLOCK]) for start in range(0, len(photos), BLOCK)]
        looks = (Look(study, block, out) for block in blocks)
        keep = partial(_keep, cache=cache)
        for looked, _ in enumerate(in_parallel(keep, looks, workers=workers), 1):
            progress("features", min(looked * BLOCK, len(photos)), len(photos), "")
    progress("trainings", len(cells) - len(owed), len(cells), "")
    done = len(cells) - len(owed)
    if asked.trainable == "head" and not asked.units:
        finished: Iterator[int] = (1 for _ in mix_matrix.do_heads(owed, photos, cache=cache))
    else:
        # The rows of a fold are one job: a process that loads TensorFlow for each of them would do little else.
        jobs = [list(group) for _, group in itertools.groupby(owed, key=lambda cell: (cell.seed, cell.fold))]
        finished = in_parallel(partial(_do, photos=photos, cache=cache), iter(jobs), workers=workers)
    for count in finished:
        done += count
        progress("trainings", done, len(cells), "")
    right = mix_matrix.collect(study, photos, out)
    clusters = [photo.cluster for photo in photos]
    how = _how(study)
    table = mix_table(right, clusters, rows=study.rows, variants=chosen, family=family, trained=how)
    return write_study(out, table, source)


def distinct_variants(family: str) -> tuple[str, ...]:
    """Give the paper's six resizers, or of each group of a family's variants with equal pixels here one."""
    if family == "resizer":
        return SIX_RESIZERS
    from hostctl.variants import list_variants

    table = list_variants(family)
    here = table[table["available"] & (table["group"] > 0)]
    # Of those that are the same, the one that the kit takes by itself.
    first = here.sort_values("variant", key=lambda names: names.ne("pillow"), kind="stable").drop_duplicates("group")
    return tuple(first.sort_values("group")["variant"])


def mix_text(result: Mapping[str, Any]) -> str:
    """Lay the result out for the terminal."""
    from hostctl.runs.tabling import tables_text

    return tables_text(result) + f"\ntext  {result['markdown']}"


def markdown(table: PrintedTable) -> str:
    """Write a table's parts as Markdown, with its headline first and its notes last."""
    lines = [table.headline, ""]
    for part in table.parts:
        shown = [(place, column) for place, column in enumerate(part.columns) if not column.aside]
        lines += [f"**{part.title}.** {part.note}", ""]
        lines.append("| " + " | ".join(column.heading for _, column in shown) + " |")
        lines.append("|---" * len(shown) + "|")
        lines += ["| " + " | ".join(row[place] for place, _ in shown) + " |" for row in part.cells()]
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in (*table.notes, *table.reasons)), ""])


def _defaults(trainable: str) -> dict[str, Any]:
    """A head learns from nothing, and soon. Deeper layers are only nudged, in processes that fill the cores."""
    deeper = {} if trainable == "head" else {"epochs": 8, "learning_rate": 1e-4, "threads": 1}
    return {"noise": "none", "validation_share": 0.0, "epochs": 20, **deeper}


def _how(study: Study) -> str:
    one = study.settings
    return (
        f"{one.model}, trainable {one.trainable}, {one.epochs} epochs of batches of {one.batch}, {one.optimiser} at "
        f"{one.learning_rate:g}; {study.folds} folds by object, divided anew for each of {study.seeds} seeds."
    )


def _keep(look: Look, *, cache: Path | None) -> int:
    from stability_train.mix_matrix import keep_features

    return keep_features(look.study, look.photos, look.folder, cache=cache)


def _do(cells: Sequence[Cell], *, photos: Sequence[Photo], cache: Path | None) -> int:
    from stability_train.mix_matrix import do_cell

    return len([do_cell(cell, photos, cache=cache) for cell in cells])


def _is_virtual(source: Path) -> bool:
    from analysis.store import Run
    from hostctl.runs.reporting import is_virtual

    if not (source / "ledger.sqlite").is_file():
        return False
    with Run.open(source, write=False) as run:
        return is_virtual(run)


def write_study(out: Path, table: PrintedTable, source: Path, *, json_name: str = "") -> dict[str, Any]:
    """Write a table's page, CSV, Markdown and JSON into a study's folder; gives what the JSON holds, with their paths.

    source: the pictures, a run's folder among them, whose devices may be virtual. json_name: of the JSON file (default:
    the table's name), where that is taken.
    """
    import json

    from analysis.papers.table_page import write_table
    from analysis.tables import to_json

    virtual = _is_virtual(source)
    page, numbers = write_table(out, table, provenance={"pictures": str(source), "study": str(out)}, virtual=virtual)
    parts = {
        part.name: {
            "title": part.title,
            "note": part.note,
            "rows": to_json(part.frame),
            "headings": [column.heading for column in part.columns],
            "shown": part.cells(),
            "aside": [column.heading for column in part.columns if column.aside],
        }
        for part in table.parts
    }
    told = {"table": table.name, "title": table.title, "headline": table.headline, "parts": parts, "virtual": virtual}
    told |= {"notes": list(table.notes), "reasons": list(table.reasons), "source": list(table.source)}
    text, held = out / f"{table.name}.md", out / (json_name or f"{table.name}.json")
    told |= {"page": str(page), "csv": str(numbers), "markdown": str(text), "json": str(held)}
    write_whole(text, markdown(table).encode())
    write_whole(held, (json.dumps(told, indent=2, default=str) + "\n").encode())
    return told
