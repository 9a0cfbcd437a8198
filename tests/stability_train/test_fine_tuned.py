"""What is quantised with what, and what is refused before a training; the files themselves: tests/hostctl."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agents.errors import BadInput
from stability_train.fine_tuned import check_base_quantisable, check_calibration, pick_calibration
from tests.fakes.tiny_training import tiny_base, tiny_photos

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_calibration_photos_are_spread_over_all(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=5, devices=("one",))
    assert pick_calibration(photos, 15) == photos
    some = pick_calibration(photos, 8)
    assert len({one.name for one in some}) == 8
    assert (some[0], some[-1]) == (photos[0], photos[-1])


@pytest.mark.parametrize("count", [7, 16, 3000])
def test_a_calibration_set_of_the_wrong_size_is_refused(tmp_path: Path, count: int) -> None:
    photos = tiny_photos(tmp_path, objects=5, devices=("one",))
    with pytest.raises(BadInput, match=f"expected 8 to 15 photos to calibrate with .*, got {count}"):
        pick_calibration(photos, count)


def test_an_object_is_never_calibrated_with_and_judged(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=6, devices=("one", "two"))
    one, two = ([photo for photo in photos if photo.device == name] for name in ("one", "two"))
    check_calibration(one[:9], two[9:])
    check_calibration([], photos)
    with pytest.raises(BadInput, match=r"expected other objects to calibrate with than to judge by, got blue-5"):
        check_calibration(one[:9], two[5:6])  # the same object by another device
    with pytest.raises(BadInput, match="expected 8 to 2000 photos to calibrate with, got 3"):
        check_calibration(one[:3], [])


def test_a_layer_that_cannot_be_quantised_is_named(tmp_path: Path) -> None:
    import keras

    check_base_quantisable(tiny_base(tmp_path))
    image = keras.Input((8, 8, 3))
    strange = keras.layers.Activation("exponential")(keras.layers.Conv2D(4, 3)(image))
    scores = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(strange))
    path = tmp_path / "strange.keras"
    keras.Model(image, scores).save(path)
    with pytest.raises(BadInput, match="EXP"):
        check_base_quantisable(path)
