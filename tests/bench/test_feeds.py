"""Inputs made from shapes: valid where they are used, and said where they are guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import model_path
from onnx import TensorProto, helper

from roofline.bench.feeds import Feeds, make_feeds
from roofline.errors import MeasurementError
from roofline.graph.read import read_graph


def feeds_of(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, list[int]]],
    constants: dict[str, np.ndarray] | None = None,
    given: Mapping[str, Any] | None = None,
    domains: tuple[str, ...] = (),
) -> Feeds:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(v, n) for n, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return make_feeds(read_graph(model)[0], given)


def test_token_ids_are_rows_of_the_table() -> None:
    nodes = [
        helper.make_node("Cast", ["ids"], ["i"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "i"], ["y"]),
    ]
    found = feeds_of(nodes, {"ids": (TensorProto.INT64, [4, 500])}, {"table": np.zeros((7, 3), "f4")})
    ids = found.values["ids"]
    assert ids.dtype == np.int64 and ids.shape == (4, 500)
    assert set(np.unique(ids)) == set(range(7)) and found.findings == ()


def test_the_smallest_table_counts() -> None:
    nodes = [
        helper.make_node("Gather", ["large", "ids"], ["a"]),
        helper.make_node("Gather", ["small", "ids"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["y"], axis=-1),
    ]
    tables = {"large": np.zeros((100, 2), "f4"), "small": np.zeros((2, 2), "f4")}
    assert feeds_of(nodes, {"ids": (TensorProto.INT32, [1, 200])}, tables).values["ids"].max() == 1


def test_indices_along_another_axis() -> None:
    node = helper.make_node("Gather", ["table", "ids"], ["y"], axis=1)
    found = feeds_of([node], {"ids": (TensorProto.INT64, [300])}, {"table": np.zeros((50, 3), "f4")})
    assert found.values["ids"].max() == 2


def test_masks_and_booleans_are_ones() -> None:
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["flag"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["m", "f"], ["y"]),
    ]
    found = feeds_of(nodes, {"attention_mask": (TensorProto.INT64, [2, 3]), "flag": (TensorProto.BOOL, [3])})
    assert found.values["attention_mask"].tolist() == [[1] * 3] * 2 and found.values["flag"].all()
    assert found.findings == ()


def test_a_guess_is_said() -> None:
    nodes = [helper.make_node("Cast", ["steps"], ["y"], to=TensorProto.FLOAT)]
    found = feeds_of(nodes, {"steps": (TensorProto.INT64, [1])})
    assert found.values["steps"].tolist() == [1]
    assert [(f.code, f.where) for f in found.findings] == [("input-guessed", "steps")]


def test_lengths_of_attention_are_the_whole_length() -> None:
    shapes = {
        "q": [1, 4, 64], "k": [1, 4, 64], "v": [1, 4, 64], "pk": [1, 2, 6, 32], "pv": [1, 2, 6, 32],
    }  # fmt: skip
    inputs = {name: (TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    inputs |= {"lengths": (TensorProto.INT32, [1]), "total": (TensorProto.INT32, [])}
    node = helper.make_node(
        "GroupQueryAttention", ["q", "k", "v", "pk", "pv", "lengths", "total"], ["y", "ok", "ov"],
        domain="com.microsoft", num_heads=2, kv_num_heads=2,
    )  # fmt: skip
    found = feeds_of([node], inputs, domains=("com.microsoft",)).values
    assert found["total"] == 10 and found["lengths"].tolist() == [9]  # 6 past and 4 new tokens


def test_floats_are_seeded_and_keep_their_type() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    first, second = (feeds_of(nodes, {"x": (TensorProto.FLOAT16, [50])}).values["x"] for _ in range(2))
    assert first.dtype == np.float16 and (first == second).all() and len(np.unique(first)) > 40


def test_own_inputs_are_taken_and_checked() -> None:
    nodes, inputs = [helper.make_node("Relu", ["x"], ["y"])], {"x": (TensorProto.FLOAT, [2])}
    own = np.array([3, 4], "f4")
    assert feeds_of(nodes, inputs, given={"x": own}).values["x"] is own
    for wrong, text in ((np.zeros(3, "f4"), "shape"), (np.zeros(2), "float64")):
        with pytest.raises(MeasurementError, match=text):
            feeds_of(nodes, inputs, given={"x": wrong})
    with pytest.raises(MeasurementError, match="no input 'z'"):
        feeds_of(nodes, inputs, given={"z": own})


def test_text_cannot_be_made_up() -> None:
    nodes = [helper.make_node("StringNormalizer", ["words"], ["y"])]
    with pytest.raises(MeasurementError, match="words"):
        feeds_of(nodes, {"words": (TensorProto.STRING, [2])})


def test_a_real_transformer() -> None:
    graph, _ = read_graph(model_path("bert_base"), {"batch": 2, "seq": 64})
    found = make_feeds(graph)
    ids = found.values["input_ids"]
    assert ids.shape == (2, 64) and 1000 < ids.max() < 30522  # BERT's vocabulary
    assert (found.values["attention_mask"] == 1).all() and found.findings == ()
