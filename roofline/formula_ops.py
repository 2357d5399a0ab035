"""Operators described by a file of formulas (``roofline.ops/1``, for ``--ops``).

Formulas are arithmetic on whole numbers (`roofline.graph.dims`); nothing from the file is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from roofline.graph.contrib_shapes import ShapeRule, Type
from roofline.graph.dims import NotAnExpressionError, Tree, evaluate, names_in, parse_dim
from roofline.graph.nodes import DTYPES, Dim, Node, Shape
from roofline.ops.table import RULES, Cost, OpClass, OwnOps, RuleTable, cost_of
from roofline.section import Section
from roofline.strict_yaml import load_file

SCHEMA = "roofline.ops/1"
REST = "..."
"""In front of an input's axes: whatever comes before them."""
_COUNTS = ("macs", "flops", "bytes_read", "bytes_written")


def load_ops(path: str | Path) -> OwnOps:
    """Read a file of formulas.

    Raises:
        SpecError: it cannot be read, or a formula is no arithmetic on names that the file defines.
    """
    section = Section(load_file(Path(path)), str(path))
    if section.text("schema") != SCHEMA:
        raise section.error(f"expected {SCHEMA}", "schema")
    table = RuleTable(parent=RULES)
    shapes: dict[tuple[str, str], ShapeRule] = {}
    for row in section.rows("ops"):
        own = _read(row)
        key = own.domain, own.op_type
        if key in shapes:
            raise row.error(f"{own.name} is there twice", "op")
        table.add(own.op_type, own.cost, op_class=own.op_class, domain=own.domain, doc=own.doc)
        shapes[key] = own.shape_rule
    section.close()
    if not shapes:
        raise section.error("it defines no operator", "ops")
    return OwnOps(table, shapes)


class FormulaOp(NamedTuple):
    """One operator: names for the axes of its inputs, and formulas in them."""

    domain: str
    op_type: str
    op_class: OpClass
    inputs: tuple[tuple[Tree, ...], ...]
    outputs: tuple[tuple[Tree, ...], ...]
    types: tuple[str, ...]
    """Element type per output; empty where it is that of the first input."""
    counts: Mapping[str, Tree]
    doc: str

    @property
    def name(self) -> str:
        """``domain.OpType``."""
        return f"{self.domain}.{self.op_type}" if self.domain else self.op_type

    def known_names(self) -> set[str]:
        """Return what a formula may mention, attributes apart."""
        axes = {axis for pattern in self.inputs for axis in pattern if isinstance(axis, str)} - {REST}
        sides = (("in", len(self.inputs)), ("out", len(self.outputs)))
        return axes | {f"{side}{i}.{what}" for side, n in sides for i in range(n) for what in ("elements", "bytes")}

    def shape_rule(self, inputs: Sequence[Type | None], attributes: Mapping[str, Any], outputs: int) -> list[Any]:
        """Return the outputs' types, as a rule of `roofline.graph.contrib_shapes`."""
        known = [found for found in inputs[: len(self.inputs)] if found is not None]
        if len(known) < len(self.inputs) or not known:
            raise LookupError("the shape of an input is unknown")
        rest, sizes = self._matched([shape for _, shape in known], attributes)
        found: list[Any] = []
        for pattern, dtype in zip(self.outputs, self.types, strict=True):
            shape = [rest if axis == REST else (_value(axis, sizes),) for axis in pattern]
            found.append((DTYPES.index(dtype) if dtype else known[0][0], sum(shape, ())))
        return found[:outputs]

    def cost(self, node: Node) -> Cost:
        """Return what one node of this kind costs, as a cost rule."""
        operands = [node.tensor(i) for i in range(len(self.inputs))]
        _, sizes = self._matched([operand.shape or () for operand in operands], node.attributes)
        for side, tensors in (("in", operands), ("out", [node.result(i) for i in range(len(node.results))])):
            for i, tensor in enumerate(tensors):
                sizes[f"{side}{i}.elements"], sizes[f"{side}{i}.bytes"] = tensor.elements, tensor.nbytes
        found = {name: _value(tree, sizes) for name, tree in self.counts.items()}
        for name, count in found.items():
            if isinstance(count, int) and count < 0:
                raise ValueError(f"{name} = {count}")
        cost = cost_of(node, macs=found.get("macs", 0), vector_flops=found.get("flops", 0))
        return cost._replace(
            bytes_read=found.get("bytes_read", cost.bytes_read),
            bytes_written=found.get("bytes_written", cost.bytes_written),
        )

    def _matched(self, shapes: Sequence[Shape], attributes: Mapping[str, Any]) -> tuple[Shape, dict[str, Dim]]:
        """Return the axes in front, and name -> size."""
        rest: Shape = ()
        found: dict[str, Dim] = {f"attr.{name}": v for name, v in attributes.items() if isinstance(v, int)}
        for position, (pattern, shape) in enumerate(zip(self.inputs, shapes, strict=True)):
            axes = pattern
            if axes and axes[0] == REST:
                axes = axes[1:]
                rest, shape = shape[: len(shape) - len(axes)], shape[len(shape) - len(axes) :]
            if len(axes) != len(shape):
                raise ValueError(f"input {position} has {len(shape)} axes, the file names {len(axes)}")
            for axis, size in zip(axes, shape, strict=True):
                expected = axis if isinstance(axis, int) else found.setdefault(str(axis), size)
                if expected != size:
                    raise ValueError(f"{axis} of input {position} is {size}, not {expected}")
        return rest, found


