"""Two memory levels, and one layer explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model, model_path
from onnx import helper

import roofline
from roofline.cli.main import main

MIB = 2**20


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def layers(rows: int) -> dict[str, dict[str, Any]]:
    """x -> a -> b -> y, each rows KiB; a is read by the next layer only, b by the next and the one after."""
    nodes = [
        node("Softmax", "x", "a"),
        node("Softmax", "a", "b"),
        node("Softmax", "b", "c"),
        node("Concat", "b c", "y"),
    ]
    model = build_model([*nodes[:3], node("Add", "b c", "y")], {"x": [rows, 256]}, ["y"])
    analysis = roofline.analyze(model, "orin-agx", traffic="unfused", levels=True)
    return {layer["name"]: layer for layer in analysis.layers}


def test_what_fits_the_cache_stays_for_the_next_layer() -> None:
    """AGX Orin: 4 MiB. 1 MiB tensors fit: a is neither written nor read again; b is written, as y comes later."""
    found = layers(1024)
    assert [found[n]["dram_bytes"] for n in "abcy"] == [MIB, MIB, 0, MIB + MIB]
    assert [found[n]["cache_bytes"] for n in "abcy"] == [2 * MIB, 2 * MIB, 2 * MIB, 3 * MIB]


def test_what_does_not_fit_goes_to_dram() -> None:
    found = layers(5 * 1024)
    assert [found[n]["dram_bytes"] for n in "abcy"] == [found[n]["cache_bytes"] for n in "abcy"]


def test_attention_reads_keys_and_values_once_per_tile_of_queries() -> None:
    nodes = [node("MatMul", "q k", "s"), node("Softmax", "s", "p"), node("MatMul", "p v", "y")]
    inputs = {"q": [2, 300, 64], "k": [2, 64, 300], "v": [2, 300, 64]}
    (layer,) = roofline.analyze(build_model(nodes, inputs, ["y"]), "orin-agx", levels=True).layers
    one = 2 * 300 * 64 * 4
    assert layer["dram_bytes"] == 4 * one
    assert layer["cache_bytes"] == 4 * one + 2 * 2 * one  # three tiles of 128 queries: K and V twice more


def test_levels_lower_the_time_and_say_what_is_assumed() -> None:
    plain, both = (
        roofline.analyze(model_path("mobilenet_v2"), "orin-agx", bindings={"batch": 1}, levels=on)
        for on in (False, True)
    )
    assert both.totals["time_s"] < plain.totals["time_s"]
    assert both.totals["cache_bytes"] == plain.totals["bytes"]
    assert both.totals["bound_time_s"] == plain.totals["bound_time_s"]
    assert any(f.code == "levels" and "DRAM" in f.message for f in both.findings)
    with pytest.raises(roofline.UsageError, match="last-level cache"):
        roofline.analyze(model_path("mobilenet_v2"), levels=True)


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    bert = str(model_path("bert_base"))
    command = ["analyze", bert, "--bind", "batch=1,seq=128", "--device", "orin-agx", "--explain"]
    assert main([*command, "node_gelu"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("node_MatMul_126: MatMul+Add+Div+Erf+Add+Mul+Mul (matmul), 7 node(s), counted.")
    assert f"{128 * 768 * 3072:,} MAC" in out and f"{768 * 3072 * 4:,}" in out
    assert "compute-bound" in out and "rule     MatMul: Matrix product" in out
    assert main([*command, "node_gelux"]) == 2
    assert "did you mean 'node_gelu'" in capsys.readouterr().err
    assert main([*command[:-1], "--explain", "node_softmax", "--format", "json"]) == 2


def decoder(past: int, new: int) -> roofline.Analysis:
    """One attention block, width 32, 2 heads of 16; its cache grows from `past` to past + new."""

    def heads(x: str, y: str) -> list[onnx.NodeProto]:
        return [node("Reshape", f"{x} heads", f"{x}1"), node("Transpose", f"{x}1", y, perm=[0, 2, 1, 3])]

    nodes = [
        node("MatMul", "x wq", "q"), node("MatMul", "x wk", "k"), node("MatMul", "x wv", "v"),
        *heads("q", "q2"), *heads("k", "k2"), *heads("v", "v2"),
        node("Concat", "past_k k2", "present_k", axis=2), node("Concat", "past_v v2", "present_v", axis=2),
        node("Transpose", "present_k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q2 kt", "scores"),
        node("Softmax", "scores", "p"), node("MatMul", "p present_v", "o"),
        node("Transpose", "o", "o1", perm=[0, 2, 1, 3]), node("Reshape", "o1 flat", "y"),
    ]  # fmt: skip
    weights = {f"w{c}": np.ones((32, 32), np.float32) for c in "qkv"}
    shapes = {"heads": np.array([0, 0, 2, 16], np.int64), "flat": np.array([0, 0, 32], np.int64)}
    inputs = {"x": ["batch", "new", 32], "past_k": ["batch", 2, "past", 16], "past_v": ["batch", 2, "past", 16]}
    model = build_model(nodes, inputs, ["y", "present_k", "present_v"], {**weights, **shapes})
    return roofline.analyze(model, bindings={"batch": 1, "past": past, "new": new})


@pytest.mark.parametrize(("past", "new"), [(0, 64), (64, 1), (1000, 1)])
def test_prefill_and_decode(past: int, new: int) -> None:
    """Projections and products by hand; the whole cache is read, and only what is new is written to it."""
    found = decoder(past, new)
    whole = past + new
    assert found.totals["macs"] == 3 * new * 32 * 32 + 2 * new * whole * 32
    assert found.totals["kv_cache_bytes"] == 2 * whole * 32 * 4
    attention = next(layer for layer in found.layers if layer["pattern"] == "attention")
    assert (attention["bytes_read"], attention["bytes_written"]) == (4 * (new + 2 * whole) * 32, 4 * new * 32)
    written = sum(layer["bytes_written"] for layer in found.layers if "present_k" in layer["nodes"])
    assert written == 4 * new * 32
