"""Nodes read once from their protobuf messages, whose fields are slow to read again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline.errors import ShapeError

if TYPE_CHECKING:
    import onnx


CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Operators that run subgraphs of their own."""


class RawNode(NamedTuple):
    """A node's fields as plain values; tensors by name."""

    proto: onnx.NodeProto
    position: int
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    reads: tuple[str, ...]
    """Every tensor it reads, those that its subgraphs take from outside included."""
    bodies: Mapping[str, RawGraph]
    """Its subgraphs, by attribute."""


class RawGraph(NamedTuple):
    """A subgraph's nodes as plain values."""

    proto: onnx.GraphProto
    nodes: list[RawNode]
    outside: tuple[str, ...]
    """Every tensor that it takes from outside."""


_NONE: Mapping[str, Any] = MappingProxyType({})


def refuse_bytes(names: Iterable[str], where: str) -> None:
    """Raise for a name that is no UTF-8 text: protobuf then hands out bytes.

    Raises:
        ShapeError: one of the names is none.
    """
    try:
        "".join(names)
    except TypeError:
        raise ShapeError("a name is no UTF-8 text", where=where, hint="the file is damaged; export it again") from None


def raw_node(node: onnx.NodeProto, index: int) -> RawNode:
    """Read a node's fields once."""
    inputs, outputs, domain = tuple(node.input), tuple(node.output), node.domain
    refuse_bytes((node.op_type, domain, node.name, *inputs, *outputs), f"node {index}")
    attributes: dict[str, Any] = {}
    bodies: dict[str, RawGraph] = {}
    outside: list[str] = []
    for attribute in node.attribute:
        kind = attribute.type
        if kind in _READERS:
            attributes[attribute.name] = _READERS[kind](attribute)
        elif kind in _GRAPHS:
            if attribute.HasField("g"):
                bodies[attribute.name] = raw_graph(attribute.g)
                outside += bodies[attribute.name].outside
            outside += [name for graph in attribute.graphs for name in raw_graph(graph).outside]
    reads = tuple(filter(None, inputs)) if "" in inputs else inputs
    return RawNode(
        node,
        index,
        node.op_type,
        "" if domain == "ai.onnx" else domain,
        inputs,
        outputs,
        MappingProxyType(attributes) if attributes else _NONE,
        reads + tuple(outside) if outside else reads,
        bodies or _NONE,
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


def raw_graph(graph: onnx.GraphProto) -> RawGraph:
    """Read a subgraph's nodes once, those of the subgraphs in them included."""
    nodes = [raw_node(node, index) for index, node in enumerate(graph.node)]
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    read = {output.name for output in graph.output}
    for node in nodes:
        own.update(node.outputs)
        read.update(node.reads)
    return RawGraph(graph, nodes, tuple(sorted(read - own)))


def ordered(nodes: list[RawNode], path: str) -> list[RawNode]:
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
