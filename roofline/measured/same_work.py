"""Whether a measured layer and a node of a model can be the same work: by operator and by input shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from roofline.measured.record import Measurement

if TYPE_CHECKING:
    from roofline.analysis import Analysis

SAME_WORK = {
    "FusedConv": ("Conv",),
    "NhwcConv": ("Conv",),
    "QLinearConv": ("Conv", "ConvInteger"),
    "FusedGemm": ("Gemm", "MatMul"),
    "Gemm": ("Gemm", "MatMul"),
    "FusedMatMul": ("MatMul",),
    "TransposeMatMul": ("MatMul",),
    "MatMulNBits": ("MatMul",),
    "SkipLayerNormalization": ("LayerNormalization",),
    "EmbedLayerNormalization": ("LayerNormalization",),
    "SkipSimplifiedLayerNormalization": ("RMSNormalization", "SimplifiedLayerNormalization"),
    "BiasGelu": ("Gelu", "Erf"),
    "FastGelu": ("Gelu", "Erf", "Tanh"),
    "Gelu": ("Gelu", "Erf"),
    "QuickGelu": ("Sigmoid",),
    "BiasSoftmax": ("Softmax",),
    "Attention": ("Attention", "Softmax"),
    "MultiHeadAttention": ("Attention", "Softmax"),
}
"""Operator that a runtime puts in -> operators of a model that it stands for. Others stand for themselves."""
_BEGINS_ELSEWHERE = frozenset({"EmbedLayerNormalization", "Attention", "MultiHeadAttention"})
"""Operators whose first input is not that of the operator that they stand for."""
_SHAPE = re.compile(r"\d{1,18}(x\d{1,18})*")
_BLOCKS = (4, 8, 16)
"""Channels that onnxruntime keeps together; their number is rounded up to a multiple."""


class SameWork:
    """Holds the rows of a run against the nodes of a model."""

    def __init__(self, analysis: Analysis, rows: Sequence[Measurement]) -> None:
        self._nodes = [count.node for count in analysis.counts]
        own = {node.op_type for node in self._nodes}
        self._operators = own | set(SAME_WORK) | {op for ops in SAME_WORK.values() for op in ops}
        shapes = [row.input_shape for row in rows if row.input_shape]
        self._shapes_are_of_layers = len(shapes) == 1 or len(set(shapes)) > 1  # else the shape of the model's input

    def same_operator(self, node: int, row: Measurement) -> bool:
        """Whether a row's operator is that of a node, or stands for it."""
        return self._nodes[node].op_type in (row.op_type, *SAME_WORK.get(row.op_type, ()))

    def same_shape(self, node: int, row: Measurement) -> bool:
        """Whether a row's input shape can be that of one of a node's inputs; so where either is unknown."""
        ran = self._shape(row)
        known = self._input_shapes(node)
        return not ran or not known or any(_alike(ran, shape) for shape in known)

    def contradiction(self, node: int, row: Measurement) -> str:
        """Return how a row contradicts the node of its name, in words, or nothing.

        TensorRT's types of layers are no operators, and an operator that is neither the model's nor in `SAME_WORK` can
        stand for anything: neither is held against the node.
        """
        judged = row.runtime != "tensorrt" and row.op_type in self._operators
        other_operator = judged and not self.same_operator(node, row)
        if not other_operator and self.same_shape(node, row):
            return ""
        shapes = self._input_shapes(node)
        there = f" of {_text(shapes[0])}" if shapes else ""
        ran = f" of {row.input_shape}" if self._shape(row) else ""
        return f"{row.op_type or 'a layer'}{ran} in the run and {self._nodes[node].op_type}{there} in the model"

    def _shape(self, row: Measurement) -> tuple[int, ...]:
        usable = self._shapes_are_of_layers and row.op_type not in _BEGINS_ELSEWHERE
        return tuple(map(int, row.input_shape.split("x"))) if usable and _SHAPE.fullmatch(row.input_shape) else ()

    def _input_shapes(self, node: int) -> list[tuple[int, ...]]:
        shapes = [tensor.shape for tensor in self._nodes[node].inputs if tensor is not None]
        return [tuple(shape) for shape in shapes if shape and all(type(size) is int for size in shape)]


def _text(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes can be of one tensor: dimensions moved, merged, or channels rounded up to whole blocks."""
    a, b = ([size for size in shape if size != 1] for shape in (one, other))
    if sorted(a) == sorted(b) or _merges(a, b) or _merges(b, a):
        return True
    if len(one) != len(other) or len(one) < 3 or one[:1] + one[2:] != other[:1] + other[2:]:
        return False
    return any(max(one[1], other[1]) == -(-min(one[1], other[1]) // block) * block for block in _BLOCKS)


def _merges(few: Sequence[int], many: Sequence[int]) -> bool:
    """Whether neighbours of `many` multiplied give `few`."""
    at = 0
    for size in few:
        product = 1
        while product < size and at < len(many):
            product *= many[at]
            at += 1
        if product != size:
            return False
    return at == len(many)
