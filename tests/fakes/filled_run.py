"""A run folder's records: scenes, steps, pictures and predictions of two devices, and a run that is done in one go."""

from __future__ import annotations

import hashlib
from pathlib import Path

from analysis.store import Run
from device_agents.records import Environment, Picture, Prediction, Scene, Step

SETTINGS = {"seed": 1, "lab": {"devices": ["one", "two"]}}
LABELS = ("n01", "n02", "n03", "n04", "n05")


def digest(text: str) -> str:
    """The sha256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


SCENES = [
    Scene("cup", "cup.png", digest("cup"), ("n01", "n02"), ("n03",), "mug", "drinks"),
    Scene("dog", "dog.png", digest("dog"), ("n04",)),
]
STEPS = [
    Step(scene, angle, repeat, device, stimulus=1, order=number, place=place)
    for number, (scene, angle, repeat) in enumerate((s, a, r) for s in ("cup", "dog") for a in (0, 10) for r in (1, 2))
    for place, device in enumerate(("one", "two"))
]
ENVIRONMENTS = [
    Environment("m", digest("m"), decoder, "whole", "rgb", "squash", "pillow-bilinear", "imagenet", "litert")
    for decoder in ("pillow", "opencv")
]
NAMES = [one.environment for one in ENVIRONMENTS]


def picture_of(step: Step, content: bytes = b"", **changes: object) -> Picture:
    """A step's picture with these bytes."""
    values = {
        "picture": f"{step.key}|jpg",
        "sha256": hashlib.sha256(content).hexdigest(),
        "suffix": ".jpg",
        "size": len(content),
        "width": 4,
        "height": 3,
        **{name: getattr(step, name) for name in ("scene", "angle", "repeat", "device")},
        "corners": ((0.5, -0.25), (3.1, 0.0), (3.0, 2.0), (1e-9, 2.0)),
    }
    return Picture(**{**values, **changes})  # type: ignore[arg-type]


def prediction_of(picture: str, environment: str, labels: tuple[str, ...] = LABELS, **changes: object) -> Prediction:
    """A picture's prediction in an environment."""
    scores = tuple(1 / (rank + 3) for rank in range(len(labels)))
    marks = {f"{stage}_sha256": digest(f"{stage} {picture}") for stage in ("file", "pixels", "resized", "tensor")}
    values = {"scores": scores, "latency_ms": 12.345678901234567, **marks, **changes}
    return Prediction(picture, environment, labels, **values)  # type: ignore[arg-type]


KILLED_SCENES = [Scene(f"s{number}", f"{number}.png", digest(str(number)), ("n01",)) for number in range(40)]
KILLED_STEPS = [Step(one.scene, 0, repeat, "one", 1, 1, 1) for one in KILLED_SCENES for repeat in (1, 2)]


def shoot_all(run: Run) -> Run:
    """Give every step its picture."""
    for number, step in enumerate(STEPS):
        content = str(number).encode()
        run.add_picture(picture_of(step, content), {hashlib.sha256(content).hexdigest(): content})
    return run


def do_the_run(folder: Path) -> None:
    """What a command does: read the ledger, do what is missing, commit."""
    with Run.open_or_create(folder, settings=SETTINGS, scenes=KILLED_SCENES) as run:
        run.add_steps(KILLED_STEPS)
        for step in run.steps_missing():
            content = step.key.encode() * 500
            crop = b"crop of " + content
            files = {hashlib.sha256(part).hexdigest(): part for part in (content, crop)}
            record = picture_of(step, content, crop_sha256=hashlib.sha256(crop).hexdigest())
            run.add_picture(record, files)
            print("picture", flush=True)
        for pictures, environments in run.missing_predictions(ENVIRONMENTS, block=8):
            run.add_predictions([prediction_of(p.picture, e.environment) for p in pictures for e in environments])
            print("shard", flush=True)
