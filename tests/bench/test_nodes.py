"""Node times out of a profile written by hand, in the form that onnxruntime writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import model_path

from roofline.bench.nodes import NodeTime, read_profile, with_nodes
from roofline.errors import MeasurementError
from roofline.graph.read import read_graph


def kernel(name: str, start: int, length: int, op: str, index: int, provider: str = "CPUExecutionProvider") -> Any:
    return {
        "cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": length,
        "args": {"op_name": op, "node_index": str(index), "provider": provider},
    }  # fmt: skip


def run(start: int, length: int) -> Any:
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": length, "args": {}}


EVENTS = [
    {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 50},
    {"cat": "Node", "name": "conv_fence_before", "ts": 101, "dur": 1, "args": {"op_name": "Conv"}},
    kernel("conv", 110, 900, "Conv", 1), run(100, 1000),  # the first run is left out
    kernel("conv", 2010, 10, "Conv", 1), kernel("relu", 2030, 1, "Relu", 2), run(2000, 100),
    kernel("conv", 3010, 30, "Conv", 1), kernel("relu", 3050, 5, "Relu", 2), run(3000, 100),
    kernel("conv", 4010, 20, "Conv", 1), kernel("relu", 4050, 3, "Relu", 2), run(4000, 100),
]  # fmt: skip


def read(events: Any, tmp_path: Path) -> tuple[list[NodeTime], int]:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(events))
    return read_profile(path)


def test_medians_over_runs(tmp_path: Path) -> None:
    found, runs = read(EVENTS, tmp_path)
    assert runs == 3
    assert [(n.name, n.op_type, n.time_s) for n in found] == [
        ("conv", "Conv", pytest.approx(20e-6)),
        ("relu", "Relu", pytest.approx(3e-6)),
    ]
    assert found[0].provider == "CPUExecutionProvider"


def test_a_node_that_runs_twice_in_a_run_is_summed(tmp_path: Path) -> None:
    events = [run(0, 10), kernel("a", 110, 4, "Add", 1), kernel("a", 120, 6, "Add", 1), run(100, 50)]
    found, _ = read(events, tmp_path)
    assert [n.time_s for n in found] == [pytest.approx(10e-6)]


def test_nodes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    events = [run(0, 10), kernel("", 110, 4, "Add", 1), kernel("", 120, 6, "Mul", 2), run(100, 50)]
    found, _ = read(events, tmp_path)
    assert [(n.op_type, n.time_s) for n in found] == [("Add", pytest.approx(4e-6)), ("Mul", pytest.approx(6e-6))]


def test_a_loop_counts_its_body_once(tmp_path: Path) -> None:
    events = [run(0, 10), kernel("loop", 110, 100, "Loop", 1), kernel("inner", 120, 60, "Add", 0),
              kernel("after", 215, 5, "Relu", 2), run(100, 200)]  # fmt: skip
    found, _ = read(events, tmp_path)
    assert [n.name for n in found] == ["loop", "after"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "no profile"), ("[1]", "no profile"), ("[", "cannot be read"), ("[]", "no run")],
)
def test_what_is_no_profile(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(MeasurementError, match=message):
        read_profile(path)


def entry(name: str, op_type: str = "") -> NodeTime:
    return NodeTime(name, op_type, "", 1.0, ())


def test_the_models_own_nodes_behind_a_name() -> None:
    graph, _ = read_graph(model_path("resnet50"))
    found = with_nodes(
        [
            entry("/conv1/Conv", "Conv"),
            entry("/relu/Relu_output_0_nchwc", "Conv"),
            entry("/layer1/layer1.0/relu_2/Relu_output_0_nchwc", "Conv"),
            entry("/fc/Gemm/MatMulAddFusion", "Gemm"),
            entry("/fc/Gemm_token_12", "Gemm"),
            entry("reorder", "ReorderOutput"),
        ],
        graph,
    )
    assert [node.nodes for node in found] == [
        ("/conv1/Conv",),
        ("/conv1/Conv", "/relu/Relu"),
        ("/layer1/layer1.0/conv3/Conv", "/layer1/layer1.0/Add", "/layer1/layer1.0/relu_2/Relu"),
        ("/fc/Gemm",),
        ("/fc/Gemm",),
        (),
    ]
