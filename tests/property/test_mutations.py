"""Damaged and hostile models: a clear error or an answer, never another exception."""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import TRUTH, build_model, model_path, true_bindings
from onnx import TensorProto, helper

import roofline
from roofline.errors import RooflineError

NAMES = sorted(TRUTH)
SMALL = [name for name in NAMES if model_path(name).stat().st_size < 80_000]
Mutation = Callable[[onnx.ModelProto, random.Random], None]


def analyse(data: bytes | onnx.ModelProto, name: str = "") -> str:
    """Accept an answer, or one of our errors, whose text is one line; return that."""
    try:
        roofline.analyze(data, "orin-agx", bindings=true_bindings(name) if name else None).to_json(tensors=True)
    except RooflineError as error:
        assert str(error) and "\n" not in str(error)
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """No case may take more than 10 s, or 1 GiB of memory beyond what is in use."""

    def stop(signal_number: int, frame: object) -> None:
        raise TimeoutError("more than 10 s")

    before = resource.getrlimit(resource.RLIMIT_DATA)
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + 2**30, before[1]))
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 10)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    resource.setrlimit(resource.RLIMIT_DATA, before)


def drop_input(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    if node.input:
        del node.input[rng.randrange(len(node.input))]


def drop_node(model: onnx.ModelProto, rng: random.Random) -> None:
    del model.graph.node[rng.randrange(len(model.graph.node))]


def drop_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = [n for n in model.graph.node if n.attribute]
    if nodes:
        node = rng.choice(nodes)
        del node.attribute[rng.randrange(len(node.attribute))]


def retype_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = [n for n in model.graph.node if n.attribute]
    if nodes:
        attribute = rng.choice(rng.choice(nodes).attribute)
        other = rng.choice([1, -1, 10**18, -(2**63), 0.5, "text", [1, 2], [0.0, 0.0], [-1], [2**62] * 3])
        attribute.CopyFrom(helper.make_attribute(attribute.name, other))


def wild_dimension(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer)
    if tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice([-1, 0, 2**40, 2**62, -(2**62)])


def wild_input(model: onnx.ModelProto, rng: random.Random) -> None:
    dims = rng.choice(model.graph.input).type.tensor_type.shape.dim
    if dims:
        rng.choice(dims).dim_value = rng.choice([-1, 0, 2**39, 2**62])


def swap_names(model: onnx.ModelProto, rng: random.Random) -> None:
    a, b = rng.sample(range(len(model.graph.node)), 2)
    one, two = model.graph.node[a], model.graph.node[b]
    if one.output and two.output:
        one.output[0], two.output[0] = two.output[0], one.output[0]


def same_name(model: onnx.ModelProto, rng: random.Random) -> None:
    a, b = rng.sample(range(len(model.graph.node)), 2)
    model.graph.node[a].output[0] = model.graph.node[b].output[0]


def other_op(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    node.op_type = rng.choice([s.name for s in onnx.defs.get_all_schemas() if s.domain == ""])


def other_domain(model: onnx.ModelProto, rng: random.Random) -> None:
    rng.choice(model.graph.node).domain = rng.choice(["com.microsoft", "ai.onnx.ml", "nobody", ""])


def other_type(model: onnx.ModelProto, rng: random.Random) -> None:
    rng.choice(model.graph.initializer).data_type = rng.choice([0, 7, 8, 9, 99, 10])


def self_loop(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice([n for n in model.graph.node if n.input and n.output])
    node.input[0] = node.output[0]


def old_opset(model: onnx.ModelProto, rng: random.Random) -> None:
    model.opset_import[0].version = rng.choice([1, 5, 9, 0, -3, 999])


def own_subgraph(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    inner = helper.make_graph([node], "g", [], [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)])
    node.CopyFrom(
        helper.make_node(rng.choice(["If", "Loop", "Scan"]), list(node.input), list(node.output), body=inner,
                         then_branch=inner, else_branch=inner)
    )  # fmt: skip


def recursive_functions(model: onnx.ModelProto, rng: random.Random) -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    for a, b in (("A", "B"), ("B", "A")):
        inner = helper.make_node(b, ["i"], ["o"], domain="f")
        model.functions.append(helper.make_function("f", a, ["i"], ["o"], [inner], imports))
    model.opset_import.append(helper.make_opsetid("f", 1))
    model.graph.node[0].op_type, model.graph.node[0].domain = "A", "f"


MUTATIONS: list[Mutation] = [
    drop_input, drop_node, drop_attribute, retype_attribute, wild_dimension, wild_input, swap_names, same_name,
    other_op, other_domain, other_type, self_loop, old_opset, own_subgraph, recursive_functions,
]  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("seed", range(10))
def test_damaged_graphs(mutation: Mutation, seed: int) -> None:
    rng = random.Random(f"{mutation.__name__}{seed}")
    name = rng.choice(SMALL)
    model = onnx.load(model_path(name), load_external_data=False)
    mutation(model, rng)
    analyse(model.SerializeToString(), name)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes(seed: int) -> None:
    rng = random.Random(seed)
    name = rng.choice(SMALL)
    data = bytearray(model_path(name).read_bytes())
    for _ in range(rng.choice([1, 3, 20])):
        place = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.randrange(1, 50)]
        else:
            data[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    analyse(bytes(data), name)


def field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of a protobuf message."""
    out = b""
    for value in (number << 3 | 2, len(data)):
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        out += bytes([value])
    return out + data


def nested(levels: int) -> bytes:
    """Return a model of an If in an If in an If ..., which protobuf's own writer refuses at such depths."""
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [result]).SerializeToString()
    for _ in range(levels):
        branches = b"".join(
            field(5, field(1, name) + field(6, graph if name == b"then_branch" else b"") + b"\xa0\x01\x05")
            for name in (b"then_branch", b"else_branch")
        )
        node = field(1, b"c") + field(2, b"y") + field(4, b"If") + branches
        graph = field(1, node) + field(2, b"g") + field(12, result.SerializeToString())
    for name, dtype in (("x", TensorProto.FLOAT), ("c", TensorProto.BOOL)):
        graph += field(11, helper.make_tensor_value_info(name, dtype, [4]).SerializeToString())
    head = onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)])
    return head.SerializeToString() + field(7, graph)


