"""Attribution of runs of tiny pictures: cost, cells in the ledger, resuming, and shares against hybrids by hand."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from capture.codecs import CODECS
from capture.isp import ISPS
from capture.raw import Raw, read_raw, write_dng
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from device_agents.records import Picture, Scene
from device_agents.resize import RESIZERS
from device_agents.sidecar import read_sidecar
from hostctl.causes import attributing
from hostctl.causes.attributing import Request, attribute_run
from hostctl.causes.attributing_text import attribution_text
from hostctl.printing import silent
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

COUNT = 24
SOFTWARE = ("resizer=pillow-box", "resizer=opencv-linear codec=jpeg-50")
MATRIX = np.array([[0.9, -0.3, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])


@pytest.fixture
def model(tmp_path):
    path = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    return path


@pytest.fixture
def photographs(tmp_path):
    """24 pictures of noise, each labelled with what the model says of it where nearest neighbours are taken."""
    rng = np.random.default_rng(8)
    (tmp_path / "in").mkdir()
    rows = ["file,label"]
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"p{number}.png")
        rows.append(f"p{number}.png,{int(RESIZERS['pillow-nearest'](pixels, 2, 2).reshape(-1).argmax())}")
    (tmp_path / "in" / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "in" / "labels.csv"


def attributed(model, tmp_path, scenes, conditions=SOFTWARE, **more):
    request = Request(str(model), conditions=conditions, **more)
    return attribute_run(request, run=None, scenes=scenes, out=tmp_path / "run", progress=silent)


def by_hand(scenes):
    """v(codec), v(resizer) and v(both), computed without the kit's loop: the tiny model says where its input peaks."""
    right = {}
    for line in scenes.read_text().split()[1:]:
        name, label = line.split(",")
        data = (scenes.parent / name).read_bytes()
        for codec in ("", "jpeg-50"):
            made = CODECS[codec](DECODERS["pillow"](data)) if codec else data
            for resizer in ("pillow-box", "opencv-linear"):
                answer = RESIZERS[resizer](DECODERS["pillow"](made), 2, 2).reshape(-1).argmax()
                right.setdefault((codec, resizer), []).append(int(answer) == int(label))
    a, c, r, b = (
        np.array(right[one])
        for one in [("", "pillow-box"), ("jpeg-50", "pillow-box"), ("", "opencv-linear"), ("jpeg-50", "opencv-linear")]
    )
    return np.mean([(a != c).mean(), (b != r).mean()]), np.mean([(a != r).mean(), (b != c).mean()]), (a != b).mean()


def test_shares_against_hybrids_by_hand(model, tmp_path, photographs):
    codec, resizer, both = by_hand(photographs)
    assert min(codec, resizer, both) > 0  # else the test would say nothing
    found = attributed(model, tmp_path, photographs)
    assert found["players"] == ["codec", "resizer"]
    assert found["cost"] == {
        "hybrids": 4,
        "pictures": 24,
        "predictions": 96,
        "pictures_owed": 24,
        "predictions_owed": 96,
    }
    shares = {row["stage"]: row["share"] for row in found["shares"]}
    assert shares == pytest.approx({"codec": (codec + both - resizer) / 2, "resizer": (resizer + both - codec) / 2})
    assert found["instability"] == pytest.approx(both)
    assert (found["items"], found["clusters"], found["missing"]) == (COUNT, COUNT, 0)
    assert found["interactions"][0]["value"] == pytest.approx(both - codec - resizer)
    told = {(row["stage"], row["variant"]): row["instability"] for row in found["what_if"]}
    assert set(told) == {
        ("codec", "as shot"),
        ("codec", "jpeg-50"),
        ("resizer", "pillow-box"),
        ("resizer", "opencv-linear"),
    }
    assert np.mean([told["codec", "as shot"], told["codec", "jpeg-50"]]) == pytest.approx(resizer)
    assert found["sentence"].startswith(f"Of {100 * both:.1f} % +- ")
    assert json.loads(json.dumps(found)) == found
    text = attribution_text(found)
    assert found["sentence"] in text
    assert "fewer than three" in text
    with Run.open(tmp_path / "run", write=False) as run:
        assert run.note("attribution")["tiny"] == found


def test_a_second_time_costs_nothing_and_says_the_same(model, tmp_path, photographs, monkeypatch):
    first = attributed(model, tmp_path, photographs)
    monkeypatch.setattr("hostctl.grid._predict_block", None)  # nothing is left to predict
    again = attributed(model, tmp_path, photographs)
    assert (again["cost"]["pictures_owed"], again["cost"]["predictions_owed"]) == (0, 0)
    assert {**again, "cost": None} == {**first, "cost": None}


def test_a_dry_run_and_a_limit_make_nothing(model, tmp_path, photographs):
    found = attributed(model, tmp_path, photographs, dry_run=True)
    assert "shares" not in found
    assert "4 hybrids of 2 conditions over codec, resizer: 24 of 24 pictures to develop" in attribution_text(found)
    with pytest.raises(BadInput, match="at most 95 predictions to make; give --limit 96"):
        attributed(model, tmp_path, photographs, limit=95)
    with Run.open(tmp_path / "run", write=False) as run:
        assert (len(run.pictures()), len(run.predictions())) == (COUNT, 0)


def test_a_killed_command_goes_on_where_it_was(model, tmp_path, photographs, monkeypatch):
    class KilledError(Exception):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(attributing, "predict_run", lambda *a, **k: killed())
        with pytest.raises(KilledError):
            attributed(model, tmp_path, photographs)
    found = attributed(model, tmp_path, photographs)
    assert (found["cost"]["pictures_owed"], found["cost"]["predictions_owed"]) == (0, 96)
    assert found["instability"] == pytest.approx(by_hand(photographs)[2])


