"""The rotation classifier: turns of a sky told right, the model's own front, kept once, refused with reasons."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, predict
from device_agents.records import Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import read_labels, write_sidecar
from stability_train.rotation_classifier import LABELS, rotation_classifier
from tests.fakes.tiny_training import SIDE, SIDECAR

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
TURNS = ("", "quarter-turn-1", "quarter-turn-2", "quarter-turn-3")


def write_base(path: Path, *, side: tuple[int, int] = (SIDE, SIDE)) -> Path:
    """Write a model of a few hundred weights that keeps where things are, with its sidecar."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    image = keras.Input((*side, 3), name="input")
    tensor = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="stem")(image)
    tensor = layers.AveragePooling2D(2, name="pool")(tensor)
    tensor = layers.Flatten(name="flat")(tensor)
    path.parent.mkdir(parents=True, exist_ok=True)
    keras.Model(image, layers.Dense(5, name="fc")(tensor), name="tiny").save(path)
    write_sidecar(path, replace(SIDECAR, input_height=side[0], input_width=side[1]))
    return path


def skies(folder: Path, count: int = 12, *, first: int = 0) -> list[Path]:
    """Write pictures that are light above and dark below, each with a tint, a slope and noise of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        slope = np.linspace(rng.uniform(190, 255), rng.uniform(0, 60), 20)[:, None, None]
        pixels = slope + rng.uniform(-30, 30, 3) + rng.normal(0, 8, (20, 20, 3))
        files.append(folder / f"sky-{number}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(files[-1])
    return files


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("rotation")
    base, files = write_base(folder / "base" / "tiny.keras"), skies(folder / "skies")
    said: list[str] = []
    path, card = rotation_classifier(str(base), files, folder=folder / "kept", progress=said.append)
    return folder, base, files, path, card, said


def answers(path: Path, card: Any, files: list[Path]) -> dict[str, list[str]]:
    """Ask the agent for the first label of each picture under each turn."""
    environments = tuple(
        Environment(
            model=card.name,
            model_sha256="",
            decoder="pillow",
            view="whole",
            colour="rgb",
            fit=card.fit,
            resizer=card.resizer,
            scaling=card.scaling,
            runtime="litert",
            perturbation=name,
        )
        for name in TURNS
    )
    pictures = tuple(JobPicture(file.stem, str(file)) for file in files)
    job = Job(str(path), card, pictures, environments, labels=read_labels(Path(card.labels)))
    found: dict[str, list[str]] = {name: [] for name in TURNS}
    names = {one.environment: one.perturbation for one in environments}
    for one in predict(job):
        assert one.error == ""
        assert sum(one.scores) == pytest.approx(1, abs=1e-5)
        found[names[one.environment]].append(one.labels[0])
    return found


def test_the_agent_tells_turns_of_pictures_never_seen(made: Any) -> None:
    folder, _, _, path, card, said = made
    assert answers(path, card, skies(folder / "others", 5, first=100)) == {
        name: [label] * 5 for name, label in zip(TURNS, LABELS, strict=True)
    }
    assert (card.outputs, card.background, card.name) == ("logits", False, "tiny-rotation")
    assert said[:2] == ["reading 12 photographs", "features of 12 of 12 photographs, turned four ways"]
    assert "turns that were held out: 5 of 5" in said


def test_what_is_known_of_it_stands_beside_it(made: Any) -> None:
    *_, files, path, _, _ = made
    about = json.loads((path.parent / "about.json").read_text())
    assert about["accuracy"] == 1.0
    assert about["accuracy_by_turn"] == dict.fromkeys(LABELS, 1.0)
    assert 0 <= about["log_loss"] < 0.5
    assert about["largest_difference"] < 1e-4
    assert len(about["photographs"]) == len(files)
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "about.json",
        "labels.csv",
        "rotation.tflite",
        "rotation.tflite.json",
    ]


def test_the_front_is_the_models_own(made: Any) -> None:
    """The file's tensor in front of the head is what the base model gives there."""
    import keras
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from device_agents.preprocess import to_tensor

    folder, base, _, path, card, _ = made
    whole = keras.models.load_model(base, compile=False)
    front = keras.Model(whole.inputs[0], whole.get_layer("fc").input)
    prepare, resize = FITS[card.fit], RESIZERS[card.resizer]
    shown = [prepare(DECODERS["pillow"](file.read_bytes()), resize, SIDE, SIDE) for file in skies(folder / "n", 6)]
    shown = [np.rot90(one, number) for number, one in enumerate(shown)]
    how = {"scaling": card.scaling, "layout": "nhwc", "colour_order": "rgb"}
    tensors = [to_tensor(np.ascontiguousarray(one), **how) for one in shown]
    features = np.concatenate([np.asarray(front(one, training=False)) for one in tensors])
    interpreter = Interpreter(
        model_path=str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    flat = [one for one in interpreter.get_tensor_details() if list(one["shape"]) == [1, features.shape[1]]]
    seen = []
    for tensor in tensors:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        seen.append(interpreter.get_tensor(flat[0]["index"])[0])
    np.testing.assert_allclose(np.stack(seen), features, atol=1e-5)


def test_a_second_call_reads_what_is_there(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from stability_train import rotation_classifier as module

    folder, base, files, path, card, _ = made
    monkeypatch.setattr(module, "_make", lambda *_: pytest.fail("made again"))
    said: list[str] = []
    kept = folder / "kept"
    assert rotation_classifier(str(base), files[::-1], folder=kept, progress=said.append) == (path, card)
    assert said == []
    assert rotation_classifier(str(base), [*files, files[0]], folder=kept) == (path, card)
    for other in ({"seed": 1}, {"photographs": files[:-1]}):
        with pytest.raises(pytest.fail.Exception, match="made again"):
            rotation_classifier(str(base), **{"photographs": files, "folder": kept, **other})
    assert [one.name for one in kept.iterdir() if one.name != "locks"] == [path.parent.name]  # none half made


def test_the_same_photographs_and_seed_make_the_same_bytes(made: Any, tmp_path: Path) -> None:
    _, base, files, path, _, _ = made
    trained = tmp_path / "trained"  # as `instability train` leaves it
    trained.mkdir()
    shutil.copy(base, trained / "model.keras")
    shutil.copy(f"{base}.json", trained / "model.keras.json")
    (trained / "training.json").write_text("{}")
    (trained / "model.tflite").write_bytes(b"")
    again, _ = rotation_classifier(str(trained / "model.tflite"), files, folder=tmp_path / "kept")
    for name in ("rotation.tflite", "rotation.tflite.json", "labels.csv", "about.json"):
        assert (again.parent / name).read_bytes() == (path.parent / name).read_bytes(), name
    assert rotation_classifier(str(trained), files, folder=tmp_path / "kept")[0] == again


def test_what_cannot_serve_is_refused(made: Any, tmp_path: Path) -> None:
    _, base, files, path, _, _ = made
    for model in (str(path), str(tmp_path), "resnet-50"):
        with pytest.raises(
            BadInput, match=r"expected a model whose front can be kept without its head: one of the zoo"
        ):
            rotation_classifier(model, files, folder=tmp_path)
    with pytest.raises(BadInput, match="expected at least 8 different photographs to learn turns from, got 7"):
        rotation_classifier(str(base), [*files[:7], files[0]], folder=tmp_path)
    wide = write_base(tmp_path / "wide.keras", side=(16, 24))
    with pytest.raises(BadInput, match="expected a model with a square input, which a quarter turn keeps, got 24 x 16"):
        rotation_classifier(str(wide), files, folder=tmp_path)


def test_photographs_that_cannot_be_read_are_named_at_once(made: Any, tmp_path: Path) -> None:
    _, base, files, _, _, _ = made
    broken = [tmp_path / "one.jpg", tmp_path / "two.jpg"]
    for number, file in enumerate(broken):
        file.write_bytes(b"no picture" * (number + 1))
    with pytest.raises(BadInput, match=r"(?s)2 of 14 pictures cannot be trained on:.*(one|two)\.jpg.*(one|two)\.jpg"):
        rotation_classifier(str(base), [*files, *broken], folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").glob("rotation-*"))
    absent = [tmp_path / "three.jpg", tmp_path / "four.jpg"]
    with pytest.raises(BadInput, match=r"2 of 14 photographs cannot be read: .*three\.jpg: No such file.*four\.jpg"):
        rotation_classifier(str(base), [*files, *absent], folder=tmp_path)
