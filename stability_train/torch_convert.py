"""PyTorch's exported models to ONNX, and to TFLite: float32, the arithmetic unchanged, checked on the way.

PyTorch is no dependency of the kit: extra "torch" (torch 2.13, onnxscript) for ONNX; TFLite needs litert-torch, whose
pins (typing_extensions 4.12) do not go together with the kit's own, and therefore a virtual environment of its own.
A file is what `torch.export.save` or `torch.jit.save` wrote: a graph with its weights, without the Python code.
"""

from __future__ import annotations

import importlib
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput, KitError, MissingExtra

_OPSET = 17  # as export.py: the newest that every runtime of the last three years reads
_LIMIT = 1e-3  # of a score, between PyTorch and what was written
SUFFIXES = (".pt2", ".pt", ".ts")


def torch_to_onnx(source: Path, target: Path, *, height: int, width: int) -> float:
    """Write a PyTorch file as float32 ONNX, NCHW, a batch of one; give the largest difference of a score on noise.

    source: .pt2 (torch.export) or TorchScript (.pt). Its one input is float32 (1, 3, height, width), its one output
    (1, classes). Raises MissingExtra without torch, BadInput for another file or input, KitError where ONNX Runtime
    gives other scores.
    """
    torch = _torch()
    model = _load(torch, source)
    picture = _picture(torch, height, width)
    expected = _scores(torch, model, picture, source)
    stream = io.BytesIO()
    names = {"input_names": ["input"], "output_names": ["scores"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old exporter, which needs no onnxscript, says that it is old
        try:
            # The new one gives opset 18 and more, which runtimes of three years ago cannot read.
            script = model if isinstance(model, torch.jit.ScriptModule) else torch.jit.trace(model, picture)
            torch.onnx.export(script, (picture,), stream, dynamo=False, opset_version=_OPSET, **names)
        except (RuntimeError, ValueError, torch.onnx.errors.OnnxExporterError) as problem:
            raise BadInput(f"{source}: torch cannot write it as ONNX: {str(problem).splitlines()[0]}") from problem
    target.write_bytes(stream.getvalue())
    return _checked(target, picture.numpy(), expected)


def torch_to_tflite(source: Path, target: Path, *, height: int, width: int) -> float:
    """Write a .pt2 file as float32 TFLite by litert-torch, NCHW as the model has it; otherwise as torch_to_onnx."""
    torch = _torch()
    try:
        litert_torch: Any = importlib.import_module("litert_torch")
    except ImportError as problem:
        raise MissingExtra(
            "PyTorch to TFLite needs litert-torch, in a virtual environment of its own: pip install torch==2.13.0 "
            "litert-torch==0.10.0; or convert to ONNX and run that"
        ) from problem
    if source.suffix != ".pt2":
        raise BadInput(f"{source}: expected a .pt2 file (torch.export.save) for TFLite, got {source.suffix or 'none'}")
    model = _load(torch, source)
    picture = _picture(torch, height, width)
    expected = _scores(torch, model, picture, source)
    litert_torch.convert(model, (picture,)).export(str(target))
    return _checked(target, picture.numpy(), expected)


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as problem:
        raise MissingExtra("a PyTorch model needs torch; pip install 'instability-kit[torch]'") from problem


def _load(torch: Any, source: Path) -> Any:
    """Load a graph with its weights; a file of weights alone, or a pickled model, is refused without running it."""
    if source.suffix not in SUFFIXES or not source.is_file():
        raise BadInput(f"expected a PyTorch file ({', '.join(SUFFIXES)}), got {source}")
    if not zipfile.is_zipfile(source):
        raise BadInput(f"{source}: {_HOW}")
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
    try:
        if any(name.endswith("constants.pkl") for name in names):
            return torch.jit.load(source, map_location="cpu").eval()
        if source.suffix == ".pt2":
            return torch.export.load(source).module()
    except (RuntimeError, ValueError, KeyError, AssertionError) as problem:
        raise BadInput(f"{source}: torch cannot read it: {str(problem).splitlines()[0]}") from problem
    raise BadInput(f"{source}: {_HOW}")


_HOW = (
    "expected a model with its graph, got weights or a pickle; write one with "
    "torch.export.save(torch.export.export(model.eval(), (picture,)), 'model.pt2')"
)


def _picture(torch: Any, height: int, width: int) -> Any:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, height, width)).astype(np.float32))


def _scores(torch: Any, model: Any, picture: Any, source: Path) -> np.ndarray[Any, Any]:
    try:
        with torch.no_grad():
            found = model(picture)
    except (RuntimeError, TypeError, AssertionError, ValueError) as problem:
        shape = tuple(picture.shape)
        raise BadInput(f"{source}: the model does not take {shape}: {str(problem).splitlines()[0]}") from problem
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or found.shape[0] != 1:
        got = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise BadInput(f"{source}: expected scores (1, classes), got {got}")
    return np.asarray(found.numpy())


def _checked(target: Path, picture: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """Give how far the written file's scores are from PyTorch's; it is not kept where that is too far."""
    from device_agents.runtimes import RUNTIMES, runtime_for

    found = RUNTIMES[runtime_for(target)](target, 1)(picture)
    difference = float(np.abs(found - expected[0]).max())
    if not difference <= _LIMIT * max(1.0, float(np.abs(expected).max())):
        target.unlink()
        raise KitError(f"expected PyTorch's scores from {target.name}, got others by {difference:.2g}; it is not kept")
    return difference


TORCH_CONVERSIONS: Mapping[str, Callable[..., float]] = {"onnx": torch_to_onnx, "tflite": torch_to_tflite}
