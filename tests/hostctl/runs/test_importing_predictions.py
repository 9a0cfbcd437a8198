"""A table of answers, or photographs by device, becomes a run for the report; mistakes are told by row."""

from __future__ import annotations

import argparse
import csv
import json

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.command_line import runs as cli_runs
from hostctl.runs.importing_photographs import import_photographs
from hostctl.runs.importing_predictions import import_predictions, imported_text
from hostctl.runs.reporting import report_run

ROWS = [
    # item, condition, label, score: two items of four are unstable, one all get wrong
    ("a", "phone", "cat", 0.9),
    ("a", "board", "dog", 0.6),
    ("b", "phone", "cat", 0.8),
    ("b", "board", "cat", 0.7),
    ("c", "phone", "fox", 0.5),
    ("c", "board", "dog", 0.4),
    ("d", "phone", "owl", 0.3),
    ("d", "board", "dog", 0.2),
]
TRUTH = {"a": "cat", "b": "cat|kitten", "c": "cat", "d": "dog"}


def _silent(done, total, note):
    assert 0 <= done <= total


def _table(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _answers(tmp_path):
    table = _table(tmp_path / "answers.csv", ("item", "condition", "label", "score"), ROWS)
    return table, _table(tmp_path / "truth.csv", ("item", "labels"), TRUTH.items())


def _import(table, out, truth=None, names=None):
    return import_predictions(table, out=out, truth=truth, names=names, progress=_silent)


def test_a_table_becomes_a_report_with_the_right_number(tmp_path):
    table, truth = _answers(tmp_path)
    names = _table(tmp_path / "names.csv", ("label", "name"), [("cat", "house cat"), ("dog", "dog")])
    found = _import(table, tmp_path / "run", truth, names)
    assert (found["items"], found["conditions"], found["answers"]) == (4, ["phone", "board"], 8)
    told = report_run(tmp_path / "run", formats=("json",))
    assert told["instability"]["unstable"] == 2
    assert told["instability"]["items"] == 4
    assert list(told["accuracy"]) == ["phone", "board"]  # as the table has them
    assert told["accuracy"]["phone"]["accuracy"] == 0.5
    page = (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
    assert "house cat" in page
    assert json.loads((tmp_path / "run" / "report" / "report.json").read_text(encoding="utf-8"))


def test_the_same_table_again_is_no_news_and_another_is_refused(tmp_path):
    table, truth = _answers(tmp_path)
    _import(table, tmp_path / "run", truth)
    _import(table, tmp_path / "run", truth)
    with Run.open(tmp_path / "run", write=False) as run:
        assert run.summary()["predictions"] == 8
    _table(table, ("item", "condition", "label"), [row[:3] for row in ROWS])
    with pytest.raises(BadInput, match="table_sha256"):
        _import(table, tmp_path / "run", truth)


def test_a_table_without_scores_gives_the_same_answer(tmp_path):
    table, truth = _answers(tmp_path)
    _table(table, ("item", "condition", "label"), [row[:3] for row in ROWS])
    assert _import(table, tmp_path / "run", truth)["scores"] == 0
    told = report_run(tmp_path / "run")
    assert told["instability"]["unstable"] == 2
    page = (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
    assert ">nan" not in page


def test_everything_that_a_table_may_tell_arrives(tmp_path):
    header = (
        *("item", "condition", "device", "model", "angle", "repeat", "label", "score", "label_2", "score_2", "error"),
        *("labels", "ambiguous", "cluster", "category", "colour of the box"),
    )
    first = ("a", "int8", "phone", "net", 30, 1, "cat", 0.5, "dog", 0.25, "", "dog", "cat", "pets", "animal", "red")
    rows = [first, ("a", "fp32", "phone", "net", 30, 1, "", "", "", "", "out of memory", *first[11:])]
    found = _import(_table(tmp_path / "t.csv", header, rows), tmp_path / "run")
    assert found["models"] == ["net int8", "net fp32"]
    assert found["ignored_columns"] == ["colour of the box"]
    assert found["without_label"] == 1
    assert "1 rows have no label" in imported_text(found)
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions().sort_values("model", ascending=False).to_dict("records")
    assert [row["verdict"] for row in table] == ["ambiguous", "missing"]
    one = table[0]
    assert (one["angle"], one["repeat"], one["device"], one["cluster"], one["category"]) == (
        30,
        1,
        "phone",
        "pets",
        "animal",
    )
    assert (one["label_2"], one["score_2"], one["labels"]) == ("dog", 0.25, ("dog",))
    assert table[1]["error"] == "out of memory"


def test_all_mistakes_stand_in_one_message_with_their_rows(tmp_path):
    header = ("item", "condition", "label", "score", "repeat", "labels")
    rows = [
        ("a", "phone", "cat", "0.9", "", "cat"),
        ("a", "phone", "cat", "0.9", "", "cat"),
        ("b", "", "cat", "1.5", "x", "cat"),
        ("b", "board", "cat", "0.1", "0", "dog"),
        ("c", "board", "cat", "high", "0", ""),
        ("d", "board", "cat", "0.1", "0", "cat", "more"),
    ]
    with pytest.raises(BadInput) as caught:
        _import(_table(tmp_path / "t.csv", header, rows), tmp_path / "run")
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("nothing was imported: 8 mistakes")
    expected = {
        "row 3 (a): the same item and condition stand in row 2",
        "row 4 (b): expected a name without | in condition, got ''",
        "row 4 (b): expected a probability of 0 to 1 in score, or nothing, got '1.5'",
        "row 4 (b): expected a whole number in repeat, got 'x'",
        "row 5 (b): expected the labels of row 4, got another",
        "row 6 (c): expected at least one right answer in labels, got none",
        "row 6 (c): expected a probability of 0 to 1 in score, or nothing, got 'high'",
        "row 7: expected 6 fields, got more",
    }
    assert {one for one in expected if any(one in line for line in lines)} == expected
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("item", "label", "labels"), "no column condition|no column device"),
        (("item", "condition", "label"), "no column labels"),
        (("condition", "labels", "label"), "no column item"),
    ],
)
def test_absent_columns_are_named(tmp_path, header, message):
    with pytest.raises(BadInput, match=message):
        _import(_table(tmp_path / "t.csv", header, [("x",) * len(header)]), tmp_path / "run")


