from __future__ import annotations

from pathlib import Path

import pytest

from stability_train.cache import locked
from tests.fakes import host_grid


@pytest.fixture(scope="session")
def host_grid_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The grid's run as this host makes it; the workers of xdist share one. Only to be read."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    with locked(shared, "host-grid"):
        return host_grid.make_run(shared / "host-grid")
