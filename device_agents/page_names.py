"""What stands in a browser's page for the usual decoder and runtimes of a Python agent, which browsers do not have."""

from __future__ import annotations

from typing import Dict

# Field of an environment -> variant of an agent -> the page's in its place; other variants have no such counterpart.
IN_PAGES: Dict[str, Dict[str, str]] = {
    "decoder": {"pillow": "create-image-bitmap"},
    "runtime": {"litert": "litert-js", "onnxruntime": "onnxruntime-web"},
}