def _value(tree: Tree, sizes: Mapping[str, Dim]) -> Dim:
    if all(isinstance(sizes.get(name), int) for name in names_in(tree)):
        return evaluate(tree, sizes)
    from roofline.graph.symbol_library import from_tree  # sizes are expressions, so sympy is loaded already

    value: Dim = from_tree(tree, sizes)
    return value


def _read(row: Section) -> FormulaOp:
    domain, _, op_type = row.text("op").rpartition(".")
    op_class = row.text("class")
    if op_class not in get_args(OpClass):
        raise row.error(f"{op_class!r} is no class of operators", "class", f"one of {', '.join(get_args(OpClass))}")
    inputs = tuple(_axes(row, text, "inputs") for text in row.texts("inputs"))
    if any(not isinstance(axis, (str, int)) for axes in inputs for axis in axes):
        raise row.error("an input's axis is a name or a whole number, or ... in front of them", "inputs")
    outputs = tuple(_axes(row, text, "outputs") for text in row.texts("outputs"))
    types = row.texts("types", [""] * len(outputs))
    if len(types) != len(outputs) or any(name and name not in DTYPES for name in types):
        raise row.error("expected one element type per output, such as float32", "types")
    formulas = {name: text for name in _COUNTS if (text := row.formula(name))}
    doc = ", ".join(f"{name} = {text}" for name, text in formulas.items()) or "no FLOP"
    own = FormulaOp(
        "" if domain == "ai.onnx" else domain,
        op_type,
        op_class,  # type: ignore[arg-type]
        inputs,
        outputs,
        types,
        {name: _formula(row, text, name) for name, text in formulas.items()},
        f"{doc}. Source: {row.text('source')}",
    )
    row.close()
    known = own.known_names()
    for key, trees in (*((name, (tree,)) for name, tree in own.counts.items()), ("outputs", sum(outputs, ()))):
        used = set().union(*(names_in(tree) for tree in trees)) - {REST}
        for name in sorted(used - known):
            if not name.startswith("attr."):
                raise row.error(f"{name!r} is not defined", key, f"known: {', '.join(sorted(known))}, attr.NAME")
    return own


def _axes(row: Section, text: str, key: str) -> tuple[Tree, ...]:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if REST in parts[1:]:
        raise row.error("... can only stand in front", key)
    return tuple(REST if part == REST else _formula(row, part, key) for part in parts)


def _formula(row: Section, text: str, key: str) -> Tree:
    try:
        tree = parse_dim(text)
        if not names_in(tree):
            evaluate(tree, {})
        return tree
    except ValueError as error:
        if not isinstance(error, NotAnExpressionError):
            raise row.error(f"{text!r}: {error}", key) from None
        allowed = "allowed: + - * / // % **, floor ceil max min, whole numbers and names"
        raise row.error(f"{text!r} is no arithmetic", key, allowed) from None
