"""The old PyTorch weight format into numpy, without PyTorch and without running code.

A file of ``torch.save`` before version 1.6 is five pickles and then raw numbers: a magic number, the protocol, the
writer's sizes, the object (its tensors name storages by persistent ids), the storages' keys, and for each key an
int64 count with that many little-endian numbers (torch/serialization.py, ``_legacy_save`` and ``_legacy_load``).
A pickle may call any function it can name; here it can name only the ones below.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from device_agents.errors import BadInput

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(data: bytes) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Read a pickled state dict: name -> array, in the file's order, each a C-order copy in the stored dtype.

    Raises BadInput when the bytes are no such file, name anything but tensors and storages, or do not hold what
    their own headers promise.
    """
    stream = io.BytesIO(data)
    for name, wanted in (("magic number", _MAGIC), ("protocol", _PROTOCOL)):
        if (got := _load(stream)) != wanted:
            raise BadInput(f"expected an old PyTorch file with {name} {wanted:#x}, got {got!r:.80}")
    sizes = _load(stream)
    if not isinstance(sizes, dict) or sizes.get("little_endian") is not True:
        raise BadInput(f"expected a PyTorch file written on a little-endian machine, got {sizes!r:.120}")
    tensors = _state_dict(_load(stream))
    storages = _read_storages(
        stream, _load(stream), {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    )
    return {name: _array(name, tensor, storages) for name, tensor in tensors.items()}


class _Reader(pickle.Unpickler):
    """Unpickles plain values, ordered dicts and the two PyTorch words of a state dict; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        raise BadInput(f"refused to load '{module}.{name}' from a weight file: only tensors may stand in it")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), str(), int(count), None) if count >= 0:
                return _Storage(key, dtype, count)
        raise BadInput(f"expected a whole storage in a weight file, got {pid!r:.120}")


def _load(stream: io.BytesIO) -> Any:
    try:
        return _Reader(stream).load()
    except BadInput:
        raise
    # A damaged pickle fails with whatever its broken instructions touch first; these are what the reader can raise.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
        _fail(f"expected an old PyTorch weight file, got bytes that do not unpickle: {problem}", problem)
    except (ImportError, MemoryError, OverflowError, struct.error) as problem:
        _fail(f"expected an old PyTorch weight file, got damaged bytes: {problem}", problem)


def _fail(text: str, problem: Exception) -> NoReturn:
    raise BadInput(text) from problem


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *unused: Any) -> _Tensor:
    """Stand in for torch._utils._rebuild_tensor_v2; what follows the strides (gradients, hooks) is of no use here."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or not all(_is_natural(n) for n in numbers):
        raise BadInput(f"expected a tensor with its storage, got {(storage, offset, shape, strides)!r:.160}")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _is_natural(number: object) -> bool:
    return isinstance(number, int) and number >= 0


def _state_dict(value: Any) -> dict[str, _Tensor]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise BadInput(f"expected a state dict of tensors by name, got {type(value).__name__}")
    if wrong := [name for name, tensor in value.items() if not isinstance(tensor, _Tensor)]:
        raise BadInput(f"expected only tensors in the state dict, got something else for {wrong[:3]}")
    return dict(value)


def _read_storages(stream: io.BytesIO, keys: Any, expected: Mapping[str, _Storage]) -> dict[str, Any]:
    if not isinstance(keys, list) or set(keys) != set(expected):
        raise BadInput(f"expected {len(expected)} storages in the weight file, got the keys {keys!r:.80}")
    storages = {}
    for key in keys:
        _, dtype, count = expected[key]
        header, body = stream.read(8), stream.read(count * dtype.itemsize)
        if len(header) < 8 or len(body) < count * dtype.itemsize or struct.unpack("<q", header) != (count,):
            raise BadInput(f"expected {count} numbers in storage '{key}', got another count or the end of the file")
        storages[key] = np.frombuffer(body, dtype)
    return storages


def _array(name: str, tensor: _Tensor, storages: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Copy a tensor out of its storage; as_strided reads outside the storage unless its last index is checked first."""
    storage = storages[tensor.storage.key]
    if 0 in tensor.shape:
        return np.empty(tensor.shape, storage.dtype)
    last = tensor.start + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    needed = max(last + 1, math.prod(tensor.shape))
    if needed > storage.size:
        raise BadInput(f"tensor '{name}' expects at least {needed} numbers, got a storage of {storage.size}")
    steps = [step * storage.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.start :], tensor.shape, steps).copy(order="C")
