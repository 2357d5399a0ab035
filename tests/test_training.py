"""A training step: multiply-accumulates against torch's counter, bytes and memory by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build_model, model_path, true_bindings
from onnx import helper

import roofline

EXPORTS = Path(__file__).parent / "data" / "exports"
TRUTH = json.loads((EXPORTS / "truth_training.json").read_text())


@pytest.mark.parametrize("path", sorted(EXPORTS.glob("*.onnx")), ids=lambda p: p.stem)
def test_macs_are_torchs_own(path: Path) -> None:
    """torch runs attention written out with 4 products backward, as one kernel with 5: it makes the scores again.

    The file is the same kind of graph for both, so ``unfused`` is compared with the first and ``fused`` with the
    second; a network without attention must agree under both.
    """
    name = path.stem.rpartition("_")[0]
    found = {t: roofline.analyze(path, phase="training", traffic=t).totals["macs"] for t in ("unfused", "fused")}
    one_kernel = {"bert_eager": "bert_sdpa", "decoder_eager": "decoder_sdpa"}.get(name, name)
    assert found["fused"] == TRUTH[one_kernel]
    written_out = {"bert_sdpa": "bert_eager", "decoder_sdpa": "decoder_eager"}.get(name, name)
    if name != "vit":  # torch's MultiheadAttention always is one kernel
        assert found["unfused"] == TRUTH[written_out]


@pytest.mark.parametrize(("name", "truth"), [("resnet18", "resnet18 224"), ("bert_base", "bert_base 128")])
def test_macs_of_the_whole_networks(name: str, truth: str) -> None:
    analysis = roofline.analyze(
        model_path(name), bindings=true_bindings(name), phase="training", traffic="unfused", optimizer="sgd"
    )
    assert analysis.totals["macs"] == TRUTH[truth]
    assert analysis.step is not None and analysis.step.estimated == ()


def linear(**options: Any) -> roofline.Analysis:
    """relu(x @ w1 + b1) @ w2: 4 rows, 8 -> 16 -> 2."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="second"),
    ]
    weights = {"w1": np.ones((8, 16), np.float32), "b1": np.ones(16, np.float32), "w2": np.ones((16, 2), np.float32)}
    model = build_model(nodes, {"x": [4, 8]}, ["y"], weights)
    return roofline.analyze(model, phase="training", **{"optimizer": "sgd", "traffic": "unfused", **options})


def test_layers_by_hand() -> None:
    found = {layer["name"]: layer for layer in linear().layers}
    first, second = 4 * 8 * 16, 4 * 16 * 2
    assert found["first (backward)"]["macs"] == first  # no gradient for the network's input
    assert found["second (backward)"]["macs"] == 2 * second
    # second: dy twice (two products), r and w2 read; dr and dw2 written
    assert found["second (backward)"]["bytes_read"] == 4 * (2 * 8 + 64 + 32)
    assert found["second (backward)"]["bytes_written"] == 4 * (64 + 32)
    # relu: dr and y read, dh written; first: dh and x read, dw1 and db1 written, one addition per dh for the bias
    assert (found["relu (backward)"]["bytes_read"], found["relu (backward)"]["flops"]) == (4 * 128, 64)
    assert found["first (backward)"]["bytes_read"] == 4 * (64 + 32)
    assert found["first (backward)"]["bytes_written"] == 4 * (128 + 16)
    assert found["first (backward)"]["flops"] == 2 * first + 64


@pytest.mark.parametrize(
    ("optimizer", "flops", "moved"),
    [("sgd", 2, 12), ("momentum", 4, 20), ("adam", 14, 28), ("adamw", 16, 28)],
)
def test_optimisers_by_hand(optimizer: str, flops: int, moved: int) -> None:
    """Per float32 parameter: gradient and weight read, weight written; each state value read and written."""
    layer = linear(optimizer=optimizer).layers[-1]
    count = 8 * 16 + 16 + 16 * 2
    assert layer["name"] == f"optimizer ({optimizer})"
    assert (layer["flops"], layer["bytes_read"] + layer["bytes_written"]) == (flops * count, moved * count)


def test_mixed_precision_keeps_master_weights() -> None:
    """fp16: gradient (2) and master weight (4) read, master (4) and fp16 copy (2) written, two float32 states."""
    analysis = linear(optimizer="adam", precision="fp16")
    count = 8 * 16 + 16 + 16 * 2
    layer = analysis.layers[-1]
    assert layer["bytes_read"] + layer["bytes_written"] == count * (2 + 4 + 8 + 4 + 2 + 8)
    assert analysis.memory.gradient_bytes == 2 * count and analysis.memory.optimizer_bytes == (8 + 4) * count


def test_kept_activations_by_hand() -> None:
    analysis = linear()
    assert analysis.step is not None
    assert analysis.step.kept_bytes == 4 * (32 + 64)  # x for dw1; r for the relu and for dw2, once
    assert analysis.totals["gradient_bytes"] == 4 * (128 + 16 + 32) and analysis.totals["optimizer_bytes"] == 0


def test_recomputing_keeps_less_and_costs_flops() -> None:
    options: dict[str, Any] = {"bindings": true_bindings("bert_base"), "phase": "training"}
    kept, again = (roofline.analyze(model_path("bert_base"), recompute=r, **options) for r in (False, True))
    assert kept.step is not None and again.step is not None
    assert again.step.kept_bytes < kept.step.kept_bytes / 2
    assert again.totals["flops"] > kept.totals["flops"] and again.totals["macs"] == kept.totals["macs"]
    assert again.totals["peak_memory_bytes"] < kept.totals["peak_memory_bytes"]


