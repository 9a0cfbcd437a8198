"""Blurs: by hand, against an average pool, and put into a model that keeps its answers where nothing is blurred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput
from tests.fakes.tiny_training import tiny_network

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
RNG = np.random.default_rng(8)


def ramp(side: int) -> np.ndarray:
    return RNG.normal(size=(2, side, side, 3)).astype(np.float32)


def test_the_filters_by_hand() -> None:
    from stability_train.blurpool import BlurPool, blur_row

    assert blur_row("rect-2").tolist() == [0.5, 0.5]
    assert blur_row("tri-3").tolist() == [0.25, 0.5, 0.25]
    assert (blur_row("bin-5") * 16).tolist() == [1, 4, 6, 4, 1]
    row = np.array([0.0, 4.0, 8.0, 4.0], np.float32)
    picture = np.tile(row, (4, 1))[None, :, :, None]
    found = np.asarray(BlurPool("tri-3")(picture))[0, 0, :, 0]
    # mirrored: 4 0 4 8 4 8 -> (4 + 0 + 4) / 4 = 2 and (4 + 16 + 4) / 4 = 6
    assert found.tolist() == [2.0, 6.0]


@pytest.mark.parametrize("blur", ["rect-2", "tri-3", "bin-5"])
def test_a_blur_keeps_a_flat_picture_and_stops_the_finest_pattern(blur: str) -> None:
    from stability_train.blurpool import BlurPool

    flat = np.full((1, 9, 8, 2), 3.0, np.float32)
    assert np.asarray(BlurPool(blur)(flat)) == pytest.approx(np.full((1, 5, 4, 2), 3.0))
    checks = np.indices((8, 8)).sum(axis=0)[None, :, :, None] % 2 * 2.0 - 1.0
    inner = np.asarray(BlurPool(blur)(checks.astype(np.float32)))[0, 1:-1, 1:-1]
    assert inner == pytest.approx(np.zeros_like(inner), abs=1e-6)


@pytest.mark.parametrize("side", [15, 16, 17])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["convolution", "depthwise", "max", "shortcut", "symmetric"])
def test_without_blur_the_copy_samples_where_the_model_did(kind: str, padding: str, side: int) -> None:
    import keras
    from keras import layers

    from stability_train.blurpool import add_blurpool

    options = {"strides": 2, "padding": padding}
    layer = {
        "convolution": lambda: layers.Conv2D(4, 3, activation=None, **options),
        "depthwise": lambda: layers.DepthwiseConv2D(5, **options),
        "max": lambda: layers.MaxPooling2D(3, **options),
        "shortcut": lambda: layers.Conv2D(4, 1, **options),
        "symmetric": lambda: layers.Conv2D(4, 3, strides=2, padding="valid"),
    }[kind]()
    image = tensor = keras.Input((side, side, 3))
    if kind == "symmetric":
        tensor = layers.ZeroPadding2D(1)(tensor)
    model = keras.Model(image, layers.ReLU()(layers.BatchNormalization()(layer(tensor))))
    copy = add_blurpool(model, blur="identity")
    picture = ramp(side)
    assert np.asarray(copy(picture)) == pytest.approx(np.asarray(model(picture)), abs=1e-5)
    assert add_blurpool(model, blur="bin-5").output_shape == model.output_shape


def test_the_rectangle_is_the_average_pool_that_it_replaces() -> None:
    import keras
    from keras import layers

    from stability_train.blurpool import add_blurpool

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.AveragePooling2D(2)(image))
    picture = ramp(8)
    copy = add_blurpool(model, blur="rect-2")
    assert np.asarray(copy(picture)) == pytest.approx(np.asarray(model(picture)), abs=1e-6)


def kinds(model: Any) -> list[str]:
    return [layer.name for layer in model.layers]


def test_a_whole_model_keeps_its_weights_is_saved_and_is_steadier_under_shifts(tmp_path: Path) -> None:
    import keras

    from stability_train.blurpool import add_blurpool, find_samplings

    model = tiny_network(side=32)
    assert [(edit.layer, edit.after) for edit in find_samplings(model)] == [("stem", "stem_relu"), ("pool", "pool")]
    same, copy = add_blurpool(model, blur="identity"), add_blurpool(model, blur="bin-5")
    wide = RNG.normal(size=(8, 32, 64, 3)).astype(np.float32)
    views = [wide[:, :, shift : shift + 32] for shift in range(4)]
    assert np.asarray(same(views[0])) == pytest.approx(np.asarray(model(views[0])), abs=1e-5)
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert "stem_blur" in kinds(copy)
    assert "pool_blur" in kinds(copy)
    moved = [np.std([np.asarray(which(view)) for view in views], axis=0).mean() for which in (model, copy)]
    assert moved[1] < moved[0]
    copy.save(tmp_path / "blurred.keras")
    again = keras.models.load_model(tmp_path / "blurred.keras")
    assert np.array_equal(np.asarray(again(views[0])), np.asarray(copy(views[0])))
    assert "stem_blur" not in kinds(add_blurpool(model, skip=("stem",)))


def test_what_has_nothing_to_blur_is_refused() -> None:
    import keras
    from keras import layers

    from stability_train.blurpool import add_blurpool

    image = keras.Input((8, 8, 3))
    plain = keras.Model(image, layers.Conv2D(2, 3)(image), name="plain")
    with pytest.raises(BadInput, match="plain has no strided convolution or pool"):
        add_blurpool(plain)
    with pytest.raises(BadInput, match="unknown blur 'gauss'"):
        add_blurpool(plain, blur="gauss")
    with pytest.raises(BadInput, match="no layers stem"):
        add_blurpool(plain, skip=("stem",))
    odd = keras.Model(image, layers.AveragePooling2D(3, strides=2)(image))
    with pytest.raises(BadInput, match="as wide as its stride"):
        add_blurpool(odd)


@pytest.mark.slow
def test_mobilenet_v2_samples_where_it_did_and_keeps_its_weights() -> None:
    from stability_train.blurpool import add_blurpool, find_samplings
    from stability_train.networks import mobilenet_v2

    model = mobilenet_v2(height=64, width=64)  # drawn weights: surgery does not ask what they are
    assert [edit.layer for edit in find_samplings(model)] == [
        "features.0.0",
        "features.2.conv.1.0",
        "features.4.conv.1.0",
        "features.7.conv.1.0",
        "features.14.conv.1.0",
    ]
    picture = RNG.normal(size=(1, 64, 64, 3)).astype(np.float32)
    copy = add_blurpool(model, blur="identity")
    assert np.asarray(copy(picture)) == pytest.approx(np.asarray(model(picture)), abs=1e-5)
    assert copy.count_params() == model.count_params()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the converters', about their own internals
def test_the_exported_files_give_keras_answers_on_a_photograph(tmp_path: Path) -> None:
    import keras

    from device_agents.sidecar import read_sidecar
    from stability_train.agreement_check import check_agreement, scores_of
    from stability_train.blurpool import add_blurpool
    from stability_train.cache import cache_folder
    from stability_train.calibration import input_tensors
    from stability_train.export import export_onnx, export_tflite
    from stability_train.photographs import photographs
    from stability_train.zoo import get_model

    source = get_model("mobilenet-v2").keras
    sidecar, picture = read_sidecar(source), photographs(cache_folder()).scenes[0].file
    copy = add_blurpool(keras.models.load_model(source, compile=False), blur="tri-3")
    export_tflite(copy, tmp_path / "blurred.tflite")
    export_onnx(copy, tmp_path / "blurred.onnx")
    tensor = input_tensors([Path(picture)], sidecar)[0]
    scores = {"keras": np.asarray(copy(tensor, training=False))}
    for kind in ("tflite", "onnx"):
        scores[kind] = scores_of(tmp_path / f"blurred.{kind}", [Path(picture)], sidecar=sidecar)
    assert np.abs(scores["keras"]).max() > 1
    differences = check_agreement(scores, reference="keras", limit=1e-3)
    assert set(differences) == {"tflite", "onnx"}


def test_a_blurred_variant_is_made_only_when_it_is_named(tmp_path: Path) -> None:
    from hostctl.predictions.conditions import FAMILIES
    from stability_train.variant_files import asked_names
    from stability_train.variants import make, plan
    from tests.fakes.tiny_training import tiny_base

    assert asked_names("blurpool-*") == dict.fromkeys(("blurpool-bin-5", "blurpool-rect-2", "blurpool-tri-3"), False)
    assert not [name for name in asked_names("all") if "blur" in name]
    assert not [name for name in FAMILIES["precision"] if "blur" in name]  # a study compares noises of one network
    made = tmp_path / "blurred.keras"
    make(plan("blurpool-tri-3", tiny_base(tmp_path)), made, [])
    import keras

    assert "stem_blur" in kinds(keras.models.load_model(made, compile=False))
    with pytest.raises(BadInput, match=r"is made from \.keras files"):
        plan("blurpool-tri-3", tmp_path / "model.onnx")
