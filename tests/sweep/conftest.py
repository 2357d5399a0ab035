"""Small models, one of them bad, and a Dask cluster of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.helpers import Cluster, write_gemm


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """Twelve models, (batch, 8 + i) x (8 + i, 16), and one that is no model."""
    folder = tmp_path / "models"
    folder.mkdir()
    paths = [write_gemm(folder / f"m{i:02d}.onnx", 8 + i, 16) for i in range(12)]
    bad = folder / "bad.onnx"
    bad.write_bytes(b"\x08\x09\x12\xff\xff\xff")
    return [*map(str, paths[:5]), str(bad), *map(str, paths[5:])]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.close()
