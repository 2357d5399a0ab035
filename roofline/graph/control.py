"""If, Loop, Scan, SequenceMap: infer their bodies, and the outputs that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from roofline.errors import ShapeError
from roofline.findings import Finding
from roofline.graph.raw import CONTROL, RawGraph, RawNode, ordered

if TYPE_CHECKING:
    import onnx

    from roofline.graph.contrib_shapes import Type
    from roofline.graph.shapes import Inference

MAX_NESTING = 20
MAX_UNROLLED = 64
"""Trips that are inferred one by one where shapes change in between."""
_INT64, _BOOL = 7, 9
_SCAN_WITHOUT_BATCH = 9
"""First opset in which Scan has no batch axis."""
_UNBOUNDED = 2**31
"""A Loop with this maximum trip count, or more, leaves the end to its condition."""


class Body(NamedTuple):
    """One subgraph of a control-flow node."""

    graph: onnx.GraphProto
    nodes: list[RawNode]
    inference: Inference
    repeat: int | None
    """How often it runs; None where that is not known."""
    branch: int | None
    """0 or 1 for the branches of an If of which only one runs, None otherwise."""


def is_control(node: RawNode) -> bool:
    """Whether the node runs subgraphs of its own."""
    return not node.domain and node.op_type in CONTROL


def settle_control(inference: Inference, node: RawNode) -> list[Body]:
    """Infer the bodies of a control-flow node, and its outputs' types as far as the bodies tell them."""
    if inference.depth >= MAX_NESTING:
        raise ShapeError(f"subgraphs are nested deeper than {MAX_NESTING}", where=node.proto.name or node.op_type)
    reason = _damage(node)
    if reason:
        raise ShapeError(f"{label_of(node)} ({node.op_type}) {reason}", hint="the file is damaged; export it again")
    if node.op_type == "If":
        return _settle_if(inference, node)
    body = node.bodies["body"]
    if node.op_type == "Loop":
        return _settle_loop(inference, node, body)
    if node.op_type == "Scan":
        return [_settle_scan(inference, node, body)]
    return [_settle_map(inference, node, body)]


_NEEDS = {"If": ("then_branch", "else_branch")}
_INPUTS = {"If": 1, "Loop": 2, "Scan": 1, "SequenceMap": 1}


def _damage(node: RawNode) -> str:
    """Return what makes it impossible to follow the bodies of a node, empty if nothing does."""
    for name in _NEEDS.get(node.op_type, ("body",)):
        if name not in node.bodies:
            return f"has no {name}"
    if len(node.inputs) < _INPUTS[node.op_type]:
        return f"has {len(node.inputs)} inputs, not the {_INPUTS[node.op_type]} that it needs"
    if node.op_type != "Scan":
        return ""
    scanned, inputs = node.attributes.get("num_scan_inputs"), len(node.inputs)
    if not isinstance(scanned, int) or not 1 <= scanned <= inputs:
        return f"scans {scanned!r} of its {inputs} inputs"
    for name in ("scan_input_axes", "scan_output_axes"):
        axes = node.attributes.get(name, ())
        if not isinstance(axes, tuple) or not all(isinstance(axis, int) for axis in axes):
            return f"has {name} that are no list of whole numbers"
    return ""


def label_of(node: RawNode) -> str:
    """Return the node's name, or its type and position."""
    return node.proto.name or f"{node.op_type}_{node.position}"


def _infer(
    outer: Inference,
    graph: RawGraph,
    types: Iterable[Type | None],
    repeat: int | None,
    branch: int | None = None,
) -> Body:
    """Infer a body whose inputs have the given types; names of the outer graph are visible inside."""
    inner = outer.inside(graph)
    for value, plain in zip(graph.proto.input, types, strict=False):
        if plain is not None:
            inner.add_plain(value.name, plain)
    nodes = ordered(graph.nodes, graph.proto.name or "subgraph")
    for node in nodes:
        inner.settle(node)
    return Body(graph.proto, nodes, inner, repeat, branch)


def _results(body: Body) -> list[Type | None]:
    return [body.inference.known.get(output.name) for output in body.graph.output]


