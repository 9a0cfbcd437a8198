"""The words for people behind a run's labels: kept in the run, so that its report reads well anywhere."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from analysis.run_folder.files import write_whole

FILE = "labels.csv"  # columns label,name, as in a model's label list


def keep_names(run: Path, labels: str) -> None:
    """Add the names of a model's label list (a path, "" for none) to those that the run's folder has already."""
    if not labels:
        return
    names = {**_read(Path(labels)), **read_names(run)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("label", "name"))
    writer.writerows(names.items())
    write_whole(run / FILE, text.getvalue().encode("utf-8"))


def read_names(run: Path) -> dict[str, str]:
    """Give the words for people by label; empty where the run has none."""
    return _read(run / FILE) if (run / FILE).is_file() else {}


def _read(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["label"]: row.get("name") or row["label"] for row in csv.DictReader(file)}
