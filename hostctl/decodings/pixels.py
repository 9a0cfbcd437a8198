"""The groups' pixels made again on the host: which of its decoders gives them, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.decoding.groups import JPEG, Groups
from analysis.measures.pixel_differences import measure
from analysis.papers.printed_table import records
from analysis.store import Run
from device_agents.decode import DECODERS, RGB
from device_agents.preprocess import FAILURES, fingerprint
from hostctl.printing import Progress, silent

SAMPLES = 3  # pictures by which a group's decoder is known
NOT_TRIED = ("dali", "tensorflow", "tensorflow-accurate")  # seconds to start, and their pixels are others' too


def name_decoders(run: Run, table: pd.DataFrame, groups: Groups) -> list[dict[str, Any]]:
    """Say for each group which of the host's decoders give its very pixels, on pictures that tell most groups apart.

    table: as decoding_groups.complete gives it; groups: by pixels, on JPEG. Keys: group (names), same_as (decoders of
    the host, the first is what hostctl makes the group's pixels with again; empty where none does).
    """
    jpeg = table[table["format"] == JPEG]
    wanted = jpeg.groupby("scene")["pixels"].nunique().sort_values(ascending=False, kind="stable").index[:SAMPLES]
    sources = _sources(jpeg)
    numbers = _numbers(jpeg)
    prints = run.fingerprints([numbers[group[0], str(scene)] for group in groups for scene in wanted])
    files = _files(run, [sources[str(scene)] for scene in wanted])
    made = {
        name: [_print(name, files[sources[str(scene)]]) for scene in wanted]
        for name in DECODERS
        if name not in NOT_TRIED
    }
    rows = []
    for group in groups:
        mine = [prints.get(numbers[group[0], str(scene)], "") for scene in wanted]
        rows.append({"group": list(group), "same_as": [name for name, found in made.items() if found == mine and mine]})
    return sorted(rows, key=lambda row: groups.index(tuple(row["group"])))


def differences(
    run: Run, table: pd.DataFrame, named: Sequence[Mapping[str, Any]], *, progress: Progress = silent
) -> pd.DataFrame:
    """Measure how far each group's pixels are from the first group's, picture by picture.

    Only of groups that a decoder of the host makes again, and only where both fingerprints are found again. Columns:
    scene, group (its members), max, mean (levels 0..255), different, visible (shares of pixels; visible: by over 5 %).
    """
    jpeg = table[table["format"] == JPEG]
    numbers = _numbers(jpeg)
    sources = _sources(jpeg)
    files = _files(run, list(sources.values()))
    known = [one for one in named if one["same_as"]]
    base, others = (known[0], known[1:]) if known and known[0] is named[0] else ({}, [])
    rows = []
    for number, (scene, picture) in enumerate(sources.items(), 1):
        for other in others:
            if numbers[base["group"][0], scene] == numbers[other["group"][0], scene]:
                continue
            pair = [_decoded(one["same_as"][0], files[picture]) for one in (base, other)]
            if pair[0] is None or pair[1] is None:
                continue
            facts = measure(pair[0], pair[1])
            told = {"max": facts.max_difference, "mean": facts.mean_difference}
            told |= {"different": facts.share_different, "visible": facts.share_visible}
            rows.append({"scene": scene, "group": " ".join(other["group"]), **told})
        progress("pixel differences", number, len(sources), "")
    return pd.DataFrame(rows, columns=["scene", "group", "max", "mean", "different", "visible"])


def pixels_of(run: Run, table: pd.DataFrame, scene: str, decoder: str) -> RGB | None:
    """A scene's JPEG decoded by a decoder of the host, uint8 (height, width, 3); None where it cannot."""
    picture = _sources(table[table["format"] == JPEG])[scene]
    return _decoded(decoder, _files(run, [picture])[picture])


def _numbers(jpeg: pd.DataFrame) -> dict[tuple[str, str], int]:
    """The number of each executor's pixels of each scene."""
    return {(str(one["executor"]), str(one["scene"])): int(one["pixels"]) for one in records(jpeg)}


def _sources(jpeg: pd.DataFrame) -> dict[str, str]:
    """A picture of each scene: all of a scene's are the same file."""
    first = jpeg.drop_duplicates("scene")
    return dict(zip(first["scene"].astype(str), first["picture"].astype(str), strict=True))


def _files(run: Run, pictures: Sequence[str]) -> dict[str, bytes]:
    found = run.picture_records({"picture": tuple(pictures)}) if pictures else ()
    return {one.picture: run.file(one.sha256).read_bytes() for one in found}


def _decoded(name: str, data: bytes) -> RGB | None:
    try:
        return DECODERS[name](data)
    except FAILURES:  # a decoder that this host lacks, or that cannot read this file
        return None


def _print(name: str, data: bytes) -> str:
    pixels = _decoded(name, data)
    return "" if pixels is None else fingerprint(pixels)
