from __future__ import annotations

import io
import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import transform

from analysis.causes.readings import readings
from analysis.identify import EXACT, ROUNDING, UNKNOWN, decide, distance
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput
from device_agents.preprocess import FAILURES, fingerprint, to_tensor
from device_agents.records import Environment, Prediction
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import Sidecar
from hostctl.causes.identifying import Catalogue, choose_catalogue, identify, summary
from hostctl.causes.pixel_files import identify_pixels, identify_reported
from stability_train.zoo import photographs

# What is the same mathematics under two names, written down by hand and not by the tolerance under test.
TWINS = (
    {"half-pixel-bilinear", "tensorflow-bilinear", "tensorflow-area"},
    {"half-pixel-bilinear-antialias", "tensorflow-bilinear-antialias"},
    {"half-pixel-bicubic", "opencv-cubic"},
    {"half-pixel-bicubic-antialias", "tensorflow-bicubic-antialias"},
    {"opencv-area", "tensorflow-area"},
    {"libjpeg-7", "libjpeg-8d", "libjpeg-9f"},
)
SIZE = 160
LIGHT = ("resizer=pillow-*,opencv-*,half-pixel-*,asymmetric-*", "colour=rgb,bt601-nv12-*")


def twins(one: str, other: str) -> bool:
    return any({one, other} <= group for group in TWINS)


def picture(number: int) -> bytes:
    return Path(photographs().scenes[number].file).read_bytes()


def decoded(data: bytes) -> dict[str, RGB]:
    found = {}
    for name, decode in DECODERS.items():
        try:
            found[name] = decode(data)
        except FAILURES:
            continue
    return found


def candidates(data: bytes) -> dict[tuple[str, str], RGB]:
    return {
        (decoder, resizer): RESIZERS[resizer](pixels, SIZE, SIZE)
        for decoder, pixels in decoded(data).items()
        for resizer in RESIZERS
        if not resizer.startswith("tensorflow")
    }


def outside(data: bytes) -> dict[str, RGB]:
    """What no variant of the catalogue does."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(image)
    again = io.BytesIO()
    image.save(again, "JPEG", quality=90)
    ratio = (SIZE / pixels.shape[0], SIZE / pixels.shape[1], 1)
    blurred = cv2.resize(cv2.GaussianBlur(pixels, (0, 0), 1.2), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    smooth = 255 * transform.resize(pixels, (SIZE, SIZE), anti_aliasing=True)
    return {
        "skimage antialias": np.rint(smooth).astype(np.uint8),
        "scipy zoom": ndimage.zoom(pixels, ratio, order=3, mode="nearest", grid_mode=True),
        "pillow reduce": np.asarray(image.reduce(2).resize((SIZE, SIZE), Image.Resampling.BILINEAR)),
        "pillow draft": np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, reducing_gap=1.0)),
        "blur and linear": np.asarray(blurred),
        "compressed again": RESIZERS["pillow-bilinear"](DECODERS["pillow"](again.getvalue()), SIZE, SIZE),
        "cut off, not rounded": (RESIZERS["pillow-bilinear"](pixels, SIZE, SIZE) * np.float32(0.998)).astype(np.uint8),
    }


@pytest.mark.slow
def test_hold_out_study_of_decoders_and_resizers(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is found while it is in the catalogue, and unknown, or a twin, once it has been taken out."""
    inside, held_out, foreign = Counter[str](), Counter[str](), Counter[str]()
    gaps: list[float] = []
    for number in (1, 19):
        data = picture(number)
        made = candidates(data)
        pictures = {name: fingerprint(pixels) for name, pixels in decoded(data).items()}
        marks = {way: fingerprint(pixels) for way, pixels in made.items()}
        alone = {mark: way for way, mark in marks.items()}
        apart = {
            pair: distance(made[alone[pair[0]]], made[alone[pair[1]]])
            for pair in itertools.combinations(sorted(alone), 2)
        }
        apart |= {(second, first): found for (first, second), found in apart.items()}
        for way, mark in marks.items():
            distances = {
                other: distance(made[way], made[way]) if own == mark else apart[mark, own]
                for other, own in marks.items()
            }
            found = decide(distances)
            inside["right" if found.kind == EXACT and way in found.names else "wrong"] += 1
            left = {other: one for other, one in distances.items() if marks[other] != mark}
            without = decide(left)
            gaps.append(min(one.share for other, one in left.items() if not one.tolerated))
            if without.kind == UNKNOWN:
                held_out["unknown"] += 1
            else:
                close = all(
                    (pictures[a] == pictures[c] or twins(a, c)) and (b == d or twins(b, d))
                    for a, b in [way]
                    for c, d in without.names
                )
                held_out["a twin, up to rounding" if without.kind == ROUNDING and close else "wrong"] += 1
        for pixels in outside(data).values():
            foreign[decide({way: distance(pixels, one) for way, one in made.items()}).kind] += 1
    with capsys.disabled():
        print(f"\nin the catalogue: {dict(inside)}; taken out: {dict(held_out)}; from outside: {dict(foreign)}")
        print(f"smallest share of values by which what is not tolerated differs: {min(gaps):.3f}")
    assert inside["wrong"] == 0
    assert held_out["wrong"] == 0
    assert held_out["unknown"] > 0.7 * held_out.total()
    assert set(foreign) == {UNKNOWN}
    assert min(gaps) > 0.06


