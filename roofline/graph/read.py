"""From a model file to a `Graph`: load, bind, infer, order, and note where every tensor comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from roofline.errors import ShapeError
from roofline.findings import Finding
from roofline.graph.bind import Bindings, bind_inputs
from roofline.graph.control import label_of
from roofline.graph.library import ShapeRules
from roofline.graph.load import load_proto
from roofline.graph.nodes import FLOAT_DTYPES, Graph, Node, TensorInfo
from roofline.graph.raw import RawNode, ordered, raw_node
from roofline.graph.shapes import Inference, open_axes
from roofline.graph.trace import free_reasons, trace_tensors, with_value

if TYPE_CHECKING:
    import onnx


def read_graph(
    model: Any,
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    own: ShapeRules | None = None,
) -> tuple[Graph, list[Finding]]:
    """Read a model and find every tensor's type and shape.

    Args:
        model: path, ``-``, bytes or ``onnx.ModelProto``.
        bindings: sizes of free dimensions by name (``batch``) or place (``input[0]``).
        shapes: whole shapes of inputs by name.
        own: shape rules of the user's own operators.

    Raises:
        ModelFileError: it cannot be read.
        BindingError: a free dimension has no value, or a binding does not fit.
        ShapeError: the graph has a cycle, or two producers of one tensor.
    """
    proto, path = load_proto(model)
    bound = Bindings(bindings, shapes)
    findings, batch = bind_inputs(proto.graph, bound)
    bound.refuse_missing(path)
    nodes = [raw_node(node, index) for index, node in enumerate(proto.graph.node)]
    _refuse_dangling(proto.graph, nodes, path)
    nodes = ordered(nodes, path)
    inference = Inference(proto, bound, own or {})
    with np.errstate(all="ignore"):  # folding a 0/0 is no news: the value is then simply not known
        for node in nodes:
            inference.settle(node)
    bound.refuse_unused([i.name for i in proto.graph.input])
    tensors = trace_tensors(proto.graph, nodes, inference)
    findings += inference.findings
    findings += _unknown_dimensions(nodes, inference, tensors)
    if proto.graph.sparse_initializer:
        findings.append(_sparse(proto.graph))
    opsets = {"": 0, **{entry.domain: entry.version for entry in proto.opset_import}}
    opsets[""] = opsets.get("ai.onnx", opsets[""])
    initialised = [t for t in tensors.values() if t.origin == "initializer" and t.is_known]
    return (
        Graph(
            path=path,
            opset=opsets[""],
            nodes=tuple(_all_nodes(proto.graph, nodes, inference, tensors, opsets)),
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


def _sparse(graph: onnx.GraphProto) -> Finding:
    return Finding(
        code="sparse-as-dense",
        where=f"{len(graph.sparse_initializer)} initialisers, first {graph.sparse_initializer[0].values.name}",
        message="sparse initialisers are counted as if they were dense: parameters, bytes and FLOPs are upper limits",
    )


def _refuse_dangling(graph: onnx.GraphProto, nodes: Sequence[RawNode], path: str) -> None:
    """Raise for a name that is read, or promised as an output, and produced by nothing."""
    known = {i.name for i in graph.input} | {t.name for t in graph.initializer}
    known |= {s.values.name for s in graph.sparse_initializer}
    for node in nodes:
        known.update(node.outputs)
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                label = node.proto.name or node.op_type
                raise ShapeError(f"node {label!r} reads {name!r}, which nothing produces", where=path, hint=_AGAIN)
    for output in graph.output:
        if output.name not in known:
            raise ShapeError(f"nothing produces the output {output.name!r}", where=path, hint=_AGAIN)


_AGAIN = "the file is damaged; export it again"


class _Scope(NamedTuple):
    """Where a subgraph's nodes are: what is put in front of their names, and how often they run."""

    prefix: str = ""
    repeat: int | None = 1
    branch: tuple[tuple[str, int], ...] = ()
    loop: str = ""


_MAIN = _Scope()


def _all_nodes(
    graph: onnx.GraphProto,
    nodes: Sequence[RawNode],
    inference: Inference,
    tensors: Mapping[str, TensorInfo],
    opsets: Mapping[str, int],
    scope: _Scope = _MAIN,
) -> Iterator[Node]:
    """Yield the nodes of a graph, each control-flow node followed by those of its bodies."""
    free = free_reasons(nodes, tensors, [o.name for o in graph.output])
    for node in nodes:
        if node.position in free:
            yield _scoped(_free(node, opsets, free[node.position]), scope)
            continue
        yield _scoped(_node(node, opsets, tensors, inference), scope)
        for body in inference.bodies.get(node.position, ()):
            label = scope.prefix + label_of(node)
            place = f"{label}#{node.position}"  # names need not differ
            repeat = None if body.repeat is None or scope.repeat is None else scope.repeat * body.repeat
            inner = _Scope(
                prefix=f"{label}/",
                repeat=repeat,
                branch=scope.branch if body.branch is None else (*scope.branch, (place, body.branch)),
                loop=scope.loop if node.op_type == "If" else place,
            )
            known = trace_tensors(body.graph, body.nodes, body.inference, tensors)
            yield from _all_nodes(body.graph, body.nodes, body.inference, known, opsets, inner)


def _scoped(node: Node, scope: _Scope) -> Node:
    if not scope.prefix:
        return node
    return node._replace(
        name=scope.prefix + node.label, repeat=scope.repeat, branch=scope.branch, loop=scope.loop, scope=scope.prefix
    )


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _free(node: RawNode, opsets: Mapping[str, int], reason: str) -> Node:
    """Return a node that costs nothing: its tensors do not matter, so they are left out."""
    opset = opsets.get(node.domain, 0)
    return Node(node.proto.name, node.op_type, node.domain, opset, (), (), _NOTHING, node.position, free=reason)


def _node(node: RawNode, opsets: Mapping[str, int], tensors: Mapping[str, TensorInfo], inference: Inference) -> Node:
    def operand(name: str) -> TensorInfo | None:
        if not name:
            return None
        found = tensors.get(name)
        return TensorInfo(name, None, None) if found is None else with_value(found, inference)

    outputs = tuple(tensors[name] if name else None for name in node.outputs)
    return Node(
        name=node.proto.name,
        op_type=node.op_type,
        domain=node.domain,
        opset=opsets.get(node.domain, 0),
        inputs=tuple(operand(name) for name in node.inputs),
        outputs=outputs,
        attributes=node.attributes,
        position=node.position,
        results=tuple(tensor for tensor in outputs if tensor is not None),
        reads=node.reads,
    )


def _unknown_dimensions(
    nodes: Sequence[RawNode], inference: Inference, tensors: Mapping[str, TensorInfo]
) -> list[Finding]:
    """Name each place where a shape stays unknown first; what follows from it is not repeated."""
    findings = []
    for node in nodes:
        lost = [name for name in node.outputs if name and name not in inference.known]
        if not lost or any(name in tensors and tensors[name].shape is None for name in node.inputs if name):
            continue
        axes = open_axes(inference.types.get(lost[0]))
        hint = ",".join(f"{lost[0]}[{axis}]=SIZE" for axis in axes)
        reason = inference.problems.get(node.position, "its inputs do not settle it before the run")
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