def test_items_that_the_second_file_lacks_are_named(tmp_path):
    table, truth = _answers(tmp_path)
    _table(truth, ("item", "labels"), [("a", "cat")])
    with pytest.raises(BadInput, match=r"row 4 \(b\): expected right answers of this item in the second file"):
        _import(table, tmp_path / "run", truth)


def _photographs(tmp_path, devices=("one", "two"), items=("x", "shelf/y")):
    rng = np.random.default_rng(7)
    exif = Image.Exif()
    exif.get_ifd(34853)[2] = (51.0, 30.0, 26.53)
    for device in devices:
        for item in items:
            path = tmp_path / "photos" / device / f"{item}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(path, exif=exif)
    _table(tmp_path / "photos" / "labels.csv", ("item", "labels"), [(item, "cat") for item in items])
    return tmp_path / "photos"


def test_photographs_by_device_become_pictures_without_their_place(tmp_path):
    folder = _photographs(tmp_path)
    (folder / "two" / "x.jpg").unlink()
    given = {"out": tmp_path / "run", "truth": None, "names": None, "progress": _silent}
    found = import_photographs(folder, keep_place=False, **given)
    assert found["missing"] == ["x on two"]
    assert found["place_removed"] == 3
    with Run.open(tmp_path / "run", write=False) as run:
        pictures = run.pictures()
        for sha256 in pictures["sha256"]:
            with Image.open(run.file(sha256)) as image:
                assert image.getexif().get_ifd(34853) == {}
    assert sorted(zip(pictures["device"], pictures["scene"], strict=True)) == [
        *(("one", "shelf/y"), ("one", "x"), ("two", "shelf/y"))
    ]
    assert set(pictures["width"]) == {32}
    _photographs(tmp_path)  # the missing one came
    assert import_photographs(folder, keep_place=False, **given)["place_removed"] == 1


def test_photographs_that_keep_their_place_and_mistakes(tmp_path):
    folder = _photographs(tmp_path)
    given = {"truth": None, "names": None, "progress": _silent}
    assert import_photographs(folder, out=tmp_path / "run", keep_place=True, **given)["place_removed"] == 0
    (folder / "one" / "x.png").write_bytes((folder / "one" / "x.jpg").read_bytes())
    with pytest.raises(BadInput, match="one has a picture of item x already, x.jpg"):
        import_photographs(folder, out=tmp_path / "other", keep_place=True, **given)
    (folder / "one" / "x.png").rename(folder / "one" / "z.png")
    with pytest.raises(BadInput, match=r"z\.png: no row of item z"):
        import_photographs(folder, out=tmp_path / "other", keep_place=True, **given)


def test_a_damaged_photograph_is_in_the_run_and_told(tmp_path):
    folder = _photographs(tmp_path, items=("x",))
    (folder / "one" / "x.jpg").write_bytes(b"\xff\xd8\xffno picture")
    given = {"out": tmp_path / "run", "truth": None, "names": None, "progress": _silent}
    found = import_photographs(folder, keep_place=False, **given)
    assert [one.rsplit("/", 2)[-2:] for one in found["place_unknown"]] == [["one", "x.jpg"]]


def test_the_commands_take_their_examples_and_print_json(tmp_path, capsys):
    table, truth = _answers(tmp_path)
    run = tmp_path / "run"
    found = _command("import", str(table), "--truth", str(truth), "--out", str(run), "--json", "--quiet")
    assert found == 0
    assert json.loads(capsys.readouterr().out)["answers"] == 8
    for action in ("size", "prune"):
        assert _command("runs", action, str(run), "--json") == 0
        assert json.loads(capsys.readouterr().out)["run"] == str(run)
    assert _command("runs", "list", str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "run"
    assert _command("runs", "export", str(run), "--out", str(tmp_path / "e.zip"), "--quiet") == 0
    with pytest.raises(BadInput, match="--out"):
        _command("runs", "migrate", str(run))
    with pytest.raises(BadInput, match="expected a run's folder"):
        _command("runs", "size")


def _command(name, *words):
    one = next(one for one in cli_runs.COMMANDS if one.name == name)
    parser = argparse.ArgumentParser()
    for option in ("--json", "--quiet"):
        parser.add_argument(option, action="store_true")
    one.options(parser)
    return one.run(parser.parse_args(words))
