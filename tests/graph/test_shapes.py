"""Shapes computed from shapes, node by node, against ONNX Runtime; folding against ONNX's own evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import build_model
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import roofline
from roofline.errors import ShapeError
from roofline.graph import fold
from roofline.graph.read import read_graph

I64 = np.int64


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    return list(onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds))


def expand_chain() -> onnx.ModelProto:
    """ConstantOfShape -> Mul -> Equal -> Where -> Expand, as every TorchScript ViT export has it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "zero1"], ["n1"]),
        helper.make_node("Concat", ["n1", "minus1", "minus1"], ["want"], axis=0),
        helper.make_node("Shape", ["want"], ["rank"]),
        helper.make_node("ConstantOfShape", ["rank"], ["ones"], value=helper.make_tensor("v", 7, [1], [1])),
        helper.make_node("Mul", ["ones", "minus"], ["negative"]),
        helper.make_node("Equal", ["want", "negative"], ["is_open"]),
        helper.make_node("Where", ["is_open", "ones", "want"], ["target"]),
        helper.make_node("Expand", ["token", "target"], ["e"]),
        helper.make_node("Concat", ["e", "x"], ["y"], axis=1),
    ]
    constants = {
        "zero": np.array(0, I64), "zero1": np.array([0], I64), "minus1": np.array([-1], I64),
        "minus": np.array(-1, I64), "token": np.ones((1, 1, 8), np.float32),
    }  # fmt: skip
    return build_model(nodes, {"x": ["batch", 5, 8]}, ["y"], constants)


def test_expand_to_a_computed_shape() -> None:
    model = expand_chain()
    (y,) = run(model, {"x": np.zeros((3, 5, 8), np.float32)})
    assert read_graph(model, {"batch": 3})[0].tensors["y"].shape == y.shape == (3, 6, 8)


def test_shape_arithmetic_is_free_and_said_to_be() -> None:
    layers = {layer["op_type"]: layer for layer in roofline.analyze(expand_chain(), bindings={"batch": 3}).layers}
    assert layers["Where"]["status"] == "free" and "shape arithmetic" in layers["Where"]["reason"]
    assert layers["Expand"]["status"] == "free"  # the token and the shape are known before the run
    assert layers["Concat"]["status"] == "counted"


def test_division_truncates_to_zero_as_in_onnx() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Div", ["s", "minus3"], ["q"]),  # 8 / -3 = -2, not -3
        helper.make_node("Neg", ["q"], ["p"]),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Expand", ["small", "p"], ["y"]),
    ]
    constants = {"minus3": np.array([-3], I64), "shape": np.array([2, 4], I64), "small": np.ones(1, np.float32)}
    model = build_model(nodes, {"x": [8]}, ["y", "r"], constants)
    y, _ = run(model, {"x": np.zeros(8, np.float32)})
    assert read_graph(model)[0].tensors["y"].shape == y.shape == (2,)


