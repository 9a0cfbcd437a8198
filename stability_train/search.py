"""Search: which attempts a study makes, by grid or at random, and the making of those that are not there yet.

Killed at any moment, the same call goes on: an attempt is there whole or not at all, and follows from its name alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device_agents.errors import BadInput
from device_agents.noise import NOISES
from stability_train.attempts import Attempt, attempt_settings, is_done
from stability_train.cache import locked, sha256_of, write_whole
from stability_train.nested import Study, check_study, outer_folds, sides
from stability_train.search_worker import features_job, group_job, shared_view
from stability_train.settings import Settings
from stability_train.views import View

Progress = Callable[[str, int, int, str], None]
Spread = Callable[..., Iterator[Any]]  # (work, jobs, workers=) -> results as they come
ASKED = "asked.json"
_CHUNK = 160  # views of one job


@dataclass(frozen=True)
class Space:
    """What is tried: every noise with every loss, and for them alphas and strengths (by noise; none: its own)."""

    noises: tuple[str, ...]
    losses: tuple[str, ...]
    alphas: tuple[float, ...]
    strengths: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)


Scheme = tuple[str, str, float, float | None]  # noise, loss, alpha, strength


def baselines(space: Space) -> list[Scheme]:
    """Plain fine-tuning in each loss's architecture: what every scheme is compared with."""
    return [("none", loss, 0.0, None) for loss in space.losses]


def grid_schemes(space: Space) -> list[Scheme]:
    """Give every combination, noise "none" aside."""
    return [
        (noise, loss, alpha, strength)
        for noise in space.noises
        if noise != "none"
        for loss in space.losses
        for strength in space.strengths.get(noise) or (None,)
        for alpha in space.alphas
    ]


def random_schemes(space: Space, *, trials: int, seed: int) -> list[Scheme]:
    """Draw ``trials`` alphas a noise and loss, log-uniform between the lowest and the highest given, and strengths.

    A strength is one of those given: each costs the features of its own views. More trials begin with the same draws
    (Bergstra and Bengio 2012 say why random beats a grid where few of many numbers matter).
    """
    found: list[Scheme] = []
    for noise, loss in itertools.product(space.noises, space.losses):
        if noise == "none":
            continue
        for trial in range(trials):
            rng = np.random.default_rng([seed, trial, *f"{noise} {loss}".encode()])
            low, high = np.log(min(space.alphas)), np.log(max(space.alphas))
            alpha = float(f"{np.exp(rng.uniform(low, high)):.4g}")
            given = space.strengths.get(noise)
            found.append((noise, loss, alpha, given[int(rng.integers(len(given)))] if given else None))
    return found


def attempts_of(schemes: Iterable[Scheme], *, folds: int, seeds: int) -> list[Attempt]:
    """Give the attempts of schemes: all folds and seeds of each."""
    return [
        Attempt(fold, seed, noise, loss, alpha, strength)
        for noise, loss, alpha, strength in dict.fromkeys(schemes)
        for fold in range(folds)
        for seed in range(seeds)
    ]


def prepare(study: Study, attempts: Sequence[Attempt]) -> None:
    """Check the whole study at the door and note it in its folder; raises BadInput, also where the note differs."""
    check_study(study)
    common = study.settings
    if common.draws == 0 or common.augment != "none" or common.mix or common.trainable == "all":
        raise BadInput("a search keeps features: expected draws above 0, augment none, no mix, and a frozen part")
    for attempt in dict.fromkeys(dataclasses.replace(one, fold=0) for one in attempts):
        attempt_settings(study.settings, attempt)
    for fold in range(len(outer_folds(study))):
        for seed in sorted({one.seed for one in attempts}):
            sides(study, fold=fold, seed=seed)
    _note(study)


