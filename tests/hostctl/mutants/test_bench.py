"""The bench: the unchanged model is at 0 by all measures, and what cannot be compared is refused or recorded."""

import numpy as np
import onnx
import pytest

from analysis.measures.mutant_measures import MEASURES
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from device_agents.sidecar import read_sidecar, sidecar_path
from hostctl.mutants.bench import Bench
from hostctl.mutants.localising import RUNTIME
from stability_train.mutants.mutants import mutants
from tests.fakes.mutant_network import write_study


@pytest.fixture
def study(tmp_path):
    return (tmp_path, *write_study(tmp_path))


def bench_of(folder, model, scenes):
    return Bench(model, read_sidecar(sidecar_path(model)), read_scenes(scenes), folder=folder)


def test_the_unchanged_model_is_the_floor(study):
    bench = bench_of(*study)
    assert bench.floor == dict.fromkeys(MEASURES, 0.0)
    assert bench.changed(bench.run(bench.data)) == (-1, "")
    assert [one.scene.scene for one in bench.shown] == [f"picture-{number}" for number in range(4)]
    assert set(bench.apart(bench.original).values()) == {0.0}
    answer = bench.original.answers[0]
    assert answer.labels[0] == f"class-{int(bench.original.outputs[0][0].argmax())}"


def test_layers_are_told_apart_from_the_changed_one_on(study):
    bench = bench_of(*study)
    made = mutants(bench.model, seed=0, count=9, kinds=["weights-int8"])
    mutant = next(one for one in made if one.plan.layer == "conv2")
    apart = bench.apart(bench.run(mutant.data))
    names = list(apart)
    assert all(apart[name] == 0 for name in names[: names.index("conv2")])
    assert all(apart[name] > 0 for name in names[names.index("conv2") :])


def test_an_answer_that_is_no_number_is_recorded(study):
    bench = bench_of(*study)
    model = onnx.load_model_from_string(bench.data)
    weights = next(one for one in model.graph.initializer if one.name == "b4")
    weights.CopyFrom(onnx.numpy_helper.from_array(np.full(6, np.nan, np.float32), "b4"))
    ran = bench.run(model.SerializeToString())
    assert ran.answers[0].startswith("answer: BadInput: expected finite scores")
    values = bench.compare(ran)
    assert (values["failed"], values["labels"], values["outputs"]) == (1.0, None, 1.0)


def test_a_model_that_gives_other_bits_each_time_is_refused(study, monkeypatch):
    load, rng = NETWORKS[RUNTIME], np.random.default_rng(0)

    def load_noisy(path, threads):
        network, shift = load(path, threads), np.float32(1e-6 * rng.normal())
        return lambda tensor: tuple(one + shift for one in network(tensor))

    monkeypatch.setitem(NETWORKS, RUNTIME, load_noisy)
    with pytest.raises(BadInput, match=r"tiny\.onnx gives other bits when it is run again"):
        bench_of(*study)


def test_a_picture_that_cannot_be_read_is_named(study):
    folder, path, scenes = study
    (folder / "picture-2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(BadInput, match="scene picture-2: decode"):
        bench_of(folder, path, scenes)
