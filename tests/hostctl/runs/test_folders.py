"""Runs listed, measured, pruned, exported and migrated: nothing of the run itself changes but what prune removes."""

from __future__ import annotations

import dataclasses
import io
import json
import sqlite3
import tomllib
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import SCHEMA_VERSION, Environment, Picture, Prediction, Scene, Step
from hostctl.runs import folders as run_folders
from hostctl.runs.export import export_run

SERIAL, ADDRESS, KEY = "R58M12ABCDE", "192.168.7.23:5555", "lab-private-key-name"
SETTINGS = {
    "lab": "rack",
    "device": [
        {
            "name": "phone",
            "serial": SERIAL,
            "address": ADDRESS,
            "key": KEY,
            "user": "phone",
            "formats": ["jpg"],
            "port": 22,
        }
    ],
}


def _silent(done, total, note):
    assert 0 <= done <= total


def _photograph(seed):
    exif = Image.Exif()
    exif[315] = "Ada Lovelace"
    exif.get_ifd(34853)[2] = (51.0, 30.0, 26.53)
    exif.get_ifd(34665)[42033] = "BODY-4711"
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "runs" / "study"
    with Run.create(made, settings=SETTINGS, scenes=[Scene("s", "/home/ada/pictures/s.jpg", "", ("cat",))]) as run:
        run.add_steps([Step("s", 0, repeat, "phone", repeat, repeat, 0) for repeat in range(2)])
        photo, refused = _photograph(1), _photograph(2)
        sha256 = run.put_file(photo)
        record = Picture("s|0|0|phone|jpg", sha256, ".jpg", len(photo), 30, 20, "s", 0, 0, "phone")
        run.add_picture(record, {})
        run.add_attempt("s|0|1|phone", "rejected", reason=f"{SERIAL} was blurred", sha256=run.put_file(refused))
        run.add_failure(f"phone at {ADDRESS}", "gone; see /home/ada/lab.toml")
        run.add_device("phone", {"model": "Kit One", "serial": SERIAL, "build": f"x/{SERIAL}x"}, 0.1)
        environment = Environment("net", "ff", *("x",) * 7)
        run.add_environment(environment)
        run.add_predictions([Prediction("s|0|0|phone|jpg", environment.environment, ("cat",), (0.5,))])
        (made / "lab").mkdir()
        (made / "lab" / "board_key").write_text("PRIVATE KEY")
        run.log_path.write_text(f"INFO {SERIAL}\n")
    return made


def _everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_list_and_size_count_what_is_there(folder):
    (one,) = run_folders.list_runs(folder.parent)
    assert (one["run"], one["schema"], one["pictures"], one["predictions"], one["problem"]) == (
        "study",
        SCHEMA_VERSION,
        1,
        1,
        "",
    )
    assert "study" in run_folders.list_text([one])
    told = run_folders.run_size(folder)
    kinds = {row["kind"]: row["files"] for row in told["kinds"]}
    assert kinds["photographs"] == kinds["refused photographs"] == kinds["predictions"] == kinds["lab"] == 1
    assert told["bytes"] == one["bytes"]
    assert "photographs" in run_folders.size_text(told)


def test_a_damaged_run_is_listed_with_its_problem(folder):
    (folder.parent / "bad").mkdir()
    (folder.parent / "bad" / "ledger.sqlite").write_bytes(b"not a ledger at all" * 10)
    bad, good = run_folders.list_runs(folder.parent)
    assert bad["problem"]
    assert not good["problem"]


