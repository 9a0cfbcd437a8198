"""A Keras model of a few hundred weights and photographs of two devices, small enough to train in a test."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from device_agents.sidecar import Sidecar, write_sidecar
from stability_train.photos import Photo

SIDE = 16
CLASSES = ("blue", "green", "red")
SIDECAR = Sidecar(
    name="tiny",
    input_height=SIDE,
    input_width=SIDE,
    layout="nhwc",
    colour_order="rgb",
    fit="squash",
    resizer="pillow-bilinear",
    scaling="minus-one-one",
    outputs="logits",
)


def tiny_network(*, side: int = SIDE) -> Any:
    """Strided convolution, batch normalisation, a residual sum, a max-pool, another block, a dense head of five."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((side, side, 3), name="input")
    tensor = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    tensor = layers.BatchNormalization(name="stem_norm")(tensor)
    tensor = layers.ReLU(name="stem_relu")(tensor)
    branch = layers.Conv2D(6, 3, padding="same", name="branch")(tensor)
    tensor = layers.Add(name="sum")([tensor, branch])
    tensor = layers.MaxPooling2D(2, name="pool")(tensor)
    tensor = layers.Conv2D(8, 3, padding="same", use_bias=False, name="last")(tensor)
    tensor = layers.BatchNormalization(name="last_norm")(tensor)
    tensor = layers.ReLU(name="last_relu")(tensor)
    tensor = layers.GlobalAveragePooling2D(name="mean")(tensor)
    model = keras.Model(image, layers.Dense(5, name="fc")(tensor), name="tiny")
    rng = np.random.default_rng(4)
    for name in ("stem_norm", "last_norm"):  # statistics that are not those of any batch
        layer = model.get_layer(name)
        layer.set_weights([weight + rng.uniform(0.05, 0.3, weight.shape) for weight in layer.get_weights()])
    return model


def tiny_base(folder: Path) -> Path:
    """Save it with its sidecar and give the .keras file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.keras"
    tiny_network().save(path)
    write_sidecar(path, SIDECAR)
    return path


def tiny_photos(folder: Path, *, objects: int = 5, devices: tuple[str, ...] = ("one", "two")) -> list[Photo]:
    """Coloured noise, ``objects`` a class, each seen by every device; the second device is darker."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for number, label in enumerate(CLASSES):
        for which in range(objects):
            rng = np.random.default_rng([number, which])
            pixels = rng.integers(0, 120, (24, 20, 3))
            pixels[..., 2 - number] += 110
            for place, device in enumerate(devices):
                scene = f"{label}-{which}"
                file = folder / f"{scene}-{device}.png"
                Image.fromarray((pixels * (1 - 0.3 * place)).astype(np.uint8)).save(file)
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                photos.append(Photo(file.stem, file, digest, (label,), scene, scene, device=device))
    return photos
