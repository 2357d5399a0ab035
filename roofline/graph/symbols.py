"""A graph whose free dimensions stay symbols.

The model is read at a handful of sizes (probes). A dimension that is the same in all of them is a number; one that
differs is a polynomial in the symbols with whole coefficients, found from some probes and checked at others. What is
no polynomial (``floor`` of a stride) comes from onnx-shape-inference, and is taken only if it agrees at every probe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import sympy

from roofline.errors import BindingError, RooflineError, ShapeError, UsageError
from roofline.findings import Finding
from roofline.graph.bind import Bindings, free_dimensions
from roofline.graph.control import CONTROL
from roofline.graph.library import ShapeRules
from roofline.graph.load import load_proto
from roofline.graph.nodes import Graph, Node, TensorInfo
from roofline.graph.polynomials import Fit
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
    for scale in _SCALES:
        try:
            found, lost = _at_scale(_Reader(proto, path, given, shapes, own), names, scale)
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

    def at(self, sizes: Mapping[str, int]) -> tuple[Graph, list[Finding]]:
        graph, findings = read_graph(self.proto, {**self.given, **sizes}, self.shapes, self.own)
        return graph._replace(path=self.path), findings


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
    merge = _Merge(fit, [graphs[i] for i in same], lambda: _library_shapes(reader, names))
    merged = merge.graph()
    found = [f for f in findings if f.code not in ("batch-assumed", "trips-unknown")]
    if merge.lost:
        found.append(_no_formula(merge.lost))
    if step > 1:
        found.append(_multiples(step, names))
    lost = len(merge.lost) + _unknown(graphs[0])
    return SymbolicGraph(merged, tuple(symbols), tuple(reversed(list(checks))), tuple(found)), lost


def _signature(graph: Graph) -> tuple[tuple[str, str], ...]:
    return tuple((node.op_type, node.scope) for node in graph.nodes)


def _unknown(graph: Graph) -> int:
    """Return how many operands and results have no known shape."""
    return sum(1 for node in graph.nodes for t in (*node.inputs, *node.outputs) if t is not None and t.shape is None)


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


class _Merge:
    """Several readings of one graph, made into one with expressions."""

    def __init__(
        self, fit: Fit, graphs: Sequence[Graph], library: Callable[[], Mapping[str, tuple[Expr, ...]]]
    ) -> None:
        self._fit, self._graphs, self._library = fit, graphs, library
        self._shapes: Mapping[str, tuple[Expr, ...]] = {}
        self._agrees: dict[tuple[Expr, tuple[int, ...]], bool] = {}
        self._known: dict[tuple[int, ...], Expr | None] = {}
        self._tensors: dict[tuple[TensorInfo | None, ...], TensorInfo | None] = {}
        self.lost: list[str] = []

    def graph(self) -> Graph:
        """Return the merged graph; the library is asked only if polynomials do not do."""
        found = self._whole()
        if self.lost or self._fit.doubtful:
            self._shapes = self._library()
            self._known.clear()
            self._tensors.clear()
            self.lost.clear()
            found = self._whole()
        return found

    def _whole(self) -> Graph:
        first = self._graphs[0]
        nodes = tuple(self._node(same) for same in zip(*(graph.nodes for graph in self._graphs), strict=True))
        tensors = {name: self._tensor([graph.tensors[name] for graph in self._graphs]) for name in first.tensors}
        batches = [graph.batch for graph in self._graphs]
        return first._replace(
            nodes=nodes,
            tensors=MappingProxyType({name: info for name, info in tensors.items() if info is not None}),
            bindings=MappingProxyType({}),
            batch=None if None in batches else self._dim([b for b in batches if b is not None]),
        )

    def _node(self, same: Sequence[Node]) -> Node:
        first = same[0]
        if first.free:
            return first
        inputs = tuple(self._tensor(infos) for infos in zip(*(node.inputs for node in same), strict=True))
        outputs = tuple(self._tensor(infos) for infos in zip(*(node.outputs for node in same), strict=True))
        repeats = [node.repeat for node in same if node.repeat is not None]
        repeat = self._dim(repeats) if len(repeats) == len(same) else None
        return first.with_tensors(inputs, outputs)._replace(repeat=repeat)

    def _tensor(self, infos: Sequence[TensorInfo | None]) -> TensorInfo | None:
        key = tuple(infos)
        if key not in self._tensors:
            self._tensors[key] = self._merged([info for info in infos if info is not None]) if key[0] else None
        return self._tensors[key]

    def _merged(self, infos: Sequence[TensorInfo]) -> TensorInfo:
        first = infos[0]
        shapes = [info.shape for info in infos if info.shape is not None]
        if len(shapes) < len(infos) or len({len(shape) for shape in shapes}) > 1:
            if any(shapes):
                self.lost.append(first.name)
            return first._replace(shape=None, value=None)
        dims: list[Expr] = [self._dim(sizes, first.name, axis) for axis, sizes in enumerate(zip(*shapes, strict=True))]
        if any(dim is None for dim in dims):
            self.lost.append(first.name)
            return first._replace(shape=None, value=None)
        return first._replace(shape=tuple(dims), value=self._value([info.value for info in infos]))

    def _value(self, values: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
        first = values[0]
        if first is None or all(value == first for value in values):
            return first
        if any(value is None or len(value) != len(first) for value in values):
            return None
        columns = list(zip(*(value for value in values if value is not None), strict=True))
        if not all(isinstance(element, int) for column in columns for element in column):
            return None
        found = tuple(self._dim(column) for column in columns)
        return None if None in found else found

    def _dim(self, sizes: Sequence[int], name: str = "", axis: int = 0) -> Expr | None:
        key = tuple(sizes)
        found = self._from_library(key, name, axis)
        if found is not None:
            return found
        if len(set(key)) == 1:
            return key[0]
        if key not in self._known:
            self._known[key] = self._fit.polynomial(key)
        return self._known[key]

    def _from_library(self, sizes: tuple[int, ...], name: str, axis: int) -> Expr | None:
        shape = self._shapes.get(name, ())
        found = shape[axis] if axis < len(shape) else None
        if found is None:
            return None
        key = found, sizes
        if key not in self._agrees:
            self._agrees[key] = self._fit.agrees(found, sizes)
        if not self._agrees[key]:
            return None
        return int(found) if found.is_Integer else found


def _library_shapes(reader: _Reader, names: Sequence[str]) -> Mapping[str, tuple[Expr, ...]]:
    from roofline.graph.symbol_library import symbolic_shapes

    return symbolic_shapes(reader.proto, names, reader.given, reader.shapes)