def test_prune_removes_only_what_the_ledger_does_not_know(folder):
    with Run.open(folder) as run:
        lost = run.put_file(b"of a killed command")
        (folder / "predictions" / "orphan.parquet").write_bytes(b"half")
    before = _everything(folder / "pictures")
    told = run_folders.prune_run(folder, delete=False)
    assert (told["files"], told["bytes"]) == (2, 23)
    assert _everything(folder / "pictures") == before
    assert "to remove" in run_folders.prune_text(told)
    run_folders.prune_run(folder, delete=True)
    assert run_folders.prune_run(folder, delete=True)["files"] == 0
    with Run.open(folder, write=False) as run:
        assert len(run.predictions()) == 1
        with pytest.raises(BadInput):
            run.file(lost)
        for sha256 in (*run.pictures()["sha256"], *filter(None, run.attempts()["sha256"])):
            run.file(sha256)


def test_prune_waits_for_no_writer(folder):
    with Run.open(folder), pytest.raises(BadInput, match="only writer"):
        run_folders.prune_run(folder, delete=True)


def test_an_export_is_the_run_without_keys_and_logs(folder, tmp_path):
    before = _everything(folder)
    told = export_run(folder, tmp_path / "copy", anonymise=False, progress=_silent)
    assert _everything(folder) == before
    assert told["pictures"] == 2
    assert not (tmp_path / "copy" / "lab").exists()
    assert not (tmp_path / "copy" / "run.log").exists()
    with Run.open(folder, write=False) as a, Run.open(tmp_path / "copy") as b:
        assert a.predictions().equals(b.predictions())
        assert list(a.picture_records()) == list(b.picture_records())
        assert a.summary() == b.summary()
    with pytest.raises(BadInput, match="name that is free"):
        export_run(folder, tmp_path / "copy", anonymise=False, progress=_silent)


def test_an_anonymised_zip_tells_nobody(folder, tmp_path):
    told = export_run(folder, tmp_path / "study.zip", anonymise=True, progress=_silent)
    assert (told["changed"], told["pictures"], told["values"]) == (2, 2, 3)
    assert "metadata taken out of 2 files" in run_folders.export_text(told)
    with zipfile.ZipFile(tmp_path / "study.zip") as pack:
        pack.extractall(tmp_path / "out")
    everything = b"".join(_everything(tmp_path / "out").values())
    secrets = (SERIAL, ADDRESS, KEY, "Ada Lovelace", "BODY-4711", "/home/ada", "PRIVATE KEY")
    assert [one for one in secrets if one.encode() in everything.replace(f"x/{SERIAL}x".encode(), b"")] == []
    with Run.open(folder, write=False) as a, Run.open(tmp_path / "out" / "study") as b:
        kept = [name for name in a.predictions().columns]
        assert a.predictions()[kept].equals(b.predictions()[kept])
        (old,), (new,) = a.picture_records(), b.picture_records()
        with Image.open(a.file(old.sha256)) as before, Image.open(b.file(new.sha256)) as after:
            assert before.tobytes() == after.tobytes()
        assert new.size == b.file(new.sha256).stat().st_size
        assert b.settings == tomllib.loads((b.folder / "run.toml").read_text(encoding="utf-8"))
        assert b.settings["device"][0] == {**SETTINGS["device"][0], "serial": "", "address": "", "key": "", "user": ""}
        assert b.attempts()["reason"].tolist() == ["", "removed was blurred"]
        assert b.failures()["where"].tolist() == ["phone at removed"]
        assert b.scenes()[0].file == "s.jpg"
        b.file(b.attempts()["sha256"].iloc[1])
    assert not list(tmp_path.glob("*.part"))


def test_phones_logs_and_hashes_of_serial_numbers_stay_behind(folder, tmp_path):
    (folder / "lab" / "logcat").mkdir()
    (folder / "lab" / "logcat" / "0-1.txt").write_text("PRIVATE MESSAGE")
    with Run.open(folder) as run:
        run.add_device("phone", {"model": "Kit One", "hashed_serial": "0123456789abcdef"}, 0.1)
    export_run(folder, tmp_path / "plain", anonymise=False, progress=_silent)
    export_run(folder, tmp_path / "shared", anonymise=True, progress=_silent)
    assert not any(b"PRIVATE" in data for data in _everything(tmp_path / "plain").values())
    assert not any(
        b"PRIVATE" in data or b"0123456789abcdef" in data for data in _everything(tmp_path / "shared").values()
    )


