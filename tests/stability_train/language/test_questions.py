from __future__ import annotations

import json

import pytest

from device_agents.errors import BadInput
from stability_train.language.questions import FIELDS, READERS, own_file, read_documents, read_questions


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(tmp_path, kind, *rows):
    return read_questions(kind, written(tmp_path / "q.jsonl", rows))


def test_piqa_is_asked_as_the_harness_asks_it(tmp_path):
    (one,) = read(tmp_path, "piqa", {"goal": "Boil water.", "sol1": "Heat it.", "sol2": "Cool it.", "label": 0})
    assert [(choice.context, choice.continuation) for choice in one.choices] == [
        ("Question: Boil water.\nAnswer:", " Heat it."),
        ("Question: Boil water.\nAnswer:", " Cool it."),
    ]
    assert (one.name, one.right) == ("piqa/1", 0)


def test_piqas_labels_may_stand_in_their_own_file(tmp_path):
    rows = [{"goal": "g", "sol1": "a", "sol2": "b"}] * 2
    path = written(tmp_path / "valid.jsonl", rows)
    with pytest.raises(BadInput, match="no field 'label'"):
        read_questions("piqa", path)
    (tmp_path / "valid-labels.lst").write_text("1\n0\n")
    assert [one.right for one in read_questions("piqa", path)] == [1, 0]
    (tmp_path / "valid-labels.lst").write_text("1\n")
    with pytest.raises(BadInput, match="a label for each of 2 questions, got 1"):
        read_questions("piqa", path)


def test_hellaswag_loses_what_the_layout_left_in_it(tmp_path):
    row = {
        "activity_label": "Baking",
        "ctx_a": "A cook mixes flour.",
        "ctx_b": "then she",
        "ctx": "A cook mixes flour. then she",
        "endings": ["bakes it. [title] Serve [step] it.", "sings  aloud."],
        "label": "1",
        "source_id": "wikihow~7",
    }
    (one,) = read(tmp_path, "hellaswag", row)
    assert one.choices[0].context == "Baking: A cook mixes flour. Then she"
    assert [choice.continuation for choice in one.choices] == [" bakes it.. Serve it.", " sings aloud."]
    assert (one.right, one.cluster) == (1, "wikihow~7")
    bare = {name: row[name] for name in ("ctx", "endings", "label")}
    assert read(tmp_path, "hellaswag", bare)[0].choices[0].context == "A cook mixes flour. then she"


def test_winogrande_scores_what_follows_both_options(tmp_path):
    row = {"sentence": "The jar fell since the _ was wet.", "option1": "jar", "option2": "hand", "answer": "2"}
    (one,) = read(tmp_path, "winogrande", {**row, "qID": "X7-2"})
    assert [(choice.context, choice.continuation) for choice in one.choices] == [
        ("The jar fell since the jar", " was wet."),
        ("The jar fell since the hand", " was wet."),
    ]
    assert (one.right, one.cluster) == (1, "X7")


def test_lambada_asks_for_the_last_word(tmp_path):
    (one,) = read(tmp_path, "lambada", {"text": "She opened the old door"})
    assert [(choice.context, choice.continuation) for choice in one.choices] == [("She opened the old", " door")]


@pytest.mark.parametrize("kind", sorted(READERS))
def test_the_packaged_sets_are_whole(kind):
    questions = read_questions(kind, own_file(kind))
    assert 20 <= len(questions) <= 40
    assert len({one.name for one in questions}) == len(questions)
    assert len({one.words for one in questions}) == len(questions)
    if kind != "lambada":
        places = [one.right for one in questions]
        assert 0.2 <= places.count(0) / len(places) <= 0.7  # always saying A wins nothing
    else:
        # The last word stands in the text before it, as in LAMBADA.
        assert all(one.choices[0].words in one.choices[0].context for one in questions)
    assert len(read_questions(kind, own_file(kind), limit=3)) == 3


def test_the_packaged_texts_are_several_documents():
    documents = read_documents([own_file("text")])
    assert len(documents) == 16
    assert all(60 <= len(one.text.split()) <= 160 for one in documents)


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("piqa", {"goal": "g", "sol1": "a", "label": 0}, "line 1: no field 'sol2'"),
        ("piqa", {"goal": "g", "sol1": "a", "sol2": "b", "label": 2}, "expected 0 to 1 in label, got '2'"),
        ("piqa", {"goal": "", "sol1": "a", "sol2": "b", "label": 0}, "expected words in goal"),
        ("hellaswag", {"ctx": "c", "endings": "one", "label": 0}, "expected two endings or more"),
        ("hellaswag", {"ctx": "c", "endings": ["a", "b"], "label": ""}, "expected 0 to 1 in label"),
        (
            "winogrande",
            {"sentence": "no gap", "option1": "a", "option2": "b", "answer": "1"},
            "one _ in sentence, got 0",
        ),
        ("winogrande", {"sentence": "a _", "option1": "a", "option2": "b", "answer": "1"}, "words after the _"),
        (
            "winogrande",
            {"sentence": "a _ b", "option1": "a", "option2": "b", "answer": ""},
            "expected 1 to 2 in answer",
        ),
        ("lambada", {"text": "alone"}, "a text of several words"),
        ("lambada", {"words": "x"}, "no field 'text'"),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_the_form(tmp_path, kind, row, said):
    with pytest.raises(BadInput) as told:
        read(tmp_path, kind, row)
    assert said in str(told.value)
    assert FIELDS[kind] in str(told.value).splitlines()[0]


def test_every_wrong_line_is_told_at_once(tmp_path):
    good = {"text": "a whole text"}
    with pytest.raises(BadInput) as told:
        read(tmp_path, "lambada", *[good, {"text": "x"}] * 12)
    lines = str(told.value).splitlines()
    assert lines[0].endswith("got 12 lines that are not")
    assert lines[1].strip().startswith("line 2:")
    assert lines[-1].strip() == "and 2 more"


def test_broken_files_are_one_message(tmp_path):
    path = tmp_path / "q.jsonl"
    for text, said in (
        ("{", "no JSON"),
        ("[1]", "expected an object"),
        ("", "at least one question"),
        ("\n\n", "empty"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=said):
            read_questions("lambada", path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadInput, match="UTF-8"):
        read_questions("lambada", path)
    with pytest.raises(BadInput, match="expected a text file"):
        read_questions("lambada", tmp_path / "absent.jsonl")


def test_texts_are_files_or_lines_with_names_of_their_own(tmp_path):
    (tmp_path / "a.txt").write_text("First text.")
    lines = written(tmp_path / "b.jsonl", [{"document": "x/1", "text": "Second."}, {"text": "Third."}])
    found = read_documents([tmp_path / "a.txt", lines])
    assert [(one.name, one.text) for one in found] == [("a", "First text."), ("x-1", "Second."), ("b-2", "Third.")]
    for name, text, said in (
        ("empty.txt", " \n", "texts with words, got empty ones: empty"),
        ("bad.jsonl", '{"words": 1}\n', "expected a text in the field text"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadInput, match=said):
            read_documents([tmp_path / name])
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.txt").write_text("Again.")
    with pytest.raises(BadInput, match="got a twice"):
        read_documents([tmp_path / "a.txt", tmp_path / "more" / "a.txt"])
    with pytest.raises(BadInput, match="at least one text"):
        read_documents([])
