"""Brings the renderings of an outside program (Photoshop) into a run, each beside the raw that it was made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.store import Run
from capture.develop import Beside, Failed, derived_name, import_picture
from capture.isp import ISPS
from capture.scene_layouts import SUFFIXES
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.records import Picture
from hostctl.pictures.parents import beside_of, parents

NAMING = (
    "name each after its raw's scene, or after the raw's picture name or sha256 where a scene has several raws; "
    "characters that file names cannot have are written _"
)
ISP_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
MOST_SHOWN = 20

Said = Callable[[int, int, str], None]


def import_pictures(run: Run, folder: Path, *, isp: str, progress: Said) -> list[Failed]:
    """Commit a folder's renderings of a run's raws, as made by ``isp``, a name that is none of ISPS.

    A file is matched by its name (NAMING); its suffix is the codec, and the scene's corners are found on it by the
    screen's markers. Files imported before are no news. Gives the files that are no pictures, or show no corners; they
    stand in the run's failures too. Raises BadInput with every file that fits no raw, or several.
    """
    if isp in ISPS or not ISP_NAME.fullmatch(isp):
        raise BadInput(
            f"--isp {isp}: expected a name of its own for the outside program, such as photoshop: lower-case words "
            f"with hyphens, none of the kit's ISPs ({', '.join(sorted(ISPS))})"
        )
    matched = _matched(run, folder, isp)
    failed = []
    for done, (file, raw) in enumerate(matched):
        progress(done, len(matched), "")
        beside = beside_of(run, raw)
        found = import_picture(
            raw,
            file.read_bytes(),
            isp=isp,
            suffix=file.suffix.lower(),
            beside=Beside(beside[0].read_bytes(), beside[1]) if beside else None,
        )
        if isinstance(found, Failed):
            run.add_failure(found.where, found.reason)
            failed.append(found)
        else:
            record, data = found
            run.add_picture(record, {record.sha256: data})
    progress(len(matched), len(matched), "")
    return failed


def _matched(run: Run, folder: Path, isp: str) -> list[tuple[Path, Picture]]:
    """Each picture file of a folder with its raw; raises BadInput with every mistake at once."""
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
    if not files:
        raise BadInput(f"{folder}: expected a folder of pictures ({' '.join(SUFFIXES)}) to import, got none")
    by_name = _raws_by_name(run)
    mistakes: list[str] = []
    pairs: dict[str, tuple[Path, Picture]] = {}
    for file in files:
        shown = file.relative_to(folder).as_posix()
        raws = by_name.get(_plain(Path(shown).with_suffix("").as_posix())) or by_name.get(_plain(file.stem)) or []
        if len(raws) != 1:
            several = f"several raws: {', '.join(one.picture for one in raws[:3])}" if raws else "no raw of the run"
            mistakes.append(f"{shown} fits {several}")
            continue
        name = derived_name(raws[0].picture, (isp, file.suffix.lower().lstrip(".")))
        if name in pairs:
            mistakes.append(f"{shown} and {pairs[name][0].name} fit the same raw, {raws[0].picture}")
        elif any(one.sha256 != hash_file(file) for one in run.picture_records({"picture": name})):
            mistakes.append(f"{shown} differs from the one imported before; give it another --isp name")
        pairs[name] = file, raws[0]
    if mistakes:
        raise BadInput(_listed(folder, mistakes, len(files)))
    return list(pairs.values())


def _raws_by_name(run: Run) -> dict[str, list[Picture]]:
    """The raws by every name that a file may have."""
    found: dict[str, list[Picture]] = {}
    for raw in parents(run, raws=True):
        names = (raw.scene, raw.scene.rsplit("/", 1)[-1], raw.picture, raw.sha256)
        for name in dict.fromkeys(map(_plain, names)):
            found.setdefault(name, []).append(raw)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _listed(folder: Path, mistakes: Sequence[str], files: int) -> str:
    shown = [f"  {mistake}" for mistake in mistakes[:MOST_SHOWN]]
    more = [f"  and {len(mistakes) - MOST_SHOWN} more"] if len(mistakes) > MOST_SHOWN else []
    first = f"{folder}: nothing was imported: {len(mistakes)} of {files} files do not fit; {NAMING}"
    return "\n".join([first, *shown, *more])
