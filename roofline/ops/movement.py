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


_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "BitCast")
_HANDLES = (
    "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceConstruct", "SequenceAt", "SequenceEmpty",
    "SequenceErase", "SequenceInsert", "SequenceLength",
)  # fmt: skip
_TEXT = ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit")
for _op_type in _VIEWS:
    RULES.add(_op_type, free("view: no data moves", ", ".join(_VIEWS)), op_class="movement")
for _op_type in _HANDLES:
    RULES.add(_op_type, free("a handle: tensors are passed on, not copied", ", ".join(_HANDLES)), op_class="movement")
for _op_type in _TEXT:
    RULES.add(_op_type, free("text: no arithmetic, no fixed size", ", ".join(_TEXT)), op_class="movement")
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")
for _op_type in _CONTROL:
    RULES.add(
        _op_type,
        free("control flow: its bodies are counted, each times its trips", ", ".join(_CONTROL)),
        op_class="movement",
    )
RULES.add("Dropout", free("identity at inference", "Dropout"), op_class="movement")
for _op_type in ("Shape", "Size"):
    RULES.add(_op_type, free("shape: known without reading data", "Shape, Size"), op_class="movement")
RULES.add("Constant", free("constant", "Constant"), op_class="movement")


_MOVES = (
    "Transpose", "Concat", "Split", "Expand", "Tile", "Pad", "Cast", "CastLike", "Range", "ConstantOfShape",
    "DepthToSpace", "SpaceToDepth", "CenterCropPad", "ReverseSequence", "Trilu", "EyeLike", "MaxUnpool",
    "ImageDecoder", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "MelWeightMatrix",
)  # fmt: skip


@RULES.register(*_MOVES, op_class="movement")
def move(node: Node) -> Cost:
    """No FLOP; every operand is read once at its own size, every result written once.

    Not counted: the arithmetic of random number generators and image decoders, and conversions of type.
    Source: ONNX operators Transpose, Concat, Split, Expand, Tile, Pad, Cast, CastLike, Range, ConstantOfShape,
    DepthToSpace, SpaceToDepth, CenterCropPad, ReverseSequence, Trilu, EyeLike, MaxUnpool, ImageDecoder, Random*,
    Multinomial, MelWeightMatrix.
    """
    return cost_of(node)


@RULES.register("SplitToSequence", "ConcatFromSequence", op_class="movement")
def sequence_copy(node: Node) -> Cost:
    """No FLOP; the tensor side is read or written once, and the sequence side moves as much.

    Source: ONNX operators SplitToSequence, ConcatFromSequence.
    """
    whole = node.tensor(0) if node.op_type == "SplitToSequence" else node.result()
    return Cost(bytes_read=whole.nbytes, bytes_written=whole.nbytes)


@RULES.register("Scatter", "ScatterElements", "ScatterND", "TensorScatter", op_class="movement")
def scatter(node: Node) -> Cost:
    """The data is copied and the updates written over it; one FLOP per update with a reduction.

    Inputs: data, indices and updates (TensorScatter: cache, update, positions). A runtime that works in place
    moves only the updates.
    Source: ONNX operators Scatter, ScatterElements, ScatterND, TensorScatter.
    """
    updates = node.tensor(1 if node.op_type == "TensorScatter" else 2)
    reduces = node.attributes.get("reduction", "none") != "none"
    return cost_of(node, vector_flops=updates.elements if reduces else 0)


@RULES.register("Col2Im", op_class="movement", since=18)
def col2im(node: Node) -> Cost:
    """Blocks are added where they overlap: one FLOP per input element. Source: ONNX operator Col2Im."""
    return cost_of(node, vector_flops=node.tensor(0).elements)


@RULES.register("Gather", "GatherND", "GatherElements", "Slice", "Compress", op_class="movement")
def pick(node: Node) -> Cost:
    """No FLOP; reads only the elements it returns, and its indices; writes the result.

    An embedding table is read row by row, not whole.
    Source: ONNX operators Gather, GatherND, GatherElements, Slice, Compress.
    """
    data, out = node.tensor(0), written_bytes(node)
    indices = [t for t in node.operands if t.name != data.name]
    constant = read_bytes(t for t in indices if t.is_static)
    return Cost(
        bytes_read=out + read_bytes(indices),
        bytes_written=out,
        weight_bytes=constant + (out if data.is_static else 0),
    )


LERP_FLOPS = 3
"""a + t*(b - a)."""
CUBIC_FLOPS = 7
"""Four products, three additions."""


def interpolation_flops(mode: str, axes: int) -> int:
    """Return FLOP per sampled value: nearest 0, linear (2**d - 1) lerps, cubic (4**d - 1)/3 cubics."""
    if mode == "nearest":
        return 0
    if mode in ("cubic", "bicubic"):
        return int((4**axes - 1) // 3 * CUBIC_FLOPS)
    return int((2**axes - 1) * LERP_FLOPS)


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
    return cost_of(node, vector_flops=interpolation_flops(mode, axes) * out.elements)
