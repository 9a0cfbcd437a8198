"""What is said of each pair: input, conversion, kernels, rounding, or why it cannot be looked into."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from device_agents.runtimes import NETWORKS
from hostctl.differences.asked import find_variants, read_models
from hostctl.differences.localising import Localiser, locate_all
from hostctl.pictures.file_runs import run_of_files
from hostctl.printing import silent
from tests.device_agents.tiny_models import write_onnx, write_onnx_boxes, write_tflite
from tests.fakes.differing import with_sidecar, write_branched, write_pictures


@pytest.fixture
def run(tmp_path):
    with run_of_files(write_pictures(tmp_path / "pictures", 3), tmp_path / "run") as opened:
        yield opened


def variants(path, *names):
    files = read_models([str(path)], progress=silent)
    return find_variants(files, names, decoder="pillow", view="whole", threads=1)[0]


def times_two(monkeypatch, runtime, factor):
    plain = NETWORKS[runtime]

    def load(path, threads):
        network = plain(path, threads)
        return type(network)(lambda tensor: tuple(factor * one for one in network(tensor)), network.outputs)

    monkeypatch.setitem(NETWORKS, runtime, load)


def test_files_that_say_different_things_are_a_conversion_and_it_is_tied_to_both_names(tmp_path, run):
    (one,) = variants(write_branched(tmp_path / "a.onnx"), "onnxruntime")
    (other,) = variants(write_branched(tmp_path / "b.onnx", changed="twice", factor=1.1, prefix="x_"), "onnxruntime")
    found = Localiser(run).locate(one, replace(other, model="a"), "p00")
    assert (found.cause, found.layer, found.other_layer, found.kind) == ("conversion", "twice", "x_twice", "Mul")
    assert found.before == "joined"
    assert found.relative == pytest.approx(0.1 / 1.1, rel=1e-3)


def test_equal_files_whose_kernels_differ_name_the_variant_that_does(tmp_path, run, monkeypatch):
    (one,) = variants(write_branched(tmp_path / "a.onnx"), "onnxruntime")
    (other,) = variants(write_branched(tmp_path / "b.onnx", prefix="x_"), "onnxruntime-basic")
    assert Localiser(run).locate(one, other, "p00").cause == "rounding"
    times_two(monkeypatch, "onnxruntime-basic", 2)
    found = Localiser(run).locate(one, other, "p00")
    assert (found.cause, found.variant, found.layer) == ("kernels", "b onnxruntime-basic", "x_flat")


def test_one_file_in_two_runtimes_is_kernels_or_rounding(tmp_path, run, monkeypatch):
    a, b = variants(write_branched(tmp_path / "m.onnx"), "onnxruntime", "onnxruntime-none")
    assert Localiser(run).locate(a, b, "p01").cause == "rounding"
    times_two(monkeypatch, "onnxruntime", np.float32(1 + 1e-3))
    assert Localiser(run).locate(a, b, "p01").cause == "kernels"
    assert Localiser(run, tolerance=1e-2).locate(a, b, "p01").cause == "rounding"


def test_a_detector_is_cut_on_the_way_to_the_output_that_differs_most(tmp_path, run, monkeypatch):
    path = write_onnx_boxes(tmp_path / "m.onnx", boxes=[[0, 0, 1, 1]], labels=[3], scores=[0.8])
    card = {"outputs": "raw", "task": "detection", "head": "boxes"}
    a, b = variants(with_sidecar(path, **card), "onnxruntime", "onnxruntime-none")
    plain = NETWORKS["onnxruntime"]

    def load(path, threads):
        network = plain(path, threads)
        return type(network)(lambda tensor: (*(run := network(tensor))[:-1], 1.5 * run[-1]), network.outputs)

    monkeypatch.setitem(NETWORKS, "onnxruntime", load)
    found = Localiser(run).locate(a, b, "p00")
    # Of the scores' way "mean" is the first that is a float: what compares it with a half cannot be carried over.
    assert (found.cause, found.layer, found.kind) == ("kernels", "mean", "ReduceMean")


def test_other_preparation_other_machines_and_other_formats_are_said_to_be_that(tmp_path, run, monkeypatch):
    a, b = variants(with_sidecar(write_onnx(tmp_path / "m.onnx")), "onnxruntime", "onnxruntime-none")
    swapped = replace(b, sidecar=replace(b.sidecar, input_height=4))
    assert Localiser(run).locate(a, swapped, "p00").cause == "input"
    phone = replace(a, environment=replace(a.environment, machine="phone"))
    assert Localiser(run).locate(a, phone, "p00").cause == "device"
    assert Localiser(run).locate(phone, b, "p00").cause == "not found"
    (tmp_path / "m.pt").write_bytes((tmp_path / "m.onnx").read_bytes())
    script = replace(b, path=tmp_path / "m.pt")
    assert Localiser(run).locate(a, script, "p00").cause == "rounding"
    times_two(monkeypatch, "onnxruntime-none", 2)
    found = Localiser(run).locate(a, script, "p00")
    assert found.cause == "not found"
    assert "unknown model file '.pt'" in found.note


def test_pairs_are_looked_at_where_they_differ_and_the_same_bits_are_not(tmp_path, run):
    found = variants(write_branched(tmp_path / "m.onnx"), "onnxruntime", "onnxruntime-none", "onnxruntime-basic")
    names = [one.variant for one in found]
    rows = [
        {"picture": picture, "a": names[0], "b": b, "comparable": True, "same_bits": same, "relative": relative}
        for b, same in ((names[1], False), (names[2], True))
        for picture, relative in (("p00", 1e-9), ("p01", 1e-8), ("p02", 1e-7))
    ]
    (one,) = locate_all(run, found, pd.DataFrame(rows), {}, tolerance=1e-4, progress=silent)
    assert (one.a, one.b, one.picture, one.cause) == (names[0], names[1], "p02", "rounding")
    flips = {(names[0], names[2]): "p00"}
    both = locate_all(run, found, pd.DataFrame(rows), flips, tolerance=1e-4, progress=silent)
    assert [(each.b, each.picture) for each in both] == [(names[1], "p02"), (names[2], "p00")]


def test_a_tflite_file_can_be_looked_into_too(tmp_path, run):
    a, b = variants(with_sidecar(write_tflite(tmp_path / "m.tflite")), "litert", "litert-builtin")
    assert Localiser(run).locate(a, b, "p00").cause == "rounding"
