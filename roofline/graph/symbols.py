"""A graph whose free dimensions stay symbols.

The model is read at a handful of sizes (probes). A dimension that is the same in all of them is a number; one that
differs is a polynomial in the symbols with whole coefficients, found from some probes and checked at others. What is
no polynomial (``floor`` of a stride) comes from onnx-shape-inference, and is taken only if it agrees at every probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import sympy

from roofline.errors import BindingError, RooflineError, ShapeError, UsageError
from roofline.findings import Finding
from roofline.graph.bind import Bindings, free_dimensions
from roofline.graph.library import ShapeRules
from roofline.graph.load import load_proto
from roofline.graph.merge import Merge
from roofline.graph.nodes import Graph
from roofline.graph.polynomials import Fit
from roofline.graph.raw import CONTROL
from roofline.graph.read import read_graph

if TYPE_CHECKING:
    import onnx

MAX_SYMBOLS = 5
_SCALES = ((16, 1), (160, 1), (640, 1), (128, 64))
"""(smallest size, step) to try in turn: sequences, small pictures, large ones, only multiples of 64."""
_FAR = (18, 23)
"""Two more probes around these multiples of the smallest size, each symbol at another one, where the model takes
them (a table may end before): what strides leave of a small picture looks constant."""
_RANGE = (1, 7, 5003)
"""Sizes far from the others at which formulas are compared with plain counts, where the model takes them."""

Expr = Any
"""An int, or a sympy expression."""


class SymbolicGraph(NamedTuple):
    """A graph with expressions for dimensions, and one reading of it at plain sizes to check against."""

    graph: Graph
    symbols: tuple[sympy.Symbol, ...]
    checks: tuple[tuple[Mapping[str, int], Graph], ...]
    """Plain readings to compare formulas with, and their sizes; the first decides what fuses."""
    findings: tuple[Finding, ...]


def read_symbolic(
    model: Any,
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    own: ShapeRules | None = None,
) -> SymbolicGraph:
    """Read a model and keep every dimension that nothing binds as a symbol (a positive integer).

    Args:
        model: path, ``-``, bytes or ``onnx.ModelProto``.
        bindings: sizes of the dimensions that are to be numbers.
        shapes: whole shapes of inputs by name.
        own: shape rules of the user's own operators.

    Raises:
        ModelFileError, BindingError, ShapeError: as `read_graph`.
        UsageError: more free dimensions than a formula can be found for.
    """
    proto, path = load_proto(model)
    given = dict(bindings or {})
    names = _free_names(proto, given, shapes)
    best: SymbolicGraph | None = None
    fewest = 0
    refused: RooflineError | None = None
    reader = _Reader(proto, path, given, shapes, own, {})
    for scale in _SCALES:
        try:
            found, lost = _at_scale(reader, names, scale)
            if lost and not reader.tied and len(names) > 1:
                tied = _tie(reader, names, scale)
                if tied is not None:
                    reader, names = tied
                    found, lost = _at_scale(reader, names, scale)
        except (BindingError, ShapeError) as error:  # a dimension such as n - 20 at n = 16
            refused = error
            continue
        if best is None or lost < fewest:
            best, fewest = found, lost
        if not lost or not names:
            break
    if best is None:
        assert refused is not None  # every scale was refused
        raise refused
    return best


def _free_names(
    proto: onnx.ModelProto, given: Mapping[str, int], shapes: Mapping[str, Sequence[int]] | None
) -> list[str]:
    import onnx

    copy = onnx.GraphProto()
    copy.CopyFrom(proto.graph)
    names = free_dimensions(copy, Bindings(given, shapes))
    if len(names) > MAX_SYMBOLS:
        raise UsageError(
            f"{len(names)} free dimensions: {', '.join(names)}",
            where="formula",
            expected=f"at most {MAX_SYMBOLS}",
            hint="bind some: --bind " + ",".join(f"{name}=..." for name in names[MAX_SYMBOLS:]),
        )
    return names


class _Reader(NamedTuple):
    """Reads one model at several sizes."""

    proto: onnx.ModelProto
    path: str
    given: Mapping[str, int]
    shapes: Mapping[str, Sequence[int]] | None
    own: ShapeRules | None
    tied: Mapping[str, tuple[str, ...]]
    """Free dimension -> the others whose sum it has to be."""

    def at(self, sizes: Mapping[str, int]) -> tuple[Graph, list[Finding]]:
        sums = {name: sum(sizes[part] for part in parts) for name, parts in self.tied.items()}
        graph, findings = read_graph(self.proto, {**self.given, **sizes, **sums}, self.shapes, self.own)
        return graph._replace(path=self.path), findings


def _tie(reader: _Reader, names: list[str], scale: tuple[int, int]) -> tuple[_Reader, list[str]] | None:
    """Return a reader with one dimension tied to others, if the model's shapes fit together only then.

    Exporters give dimensions names of their own that depend on each other: the length of a mask is the past plus what
    is new, two inputs have the same batch.
    """
    first, step = scale
    sizes = {name: first + step * 2**i for i, name in enumerate(names)}
    best, fewest = None, _unknown(reader.at(sizes)[0])
    for name in reversed(names):
        others = [other for other in names if other != name]
        for parts in (*combinations(others, 1), *combinations(others, 2)):
            tied = reader._replace(tied={name: parts})
            unknown = _unknown(tied.at({other: sizes[other] for other in others})[0])
            if unknown < fewest:
                best, fewest = (tied, others), unknown
        if best is not None and not fewest:
            break
    return best


def _at_scale(reader: _Reader, names: list[str], scale: tuple[int, int]) -> tuple[SymbolicGraph, int]:
    """Return the symbolic graph found from probes of one scale, and how many tensors stayed without a shape."""
    first, step = scale
    findings: list[Finding] = []
    if any(node.op_type in CONTROL for node in reader.proto.graph.node):
        _, findings = reader.at({name: first + step * (i + 1) for i, name in enumerate(names)})
    trips = [f"{f.where}.trips" for f in findings if f.code == "trips-unknown"]
    names = [*names, *trips]
    symbols = [sympy.Symbol(name, integer=True, positive=True) for name in names]
    fit = Fit(symbols, first, step)
    graphs = []
    for point in fit.points:
        graph, findings = reader.at(dict(zip(names, point, strict=True)))
        graphs.append(graph)
    for factor in _FAR if symbols else ():
        point = tuple(first * factor * (1 + (i + factor) % len(symbols)) + step * i for i in range(len(symbols)))
        graph, _ = reader.at(dict(zip(names, point, strict=True)))
        if _unknown(graph) <= _unknown(graphs[0]):
            fit.add_check(point)
            graphs.append(graph)
    fit.certain = len(graphs)
    for size in _RANGE if symbols else ():
        point = tuple(size + i for i in range(len(symbols)))
        try:
            graph, _ = reader.at(dict(zip(names, point, strict=True)))
        except (BindingError, ShapeError):
            continue
        if _unknown(graph) <= _unknown(graphs[0]):
            fit.add_check(point)
            graphs.append(graph)
    if len({_signature(graph) for graph in graphs[: fit.certain]}) > 1:
        raise ShapeError("which nodes it has depends on its sizes", where=reader.path, hint="bind the free dimensions")
    same = [i for i, graph in enumerate(graphs) if _signature(graph) == _signature(graphs[0])]
    checks = [(dict(zip(names, point, strict=True)), graph) for point, graph in zip(fit.points, graphs, strict=True)]
    checks = [*checks[fit.certain :], checks[fit.certain - 1]]
    fit.keep(same)
    merge = Merge(fit, [graphs[i] for i in same], lambda: _library_shapes(reader, names))
    merged = merge.graph()
    found = [f for f in findings if f.code not in ("batch-assumed", "trips-unknown")]
    if merge.lost:
        found.append(_no_formula(merge.lost))
    found += [_tied(name, parts) for name, parts in reader.tied.items()]
    if step > 1:
        found.append(_multiples(step, names))
    lost = len(merge.lost) + _unknown(graphs[0])
    return SymbolicGraph(merged, tuple(symbols), tuple(reversed(list(checks))), tuple(found)), lost


def _signature(graph: Graph) -> tuple[tuple[str, str], ...]:
    return tuple((node.op_type, node.scope) for node in graph.nodes)


def _unknown(graph: Graph) -> int:
    """Return how many operands and results have no known shape."""
    return sum(1 for node in graph.nodes for t in (*node.inputs, *node.outputs) if t is not None and t.shape is None)


def _tied(name: str, parts: tuple[str, ...]) -> Finding:
    return Finding(
        code="dimension-tied",
        where=name,
        message=f"taken as {' + '.join(parts)}: the shapes fit together only then",
        hint=f"bind it, if that is not meant: --bind {name}=...",
    )


def _no_formula(lost: Sequence[str]) -> Finding:
    return Finding(
        code="no-formula",
        where=f"{len(lost)} tensors, first {lost[0]}",
        message="how their shapes follow from the free dimensions could not be found: what reads them is not counted",
        hint="bind a dimension to a number: --bind NAME=SIZE",
        strict=True,
    )


def _multiples(step: int, names: Sequence[str]) -> Finding:
    return Finding(
        code="formula-for-multiples",
        where=", ".join(names),
        message=f"the formulas were found at multiples of {step}, and hold there; at other sizes they may not",
        strict=True,
    )


def _library_shapes(reader: _Reader, names: Sequence[str]) -> Mapping[str, tuple[Expr, ...]]:
    from roofline.graph.symbol_library import symbolic_shapes

    return symbolic_shapes(reader.proto, names, reader.given, reader.shapes, reader.tied)
