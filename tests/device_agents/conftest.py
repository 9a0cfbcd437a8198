from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_pack() -> Path:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    return Path(os.environ["INSTABILITY_DATA"])
