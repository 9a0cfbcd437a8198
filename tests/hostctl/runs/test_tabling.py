"""Tables of the papers from a run made by hand: what is written, said and refused."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene
from hostctl.runs.tabling import TABLES, table, tables_text

STORED = Path(__file__).parents[2] / "data" / "run-v1"
BASE = Environment(
    model="mobilenet-v2",
    model_sha256="ab" * 32,
    decoder="pillow",
    view="whole",
    colour="rgb",
    fit="squash",
    resizer="pillow-bilinear",
    scaling="imagenet",
    runtime="litert",
    runtime_version="2.3",
)
OTHERS = {
    "cv": replace(BASE, decoder="opencv"),
    "ff": replace(BASE, decoder="ffmpeg"),
    "box": replace(BASE, resizer="pillow-box"),
}
SCENES = 6


def sha256(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def add_made(run: Run, isp: str, codec: str, size: int) -> list[str]:
    """Pictures of every scene as an ISP and a codec would make them; the files hold their own names."""
    names = []
    for scene in range(SCENES):
        name = f"s{scene}|{isp}|{codec}" if codec else f"s{scene}"
        data = f"{name}".encode()
        digest = hashlib.sha256(data).hexdigest()
        made = {"isp": isp, "codec": codec, "parent": f"s{scene}" if codec else "", "device": "cam"}
        run.add_picture(Picture(name, digest, ".jpg", size, 4, 3, f"s{scene}", **made), {digest: data})
        names.append(name)
    return names


def answer(run: Run, names: list[str], environment: Environment, letters: str) -> None:
    """Add a prediction a picture: R right, W wrong, - failed."""
    run.add_environment(environment)
    rows = []
    for name, letter in zip(names, letters, strict=True):
        tensor = sha256(name, environment.environment)
        labels, scores = (("cup", "hat"), (0.9, 0.05)) if letter == "R" else (("hat", "cup"), (0.6, 0.3))
        one = Prediction(name, environment.environment, labels, scores, 1000.0, tensor_sha256=tensor)
        rows.append(replace(one, labels=(), scores=(), error="decode: OSError: cut") if letter == "-" else one)
    run.add_predictions(rows)


def create(folder: Path, *, virtual: bool = False) -> Run:
    scenes = [Scene(f"s{number}", f"s{number}.jpg", sha256(number), ("cup",)) for number in range(SCENES)]
    kind = "virtual-phone" if virtual else "file"
    return Run.create(folder, settings={"device": [{"name": "cam", "kind": kind}]}, scenes=scenes)


@pytest.fixture
def folder(tmp_path):
    """As-shot pictures in four environments, and three qualities and two ISPs in the base."""
    with create(tmp_path / "run") as run:
        shot = add_made(run, "", "", 1_000_000)
        answer(run, shot, BASE, "RRRRRW")
        for name, letters in {"cv": "RRRRRW", "ff": "WRRRRW", "box": "WWRRRR"}.items():
            answer(run, shot, OTHERS[name], letters)
        for quality, letters in {50: "RRRRWW", 85: "RRRRRW", 100: "RRRRRW"}.items():
            answer(run, add_made(run, "libraw-pinned", f"pagespeed-jpeg-{quality}", quality * 10_000), BASE, letters)
        for isp, letters in {"imagemagick": "RRRWWW", "darktable-scene-referred": "RWRRWW"}.items():
            answer(run, add_made(run, isp, "png", 6_000_000), BASE, letters)
    return tmp_path / "run"


def test_qualities(folder):
    found = table(folder, "paper-2")
    json.dumps(found, allow_nan=False)
    rows = found["parts"]["paper-2"]["rows"]
    assert [row["condition"] for row in rows] == [f"pagespeed-jpeg-{quality}" for quality in (100, 85, 50)]
    assert [row["size"] for row in rows] == [1_000_000, 850_000, 500_000]
    assert found["parts"]["instability"]["rows"][0]["rate"] == pytest.approx(1 / 6)
    assert pd.read_csv(found["csv"])["accuracy"].tolist() == pytest.approx([5 / 6, 5 / 6, 4 / 6])
    text = tables_text(found)
    assert "the paper printed 7.6 %" in text
    assert str(folder / "report" / "paper-2.html") in text


def test_converters(folder):
    found = table(folder, "paper-4")
    # scenes 1 and 3 are right by one of the two
    assert found["parts"]["instability"]["rows"][0]["rate"] == pytest.approx(2 / 6)
    assert found["parts"]["instability"]["rows"][0]["printed_rate"] == pytest.approx(0.1411)
    assert found["parts"]["paper-4"]["rows"][0]["printed_accuracy"] == pytest.approx(0.5475)


def test_sysnoise_takes_the_pictures_as_they_were_shot(folder):
    found = table(folder, "sysnoise-cls")
    rows = {row["noise"]: row for row in found["parts"]["numbers"]["rows"]}
    assert rows["decode"]["mean"] == pytest.approx((0 + 1 / 6) / 2)
    assert rows["resize"]["mean"] == pytest.approx(1 / 6)
    assert rows["colour mode"]["mean"] is None
    assert rows["decode"]["minutes"] == pytest.approx(3 * SCENES / 60)
    text = tables_text(found)
    assert "MobileNetV2-1" in text
    assert "Every published row: 41 rows, on the page" in text


def test_the_noted_base_models_and_stacked_design_are_used(folder):
    with Run.open(folder) as run:
        run.set_note("base", {"mobilenet-v2": {"environment": OTHERS["box"].environment, "isp": "", "codec": ""}})
        rows = [{"family": "", "variant": "", "difference": None, "difference_interval": None}]
        rows += [{"family": "decoder", "variant": "ffmpeg", "difference": -0.5, "difference_interval": [-0.75, 0.25]}]
        run.set_note("stacked", {"mobilenet-v2": {"rows": rows, "environment": "x", "isp": "", "codec": ""}})
        run.set_note("models", {"mobilenet-v2": {"bytes": 14_000_000, "sha256": "ab", "family": "mobilenet"}})
    found = table(folder, "sysnoise-cls")
    rows = {row["noise"]: row for row in found["parts"]["numbers"]["rows"]}
    assert rows["resize"]["mean"] == pytest.approx(-1 / 6)
    assert (rows["combined"]["mean"], rows["combined"]["low"], rows["combined"]["high"]) == (0.5, -0.25, 0.75)
    assert "resizer=pillow-box" in found["notes"][0]


def test_a_base_of_developed_pictures_chooses_those(folder):
    with Run.open(folder) as run:
        names = [f"s{scene}|imagemagick|png" for scene in range(SCENES)]
        answer(run, names, OTHERS["box"], "WWWWWW")
        base = {"environment": BASE.environment, "isp": "imagemagick", "codec": "png"}
        run.set_note("base", {"mobilenet-v2": base})
    rows = {row["noise"]: row for row in table(folder, "sysnoise-cls")["parts"]["numbers"]["rows"]}
    assert rows["resize"]["mean"] == pytest.approx(0.5)
    assert rows["decode"]["mean"] is None


def test_the_list_of_noises(folder):
    found = table(folder, "sysnoise-1")
    rows = {row["noise"]: row for row in found["parts"]["sysnoise-1"]["rows"]}
    assert rows["Decoder"]["number"] == 3
    assert rows["Ceil Mode"]["level"] == "-"
    assert "Ceil Mode" in tables_text(found)


def test_virtual_devices_are_called_so(tmp_path):
    with create(tmp_path / "run", virtual=True) as run:
        shot = add_made(run, "", "", 1)
        answer(run, shot, BASE, "RRRRRW")
        answer(run, shot, OTHERS["cv"], "RRRRR-")
    found = table(tmp_path / "run", "sysnoise-cls")
    assert tables_text(found).startswith("These devices are virtual")
    assert "These devices are virtual" in Path(found["page"]).read_text("utf-8")


def test_what_a_run_lacks_is_named_with_its_command(tmp_path):
    shutil.copytree(STORED, tmp_path / "old")
    for name in TABLES:
        with pytest.raises(BadInput, match="with `instability predict .*old --model .* --vary"):
            table(tmp_path / "old", name)
    with create(tmp_path / "empty"):
        pass
    with pytest.raises(BadInput, match="expected predictions, got none"):
        table(tmp_path / "empty", "paper-2")
    with pytest.raises(BadInput, match="unknown table 'paper-9'"):
        table(tmp_path / "empty", "paper-9")