def mosaic(rng, side=(64, 96)):
    y, x = np.mgrid[: side[0], : side[1]] / 16.0
    waves = sum(rng.uniform(0.2, 1) * np.sin(rng.uniform(0, 2) * x + rng.uniform(0, 2) * y) for _ in range(4))
    return (256 + (waves - waves.min()) / np.ptp(waves) * 3000).astype(np.uint16)


@pytest.fixture
def rack(tmp_path):
    """A run of two devices, each with a raw and a photograph of six scenes."""
    rng = np.random.default_rng(5)
    scenes = [Scene(f"s{n}", f"s{n}.png", f"{n:064d}", (str(n),)) for n in range(6)]
    with Run.create(tmp_path / "rack", settings={}, scenes=scenes) as run:
        for scene in scenes:
            light = mosaic(rng)
            for device, gain in (("a", (0.6, 1.0, 0.7)), ("b", (0.5, 1.0, 0.9))):
                noisy = (light + rng.integers(0, 60, light.shape)).astype(np.uint16)
                raw = write_dng(Raw(noisy, (256.0,) * 4, 4095, "RGGB", gain, MATRIX))
                photo = CODECS["jpeg-75"](ISPS["plain" if device == "a" else "crisp"](read_raw(raw)))
                for suffix, data in ((".dng", raw), (".jpg", photo)):
                    name, sha256 = f"{scene.scene}-{device}{suffix}", run.put_file(data)
                    record = Picture(name, sha256, suffix, len(data), 96, 64, scene.scene, device=device)
                    run.add_picture(record, {})
    return tmp_path / "rack"


def test_raws_of_devices_have_the_shot_as_a_player(model, rack):
    conditions = ("device=a isp=plain codec=jpeg-75", "device=b isp=crisp codec=jpeg-75 resizer=pillow-box")
    request = Request(str(model), conditions=conditions)
    found = attribute_run(request, run=rack, scenes=None, out=None, progress=silent)
    assert found["players"] == ["shot", "isp", "resizer"]
    assert (found["cost"]["hybrids"], found["cost"]["predictions"], found["cost"]["pictures"]) == (8, 48, 24)
    assert (found["items"], found["not_made"]) == (6, [])
    assert sum(row["share"] for row in found["shares"]) == pytest.approx(found["instability"])
    with Run.open(rack, write=False) as run:
        table = run.predictions()
    # The condition itself is a device's own raw by its own ISP: the instability is that of these rows.
    a = table[(table["device"] == "a") & (table["isp"] == "plain") & (table["resizer"] == tiny_sidecar().resizer)]
    b = table[(table["device"] == "b") & (table["isp"] == "crisp") & (table["resizer"] == "pillow-box")]
    a, b = (dict(zip(one["scene"], one["verdict"], strict=True)) for one in (a, b))
    assert found["instability"] == pytest.approx(np.mean([a[scene] != b[scene] for scene in a]))


def test_without_conditions_the_devices_of_a_run_are_compared(model, rack):
    found = attribute_run(Request(str(model)), run=rack, scenes=None, out=None, progress=silent)
    assert [row["name"] for row in found["conditions"]] == ["a", "b"]
    assert (found["players"], found["notes"], found["cost"]["pictures"]) == (["file"], [], 0)
    assert found["shares"][0]["share"] == pytest.approx(found["instability"])


def test_a_device_that_predicted_by_itself_is_recomputed_here_and_said_so(model, rack):
    own = default_environment(read_sidecar(model), model, machine="b", decoder="opencv")
    with Run.open(rack) as run:
        run.add_environment(own)
    found = attribute_run(Request(str(model)), run=rack, scenes=None, out=None, progress=silent)
    assert found["players"] == ["file", "decoder"]
    assert "b predicts by itself" in found["notes"][0]


def test_what_cannot_be(model, rack, tmp_path, photographs):
    def ask(*conditions, run=rack, scenes=None):
        return attribute_run(
            Request(str(model), conditions=conditions), run=run, scenes=scenes, out=None, progress=silent
        )

    with pytest.raises(BadInput, match="raw pictures of c to start from"):
        ask("device=a isp=plain", "device=c isp=plain")
    with pytest.raises(BadInput, match="two devices or more"):
        attribute_run(Request(str(model)), run=None, scenes=photographs, out=tmp_path / "run", progress=silent)
    with pytest.raises(BadInput, match="either a run or --scenes"):
        ask("decoder=opencv", "decoder=pillow", scenes=photographs)


def test_three_conditions_say_something_of_further_ones(model, tmp_path, photographs):
    found = attributed(model, tmp_path, photographs, conditions=(*SOFTWARE, "resizer=opencv-area codec=webp-80"))
    assert found["cost"]["hybrids"] == 3 + 3 * 2
    text = attribution_text(found)
    low, high = found["pairs"]["unseen"]
    assert f"one not yet seen against one of these (the same, for a single one):      {100 * low:.1f} to" in text
    assert low <= found["pairs"]["rate"] <= high
    assert [line.split()[0] for line in text.splitlines()[1:4]] == ["1", "2", "3"]


def test_a_simulated_rack_is_called_so(model, rack):
    with Run.open(rack, write=False) as run:
        pictures, scenes = list(run.picture_records()), run.scenes()
        files = {one.sha256: run.file(one.sha256).read_bytes() for one in pictures}
    virtual = rack.parent / "virtual"
    with Run.create(virtual, settings={"device": [{"kind": "virtual-phone"}]}, scenes=scenes) as run:
        run.add_pictures(pictures, files)
    found = attribute_run(Request(str(model)), run=virtual, scenes=None, out=None, progress=silent)
    assert found["notes"] == [attributing.VIRTUAL]
    assert attributing.VIRTUAL in attribution_text(found)
