"""A frozen repeatability set: labelled files, perturbations, and the hashes by which a later model gets the same ones.

A frozen set is a folder: the pictures by their hashes, labels.csv, and frozen.json. The manifest fixes each file's
bytes, and each perturbation's outcome at a reference size, so that a changed file, generator or library is noticed
before a later model's score is set beside an older one's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.run_folder.files import make_folder, write_whole
from capture.scenes import read_scenes, write_scenes
from device_agents.errors import BadInput
from device_agents.perturbations.chains import chain
from device_agents.preprocess import Share, StageFailed, preprocess_stages
from device_agents.records import Environment, Scene, to_values
from device_agents.sidecar import Sidecar
from hostctl.printing import silent

MANIFEST, LISTING, PICTURES = "frozen.json", "labels.csv", "pictures"
KIND, SCHEMA = "instability frozen set", 1
LIBRARIES = ("instability-kit", "numpy", "opencv-python-headless", "pillow", "scipy")
MOST_TOLD, MOST_NAMED = 20, 5

# The reference that outcomes are hashed at: the usual ImageNet rule. Models are fed by their own sidecars.
REFERENCE = Sidecar(
    "reference", 224, 224, "nhwc", "rgb", "short-side-256-crop", "pillow-bilinear", "bytes", "probabilities"
)

Said = Callable[[int, int, str], None]
QUIET: Said = partial(silent, "frozen set")
Texts = dict[str, str]


@dataclass(frozen=True)
class FrozenSet:
    """A frozen set as its manifest has it; ``sha256`` names it, and runs on sets of one name may be compared."""

    folder: Path
    sha256: str
    scenes: Path
    perturbations: tuple[str, ...]
    versions: Mapping[str, str]
    pictures: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Verified:
    """What a check found: ``problems`` make the set another one, ``versions`` are libraries that changed since."""

    problems: tuple[str, ...]
    versions: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether a model scored now gets what an earlier one got."""
        return not self.problems


