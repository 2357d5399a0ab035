"""The parser pass that drops weights, against protobuf's own parser."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from conftest import TRUTH, build_model, model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from roofline.errors import ModelFileError
from roofline.graph.wire import KEEP_BYTES, strip_weights

BIG = np.arange(4096, dtype=np.float32).reshape(64, 64)
SMALL = np.arange(6, dtype=np.int64)


def stripped(data: bytes) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(strip_weights(memoryview(data)))


def weighty_model() -> onnx.ModelProto:
    """A model with large values in every place where ONNX can keep them."""
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(BIG, "c"))
    inner = helper.make_graph(
        [helper.make_node("Identity", ["inner_w"], ["r"])],
        "inner",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [64, 64])],
        [numpy_helper.from_array(BIG, "inner_w")],
    )
    branch = helper.make_node("If", ["flag"], ["i"], then_branch=inner, else_branch=inner)
    add = helper.make_node("Add", ["x", "w"], ["y"])
    model = build_model([constant, branch, add], {"x": [64, 64]}, ["y"], {"w": BIG, "shape": SMALL})
    graph = model.graph
    for name, field in (("floats", "float_data"), ("ints", "int32_data"), ("longs", "int64_data"),
                        ("doubles", "double_data"), ("ulongs", "uint64_data")):  # fmt: skip
        dtype = {"floats": 1, "ints": 6, "longs": 7, "doubles": 11, "ulongs": 13}[name]
        tensor = TensorProto(name=name, data_type=dtype, dims=[9000])
        getattr(tensor, field).extend([1] * 9000)
        graph.initializer.append(tensor)
    sparse = onnx.SparseTensorProto(dims=[100000])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(3000, np.float32), "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(3000), "si"))
    graph.sparse_initializer.append(sparse)
    return model


def shell(tensor: onnx.TensorProto) -> None:
    """What a large tensor must become: no values, marked as being elsewhere."""
    for field in ("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data", "uint64_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL


def test_values_go_everywhere_and_nothing_else_does() -> None:
    model = weighty_model()
    got = stripped(model.SerializeToString())
    graph = model.graph
    large = [t for t in graph.initializer if t.ByteSize() > KEEP_BYTES]
    large += [graph.node[0].attribute[0].t, graph.sparse_initializer[0].values, graph.sparse_initializer[0].indices]
    large += [a.g.initializer[0] for a in graph.node[1].attribute]
    assert len(large) == 11
    for tensor in large:
        shell(tensor)
    assert got == model
    assert len(got.SerializeToString()) < 4000


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_real_graphs_lose_only_value_info(name: str) -> None:
    data = model_path(name).read_bytes()
    want = onnx.ModelProto.FromString(data)
    del want.graph.value_info[:]
    for tensor in want.graph.initializer:
        if tensor.ByteSize() > KEEP_BYTES:
            shell(tensor)
    assert stripped(data) == want


def _fields(data: bytes) -> list[bytes]:
    """Split a message into its top-level fields."""
    fields, at = [], 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        if tag & 7 == 2:
            length, at = _varint(data, at)
            at += length
        elif tag & 7 == 0:
            _, at = _varint(data, at)
        else:
            raise AssertionError("not in these models")
        fields.append(data[start:at])
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def test_field_order_does_not_matter() -> None:
    """In a tensor, the values may come before the dimensions; in the model, the graph before the opset."""
    tensor = numpy_helper.from_array(BIG, "w")
    parts = _fields(tensor.SerializeToString())
    for seed in range(5):
        random.Random(seed).shuffle(parts)
        body = b"".join(parts)
        graph = b"\x2a" + _encode(len(body)) + body  # field 5: initializer
        model = b"\x3a" + _encode(len(graph)) + graph + b"\x08\x08"  # field 7: graph; field 1: ir_version 8
        got = stripped(model).graph.initializer[0]
        assert (got.name, list(got.dims), got.data_type, len(got.raw_data)) == ("w", [64, 64], 1, 0)


def test_a_repeated_graph_is_merged_as_protobuf_does() -> None:
    first = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, ["y"], {"w": BIG})
    second = build_model([helper.make_node("Relu", ["y"], ["z"])], {"q": [1]}, ["z"], {"v": BIG})
    both = first.SerializeToString() + second.SerializeToString()
    got = stripped(both)
    assert [n.output[0] for n in got.graph.node] == [n.output[0] for n in onnx.ModelProto.FromString(both).graph.node]
    assert [t.name for t in got.graph.initializer] == ["w", "v"]
    assert all(not t.raw_data for t in got.graph.initializer)


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def test_every_truncation_is_an_error_or_a_shorter_whole_message() -> None:
    data = weighty_model().SerializeToString()
    for cut in range(0, len(data), 501):
        try:
            strip_weights(memoryview(data[:cut]))
        except ModelFileError as error:
            assert "not a whole ONNX file" in str(error)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_or_a_clear_error(data: bytes) -> None:
    try:
        strip_weights(memoryview(data))
    except ModelFileError as error:
        assert "\n" not in str(error)


def test_nesting_has_a_limit() -> None:
    """A graph in an attribute in a node in a graph ... 200 times over."""
    body = b""
    for _ in range(200):
        attribute = b"\x32" + _encode(len(body)) + body  # Attribute.g
        node = b"\x2a" + _encode(len(attribute)) + attribute  # Node.attribute
        padded = node + b"\x32" + _encode(KEEP_BYTES) + b" " * KEEP_BYTES  # Node.doc_string, so that it is large
        body = b"\x0a" + _encode(len(padded)) + padded  # Graph.node
    with pytest.raises(ModelFileError, match="nested deeper"):
        strip_weights(memoryview(b"\x3a" + _encode(len(body)) + body))