def search(
    study: Study, attempts: Sequence[Attempt], *, spread: Spread, workers: int = 1, progress: Progress
) -> tuple[int, int]:
    """Make the attempts that are not there yet; give how many were made now, and how many of them failed.

    spread: makes jobs on workers, such as processes; each loads TensorFlow once. Features of all views are computed
    once, before the first attempt. Raises BadInput as prepare does, and TimedOut where another process searches here.
    """
    with locked(study.folder, "search", timeout_s=1):
        prepare(study, attempts)
        missing = [one for one in attempts if not is_done(study.folder, one)]
        if not missing:
            return 0, 0
        make_features(study, missing, spread=spread, workers=workers, progress=progress)
        groups: dict[tuple[Any, ...], list[Attempt]] = {}
        for one in missing:
            groups.setdefault(one.group, []).append(one)
        made = failed = 0
        jobs = [(study, group) for group in groups.values()]
        for done, wrong in spread(group_job, iter(jobs), workers=workers):
            made, failed = made + done, failed + wrong
            progress("trainings", made, len(missing), "")
        return made, failed


def make_features(
    study: Study, attempts: Sequence[Attempt], *, spread: Spread, workers: int, progress: Progress
) -> None:
    """Compute the features of all views of attempts that the study's folder does not have yet."""
    views = wanted_views(study, attempts)
    chunks = [views[start : start + _CHUNK] for start in range(0, len(views), _CHUNK)]
    count = 0
    for done in spread(features_job, iter([(study, chunk) for chunk in chunks]), workers=workers):
        count += done
        progress("features", count, len(views), "")


def wanted_views(study: Study, attempts: Sequence[Attempt]) -> list[View]:
    """Give all views that attempts look at, those of one photo beside each other."""
    device = study.settings.device
    noisy = sorted({(one.noise, one.strength) for one in attempts}, key=repr)
    found: dict[View, None] = {}
    for photo in study.photos:
        clean = View(photo.identity)
        found[clean] = None
        for noise, strength in noisy if photo.device == device else ():
            found.update(dict.fromkeys(_noisy_views(study, clean, noise, strength)))
    return list(found)


def _noisy_views(study: Study, clean: View, noise: str, strength: float | None) -> list[View]:
    settings = study.settings
    if noise == "environments":
        ways = itertools.product(settings.decoders, settings.codecs, settings.colours, settings.resizers)
        return [
            dataclasses.replace(clean, decoder=decoder, codec=codec, colour=colour, resizer=resizer)
            for decoder, codec, colour, resizer in ways
        ]
    if noise == "none" or noise not in NOISES:
        return []
    made = dataclasses.replace(clean, noise=noise, strength=None if strength is None else float(strength))
    return [shared_view(dataclasses.replace(made, seed=(draw,))) for draw in range(settings.draws)]


def _note(study: Study) -> None:
    """Write what is studied, or compare it with what the folder was begun with."""
    photos = "\n".join(f"{one.device} {one.scene} {one.repeat} {one.identity} {one.labels}" for one in study.photos)
    asked = {
        "settings": dataclasses.asdict(study.settings),
        "devices": list(study.devices),
        "classes": list(study.classes),
        "folds": study.folds,
        "inner_share": study.inner_share,
        "photos": hashlib.sha256(photos.encode()).hexdigest(),
        "model": sha256_of(study.base),
    }
    asked = _plain(asked)
    path = study.folder / ASKED
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        # A setting that is newer than the study had its default then.
        flat, known = _flat(asked), {**_plain(dataclasses.asdict(Settings())), **_flat(before)}
        changed = [
            f"{name}: {known.get(name)!r} before, {flat[name]!r} now" for name in flat if flat[name] != known.get(name)
        ]
        if changed:
            raise BadInput(
                f"{study.folder}: this study was begun otherwise; name a new folder, or undo: {'; '.join(changed)}"
            )
        return
    write_whole(path, (json.dumps(asked, indent=1) + "\n").encode())


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON gives it back: tuples are lists."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found


def _flat(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in asked.items() if name != "settings"}, **asked["settings"]}