def freeze(scenes: Path, *, out: Path, perturbations: Sequence[str], progress: Said = QUIET) -> FrozenSet:
    """Copy the scenes of a folder or CSV into a new folder, and fix them and the outcomes of perturbations by hashes.

    perturbations: chains of names, as in Environment.perturbation; "" for the picture as it is is always among them. A
    picture to which one cannot be done (too small for a shift) is frozen with that reason. Raises BadInput for unknown
    names, an ``out`` with anything in it, and pictures that cannot be read.
    """
    names = tuple(dict.fromkeys(("", *perturbations)))
    for name in names:
        chain(name)
    listed = read_scenes(scenes)
    if out.exists() and any(out.iterdir()):
        raise BadInput(f"{out}: expected a new or empty folder for a frozen set, got one with files")
    make_folder(out / PICTURES)
    copied, pictures = [], []
    for done, scene in enumerate(listed):
        progress(done, len(listed), "")
        data = Path(scene.file).read_bytes()
        file = f"{PICTURES}/{scene.sha256}{Path(scene.file).suffix.lower()}"
        write_whole(out / file, data)
        copied.append(replace(scene, file=str(out / file)))
        outcomes, failed = _outcomes(data, names)
        if "" in failed:
            raise BadInput(f"{scene.file}: expected a picture, it cannot be frozen: {failed['']}")
        found = {"scene": scene.scene, "file": file, "sha256": scene.sha256, "outcomes": outcomes, "failed": failed}
        pictures.append(found)
    progress(len(listed), len(listed), "")
    write_scenes(copied, out / LISTING)
    values = {
        "kind": KIND,
        "schema": SCHEMA,
        "perturbations": list(names),
        "reference": to_values(REFERENCE),
        "versions": _versions(),
        "scenes_sha256": _scenes_sha256(copied),
        "pictures": pictures,
    }
    values["sha256"] = _sha256(values)
    write_whole(out / MANIFEST, (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode())
    return read_frozen(out)


def read_frozen(folder: Path) -> FrozenSet:
    """Read a frozen set's manifest; raises BadInput where there is none, or it is not as it was written."""
    values = _manifest(folder)
    return FrozenSet(
        folder,
        values["sha256"],
        folder / LISTING,
        tuple(values["perturbations"]),
        values["versions"],
        tuple(values["pictures"]),
    )


def verify(folder: Path, *, progress: Said = QUIET) -> Verified:
    """Check a frozen set: manifest, labels, every file's bytes, and every perturbation's pixels made anew.

    Raises BadInput as read_frozen.
    """
    frozen, listed = read_frozen(folder), _manifest(folder)["scenes_sha256"]
    problems = [] if _listing_sha256(frozen) == listed else [f"{LISTING}: other scenes or labels than were frozen"]
    for done, picture in enumerate(frozen.pictures):
        progress(done, len(frozen.pictures), "")
        problems += _changes(folder, picture, frozen.perturbations)
    progress(len(frozen.pictures), len(frozen.pictures), "")
    now = _versions()
    versions = [
        f"{name} {frozen.versions.get(name) or 'none'} then, {now.get(name) or 'none'} now"
        for name in LIBRARIES
        if frozen.versions.get(name) != now.get(name)
    ]
    return Verified(tuple(problems), tuple(versions))


def check_same(folder: Path, *, progress: Said = QUIET) -> FrozenSet:
    """Give a frozen set that is still the same; raises BadInput that lists what is not."""
    found = verify(folder, progress=progress)
    if found.same:
        return read_frozen(folder)
    more = len(found.problems) - MOST_TOLD
    told = [*found.problems[:MOST_TOLD], *([f"and {more} more"] if more > 0 else []), *found.versions]
    raise BadInput(
        "\n  ".join([f"{folder}: this is no longer the set that was frozen; a score would not compare", *told])
    )


def _changes(folder: Path, picture: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Say what of a picture is not as it was frozen."""
    path = folder / picture["file"]
    data = path.read_bytes() if path.is_file() else None
    if data is None or hashlib.sha256(data).hexdigest() != picture["sha256"]:
        yield f"{picture['scene']}: {'the file changed' if data is not None else 'the file is gone'}: {picture['file']}"
        return
    now, _ = _outcomes(data, names)
    changed = [name or "(as it is)" for name in names if now[name] != picture["outcomes"][name]]
    if changed:
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        yield f"{picture['scene']}: other pixels under {', '.join(changed[:MOST_NAMED])}{more}"


def _outcomes(data: bytes, names: Sequence[str]) -> tuple[Texts, Texts]:
    """A picture's fingerprint at the reference size under each perturbation, "" where it fails, and why it fails."""
    share, found, failed = Share(), dict.fromkeys(names, ""), {}
    for name in names:
        stages = preprocess_stages(data, environment=_environment(name), sidecar=REFERENCE, share=share)
        try:
            found[name] = [prepared.resized_sha256 for prepared in stages][-1]
        except StageFailed as problem:
            failed[name] = str(problem)
    return found, failed


def _environment(perturbation: str) -> Environment:
    fit, resizer, scaling = REFERENCE.fit, REFERENCE.resizer, REFERENCE.scaling
    return Environment(
        REFERENCE.name, "", "pillow", "whole", "rgb", fit, resizer, scaling, runtime="", perturbation=perturbation
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BadInput(f"expected a frozen set, a folder with {MANIFEST}; there is no {path}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BadInput(f"{path}: expected the manifest of a frozen set, got what is no JSON: {problem}") from problem
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise BadInput(f"{path}: expected the manifest of a frozen set, got another file")
    if values.get("schema") != SCHEMA:
        raise BadInput(f"{path}: expected schema {SCHEMA}, got {values.get('schema')}; a newer kit wrote this set")
    if values.get("sha256") != _sha256(values):
        raise BadInput(f"{path}: the manifest was changed after it was written; freeze a new set instead")
    return values


def _listing_sha256(frozen: FrozenSet) -> str:
    try:
        return _scenes_sha256(read_scenes(frozen.scenes, empty_files=True))
    except BadInput:  # a file is gone, or the list is no list: then it is another one, and the pictures say which
        return ""


def _scenes_sha256(scenes: Sequence[Scene]) -> str:
    """A hash of names, files' contents, labels and truths; where the folder lies has no part in it."""
    facts = [to_values(replace(scene, file="")) for scene in scenes]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _sha256(values: Mapping[str, Any]) -> str:
    """The set's own hash: of the manifest without itself and the words, which say nothing of the pixels."""
    pictures = [{name: one[name] for name in one if name != "failed"} for one in values["pictures"]]
    facts = {name: value for name, value in values.items() if name not in ("sha256", "versions")}
    text = json.dumps({**facts, "pictures": pictures}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return found
