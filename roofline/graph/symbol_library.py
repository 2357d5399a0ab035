"""Symbolic shapes by onnx-shape-inference, brought into our own form."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from math import lcm
from typing import TYPE_CHECKING, Any

import sympy

from roofline.graph.bind import Bindings, free_dimensions
from roofline.graph.dims import NotAnExpressionError, Tree, parse_dim

if TYPE_CHECKING:
    import onnx

Expr = Any


def _divisor(b: Expr) -> Expr:
    if b == 0:
        raise ValueError("division by zero")
    return b


def _power(a: Expr, b: Expr) -> Expr:
    if not (b.is_Integer and 0 <= b <= 8) or a.is_Pow or (a.is_Integer and abs(a) >= 2**40):
        raise ValueError("a power beyond what a dimension can be")
    return a**b


_OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / _divisor(b),
    "//": lambda a, b: sympy.floor(a / _divisor(b)),
    "%": lambda a, b: a % _divisor(b),
    "**": lambda a, b: _power(a, b),
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "ceiling": sympy.ceiling,
    "max": sympy.Max,
    "min": sympy.Min,
}


def symbolic_shapes(
    model: onnx.ModelProto,
    names: Sequence[str],
    bindings: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]] | None = None,
    tied: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[Expr | None, ...]]:
    """Return the shapes of the main graph's tensors in the symbols `names`; None for a dimension not found.

    A dimension of `tied` is the sum of the symbols that it is tied to.

    The library gives up a model for one node; what it found until then is lost, and the result is empty.
    """
    import onnx
    import onnx_ir
    from onnx_shape_inference import infer_symbolic_shapes

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    free_dimensions(copy.graph, Bindings(dict(bindings), shapes))
    symbols: dict[str, Expr] = {name: sympy.Symbol(name, integer=True, positive=True) for name in names}
    for name, parts in (tied or {}).items():
        symbols[name] = sympy.Add(*(symbols[part] for part in parts))
    safe = _rename(copy.graph, symbols)
    del copy.graph.value_info[:]
    logging.getLogger("onnx_shape_inference").setLevel(logging.ERROR)
    found: dict[str, tuple[Expr | None, ...]] = {}
    with contextlib.suppress(Exception):  # it raises many kinds; the caller then does without
        graph = onnx_ir.from_proto(copy)
        infer_symbolic_shapes(graph)
        cache: dict[str, Expr | None] = {}
        for value in graph.graph.inputs:
            if value.name and value.shape is not None:
                found[value.name] = tuple(_expression(dim, safe, cache) for dim in value.shape)
        for node in graph.graph:
            for value in node.outputs:
                if value.name and value.shape is not None:
                    found[value.name] = tuple(_expression(dim, safe, cache) for dim in value.shape)
    return found


def _rename(graph: onnx.GraphProto, symbols: Mapping[str, Expr]) -> dict[str, Expr]:
    """Give every free dimension of the inputs a name of ours; return name -> expression in the symbols.

    Text from the file never reaches the library: it hands dimensions to sympy.
    """
    safe: dict[str, Expr] = {}
    names: dict[Expr, str] = {}
    weights = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name in weights or not value.type.HasField("tensor_type"):
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            known = dim.HasField("dim_value") and (dim.dim_param or f"{value.name}[{axis}]") not in symbols
            if known:
                continue
            place = f"{value.name}[{axis}]"
            expression = symbols.get(dim.dim_param) or symbols.get(place)
            if expression is None:
                with contextlib.suppress(NotAnExpressionError, KeyError, ValueError):
                    expression = from_tree(parse_dim(dim.dim_param), symbols)
            if expression is None:
                continue
            name = names.setdefault(expression, f"d{len(names)}")
            safe[name] = expression
            dim.dim_param = name
    return safe


def _expression(dim: Any, safe: Mapping[str, Expr], cache: dict[str, Expr | None]) -> Expr | None:
    if isinstance(dim, int):
        return sympy.Integer(dim)
    text = dim.value
    if text is None:
        return None
    if text not in cache:
        try:
            cache[text] = flattened(from_tree(parse_dim(text), safe))
        except (NotAnExpressionError, KeyError, ValueError):
            cache[text] = None
    return cache[text]


def from_tree(tree: Tree, symbols: Mapping[str, Expr]) -> Expr:
    """Return the sympy expression of a parsed dimension.

    Raises:
        KeyError: a name is none of the symbols.
        ValueError: a division by zero, or a power beyond what a dimension can be.
    """
    if isinstance(tree, int):
        return sympy.Integer(tree)
    if isinstance(tree, str):
        return symbols[tree]
    operator, parts = tree
    return _OPERATORS[operator](*(from_tree(part, symbols) for part in parts))


def flattened(expression: Expr) -> Expr:
    """Return the expression with floors of floors made one, constants drawn in, and ceilings where they fit.

    floor((floor(a/m) + c)/n) = floor((a + c*m)/(m*n)); floor(a/n) + c = floor((a + c*n)/n);
    floor((a + n - 1)/n) = ceiling(a/n).
    """
    if not expression.has(sympy.floor):
        return expression
    return expression.replace(
        lambda e: isinstance(e, sympy.floor) or (e.is_Add and e.has(sympy.floor)),
        lambda e: _one_floor(e.args[0]) if isinstance(e, sympy.floor) else _one_floor(e),
    ).replace(lambda e: isinstance(e, sympy.floor), _as_ceiling)


def _one_floor(inner: Expr) -> Expr:
    """Return floor(inner) with a floor inside drawn out; an integer sum of a floor and a constant is such a floor."""
    terms = sympy.Add.make_args(sympy.expand(inner))
    floors = [term for term in terms if term.has(sympy.floor)]
    if len(floors) != 1:
        return inner if inner.is_integer else sympy.floor(inner)
    coefficient, atom = floors[0].as_coeff_Mul()
    shift = sympy.Add(*(term for term in terms if term is not floors[0])) / coefficient
    n = 1 / coefficient
    if not isinstance(atom, sympy.floor) or not (n.is_Integer and n > 0) or not shift.is_integer:
        return inner if inner.is_integer else sympy.floor(inner)
    return sympy.floor(sympy.expand((atom.args[0] + shift) / n), evaluate=False)


def _as_ceiling(expression: Expr) -> Expr:
    constant, rest = sympy.expand(expression.args[0]).as_coeff_Add()
    n = lcm(*(int(term.as_coeff_Mul()[0].q) for term in sympy.Add.make_args(rest)))
    return sympy.ceiling(rest) if n > 1 and constant == sympy.Rational(n - 1, n) else expression
