"""The ImageNet label list in class order: WordNet ids, with the first word of each for people.

Source: the timm wheel's own list (timm/data/_info), which is the order that torchvision, TensorFlow and every model
of the zoo use; checked by hash. A list is a CSV with the header ``label,name`` whose row order is the class index.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from stability_train.cache import Progress, cache_folder, silent, write_whole
from stability_train.wheels import WHEELS, Member, fetch_wheel, read_member

_IDS = Member(
    wheel=WHEELS["timm"],
    path="timm/data/_info/imagenet_synsets.txt",
    sha256="70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
)
_WORDS = Member(
    wheel=WHEELS["timm"],
    path="timm/data/_info/imagenet_synset_to_lemma.txt",
    sha256="1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
)


def imagenet_labels(cache: Path | None = None, *, progress: Progress = silent) -> Path:
    """Give the CSV of the 1000 ImageNet classes, making it in the cache first where it is not there.

    Two classes share the name "crane" and two "maillot": the label (the WordNet id) tells them apart, the name is
    for reading only. Raises BadInput or Unreachable when the wheel that holds the list is wrong or cannot be had.
    """
    folder = cache_folder(cache)
    path = folder / "labels" / "imagenet.csv"
    if not path.exists():
        wheel = fetch_wheel(WHEELS["timm"], folder, progress=progress)
        write_whole(path, _label_csv(read_member(_IDS, wheel).decode(), read_member(_WORDS, wheel).decode()).encode())
    return path


def read_names(path: Path) -> tuple[str, ...]:
    """Read the names for people from a label list, in class order (device_agents.sidecar reads the labels)."""
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(row["name"] for row in csv.DictReader(stream))


def _label_csv(ids: str, words: str) -> str:
    """Join the ids, one a line in class order, with the words, "id<TAB>first, second, ..." a line."""
    names = dict(line.split("\t") for line in words.splitlines())
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("label", "name"))
    writer.writerows((label, names[label].split(",")[0]) for label in ids.split())
    return stream.getvalue()