def test_a_file_that_cannot_be_anonymised_stops_the_export(folder, tmp_path):
    with Run.open(folder) as run:
        data = b"II*\0" + bytes(40)
        sha256 = run.put_file(data)
        run.add_picture(Picture("s|0|1|phone|nef", sha256, ".nef", len(data), 0, 0, "s", 0, 1, "phone"), {})
    with pytest.raises(BadInput, match=r"nothing was exported, .*1 mistake\n.*\.nef"):
        export_run(folder, tmp_path / "copy", anonymise=True, progress=_silent)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_migrate_copies_step_by_step_and_leaves_the_run(folder, tmp_path):
    assert run_folders.migrate_run(folder, tmp_path / "new")["copy"] == ""
    assert not (tmp_path / "new").exists()
    steps = {
        2: lambda ledger: ledger.execute("ALTER TABLE scenes ADD COLUMN weight REAL NOT NULL DEFAULT 1"),
        3: lambda ledger: ledger.execute("INSERT INTO meta VALUES ('note third', '3')"),
    }
    before = _everything(folder)
    told = run_folders.migrate_run(folder, tmp_path / "new", migrations=steps, newest=4)
    assert _everything(folder) == before
    assert "schema 4" in run_folders.migrate_text(told)
    with closing(sqlite3.connect(tmp_path / "new" / "ledger.sqlite")) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (4,)
        assert ledger.execute("SELECT weight FROM scenes").fetchall() == [(1.0,)]
        assert json.loads(ledger.execute("SELECT value FROM meta WHERE name = 'note third'").fetchone()[0]) == 3
    with pytest.raises(BadInput, match="got schema 4"):
        run_folders.migrate_run(tmp_path / "new", tmp_path / "more")


def test_a_migration_that_fails_leaves_nothing(folder, tmp_path):
    def broken(ledger):
        ledger.execute("ALTER TABLE nothing ADD COLUMN x")

    with pytest.raises(sqlite3.OperationalError):
        run_folders.migrate_run(folder, tmp_path / "new", migrations={2: broken}, newest=3)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_the_stored_run_of_schema_1_becomes_one_of_schema_2(tmp_path):
    stored = Path(__file__).parents[2] / "data" / "run-v1"
    before = _everything(stored)
    told = run_folders.migrate_run(stored, tmp_path / "new")
    assert (told["from"], told["to"]) == (1, 2)
    assert _everything(stored) == before
    with Run.open(stored, write=False) as old, Run.open(tmp_path / "new") as new:
        assert new.scenes() == old.scenes()
        assert new.environments() == old.environments()
        assert new.predictions(["label_1", "detail", "post"]).equals(old.predictions(["label_1", "detail", "post"]))
        new.add_environment(dataclasses.replace(new.environments()[0], post="offset-1"))


def test_retry_says_what_it_forgot_the_most_frequent_reasons_first(tmp_path):
    reasons = {f"decode: OSError: cut {number}": 1 for number in range(12)}
    rows = [{"predictions": count, "reason": words} for words, count in ({"infer: memory": 7} | reasons).items()]
    text = run_folders.retry_text({"run": "runs/a", "forgotten": 19, "reasons": rows}).splitlines()
    assert text[0].startswith("runs/a: 19 failed predictions are missing again")
    assert text[1].split() == ["7", "infer:", "memory"]
    assert len(text) == 1 + run_folders.MOST_REASONS + 1
    assert text[-1].split() == ["3", "more", "reasons"]
    assert run_folders.retry_text({"run": "r", "forgotten": 0, "reasons": []}) == "r: no such failed prediction"
    with pytest.raises(BadInput, match="expected a run folder"):
        run_folders.retry_run(tmp_path)