def test_small_perturbations_are_still_recognised() -> None:
    made = {
        way: pixels
        for way, pixels in candidates(picture(4)).items()
        if way[0] in ("pillow", "jpeg-plain-upsampling", "ffmpeg")
    }
    rng = np.random.default_rng(0)
    for way in (("pillow", "pillow-bilinear"), ("ffmpeg", "opencv-area"), ("jpeg-plain-upsampling", "opencv-lanczos4")):
        moved = rng.choice([-1, 0, 1], made[way].shape, p=[0.005, 0.99, 0.005])
        pixels = (made[way].astype(int) + moved).clip(0, 255).astype(np.uint8)
        found = decide({other: distance(pixels, one) for other, one in made.items()})
        assert found.kind == ROUNDING
        assert found.names == (way,)


@pytest.mark.parametrize(
    ("decoder", "colour", "fit", "resizer", "scaling", "layout", "order"),
    [
        ("jpeg-plain-upsampling", "rgb", "torchvision-256-crop", "pillow-bilinear", "imagenet", "nchw", "rgb"),
        ("libjpeg-6b-float", "bt601-nv12-nearest", "squash", "opencv-area", "lite", "nhwc", "bgr"),
        ("ffmpeg", "rgb", "letterbox-grey-114", "half-pixel-bicubic-antialias", "zero-one", "nhwc", "rgb"),
    ],
)
def test_a_tensor_tells_its_whole_way(
    decoder: str, colour: str, fit: str, resizer: str, scaling: str, layout: str, order: str
) -> None:
    data = picture(5)
    catalogue = choose_catalogue(LIGHT)
    pixels = catalogue.fits[fit](catalogue.colours[colour](DECODERS[decoder](data)), RESIZERS[resizer], 192, 192)
    tensor = to_tensor(pixels, scaling=scaling, layout=layout, colour_order=order)
    found = summary(identify(data, readings(tensor), catalogue=catalogue))
    assert found["answer"] == EXACT
    assert {"decoder": decoder, "colour": colour, "fit": fit, "resizer": resizer, "orientation": "applied"} in found[
        "ways"
    ]
    assert (found["scaling"], found["layout"], found["colour_order"]) == (scaling, layout, order)


def test_the_true_variant_taken_out_is_unknown() -> None:
    data = picture(6)
    catalogue = choose_catalogue(LIGHT)
    pixels = RESIZERS["pillow-hamming"](DECODERS["pillow"](data), 192, 192)
    resizers = {name: one for name, one in catalogue.resizers.items() if name != "pillow-hamming"}
    found = identify(data, readings(pixels), catalogue=replace(catalogue, resizers=resizers))
    assert found.decision.kind == UNKNOWN
    assert found.decision.names == ()


def test_real_numbers_are_matched_up_to_rounding() -> None:
    data = picture(7)
    import tensorflow as tf

    real = tf.image.resize(DECODERS["pillow"](data), (192, 192), method="bilinear").numpy() / np.float32(255)
    found = summary(identify(data, readings(real), catalogue=choose_catalogue(LIGHT)))
    assert found["answer"] == ROUNDING
    assert found["resizer"] == ["half-pixel-bilinear"]
    assert found["scaling"] == "zero-one"
    assert not found["rounded_to_bytes"]


