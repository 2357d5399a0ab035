"""Which tensors need a gradient: parameters, and everything computed from them."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.counting import LayerCount
from roofline.fusion.patterns import VIEWS
from roofline.graph.nodes import FLOAT_DTYPES, TensorInfo
from roofline.precision import CONTRACTIONS

_STATISTICS = {"BatchNormalization": (3, 4)}
"""Operands that are kept up to date, not trained."""
_TRAINED_CLASSES = CONTRACTIONS | {"normalization"}
_TRAINED = frozenset({"Gather", "Add", "Mul", "Sub", "PRelu", "Concat", "Expand"})
_STOPS = frozenset(
    {"Shape", "Size", "ArgMax", "ArgMin", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And",
     "Or", "Xor", "IsNaN", "IsInf", "NonZero", "OneHot", "Floor", "Ceil", "Round", "Sign"}
)  # fmt: skip
"""Operators through which no gradient flows."""


class Gradients:
    """The tensors of a graph that a gradient reaches.

    Attributes:
        parameters: name of an initialiser -> the trained tensor, each once however often it is used.
        needed: names of tensors that are not constant and need a gradient.
    """

    def __init__(self, counts: Sequence[LayerCount]) -> None:
        self.parameters: dict[str, TensorInfo] = {}
        self.needed: set[str] = set()
        for count in counts:
            node = count.node
            if node.free or node.scope or count.status == "unsupported" or node.op_type in _STOPS:
                continue
            trained = [t for t in node.operands if self._is_trained(count, t)]
            for tensor in trained:
                self.parameters.setdefault(_key(tensor), tensor)
            if trained or any(t.name in self.needed for t in node.operands):
                self.needed.update(t.name for t in node.results if t.dtype in FLOAT_DTYPES)

    def _is_trained(self, count: LayerCount, tensor: TensorInfo) -> bool:
        node = count.node
        if not tensor.is_static or not tensor.is_known or tensor.dtype not in FLOAT_DTYPES or tensor.elements == 1:
            return False
        if node.op_type in VIEWS:
            return False
        if not tensor.root and count.op_class not in CONTRACTIONS:
            return False  # a constant worked out from others: a mask, a table of positions
        places = [i for i, t in enumerate(node.inputs) if t is not None and t.name == tensor.name]
        if all(place in _STATISTICS.get(node.op_type, ()) for place in places):
            return False
        return count.op_class in _TRAINED_CLASSES or node.op_type in _TRAINED

    def reaches(self, tensor: TensorInfo) -> bool:
        """Whether a gradient with respect to this operand is worked out."""
        return tensor.name in self.needed or (tensor.is_static and _key(tensor) in self.parameters)


def _key(tensor: TensorInfo) -> str:
    """Return what a parameter is known by: the initialiser that it is a copy of, else its own name."""
    return tensor.root or tensor.name
