"""A user's own operators in Python: ``@roofline.operator``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from roofline.graph.contrib_shapes import RULES as SHAPE_RULES
from roofline.graph.contrib_shapes import ShapeRule, Type
from roofline.ops.table import RULES, CostRule, OpClass

Shapes = Callable[[list["tuple[int, ...]"], Mapping[str, Any]], Sequence[Sequence[int]]]
"""(shapes of the inputs, attributes) -> shapes of the outputs."""


def operator(
    name: str, *, op_class: OpClass, shapes: Shapes | None = None, operands: tuple[int, int] = (0, 1)
) -> Callable[[CostRule], CostRule]:
    """Return a decorator that registers the cost rule of an operator of your own.

    A rule takes a `roofline.graph.nodes.Node` (`tensor(i)`: input i, `result(i)`: output i, each with `shape`,
    `elements` and `nbytes`; `attributes`) and returns what `cost_of` makes of its MACs and other FLOPs.

    Args:
        name: ``domain.OpType``, such as ``"acme.nn.SparseMatMul"``; without a domain, of ai.onnx.
        op_class: what kind of work it does; contractions (``matmul``, ``convolution``, ``attention``, ``recurrent``)
            can run on a matrix pipe.
        shapes: function of the inputs' shapes and the attributes that returns the outputs' shapes. Outputs have
            the type of the first input. Not needed for operators of the ONNX standard.
        operands: positions of a contraction's two operands, whose types decide its precision.

    Raises:
        RooflineError: the function has no docstring (formula and source), or the operator has a rule already.
    """
    domain, _, op_type = name.rpartition(".")
    domain = "" if domain == "ai.onnx" else domain

    def decorate(function: CostRule) -> CostRule:
        RULES.add(op_type, function, op_class=op_class, domain=domain, operands=operands)
        if shapes is not None:
            SHAPE_RULES[domain, op_type] = _like_first(shapes)
        return function

    return decorate


def _like_first(shapes: Shapes) -> ShapeRule:
    def rule(inputs: Sequence[Type | None], attributes: Mapping[str, Any], outputs: int) -> list[Type | None]:
        known = [found for found in inputs if found is not None]
        if len(known) < len(inputs) or not known:
            raise LookupError("the shape of an input is unknown")
        found: list[Type | None] = [
            (known[0][0], tuple(int(size) for size in shape))
            for shape in shapes([shape for _, shape in known], attributes)
        ]
        return found[:outputs]

    return rule
