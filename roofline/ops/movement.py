"""Operators that move data, or only look at it another way."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, CostRule, Free, cost_of, read_bytes, written_bytes


def free(reason: str, operators: str) -> CostRule:
    """Return a rule for operators that cost nothing."""

    def rule(node: Node) -> Free:
        return Free(reason)

    rule.__doc__ = f"No FLOP, no bytes: {reason}. Source: ONNX operators {operators}."
    return rule


_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
for _op_type in _VIEWS:
    RULES.add(_op_type, free("view: no data moves", ", ".join(_VIEWS)), op_class="movement")
RULES.add("Dropout", free("identity at inference", "Dropout"), op_class="movement")
for _op_type in ("Shape", "Size"):
    RULES.add(_op_type, free("shape: known without reading data", "Shape, Size"), op_class="movement")
RULES.add("Constant", free("constant", "Constant"), op_class="movement")


@RULES.register(
    "Transpose", "Concat", "Split", "Expand", "Tile", "Pad", "Cast", "Range", "ConstantOfShape",
    op_class="movement",
)  # fmt: skip
def move(node: Node) -> Cost:
    """No FLOP; every operand is read once at its own size, every result written once.

    Source: ONNX operators Transpose, Concat, Split, Expand, Tile, Pad, Cast, Range, ConstantOfShape.
    """
    return cost_of(node)


@RULES.register("Gather", "GatherND", "GatherElements", "Slice", op_class="movement")
def pick(node: Node) -> Cost:
    """No FLOP; reads only the elements it returns, and its indices; writes the result.

    An embedding table is read row by row, not whole.
    Source: ONNX operators Gather, GatherND, GatherElements, Slice.
    """
    data, out = node.tensor(0), written_bytes(node)
    indices = [t for t in node.operands if t.name != data.name]
    constant = read_bytes(t for t in indices if t.is_static)
    return Cost(
        bytes_read=out + read_bytes(indices),
        bytes_written=out,
        weight_bytes=constant + (out if data.is_static else 0),
    )


_LERP = 3  # a + t * (b - a)
_CUBIC = 7  # four products, three additions


@RULES.register("Resize", "Upsample", op_class="movement")
def resize(node: Node) -> Cost:
    """nearest: no FLOP; linear: (2**d - 1)*3 per output element; cubic: (4**d - 1)/3*7.

    d is the number of axes that change size; interpolation goes axis by axis: a linear step is
    a + t*(b - a), a cubic step four products and three additions. Ignored: the weights per position.
    Source: ONNX operator Resize.
    """
    source, out = node.tensor(0), node.result()
    axes = sum(1 for a, b in zip(source.shape or (), out.shape or (), strict=True) if a != b)
    mode = node.attributes.get("mode", "nearest")
    steps = {"nearest": 0, "linear": (2**axes - 1) * _LERP, "cubic": (4**axes - 1) // 3 * _CUBIC}
    return cost_of(node, vector_flops=steps.get(mode, steps["linear"]) * out.elements)