def test_a_gradient_that_arrives_twice_is_added() -> None:
    """y = r + r @ w: the gradient of r comes from both; the second to arrive is added."""
    nodes = [
        helper.make_node("MatMul", ["x", "u"], ["r"], name="r"),
        helper.make_node("MatMul", ["r", "w"], ["m"], name="m"),
        helper.make_node("Add", ["r", "m"], ["y"], name="y"),
    ]
    weights = {name: np.ones((8, 8), np.float32) for name in "uw"}
    model = build_model(nodes, {"x": [4, 8]}, ["y"], weights)
    found = {x["name"]: x for x in roofline.analyze(model, phase="training", traffic="unfused").layers}
    backward = found["y (backward)"]["flops"] + found["m (backward)"]["flops"]
    assert backward == 2 * 2 * 4 * 8 * 8 + 32


def test_an_operator_without_a_rule_is_said() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Mish", ["m"], ["y"])]
    model = build_model(nodes, {"x": [4, 8]}, ["y"], {"w": np.ones((8, 8), np.float32)}, opset=18)
    assert "backward-estimated" in {f.code for f in roofline.analyze(model, phase="training").findings}


def test_what_is_made_again_can_be_made_from_what_is_kept() -> None:
    """Conv -> Sigmoid -> Mul -> Conv: the convolution's result stays (it would have to run again), the others go."""
    nodes = [
        helper.make_node("Conv", ["x", "u"], ["c"], name="c"),
        helper.make_node("Sigmoid", ["c"], ["s"], name="s"),
        helper.make_node("Mul", ["c", "s"], ["m"], name="m"),
        helper.make_node("Conv", ["m", "w"], ["y"], name="y"),
    ]
    weights = {name: np.ones((4, 4, 1, 1), np.float32) for name in "uw"}
    model = build_model(nodes, {"x": [1, 4, 10, 10]}, ["y"], weights)
    kept, again = (roofline.analyze(model, phase="training", recompute=r) for r in (False, True))
    assert kept.step is not None and again.step is not None
    assert kept.step.kept_bytes == 4 * 400 * 4  # x, c, s, m
    assert again.step.kept_bytes == 4 * 400 * 3  # x, c, m (the second convolution reads m)
    assert again.totals["flops"] - kept.totals["flops"] == 400 * (4 + 1)


def test_work_does_not_depend_on_what_fuses() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "u"], ["c"], name="c"),
        helper.make_node("Relu", ["c"], ["r"], name="r"),
        helper.make_node("Conv", ["r", "w"], ["d"], name="d"),
        helper.make_node("Add", ["d", "r"], ["y"], name="y"),
        helper.make_node("Mul", ["y", "y"], ["z"], name="z"),
    ]
    weights = {name: np.ones((4, 4, 1, 1), np.float32) for name in "uw"}
    model = build_model(nodes, {"x": [1, 4, 10, 10]}, ["z"], weights)
    flops = {roofline.analyze(model, phase="training", traffic=t).totals["flops"] for t in ("fused", "unfused")}
    assert len(flops) == 1


def test_bodies_are_not_trained_and_that_is_said() -> None:
    value = helper.make_tensor_value_info
    graphs = {
        name: helper.make_graph([node], name, [], [value("o", 1, None)])
        for name, node in (
            ("then_branch", helper.make_node("MatMul", ["a", "w"], ["o"])),
            ("else_branch", helper.make_node("Abs", ["a"], ["o"])),
        )
    }
    nodes = [helper.make_node("MatMul", ["x", "u"], ["a"]), helper.make_node("If", ["c"], ["y"], **graphs)]
    weights = {name: np.ones((8, 8), np.float32) for name in "uw"}
    model = build_model(nodes, {"x": [4, 8]}, ["y"], weights)
    model.graph.input.append(value("c", 9, []))
    analysis = roofline.analyze(model, phase="training")
    assert any(f.code == "training-bodies" and f.strict for f in analysis.findings)


@pytest.mark.parametrize(
    "options",
    [{"recompute": True}, {"phase": "training", "recompute": True, "traffic": "unfused"},
     {"phase": "training", "precision": "int8"}, {"phase": "training", "traffic": "pagoda", "optimizer": "adam"}],
)  # fmt: skip
def test_options_that_do_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(roofline.UsageError):
        roofline.analyze(model_path("resnet18"), **options)


@pytest.mark.parametrize("options", [{"phase": "training"}, {"device": "orin-agx", "levels": True}, {}])
def test_nodes_may_share_a_name(options: dict[str, Any]) -> None:
    """ONNX does not ask for different names; every node is still counted as itself."""

    def totals(names: str) -> dict[str, Any]:
        nodes = [
            helper.make_node("MatMul", ["x", "u"], ["a"], name=names[0]),
            helper.make_node("Softmax", ["a"], ["b"], name=names[1]),
            helper.make_node("MatMul", ["b", "w"], ["c"], name=names[2]),
            helper.make_node("Relu", ["c"], ["y"], name=names[3]),
        ]
        weights = {"u": np.ones((8, 16), np.float32), "w": np.ones((16, 2), np.float32)}
        return roofline.analyze(build_model(nodes, {"x": [4, 8]}, ["y"], weights), **options).totals

    assert totals("nnnn") == totals("pqrs")
