"""Loaders of further runtimes: OpenVINO at other precisions, and PyTorch's graphs, plain and compiled."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

from device_agents.errors import BadInput, MissingExtra
from device_agents.network import Network
from device_agents.runtime_libraries import Array, checked_type, import_library, read_model
from device_agents.runtimes_graph import load_openvino

_HOW = (
    "expected a graph with its weights, got weights or a pickle; write one with "
    "torch.export.save(torch.export.export(model.eval(), (picture,)), 'model.pt2')"
)


def load_torch(path: Path, threads: int, *, compiled: bool = False) -> Network:
    """Load what torch.export.save (.pt2) or torch.jit.save (.pt, .ts) wrote into PyTorch on the CPU.

    ``compiled``: through torch.compile, which writes C++ and needs a compiler on the machine; of .pt2 files only. The
    number of threads holds for the whole process. A file of weights alone, or a pickled model, is refused unread.
    Raises BadInput for a file that is no such model, MissingExtra without torch or its compiler.
    """
    name = "pytorch-compiled" if compiled else "pytorch"
    torch = import_library(name)
    model = _read_torch(torch, path)
    torch.set_num_threads(threads)
    if compiled and isinstance(model, torch.jit.ScriptModule):
        raise BadInput(f"{path}: torch.compile takes a .pt2 file, got TorchScript; use 'pytorch'")
    run = torch.compile(model) if compiled else model
    return Network(partial(_run_torch, torch, run, name), _count_outputs(model))


def _read_torch(torch: Any, path: Path) -> Any:
    read_model(path)  # says in the kit's words where there is no such file
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path}: {_HOW}")
    with zipfile.ZipFile(path) as archive:
        script = any(name.endswith("constants.pkl") for name in archive.namelist())
    try:
        if script:
            return torch.jit.load(path, map_location="cpu").eval()
        if path.suffix == ".pt2":
            return torch.export.load(path).module()
    except (RuntimeError, ValueError, KeyError, AssertionError, OSError) as problem:
        raise BadInput(f"{path} is no model that pytorch can read: {_first_line(problem)}") from problem
    raise BadInput(f"{path}: {_HOW}")


def _count_outputs(model: Any) -> int:
    """How many tensors a model gives; of TorchScript only tuples say how many, anything else is taken for one."""
    graph: Any = getattr(model, "graph", None)
    outputs: List[Any] = list(graph.outputs()) if hasattr(graph, "outputs") else []
    if outputs:
        kind = outputs[0].type()
        return len(kind.elements()) if kind.kind() == "TupleType" else 1
    nodes = [node for node in graph.nodes if node.op == "output"] if graph is not None else []
    found = nodes[0].args[0] if nodes else ()
    return len(found) if isinstance(found, (tuple, list)) else 1


def _run_torch(torch: Any, model: Any, name: str, tensor: Array) -> Tuple[Array, ...]:
    picture = torch.from_numpy(checked_type(tensor, "float32"))
    try:
        with torch.inference_mode():
            found = model(picture)
    except (RuntimeError, TypeError, ValueError, AssertionError) as problem:
        if type(problem).__module__.startswith("torch._inductor") or "compiler" in str(problem).lower():
            raise MissingExtra(
                f"runtime '{name}' needs a C++ compiler here ({_first_line(problem)}); use 'pytorch'"
            ) from problem
        raise BadInput(f"{name}: {_first_line(problem)}") from problem
    outputs = found if isinstance(found, (tuple, list)) else (found,)
    return tuple(np.array(one.numpy()) for one in outputs)


def _first_line(problem: BaseException) -> str:
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)


MORE_NETWORKS: Dict[str, Callable[[Path, int], Network]] = {
    "openvino-bf16": partial(load_openvino, precision="bf16"),
    "openvino-f16": partial(load_openvino, precision="f16"),
    "pytorch": load_torch,
    "pytorch-compiled": partial(load_torch, compiled=True),
}
