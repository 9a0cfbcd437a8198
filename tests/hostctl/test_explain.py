"""The bench: a way computed there is what predict records; work is shared; perturbations go in at the right place."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from analysis.bisect import norm
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.preprocess import StageFailed
from device_agents.records import Picture, Scene
from hostctl.causes.ways import Way, hybrid
from hostctl.explain import Bench
from tests.device_agents.tiny_models import tiny_sidecar, write_onnx, write_tflite


@pytest.fixture
def setup(tmp_path):
    """A run of two photographs and a broken one, a model, and its default environment."""
    rng = np.random.default_rng(21)
    files = []
    for _ in range(2):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)).save(file, "JPEG", subsampling="4:2:0")
        files.append(file.getvalue())
    files.append(b"no picture")
    run = Run.create(tmp_path / "run", settings={}, scenes=[Scene("s", "s.jpg", "", ("1",))])
    for number, data in enumerate(files):
        sha256 = run.put_file(data)
        run.add_picture(Picture(f"p{number}", sha256, ".jpg", len(data), 14, 10, "s", number), {sha256: data})
    model = write_tflite(tmp_path / "tiny.tflite")
    environment = default_environment(tiny_sidecar(), model)
    with run:
        yield run, model, environment, Bench(run, {hash_file(model): (model, tiny_sidecar())})


def test_a_way_gives_what_predict_gives_with_the_same_fingerprints(setup):
    run, model, base, bench = setup
    some = [
        dataclasses.replace(base, decoder=decoder, resizer=resizer, scaling=scaling)
        for decoder in ("pillow", "jpeg-plain-upsampling")
        for resizer in ("pillow-nearest", "pillow-box")
        for scaling in ("zero-one", "lite")
    ]
    pictures = [JobPicture(one.picture, str(run.file(one.sha256))) for one in run.picture_records()][:2]
    recorded = {
        (one.picture, one.environment): one
        for one in predict(Job(str(model), tiny_sidecar(), tuple(pictures), tuple(some)))
    }
    ways = [Way(picture.picture, "", "", environment) for picture in pictures for environment in some]
    for way, answer in zip(ways, bench.evaluate(ways), strict=True):
        one = recorded[way.root, way.environment.environment]
        assert (answer.labels, answer.chances, answer.error) == (one.labels, one.scores, "")
        assert answer.fingerprints == {name: getattr(one, f"{name}_sha256") for name in ("pixels", "resized", "tensor")}
    assert bench.computed == len({one.tensor_sha256 for one in recorded.values()})
    bench.evaluate(ways)
    assert bench.computed == len({one.tensor_sha256 for one in recorded.values()})


def test_what_cannot_be_computed_says_why_and_stops_nothing(setup):
    _, _, base, bench = setup
    good, broken, coded = Way("p0", "", "", base), Way("p2", "", "", base), Way("p0", "", "no-such", base)
    one, two, three = bench.evaluate([good, broken, coded])
    assert one.label
    assert two.error.startswith("decode: ")
    assert "no-such" in three.error
    assert (two.label, np.isnan(two.chance)) == ("", True)
    with pytest.raises(StageFailed):
        bench.stages(broken)
    with pytest.raises(BadInput, match="--model"):
        bench.evaluate([Way("p0", "", "", dataclasses.replace(base, model_sha256="0" * 64))])


def test_the_pictures_of_a_way_are_those_of_its_stages(setup):
    _, _, base, bench = setup
    stages = bench.stages(Way("p0", "", "", base))
    assert (stages.pixels.shape, stages.seen.shape, stages.resized.shape) == ((10, 14, 3), (10, 14, 3), (2, 2, 3))
    assert stages.tensor.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(stages.tensor[0], stages.resized / np.float32(255))


def test_perturbations_are_made_where_the_two_ways_first_can_be_subtracted(setup, tmp_path):
    run, model, base, _ = setup
    onnx = write_onnx(tmp_path / "tiny.onnx")
    bench = Bench(run, {hash_file(path): (path, tiny_sidecar()) for path in (model, onnx)})
    way = Way("p0", "", "", base)
    box = Way("p0", "", "", dataclasses.replace(base, resizer="pillow-box"))
    measured, size, drawn = bench.perturbed(way, box, count=7, seed=[1])
    assert (measured, len(drawn)) == ("pixels", 7)
    assert size == norm(bench.stages(way).resized, bench.stages(box).resized) > 0
    start = bench.stages(way).resized.ravel() / 255
    for answer in drawn:  # the tiny model's scores are its input
        assert np.linalg.norm(answer.scores - start) * 255 <= size + 1e-3
    before = bench.computed
    again = bench.perturbed(way, box, count=7, seed=[1])[2]
    assert all((one.scores == two.scores).all() for one, two in zip(drawn, again, strict=True))
    assert bench.computed == before

    lite = Way("p0", "", "", dataclasses.replace(base, scaling="lite"))
    measured, size, drawn = bench.perturbed(way, lite, count=3, seed=[1])
    assert (measured, len(drawn)) == ("tensor", 3)
    np.testing.assert_allclose([np.linalg.norm(one.scores - start) for one in drawn], size, rtol=1e-4)

    other = default_environment(tiny_sidecar(), onnx)
    measured, size, drawn = bench.perturbed(
        way, hybrid(way, Way("p0", "", "", other), ["runtime", "model"]), count=3, seed=[1]
    )
    assert (measured, size, len(drawn)) == ("scores", 0.0, 3)  # the two files compute the same

    raw = Way("p0", "", "", dataclasses.replace(base, scaling="bytes"))
    assert bench.perturbed(way, raw, count=3, seed=[1])[::2] == ("", [])  # bytes and floats