def with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.open(io.BytesIO(picture(9))).crop((0, 0, 400, 300)).save(file, "JPEG", exif=exif, quality=85)
    return file.getvalue()


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_decoded_pictures_are_compared_whole_and_a_forgotten_orientation_is_told(orientation: int) -> None:
    data = with_orientation(orientation)
    upright = DECODERS["jpeg-plain-upsampling"](data)
    found = summary(identify(data, readings(upright), catalogue=choose_catalogue(LIGHT)))
    assert (found["answer"], found["fit"], found["orientation"]) == (EXACT, [""], ["applied"])
    assert found["decoder"] == ["jpeg-plain-upsampling"]
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1]
    found = summary(identify(data, readings(stored), catalogue=choose_catalogue(LIGHT)))
    assert (found["answer"], found["orientation"]) == (EXACT, ["ignored"])
    assert {"pillow", "opencv"} <= set(found["decoder"])


def test_part_of_the_catalogue_may_be_asked_for() -> None:
    assert set(choose_catalogue(["resizer=pillow-b*"]).resizers) == {"pillow-bicubic", "pillow-bilinear", "pillow-box"}
    assert len(choose_catalogue().fits) == len(FITS)
    with pytest.raises(BadInput, match="known: align"):
        choose_catalogue(["resizer=nothing"])
    with pytest.raises(BadInput, match="unknown family"):
        choose_catalogue(["codec=png"])


def test_an_answer_with_its_contract(tmp_path: Path) -> None:
    data = picture(10)
    (tmp_path / "photo.jpg").write_bytes(data)
    resized = FITS["squash"](DECODERS["pillow"](data), RESIZERS["opencv-linear"], 192, 192)
    np.save(tmp_path / "tensor.npy", to_tensor(resized, scaling="imagenet", layout="nhwc", colour_order="bgr"))
    wanted = Sidecar("m", 192, 192, "nhwc", "rgb", "squash", "pillow-bilinear", "imagenet", "logits")
    arguments = {"among": LIGHT, "contract": tmp_path / "contract"}
    found = identify_pixels(tmp_path / "photo.jpg", tmp_path / "tensor.npy", sidecar=wanted, **arguments)
    assert found["differences"] == [
        "resizer: expected pillow-bilinear, the app does opencv-linear",
        "colour_order: expected rgb, the app does bgr",
    ]
    own = identify_pixels(tmp_path / "photo.jpg", tmp_path / "tensor.npy", **arguments)
    assert own["differences"] == []
    assert (tmp_path / "contract" / "preprocess.cpp").is_file()
    (tmp_path / "lossy.jpg").write_bytes(data)
    with pytest.raises(BadInput, match="no JPEG"):
        identify_pixels(tmp_path / "photo.jpg", tmp_path / "lossy.jpg")


def test_reported_fingerprints_name_their_variants() -> None:
    data = picture(11)
    wanted = Sidecar("m", 96, 96, "nhwc", "rgb", "squash", "pillow-bilinear", "bytes", "logits")
    environment = Environment("m", "", "pillow", "whole", "rgb", "squash", "pillow-bilinear", "bytes", "litert")
    pixels = DECODERS["jpeg-plain-upsampling"](data)
    resized = RESIZERS["opencv-area"](pixels, 96, 96)
    reported = Prediction("p", "e", pixels_sha256=fingerprint(pixels), resized_sha256=fingerprint(resized))
    found = identify_reported(data, reported, environment=environment, sidecar=wanted)
    assert found["decoder"] == ["jpeg-plain-upsampling"]
    assert "squash opencv-area" in found["resizer"]
    nothing = identify_reported(data, replace(reported, pixels_sha256="0"), environment=environment, sidecar=wanted)
    assert nothing == {"decoder": [], "resizer": []}


def test_a_picture_that_nothing_decodes_is_refused() -> None:
    with pytest.raises(BadInput, match="no decoder"):
        identify(b"nothing", readings(np.zeros((8, 8, 3), np.uint8)), catalogue=Catalogue())
