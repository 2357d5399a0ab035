"""Fixtures: models built in code, real graphs without weights, and no trace left outside the test."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

DATA = Path(__file__).parent / "data"
MODELS = DATA / "models"
TRUTH: dict[str, Any] = json.loads((MODELS / "truth.json").read_text())


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache and the user's devices out of the way."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.delenv("ROOFLINE_DEVICE_PATH", raising=False)


def model_path(name: str) -> Path:
    """Return the path of a real model's graph."""
    return MODELS / f"{name}.onnx"


def true_bindings(name: str) -> dict[str, int]:
    """Return the sizes with which the truth of a model was measured."""
    model = onnx.load(model_path(name), load_external_data=False)
    sizes = TRUTH[name]["inputs"]
    found = {}
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, sizes.get(value.name, ()), strict=False):
            if dim.dim_param:
                found[dim.dim_param] = size
    return found


def true_shapes(name: str) -> dict[str, Any] | None:
    """Return tensor name -> [shape, dtype] of a real run, where there was one."""
    path = MODELS / f"{name}.shapes.json.gz"
    if not path.exists():
        return None
    with gzip.open(path) as file:
        shapes: dict[str, Any] = json.load(file)["shapes"]
    return shapes


@pytest.fixture
def build() -> Callable[..., onnx.ModelProto]:
    """Return a function that builds a small model from nodes, inputs and initialisers."""
    return build_model


def build_model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Any],
    outputs: list[str],
    initializers: dict[str, Any] | None = None,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Build a model; inputs map names to shapes (text dimensions are symbols), initialisers to arrays."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, dtype, list(s)) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, dtype, None) for n in outputs],
        [onnx.numpy_helper.from_array(v, n) for n, v in (initializers or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; skips without it, or without playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses root with its sandbox
        opened = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield opened
        opened.close()
