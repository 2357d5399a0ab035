"""Peak memory: small graphs by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model, model_path
from onnx import helper

import roofline

KIB = 1024


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def memory(nodes: list[onnx.NodeProto], outputs: str = "y", weights: Any = None, **options: Any) -> roofline.Analysis:
    """Every tensor is (16, 16) float32: 1 KiB."""
    model = build_model(nodes, {"x": [16, 16]}, outputs.split(), weights or {})
    return roofline.analyze(model, **{"traffic": "unfused", **options})


def test_a_chain_holds_an_input_and_an_output_at_a_time() -> None:
    """x is the caller's and stays; Softmax cannot write over its operand, so it needs two more."""
    chain = [node("Softmax", "x", "a"), node("Softmax", "a", "b"), node("Softmax", "b", "y")]
    assert memory(chain).memory.live_bytes == (2 * KIB, 3 * KIB, 3 * KIB)


def test_element_by_element_operators_write_over_what_is_no_longer_read() -> None:
    chain = [node("Softmax", "x", "a"), node("Relu", "a", "b"), node("Sigmoid", "b", "y")]
    assert memory(chain).memory.live_bytes == (2 * KIB,) * 3
    kept = [node("Softmax", "x", "a"), node("Relu", "a", "b"), node("Add", "a b", "y")]
    assert memory(kept).memory.live_bytes == (2 * KIB, 3 * KIB, 3 * KIB)


def test_views_and_fused_groups_take_no_memory() -> None:
    shape = {"s": np.array([256], np.int64)}
    viewed = [node("Softmax", "x", "a"), node("Reshape", "a s", "v"), node("Softmax", "v", "y")]
    assert memory(viewed, weights=shape).memory.activation_bytes == 3 * KIB
    fused = [node("MatMul", "x w", "a"), node("Exp", "a", "b"), node("Add", "a b", "y")]
    weights = {"w": np.ones((16, 16), np.float32)}
    assert memory(fused, weights=weights).totals["peak_memory_bytes"] == (1 + 3) * KIB
    assert memory(fused, weights=weights, traffic="fused").totals["peak_memory_bytes"] == (1 + 2) * KIB


def test_precision_narrows_weights_and_activations() -> None:
    product = [node("MatMul", "x w", "y")]
    weights = {"w": np.ones((16, 16), np.float32)}
    assert memory(product, weights=weights, precision="fp16").totals["peak_memory_bytes"] == 3 * KIB // 2
    assert memory(product, weights=weights, precision="int8").memory.weight_bytes == KIB // 4


def test_a_cache_is_held_once() -> None:
    nodes = [node("Exp", "x", "e"), node("Concat", "past e", "present", axis=0), node("ReduceSum", "present", "y")]
    model = build_model(nodes, {"x": [1, 16], "past": [63, 16]}, ["y", "present"])
    found = roofline.analyze(model).totals
    assert found["kv_cache_bytes"] == 64 * 16 * 4
    assert found["peak_memory_bytes"] <= 64 * 64 + 3 * 64


def test_what_does_not_fit_is_said() -> None:
    bindings = {"batch": 4096}
    assert "does-not-fit" not in {f.code for f in roofline.analyze(model_path("vgg16"), "orin-agx").findings}
    analysis = roofline.analyze(model_path("vgg16"), "orin-agx", bindings=bindings)
    finding = next(f for f in analysis.findings if f.code == "does-not-fit")
    assert "the device has 68.7 GB" in finding.message or "64" in finding.message
    with pytest.raises(roofline.GateError, match="does-not-fit"):
        roofline.analyze(model_path("vgg16"), "orin-agx", bindings=bindings, strict=True)


def test_weights_and_results_inside_a_loop_are_held_too() -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("MatMul", "h a", "big"), node("MatMul", "big b", "h2"), node("Identity", "c", "c2")], "body",
        [value("i", 7, []), value("c", 9, []), value("h", 1, None)], [value("c2", 9, []), value("h2", 1, None)],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["m", "go", "x"], ["y"], name="repeat", body=body)
    constants = {"m": np.array(3, np.int64), "go": np.array(True), "a": np.ones((16, 1000), np.float32),
                 "b": np.ones((1000, 16), np.float32)}  # fmt: skip
    found = roofline.analyze(build_model([loop], {"x": [16, 16]}, ["y"], constants)).memory
    assert found.weight_bytes >= 2 * 16 * 1000 * 4
    assert found.activation_bytes >= 16 * 1000 * 4
