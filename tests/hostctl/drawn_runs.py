"""Small runs without pictures worth looking at: scenes x devices with verdicts that a test says."""

from dataclasses import replace

from analysis.store import Run
from device_agents.records import Environment, Picture, Prediction, Scene

ENVIRONMENT = Environment(
    "tiny", "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert", "2.0"
)


def draw_run(folder, answers, *, environments=({},), labels=("cat",), files=None, repeats=1, **fields):
    """Write a run; answers: {device: {scene number: a label, or one for each environment}}, "" for a failure.

    environments: what each changes of ENVIRONMENT and fields. files: scene number -> sha256.
    """
    numbers = sorted({number for scenes in answers.values() for number in scenes})
    scenes = [Scene(f"s{n:03}", f"s{n:03}.jpg", (files or {}).get(n, f"{n:064x}"), tuple(labels)) for n in numbers]
    with Run.create(folder, settings={}, scenes=scenes) as run:
        sha256 = run.put_file(b"no picture")
        made = [replace(ENVIRONMENT, **{**fields, **one}) for one in environments]
        for environment in made:
            run.add_environment(environment)
        pictures, predictions = [], []
        for device, told in answers.items():
            for number, label in told.items():
                for repeat in range(repeats):
                    key = f"s{number:03}|0|{repeat}|{device}|jpg"
                    place = {"scene": f"s{number:03}", "repeat": repeat, "device": device}
                    pictures.append(Picture(key, sha256, ".jpg", 10, 8, 8, **place))
                    for at, environment in enumerate(made):
                        one = label if isinstance(label, str) else label[at]
                        predictions.append(_prediction(key, environment.environment, one))
        run.add_pictures(pictures, {})
        run.add_predictions(predictions)
    return folder


def _prediction(picture, environment, label):
    if not label:
        return Prediction(picture, environment, error="TimedOut: no answer")
    return Prediction(picture, environment, (label, "other"), (0.8, 0.1), 1.0)