def _settle_if(inference: Inference, node: RawNode) -> list[Body]:
    condition = inference.values.array(node.inputs[0]) if node.inputs[0] in inference.values else None
    names = ["then_branch", "else_branch"]
    if condition is not None and condition.size == 1:
        names = ["then_branch" if bool(condition.ravel()[0]) else "else_branch"]
    known = len(names) == 1
    bodies = [
        _infer(inference, node.bodies[name], (), 1, None if known else i)
        for i, name in enumerate(names)
        if name in node.bodies
    ]
    if not known and bodies:
        inference.findings.append(
            Finding(
                code="if-costlier-branch",
                where=label_of(node),
                message="which branch runs depends on the data: the costlier one is counted",
            )
        )
    for position, name in enumerate(node.outputs):
        options = [r[position] for r in map(_results, bodies) if position < len(r) and r[position] is not None]
        if name and name not in inference.known and options:
            inference.add_plain(name, max(options, key=lambda plain: _elements(plain)))  # type: ignore[arg-type]
        if known and bodies and position < len(bodies[0].graph.output):
            _hand_out(bodies[0], bodies[0].graph.output[position].name, inference, name)
    return bodies


def _hand_out(body: Body, inner: str, inference: Inference, outer: str) -> None:
    """Make the value of a body's result known outside."""
    value = body.inference.values.array(inner) if inner in body.inference.values else None
    if outer and value is not None:
        inference.values.add(outer, value)


def _elements(plain: Type | None) -> int:
    size = 1
    for dim in plain[1] if plain else ():
        size *= dim
    return size


def _trips(inference: Inference, node: RawNode, inferred: int | None, why: str) -> int | None:
    """Return how often a body runs: bound by name, or inferred; else note a finding that asks for it."""
    name = f"{label_of(node)}.trips"
    given = inference.take_binding(name)
    if given is not None:
        return given
    if inferred is None:
        inference.findings.append(
            Finding(
                code="trips-unknown",
                where=label_of(node),
                message=f"how often the body of this {node.op_type} runs is unknown: {why}",
                hint=f"bind it: --bind '{name}=10'",
                strict=True,
            )
        )
    return inferred


def _settle_loop(inference: Inference, node: RawNode, graph: RawGraph) -> list[Body]:
    limit = inference.values.array(node.inputs[0]) if node.inputs[0] in inference.values else None
    most = int(limit.ravel()[0]) if limit is not None and limit.size == 1 else None
    inferred = most if most is not None and 0 <= most < _UNBOUNDED else None
    if len(node.inputs) > 1 and _known_false(inference, node.inputs[1]):
        inferred = 0
    carried = [inference.known.get(name) for name in node.inputs[2:]]
    noticed = len(inference.findings)
    body = _infer(inference, graph, [(_INT64, ()), (_BOOL, ()), *carried], None)
    inside = slice(noticed, len(inference.findings))
    ends = graph.proto.output[0].name if graph.proto.output else ""
    if _known_false(body.inference, ends) and inferred is not None:
        inferred = min(inferred, 1)
    elif inferred and not _goes_on(body, ends):
        inference.findings.append(_may_end_early(node, inferred))
    trips = _trips(inference, node, inferred, "it ends when its condition says so")
    body = body._replace(repeat=trips)
    results = _results(body)[1:]
    changes = any(a is not None and b is not None and a != b for a, b in zip(carried, results, strict=False))
    if changes and trips != 1:
        if trips is None or trips > MAX_UNROLLED or inference.depth:  # loops in loops would multiply
            inference.findings.append(_changing(node))
        else:
            del inference.findings[inside]  # every trip notices the same
            return _unrolled(inference, node, graph, carried, trips)
    for position, name in enumerate(node.outputs):
        found = results[position] if position < len(results) else None
        if not name or name in inference.known or found is None:
            continue
        if position >= len(carried):
            if trips is not None:
                inference.add_plain(name, (found[0], (trips, *found[1])))
        elif found == carried[position] or trips == 1:
            inference.add_plain(name, found)
    return [body]


def _unrolled(
    inference: Inference, node: RawNode, graph: RawGraph, carried: list[Type | None], trips: int
) -> list[Body]:
    """Infer the body trip by trip, as what it carries changes its shape."""
    bodies, scanned = [], []
    noticed = len(inference.findings)
    for _ in range(trips):
        del inference.findings[noticed:]  # the same in every trip
        bodies.append(_infer(inference, graph, [(_INT64, ()), (_BOOL, ()), *carried], 1))
        results = _results(bodies[-1])[1:]
        carried, scanned = results[: len(carried)], results[len(carried) :]
    for position, name in enumerate(node.outputs):
        found = carried[position] if position < len(carried) else None
        if position >= len(carried) and position - len(carried) < len(scanned):
            last = scanned[position - len(carried)]
            found = None if last is None else (last[0], (trips, *last[1]))
        if name and name not in inference.known and found is not None:
            inference.add_plain(name, found)
    return bodies


