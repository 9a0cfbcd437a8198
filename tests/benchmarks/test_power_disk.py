"""The disk that loses what was not synced, against sequences whose outcome is known by hand."""

import struct

import numpy as np
import pytest

from benchmarks.power_disk import Change, Disk, read_record

RNG = np.random.default_rng(0)
ROOT, FILE, SUB = 1, 2, 3
MADE = [Change("C", FILE, 0, "a", b""), Change("W", FILE, 0, "", b"hello")]
SYNCED = Change("F", FILE, 0, "a", b"")
ROOT_SYNCED = Change("F", ROOT, 0, "", b"")


def left(changes, how="dropped", count=None):
    return dict(Disk(changes).state(len(changes) if count is None else count, how, RNG).files)


def test_without_any_sync_nothing_is_left():
    assert left(MADE) == {}
    assert left(MADE, "kept") == {"a": b"hello"}


def test_a_name_without_its_content_is_an_empty_file():
    assert left(MADE, "names-kept") == {"a": b""}
    assert left([*MADE, ROOT_SYNCED]) == {"a": b""}


def test_a_synced_file_needs_its_folder_synced_too():
    assert left([*MADE, SYNCED]) == {}
    assert left([*MADE, SYNCED, ROOT_SYNCED]) == {"a": b"hello"}
    assert left([*MADE, SYNCED, ROOT_SYNCED], count=3) == {}


def test_a_rename_is_whole_or_not_at_all():
    renamed = Change("R", 0, 0, "a", b"b")
    before = [*MADE, SYNCED, ROOT_SYNCED, renamed]
    assert left(before) == {"a": b"hello"}
    assert left([*before, ROOT_SYNCED]) == {"b": b"hello"}


def test_a_file_in_a_folder_whose_name_is_lost_is_lost():
    inside = [
        Change("M", SUB, 0, "d", b""),
        Change("C", FILE, 0, "d/a", b""),
        Change("W", FILE, 0, "", b"x"),
        Change("F", FILE, 0, "d/a", b""),
        Change("F", SUB, 0, "d", b""),
    ]
    assert left(inside) == {}
    assert left([*inside, ROOT_SYNCED]) == {"d/a": b"x"}


def test_a_removal_that_was_not_synced_may_come_back():
    removed = [*MADE, SYNCED, ROOT_SYNCED, Change("U", 0, 0, "a", b"")]
    assert left(removed) == {"a": b"hello"}
    assert left(removed, "kept") == {}


def test_lengths_and_places_of_writes():
    changes = [*MADE, Change("W", FILE, 7, "", b"!"), Change("T", FILE, 3, "a", b"")]
    assert left(changes[:3], "kept") == {"a": b"hello\0\0!"}
    assert left(changes, "kept") == {"a": b"hel"}


@pytest.mark.parametrize("seed", range(20))
def test_a_random_loss_keeps_what_is_durable(seed):
    changes = [*MADE, SYNCED, ROOT_SYNCED, Change("W", FILE, 5, "", b"x" * 2000)]
    content = dict(Disk(changes).state(len(changes), "random", np.random.default_rng(seed)).files)["a"]
    assert content.startswith(b"hello")
    assert len(content) in {5, 2005} or (len(content) - 5) % 512 == 0


def test_a_record_is_read_back(tmp_path):
    head = struct.pack("<cQQII", b"W", 7, 5, 0, 2)
    (tmp_path / "record").write_bytes(head + b"hi" + struct.pack("<cQQII", b"R", 0, 0, 1, 1) + b"ab")
    assert read_record(tmp_path / "record") == [Change("W", 7, 5, "", b"hi"), Change("R", 0, 0, "a", b"b")]