# operator, inputs, attributes: evaluated here and by onnx.reference
FOLDED: list[tuple[str, list[Any], dict[str, Any]]] = [
    *[(op, [np.array([7, -7, 5], I64), np.array([2, 2, -3], I64)], {}) for op in ("Add", "Sub", "Mul", "Div")],
    ("Div", [np.array([7.0], np.float32), np.array([2.0], np.float32)], {}),
    *[(op, [np.array([3, 4], I64), np.array([4, 4], I64)], {}) for op in ("Equal", "Less", "Greater", "Max", "Min")],
    ("And", [np.array([True, False]), np.array([True, True])], {}),
    ("Not", [np.array([True, False])], {}),
    ("Neg", [np.array([3, -4], I64)], {}),
    *[(op, [np.array([2.25, 9.0], np.float32)], {}) for op in ("Floor", "Ceil", "Sqrt")],
    ("Where", [np.array([True, False]), np.array([1, 2], I64), np.array([3, 4], I64)], {}),
    ("Identity", [np.array([1, 2], I64)], {}),
    ("Concat", [np.array([1, 2], I64), np.array([3], I64)], {"axis": 0}),
    ("Gather", [np.array([10, 20, 30], I64), np.array(-1, I64)], {"axis": 0}),
    ("Gather", [np.arange(6, dtype=I64).reshape(2, 3), np.array([2, 0], I64)], {"axis": 1}),
    ("Slice", [np.arange(9, dtype=I64), np.array([1], I64), np.array([2**62], I64)], {}),
    ("Slice", [np.arange(9, dtype=I64), np.array([-1], I64), np.array([-(2**62)], I64), np.array([0], I64),
               np.array([-2], I64)], {}),
    ("Slice", [np.arange(12, dtype=I64).reshape(3, 4), np.array([1, 0], I64), np.array([3, 2], I64),
               np.array([1, 0], I64)], {}),
    ("Squeeze", [np.array([[4]], I64), np.array([0], I64)], {}),
    ("Squeeze", [np.array([[4]], I64)], {}),
    ("Unsqueeze", [np.array([4, 5], I64), np.array([0, -1], I64)], {}),
    ("Unsqueeze", [np.array(4, I64), np.array([0], I64)], {}),
    ("Reshape", [np.arange(6, dtype=I64).reshape(2, 3), np.array([0, -1, 1], I64)], {}),
    ("Expand", [np.array([[1], [2]], I64), np.array([2, 3], I64)], {}),
    ("ReduceProd", [np.array([2, 3, 4], I64)], {"keepdims": 0}),
    ("Range", [np.array(0, I64), np.array(7, I64), np.array(3, I64)], {}),
    ("Cast", [np.array([1.9, -1.9], np.float32)], {"to": TensorProto.INT64}),
    ("ConstantOfShape", [np.array([2, 3], I64)], {}),
    # not in the table: handed to the evaluator
    ("Mod", [np.array([7, -7], I64), np.array([3, 3], I64)], {}),
    ("CumSum", [np.array([1, 2, 3], I64), np.array(0, I64)], {}),
    ("NonZero", [np.array([0, 5, 0, 7], I64)], {}),
]  # fmt: skip


@pytest.mark.parametrize("case", FOLDED, ids=lambda case: case[0])
def test_folding_agrees_with_onnx(case: tuple[str, list[Any], dict[str, Any]]) -> None:
    op, inputs, attributes = case
    names = [f"i{i}" for i in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], **attributes)
    want = ReferenceEvaluator(node, opsets={"": 17}).run(None, dict(zip(names, inputs, strict=True)))[0]
    got = fold.evaluate(node, inputs, attributes, 17, True)
    assert got is not None
    np.testing.assert_array_equal(got[0], want)
    assert got[0].dtype == want.dtype and got[0].shape == want.shape


def test_every_folded_operator_is_checked() -> None:
    assert set(fold._NUMPY) <= {case[0] for case in FOLDED}


def test_values_that_would_be_large_are_not_worked_out() -> None:
    big, huge = np.array([10**6, 10**6], I64), np.array(10**12, I64)
    row, column = np.zeros((1, 4000), I64), np.zeros((4000, 1), I64)
    for op, inputs in {
        "Expand": [np.array([1], I64), big],
        "ConstantOfShape": [big],
        "Range": [np.array(0, I64), huge, np.array(1, I64)],
        "Add": [row, column],
        "Where": [row == 0, row, column],
        "Tile": [np.array([1], I64), np.array([10**9], I64)],
    }.items():
        names = [f"i{i}" for i in range(len(inputs))]
        assert fold.evaluate(helper.make_node(op, names, ["y"]), inputs, {}, 17, False) is None


def test_layers_that_look_alike_are_told_apart() -> None:
    """What is remembered of one node must not be taken for another: number of outputs, attributes, values."""
    nodes = [
        helper.make_node("Gather", ["x", "ids"], ["x1"], axis=0),
        helper.make_node("Split", ["x1"], ["a", "b"], axis=1),
        helper.make_node("Split", ["x1"], ["c", "d", "e", "f"], axis=1),
        helper.make_node("Split", ["x1"], ["g", "h"], axis=0),
        helper.make_node("Reshape", ["x1", "to3"], ["i"]),
        helper.make_node("Reshape", ["x1", "to4"], ["j"]),
    ]
    constants = {"ids": np.arange(4), "to3": np.array([3, -1]), "to4": np.array([-1, 4])}
    outputs = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    model = build_model(nodes, {"x": [6, 12]}, outputs, constants)
    want = [value.shape for value in run(model, {"x": np.zeros((6, 12), np.float32)})]
    graph, _ = read_graph(model)
    assert [graph.tensors[name].shape for name in outputs] == want


