"""A run folder from a stranger: names that lead out of it, links, and markup in every text that a page shows."""

import dataclasses
import json
import os
import re
import sqlite3
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.run_folder.ledger import LEDGER
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene, Step
from device_agents.sidecar import MOST_LABEL_BYTES, read_labels
from hostctl.runs.export import export_run
from hostctl.runs.folders import list_runs, migrate_run, prune_run, run_size
from hostctl.runs.reporting import report_run, report_text, summarise
from hostctl.runs.tabling import table
from tests.hostctl.drawn_runs import draw_run

SECRET = b"a secret of this user, 32 bytes."
EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>$\\frac{$ \x1b[31m {{7*7}} {% raw %}"
OUTSIDE = ["../../outside", "/etc/passwd", "..", "a/b", "", "0" * 31, "A" * 32, "0" * 32 + "\n"]


@pytest.fixture
def run(tmp_path):
    return draw_run(tmp_path / "runs" / "run", {"one": {0: "cat"}, "two": {0: "dog"}})


def change(run, statement, *values):
    ledger = sqlite3.connect(run / LEDGER)
    ledger.execute("PRAGMA foreign_keys = OFF")
    ledger.execute(statement, values)
    ledger.commit()
    ledger.close()


def copies(run, folder):
    yield lambda: export_run(run, folder / "copy", anonymise=False, progress=lambda *_: None)
    yield lambda: export_run(run, folder / "copy.zip", anonymise=True, progress=lambda *_: None)
    yield lambda: migrate_run(run, folder / "next", migrations={2: lambda _: None}, newest=3)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_shard_is_called_by_its_hash_or_not_at_all(run, tmp_path, name):
    (tmp_path / "outside.parquet").write_bytes(SECRET)
    change(run, "UPDATE shards SET shard = ?, size = 32", name)
    for act in copies(run, tmp_path):
        with pytest.raises(BadInput, match="expected a shard called by 32 hexadecimal digits"):
            act()
    with Run.open(run, write=False) as opened, pytest.raises(BadInput, match="hexadecimal digits"):
        opened.predictions()
    assert (tmp_path / "outside.parquet").read_bytes() == SECRET
    assert sorted(one.name for one in tmp_path.iterdir()) == ["outside.parquet", "runs"]


@pytest.mark.parametrize("column", ["sha256", "crop_sha256", "thumb_sha256"])
@pytest.mark.parametrize("name", ["../../../outside", "/etc/passwd", "aa/" + "0" * 61])
def test_a_picture_is_called_by_its_hash_or_not_at_all(run, tmp_path, column, name):
    (tmp_path / "outside").write_bytes(SECRET)
    change(run, f"UPDATE pictures SET {column} = ?", name)
    for act in copies(run, tmp_path):
        with pytest.raises(BadInput, match="a sha256 of 64 lower-case hexadecimal digits"):
            act()
    with Run.open(run, write=False) as opened, pytest.raises(BadInput):
        opened.file(name)
    prune_run(run, delete=True)
    assert (tmp_path / "outside").read_bytes() == SECRET


def test_a_link_in_a_run_is_not_followed_out_of_it(run, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    picture = next(path for path in (run / "pictures").rglob("*") if path.is_file())
    picture.unlink()
    picture.symlink_to(tmp_path / "secret")
    for act in list(copies(run, tmp_path))[::2]:
        with pytest.raises(BadInput, match="itself, got a link"):
            act()
    picture.unlink()
    picture.write_bytes(b"no picture")
    (run / "run.toml").unlink()
    os.symlink(tmp_path / "secret", run / "run.toml")
    with pytest.raises(BadInput, match=r"run\.toml itself, got a link"):
        export_run(run, tmp_path / "copy", anonymise=False, progress=lambda *_: None)
    (run / "pictures" / "loop").symlink_to(run)
    prune_run(run, delete=True)
    run_size(run)
    assert (tmp_path / "secret").read_bytes() == SECRET


def test_an_exported_zip_holds_only_plain_names(run, tmp_path):
    export_run(run, tmp_path / "a.zip", anonymise=False, progress=lambda *_: None)
    with zipfile.ZipFile(tmp_path / "a.zip") as pack:
        names = pack.namelist()
    assert len(names) >= 4
    assert all(name.startswith("a/") and ".." not in Path(name).parts for name in names)


def test_a_ledger_that_is_none_is_listed_with_its_problem(run):
    (run / LEDGER).write_bytes(b"not SQLite at all" * 100)
    (found,) = list_runs(run.parent)
    assert found["problem"]


class Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def check_page(text):
    """A page without any script, handler or address of ours that a text of a stranger has made."""
    tags = Tags()
    tags.feed(text)
    assert len(tags.found) > 10
    for tag, attributes in tags.found:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form"), tag
        assert not [name for name in attributes if name.startswith("on")], attributes
        assert attributes.get("src", "data:").startswith("data:"), attributes
        assert not str(attributes.get("href", "")).lower().startswith(("javascript:", "data:text/html")), attributes
    assert "<img src=x" not in text
    assert "49" not in re.findall(r"\{\{?7\*7\}?\}", text)


@pytest.fixture
def hostile(tmp_path):
    """A run in which every free text is EVIL: scenes, labels, devices, what they say of themselves, reasons, notes."""
    names = [f"{number}{EVIL}" for number in range(3)]
    devices = [f"{letter}{EVIL}" for letter in "ab"]
    scenes = [Scene(name, f"{EVIL}.jpg", "0" * 64, (f"cat{EVIL}",), cluster=EVIL, category=EVIL) for name in names]
    settings = {"lab": EVIL, "device": [{"name": name, "kind": EVIL} for name in devices], EVIL: EVIL}
    environment = Environment(
        EVIL, "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert", EVIL
    )
    folder = tmp_path / "run"
    with Run.create(folder, settings=settings, scenes=scenes) as run:
        sha256 = run.put_file(b"no picture")
        run.add_environment(environment)
        steps, pictures, made = [], [], []
        for place, device in enumerate(devices):
            info = {
                "maker": EVIL,
                "model": EVIL,
                "soc": EVIL,
                "os_build": EVIL,
                "libraries": {EVIL: EVIL},
                EVIL: [EVIL],
            }
            run.add_device(device, info, 0.0)
            for order, name in enumerate(names):
                step = Step(name, 0, 0, device, order, order, place)
                steps.append(step)
                pictures.append(Picture(f"{name}|0|0|{device}|jpg", sha256, ".jpg", 10, 8, 8, name, device=device))
                answer = f"cat{EVIL}" if place or order else f"dog{EVIL}"
                made.append(Prediction(pictures[-1].picture, environment.environment, (answer, EVIL), (0.8, 0.1), 1.0))
        run.add_steps(steps)
        run.add_pictures(pictures, {})
        made[-1] = dataclasses.replace(made[-1], labels=(), scores=(), error=EVIL)
        run.add_predictions(made)
        run.add_attempt(steps[0].key, "rejected", reason=EVIL, started_utc=EVIL, durations={}, sha256="")
        run.add_failure(EVIL, EVIL)
    (folder / "labels.csv").write_text(f'label,name\ncat,"{EVIL.replace(chr(34), chr(34) * 2)}"\n', encoding="utf-8")
    return folder


def test_no_text_of_a_run_becomes_markup_in_its_report(hostile):
    with Run.open(hostile, write=False) as run:
        found = summarise(run)
    assert found["predictions"] == 6
    told = report_run(hostile)
    page = Path(told["report"]).read_text("utf-8")
    assert "&lt;script&gt;" in page
    check_page(page)
    assert "Content-Security-Policy" in page
    json.dumps(told, allow_nan=False, default=str)
    assert "<img src=x onerror" not in report_text(hostile, "md") or "\\<" not in page


@pytest.mark.parametrize("name", ["table-5", "confidence"])
def test_no_text_of_a_run_becomes_markup_in_a_table(hostile, name):
    try:
        found = table(hostile, name)
    except BadInput:
        return  # this run has not what the table needs
    for path in found["files"].values():
        if str(path).endswith(".html"):
            check_page(Path(path).read_text("utf-8"))


def test_a_sidecar_of_a_stranger_names_no_device_and_shows_no_secret(tmp_path):
    """Variants of a model name its list by "../", so the path is free; what stands there must be a list of labels."""
    with pytest.raises(BadInput, match="expected a file of at most"):
        read_labels(Path("/dev/zero"))
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(MOST_LABEL_BYTES + 1)
    with pytest.raises(BadInput, match="expected a file of at most"):
        read_labels(tmp_path / "sparse")
    (tmp_path / "key").write_text("-----BEGIN KEY-----" + "s3cret" * 30)
    with pytest.raises(BadInput, match="expected the header") as found:
        read_labels(tmp_path / "key")
    assert str(found.value).count("s3cret") <= 3