def _known_false(inference: Inference, name: str) -> bool:
    value = inference.values.array(name) if name in inference.values else None
    return value is not None and value.size == 1 and not bool(value.ravel()[0])


def _goes_on(body: Body, name: str) -> bool:
    """Whether a Loop's condition is always true: a constant, or what was handed in."""
    makers = {output: node for node in body.nodes for output in node.outputs}
    while name in makers and makers[name].op_type == "Identity":
        name = makers[name].inputs[0]
    handed_in = len(body.graph.input) > 1 and name == body.graph.input[1].name
    return handed_in or name in body.inference.values


def _may_end_early(node: RawNode, most: int) -> Finding:
    return Finding(
        code="loop-may-end-early",
        where=label_of(node),
        message=f"its condition may end it before the {most} trips that are counted",
        hint=f"bind the number that you expect: --bind '{label_of(node)}.trips=...'",
    )


def _changing(node: RawNode) -> Finding:
    return Finding(
        code="loop-state-changes",
        where=label_of(node),
        message="what it carries changes its shape from trip to trip: every trip is counted at the sizes of the first",
        hint=f"an outermost loop of at most {MAX_UNROLLED} trips is counted trip by trip",
        strict=True,
    )


def _settle_scan(inference: Inference, node: RawNode, graph: RawGraph) -> Body:
    if inference.opset("") < _SCAN_WITHOUT_BATCH:
        return _settle_batched_scan(inference, node, graph)
    scanned = node.attributes["num_scan_inputs"]
    states = len(node.inputs) - scanned
    types = [inference.known.get(name) for name in node.inputs]
    axes = node.attributes.get("scan_input_axes") or (0,) * scanned
    inside: list[Type | None] = types[:states]
    inferred = None
    for plain, axis in zip(types[states:], axes, strict=False):
        if plain is None or not plain[1]:
            inside.append(None)
            continue
        axis %= len(plain[1])
        inferred = plain[1][axis]
        inside.append((plain[0], plain[1][:axis] + plain[1][axis + 1 :]))
    trips = _trips(inference, node, inferred, "the length of what it scans is unknown")
    body = _infer(inference, graph, inside, trips)
    out_axes = node.attributes.get("scan_output_axes") or (0,) * (len(node.outputs) - states)
    for position, (name, found) in enumerate(zip(node.outputs, _results(body), strict=False)):
        if not name or name in inference.known or found is None:
            continue
        if position < states:
            inference.add_plain(name, found)
        elif trips is not None:
            axis = (out_axes[position - states] if position - states < len(out_axes) else 0) % (len(found[1]) + 1)
            inference.add_plain(name, (found[0], (*found[1][:axis], trips, *found[1][axis:])))
    return body


def _settle_batched_scan(inference: Inference, node: RawNode, graph: RawGraph) -> Body:
    """Scan of opset 8: (lengths, states (B, ...), scanned (B, S, ...)); the body sees neither axis."""
    scanned = node.attributes["num_scan_inputs"]
    states = max(0, len(node.inputs) - 1 - scanned)
    types = [inference.known.get(name) for name in node.inputs[1:]]
    inside = [
        None if plain is None else (plain[0], plain[1][1 if position < states else 2 :])
        for position, plain in enumerate(types)
    ]
    lead = next((plain[1][:2] for plain in types[states:] if plain is not None and len(plain[1]) > 1), None)
    trips = _trips(inference, node, lead[0] * lead[1] if lead else None, "the length of what it scans is unknown")
    body = _infer(inference, graph, inside, trips)
    for position, (name, found) in enumerate(zip(node.outputs, _results(body), strict=False)):
        if name and name not in inference.known and found is not None and lead is not None:
            inference.add_plain(name, (found[0], (*lead[: 1 if position < states else 2], *found[1])))
    return body


def _settle_map(inference: Inference, node: RawNode, graph: RawGraph) -> Body:
    known = inference.lengths.get(node.inputs[0])
    trips = _trips(inference, node, known, "the length of its sequence is not known")
    return _infer(inference, graph, [inference.element_type(name) for name in node.inputs], trips)