@pytest.mark.parametrize("levels", [30, 60, 1000, 4000])
def test_deep_subgraphs(levels: int) -> None:
    message = analyse(nested(levels))
    assert "nested deeper" in message or "MaxDepth" in message


def test_a_few_levels_are_fine() -> None:
    assert analyse(nested(3)) == ""


def calling(levels: int, calls: int) -> bytes:
    """Return a model of functions each of which calls the next one `calls` times."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    functions = []
    for level in range(levels):
        last = level == levels - 1
        nodes = [
            helper.make_node("Relu", ["i"], ["o"])
            if last
            else helper.make_node(f"F{level + 1}", ["i"], [f"t{k}" if k else "o"], domain="f")
            for k in range(1 if last else calls)
        ]  # fmt: skip
        functions.append(helper.make_function("f", f"F{level}", ["i"], ["o"], nodes, imports))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("F0", ["x"], ["y"], domain="f")], "g",
        [value("x", TensorProto.FLOAT, [4])], [value("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    return helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=10).SerializeToString()


def test_functions_that_call_each_other_without_end() -> None:
    assert analyse(calling(6, 2)) == ""
    assert "nodes; expected at most" in analyse(calling(60, 2))
    assert "local functions" in analyse(calling(1000, 1))


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("Range", ["a", "b", "c"], ["y"]), {"a": 0, "b": 10, "c": 0}),
        (helper.make_node("TopK", ["x", "k"], ["y", "i"]), {"k": [-5]}),
        (helper.make_node("Resize", ["x", "", "s"], ["y"]), {"s": [1.0, 1.0, float("nan"), 1.0]}),
        (helper.make_node("Resize", ["x", "", "s"], ["y"]), {"s": [1.0, 1.0, 1e30, 1.0]}),
        (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[16, 16]), {}),
    ],
    ids=["range", "topk", "resize-nan", "resize-huge", "pool"],
)
def test_impossible_sizes_are_never_negative_counts(node: onnx.NodeProto, constants: dict[str, Any]) -> None:
    arrays = {name: np.array(v, np.float32 if name == "s" else np.int64) for name, v in constants.items()}
    model = build_model([node], {"x": [1, 3, 7, 7]}, [node.output[0]], arrays)
    analysis = roofline.analyze(model)
    assert analysis.coverage["nodes_unsupported"] == 1 or analysis.totals["bytes"] >= 0
    assert all(layer["bytes_read"] >= 0 and layer["bytes_written"] >= 0 for layer in analysis.layers)
    assert analysis.totals["bytes"] < 10**15
