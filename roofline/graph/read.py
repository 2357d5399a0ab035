"""From a model file to a `Graph`: load, bind, infer, order, and note where every tensor comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.errors import ShapeError
from roofline.findings import Finding
from roofline.graph import shapes as shape_inference
from roofline.graph.bind import Bindings, bind_inputs
from roofline.graph.load import load_proto
from roofline.graph.shapes import RawNode
from roofline.graph.nodes import FLOAT_DTYPES, Graph, Node, Origin, TensorInfo

if TYPE_CHECKING:
    import onnx

_DTYPES = (
    "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16",
    "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
    "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2",
)  # fmt: skip
"""Names of ``TensorProto.DataType`` by number."""

_COPIES = frozenset(
    {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Cast", "DequantizeLinear"}
)
_STATEFUL = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_MAX_VALUE = 16
"""Tensors of up to this many elements carry their value (scales, axes, sizes)."""


def read_graph(
    model: Any,
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Graph, list[Finding]]:
    """Read a model and find every tensor's type and shape.

    Args:
        model: path, ``-``, bytes or ``onnx.ModelProto``.
        bindings: sizes of free dimensions by name (``batch``) or place (``input[0]``).
        shapes: whole shapes of inputs by name.

    Raises:
        ModelFileError: it cannot be read.
        BindingError: a free dimension has no value, or a binding does not fit.
        ShapeError: the graph has a cycle, or two producers of one tensor.
    """
    proto, path = load_proto(model)
    if proto.functions:
        from onnx.inliner import inline_local_functions

        proto = inline_local_functions(proto)
    bound = Bindings(bindings, shapes)
    findings, batch = bind_inputs(proto.graph, bound)
    bound.refuse_missing(path)
    nodes = _ordered([raw_node(node, index) for index, node in enumerate(proto.graph.node)], path)
    inference = shape_inference.Inference(proto, bound)
    with np.errstate(all="ignore"):  # folding a 0/0 is no news: the value is then simply not known
        for node in nodes:
            inference.settle(node)
    bound.refuse_unused([i.name for i in proto.graph.input])
    tensors = _tensors(proto.graph, nodes, inference)
    findings += _unknown_dimensions(nodes, inference, tensors)
    opsets = {"": 0, **{entry.domain: entry.version for entry in proto.opset_import}}
    opsets[""] = opsets.get("ai.onnx", opsets[""])
    initialised = [t for t in tensors.values() if t.origin == "initializer" and t.is_known]
    return (
        Graph(
            path=path,
            opset=opsets[""],
            nodes=tuple(_node(node, opsets, tensors) for node in nodes),
            tensors=MappingProxyType(tensors),
            inputs=tuple(i.name for i in proto.graph.input if tensors[i.name].origin == "input"),
            outputs=tuple(o.name for o in proto.graph.output),
            bindings=MappingProxyType(dict(bound.used)),
            batch=batch,
            parameters=sum(t.elements for t in initialised if t.dtype in FLOAT_DTYPES),
            weight_bytes=sum(t.nbytes for t in initialised),
        ),
        findings,
    )


def _ordered(nodes: list[RawNode], path: str) -> Sequence[RawNode]:
    """Return the nodes so that producers come first (the file's own order, if it is one)."""
    producer: dict[str, int] = {}
    for node in nodes:
        for name in node.outputs:
            if name in producer:
                raise ShapeError(f"tensor {name!r} is produced twice", where=path, hint="export it again")
            if name:
                producer[name] = node.position
    reads = [[producer[n] for n in node.reads if n in producer] for node in nodes]
    if all(source < index for index, sources in enumerate(reads) for source in sources):
        return nodes
    waiting = [len(set(sources)) for sources in reads]
    readers: list[list[int]] = [[] for _ in reads]
    for index, sources in enumerate(reads):
        for source in set(sources):
            readers[source].append(index)
    order = [index for index, count in enumerate(waiting) if count == 0]
    for index in order:
        for reader in readers[index]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                order.append(reader)
    if len(order) < len(reads):
        stuck = next(i for i, count in enumerate(waiting) if count)
        name = nodes[stuck].proto.name or nodes[stuck].op_type
        raise ShapeError("the graph has a cycle", where=f"{path}: node {name!r}", hint="export it again")
    return [nodes[index] for index in order]


def raw_node(node: onnx.NodeProto, index: int) -> RawNode:
    """Read a node's fields once."""
    inputs = tuple(node.input)
    attributes: dict[str, Any] = {}
    inner: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        if attribute.type in _GRAPHS:
            inner += [attribute.g, *attribute.graphs]
        elif attribute.type in _READERS:
            attributes[attribute.name] = _READERS[attribute.type](attribute)
    reads = tuple(name for name in inputs if name)
    return RawNode(
        proto=node,
        position=index,
        op_type=node.op_type,
        domain="" if node.domain == "ai.onnx" else node.domain,
        inputs=inputs,
        outputs=tuple(node.output),
        attributes=MappingProxyType(attributes),
        reads=reads + tuple(_names_in(inner)) if inner else reads,
    )


_GRAPHS = (5, 10)
_READERS: Mapping[int, Callable[[Any], Any]] = {
    1: lambda a: a.f,
    2: lambda a: a.i,
    3: lambda a: a.s.decode("utf-8", "replace"),
    6: lambda a: tuple(a.floats),
    7: lambda a: tuple(a.ints),
    8: lambda a: tuple(s.decode("utf-8", "replace") for s in a.strings),
}
"""``AttributeProto.type`` -> how to read a number, a string, or a tuple of them."""


def _names_in(graphs: list[onnx.GraphProto]) -> Iterator[str]:
    """Yield every tensor name read inside subgraphs (those defined there too: they do no harm)."""
    while graphs:
        graph = graphs.pop()
        yield from (output.name for output in graph.output)
        for node in graph.node:
            yield from (name for name in node.input if name)
            for attribute in node.attribute:
                if attribute.type in _GRAPHS:
                    graphs += [attribute.g, *attribute.graphs]


def _tensors(
    graph: onnx.GraphProto, nodes: Sequence[RawNode], inference: shape_inference.Inference
) -> dict[str, TensorInfo]:
    """Return every tensor of the main graph with type, shape and where it comes from."""
    tensors: dict[str, TensorInfo] = {}

    def add(name: str, origin: Origin, root: str = "") -> None:
        code, shape = inference.known.get(name) or (0, None)
        dtype = _DTYPES[code] if 0 < code < len(_DTYPES) else None
        value = None
        if origin != "data" and shape is not None and name in inference.values and prod(shape) <= _MAX_VALUE:
            array = inference.values.array(name)
            value = None if array is None else tuple(array.ravel().tolist())
        tensors[name] = TensorInfo(name, dtype, shape, origin, root, value)

    for tensor in graph.initializer:
        add(tensor.name, "initializer", tensor.name)
    for sparse in graph.sparse_initializer:
        add(sparse.values.name, "initializer", sparse.values.name)
    for value in graph.input:
        if value.name not in tensors:  # before IR 4 initialisers are listed among the inputs too
            add(value.name, "input")
    for node in nodes:
        origin = _origin(node, tensors)
        source = tensors.get(node.inputs[0]) if node.inputs else None
        root = source.root if source and origin == "constant" and node.op_type in _COPIES else ""
        for name in node.outputs:
            if name:
                add(name, origin, root)
    return tensors


def _origin(node: RawNode, tensors: Mapping[str, TensorInfo]) -> Origin:
    if node.op_type in _STATEFUL:
        return "data"
    origins = {tensors[name].origin if name in tensors else "data" for name in node.reads}
    if origins <= {"initializer", "constant"}:
        return "constant"
    is_shape = node.op_type in ("Shape", "Size") and not node.domain
    return "shape" if is_shape or origins <= {"initializer", "constant", "shape"} else "data"


def _node(node: RawNode, opsets: Mapping[str, int], tensors: Mapping[str, TensorInfo]) -> Node:
    return Node(
        name=node.proto.name,
        op_type=node.op_type,
        domain=node.domain,
        opset=opsets.get(node.domain, 0),
        inputs=tuple(_operand(name, tensors) if name else None for name in node.inputs),
        outputs=tuple(tensors[name] if name else None for name in node.outputs),
        attributes=node.attributes,
        position=node.position,
        reads=node.reads,
    )


def _operand(name: str, tensors: Mapping[str, TensorInfo]) -> TensorInfo:
    return tensors.get(name) or TensorInfo(name, None, None)


def _unknown_dimensions(
    nodes: Sequence[RawNode], inference: shape_inference.Inference, tensors: Mapping[str, TensorInfo]
) -> list[Finding]:
    """Name each place where a shape stays unknown first; what follows from it is not repeated."""
    findings = []
    for node in nodes:
        lost = [name for name in node.outputs if name and name not in inference.known]
        if not lost or any(name in tensors and tensors[name].shape is None for name in node.inputs if name):
            continue
        axes = shape_inference.open_axes(inference.types.get(lost[0]))
        hint = ",".join(f"{lost[0]}[{axis}]=SIZE" for axis in axes)
        reason = inference.problems.get(node.position, "it depends on the data")
        findings.append(
            Finding(
                code="unknown-shape",
                where=node.proto.name or f"{node.op_type}_{node.position}",
                message=f"the shape of {lost[0]} ({node.op_type}) is unknown: {reason}",
                hint=f"bind it: --bind '{hint}'" if axes else "see the coverage line for what is left out",
                strict=True,
            )
        )
    return findings