def test_stale_value_info_is_not_believed() -> None:
    model = build_model([helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
                        {"x": [2, 3]}, ["y"])  # fmt: skip
    model.graph.value_info.append(helper.make_tensor_value_info("h", 1, [99, 99]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, ["who", 7]))
    tensors = read_graph(model)[0].tensors
    assert tensors["h"].shape == tensors["y"].shape == (2, 3)


def data_dependent() -> onnx.ModelProto:
    nodes = [
        helper.make_node("NonZero", ["x"], ["where"]),
        helper.make_node("Transpose", ["where"], ["t"]),
        helper.make_node("Cast", ["t"], ["y"], to=1),
        helper.make_node("Relu", ["x"], ["z"]),
    ]
    return build_model(nodes, {"x": [4, 6]}, ["y", "z"])


def test_a_length_that_comes_from_data_is_named_and_stops_nothing() -> None:
    analysis = roofline.analyze(data_dependent())
    codes = [(f.code, f.where) for f in analysis.findings if f.code == "unknown-shape"]
    assert len(codes) == 1 and codes[0][1].startswith("NonZero")  # what follows from it is not repeated
    status = {layer["op_type"]: layer["status"] for layer in analysis.layers}
    assert status == {"NonZero": "unsupported", "Transpose": "unsupported", "Cast": "unsupported", "Relu": "counted"}
    assert analysis.coverage["share_flops_exact"] is None
    finding = next(f for f in analysis.findings if f.code == "unknown-shape")
    assert "--bind 'where[1]=SIZE'" in finding.hint


def test_the_hint_works() -> None:
    graph, findings = read_graph(data_dependent(), {"where[1]": 7})
    assert graph.tensors["y"].shape == (7, 2) and findings == []


def test_one_bad_node_does_not_stop_the_others() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["bad"]),  # 4x6 times 5x2
        helper.make_node("Mystery", ["x"], ["m"], domain="who.knows"),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    model = build_model(nodes, {"x": [4, 6]}, ["bad", "m", "y"], {"w": np.ones((5, 2), np.float32)},
                        domains=("who.knows",))  # fmt: skip
    analysis = roofline.analyze(model)
    assert {layer["op_type"]: layer["status"] for layer in analysis.layers} == {
        "MatMul": "unsupported", "Mystery": "unsupported", "Relu": "counted",
    }  # fmt: skip
    assert analysis.totals["flops"] == 24


def test_cycle_and_double_producer_are_errors() -> None:
    cycle = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(ShapeError, match="cycle"):
        read_graph(build_model(cycle, {"x": [1]}, ["b"]))
    twice = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Relu", ["x"], ["a"])]
    with pytest.raises(ShapeError, match="produced twice"):
        read_graph(build_model(twice, {"x": [1]}, ["a"]))


def test_nodes_in_any_order_are_sorted() -> None:
    nodes = [helper.make_node("Relu", ["h"], ["y"]), helper.make_node("Relu", ["x"], ["h"])]
    assert read_graph(build_model(nodes, {"x": [2, 3]}, ["y"]))[0].tensors["y"].shape == (2, 3)


def test_model_local_functions_are_opened() -> None:
    body = helper.make_function(
        "local", "Twice", ["a", "b"], ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["h"]), helper.make_node("Relu", ["h"], ["c"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    model = build_model([helper.make_node("Twice", ["x", "w"], ["y"], domain="local")], {"x": [4, 6]}, ["y"],
                        {"w": np.ones((6, 5), np.float32)}, domains=("local",))  # fmt: skip
    model.functions.append(body)
    totals = roofline.analyze(model).totals
    assert totals["macs"] == 4 * 6 * 5 and totals["flops"] == 2 * 120 + 20


def test_unused_and_constant_nodes_are_free() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["nobody"], name="unused"),
        helper.make_node("Transpose", ["w"], ["wt"], name="constant"),
        helper.make_node("MatMul", ["x", "wt"], ["y"], name="used"),
    ]
    model = build_model(nodes, {"x": [4, 6]}, ["y"], {"w": np.ones((5, 6), np.float32)})
    reasons = {
        layer["name"]: (layer["status"], layer["reason"].partition(":")[0]) for layer in roofline.analyze(model).layers
    }
    assert reasons == {"unused": ("free", "unused"), "constant": ("free", "constant"), "used": ("counted", "")}
