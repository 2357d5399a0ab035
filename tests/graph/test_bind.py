"""Free dimensions: bound by name, by place, by whole shape; batch assumed, everything else asked for."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from conftest import build_model
from onnx import helper

from roofline.errors import BindingError, ShapeError
from roofline.graph.dims import NotAnExpressionError, evaluate, parse_dim
from roofline.graph.read import read_graph


def model(*shapes: list[Any]) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(len(shapes))]
    nodes = [helper.make_node("Relu", [n], [f"y{i}"]) for i, n in enumerate(names)]
    return build_model(nodes, dict(zip(names, shapes, strict=True)), [f"y{i}" for i in range(len(names))])


def shape_of(source: onnx.ModelProto, tensor: str = "y0", **options: Any) -> tuple[int, ...] | None:
    graph, _ = read_graph(source, **options)
    return graph.tensors[tensor].shape


def test_by_name_and_by_place() -> None:
    assert shape_of(model(["n", 3, "h"]), bindings={"n": 2, "h": 5}) == (2, 3, 5)
    assert shape_of(model([None, 3, None]), bindings={"x0[0]": 2, "x0[2]": 5}) == (2, 3, 5)
    assert shape_of(model(["n", 3, "h"]), bindings={"x0[0]": 2, "h": 5}) == (2, 3, 5)


def test_by_whole_shape() -> None:
    assert shape_of(model(["n", 3, "h"]), shapes={"x0": (2, 3, 5)}) == (2, 3, 5)
    two = model(["n", 3], ["n", 7])
    assert shape_of(two, "y1", shapes={"x0": (4, 3)}) == (4, 7)  # the symbol is bound everywhere


def test_input_without_a_shape() -> None:
    source = model([2, 3])
    source.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(BindingError, match="--shapes x0"):
        read_graph(source)
    assert shape_of(source, shapes={"x0": (2, 3)}) == (2, 3)


@pytest.mark.parametrize("name", ["batch", "batch_size", "N", "bs", "B", "Batch", "batchSize", "nbatch", "batch_dim"])
def test_leading_batch_is_assumed_to_be_one_and_said(name: str) -> None:
    graph, findings = read_graph(model([name, 3]))
    assert graph.tensors["y0"].shape == (1, 3)
    assert graph.bindings == {name: 1} and graph.batch == 1
    assert [(f.code, f.strict) for f in findings] == [("batch-assumed", True)]
    assert f"{name}=1 (assumed)" in findings[0].message


@pytest.mark.parametrize("shape", [["seq", 3], [3, "batch"], ["batch*seq", 3], ["H", 3], [None, 3]])
def test_nothing_else_is_assumed(shape: list[Any]) -> None:
    with pytest.raises(BindingError) as caught:
        read_graph(model(shape))
    assert caught.value.names and "--bind" in str(caught.value)


def test_an_assumed_symbol_holds_in_every_place() -> None:
    graph, _ = read_graph(model([3, "batch"], ["batch", 2]))
    assert graph.tensors["y0"].shape == (3, 1)


def test_a_leading_symbol_that_inputs_do_not_share_is_asked_for() -> None:
    with pytest.raises(BindingError) as caught:
        read_graph(model(["batch", 3], ["n", 2]))
    assert caught.value.names == ("batch", "n")


def test_expressions_follow_from_their_names() -> None:
    source = model(["batch", "seq"], ["batch*seq", "past + seq"], ["floor(seq/2)+1", 3])
    with pytest.raises(BindingError) as caught:
        read_graph(source)
    assert caught.value.names == ("batch", "seq", "past")
    graph, _ = read_graph(source, {"batch": 2, "seq": 5, "past": 4})
    assert graph.tensors["y1"].shape == (10, 9) and graph.tensors["y2"].shape == (3, 3)
    with pytest.raises(BindingError, match="contradicts its names: it is 10"):
        read_graph(source, {"batch": 2, "seq": 5, "past": 4, "batch*seq": 7})
    with pytest.raises(BindingError, match="no whole number"):
        read_graph(model(["seq/2"]), {"seq": 5})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2*(a + b) - 1", 13), ("a**2", 16), ("max(a, b, 9)", 9), ("ceil(a/3)", 2), ("-a + 7", 3), ("a % 3", 1),
        ("b//2", 1), ("10 - 2 - 3", 5), ("12/3/2", 2), ("2**3**1", 8),
    ],
)  # fmt: skip
def test_arithmetic_of_expressions(text: str, size: int) -> None:
    assert evaluate(parse_dim(text), {"a": 4, "b": 3}) == size


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('x')", "a if b else c", "a[0]", "lambda: 1", "a.b()", "exec(a)", "1e5", "a +", "(a",
     "max()", "floor(a, b)", "a, b", "(" * 200 + "a" + ")" * 200, "a" * 600, "'a'", "a;b"],
)  # fmt: skip
def test_nothing_else_is_an_expression(text: str) -> None:
    with pytest.raises(NotAnExpressionError):
        parse_dim(text)


@pytest.mark.parametrize("text", ["a/0", "a//(b-b)", "9**9", "a**(0-1)"])
def test_expressions_without_a_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"zero|power"):
        evaluate(parse_dim(text), {"a": 4, "b": 3})


def test_every_missing_dimension_is_named_at_once() -> None:
    with pytest.raises(BindingError) as caught:
        read_graph(model(["seq", "width"]))
    assert caught.value.names == ("seq", "width")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bindings": {"n": 2, "sequence": 3}}, "no free dimension 'sequence'"),
        ({"bindings": {"n": -1}}, "no size"),
        ({"bindings": {"n": 2.5}}, "no size"),
        ({"bindings": {"n": True}}, "no size"),
        ({"bindings": {"n": 2**60}}, "no size"),
        ({"bindings": {"n": 2, "x0[0]": 3}}, "contradicts"),
        ({"bindings": {"n": 2, "x0[1]": 4}}, "fixes x0\\[1\\] to 3"),
        ({"bindings": {"n": 2}, "shapes": {"q": (1, 3)}}, "no input 'q'"),
        ({"shapes": {"x0": (1, 3, 4)}}, "has 2 dimensions, not 3"),
        ({"shapes": {"x0": (1, 4)}}, "is 3, not 4"),
        ({"bindings": {"n": 2}, "shapes": {"x0": (1, 3)}}, "is 2, not 1"),
    ],
)
def test_bindings_that_do_not_fit(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BindingError, match=text):
        read_graph(model(["n", 3]), **options)


@pytest.mark.parametrize("size", [-1, 2**62])
def test_sizes_in_the_file_that_make_no_sense(size: int) -> None:
    with pytest.raises(ShapeError, match="expected a size"):
        read_graph(model([size, 3]))


def test_batch_is_the_shared_leading_size() -> None:
    assert read_graph(model([4, 3], [4, 7]))[0].batch == 4
    assert read_graph(model([4, 3], [5, 7]))[0].batch is None
