"""In which precision each contraction computes, and how wide each tensor is stored then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from roofline.graph.nodes import FLOAT_DTYPES, Node, TensorInfo

CONTRACTIONS = frozenset({"convolution", "matmul", "recurrent", "attention"})
"""Op classes whose work is multiply-accumulates."""

RUNTIMES = ("tensorrt", "ort-cuda", "ort-cpu", "torch")
_TF32_SCOPE: Mapping[str | None, frozenset[str]] = {
    "tensorrt": CONTRACTIONS,
    "ort-cuda": CONTRACTIONS,
    "torch": frozenset({"convolution", "recurrent"}),
    "ort-cpu": frozenset(),
    None: CONTRACTIONS,
}
"""Runtime -> op classes of a float32 file that it runs in tf32 by default on GPUs that have it."""

# requested precision -> (type of contraction operands, type of all other float tensors)
_STORED: Mapping[str, tuple[str, str]] = {
    "fp32": ("float32", "float32"),
    "tf32": ("float32", "float32"),
    "fp16": ("float16", "float16"),
    "bf16": ("bfloat16", "bfloat16"),
    "fp8": ("float8e4m3fn", "float16"),
    "int8": ("int8", "float16"),
    "int4": ("int4", "float16"),
}
PRECISIONS = tuple(_STORED)

_BY_DTYPE: Mapping[str, str] = {
    "float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16",
    "int8": "int8", "uint8": "int8", "int4": "int4", "uint4": "int4", "float8e4m3fn": "fp8", "float8e5m2": "fp8",
    "float8e4m3fnuz": "fp8", "float8e5m2fnuz": "fp8",
}  # fmt: skip


class PrecisionPolicy(NamedTuple):
    """What decides the precision of a contraction."""

    requested: str | None = None
    """``--precision``; None takes what the file says."""
    runtime: str | None = None
    has_tf32: bool = False
    """Whether the processor has a tf32 pipe."""

    def of_contraction(self, node: Node, op_class: str, operands: tuple[int, int] = (0, 1)) -> str:
        """Return the precision in which a contraction computes.

        A float32 file runs in tf32 where the processor has it and the runtime uses it (the scope differs per
        runtime; an unknown runtime is taken to use it). A contraction whose operands both come from
        DequantizeLinear computes in their quantised type.
        """
        if self.requested is not None:
            return self.requested
        stored = self._operand_precision(node, operands)
        if stored == "fp32" and self.has_tf32 and op_class in _TF32_SCOPE[self.runtime]:
            return "tf32"
        return stored

    @staticmethod
    def _operand_precision(node: Node, positions: tuple[int, int]) -> str:
        operands = [t for t in map(node.input, positions) if t is not None]
        found = [_BY_DTYPE.get(operand.quantized_as or operand.dtype or "", "") for operand in operands]
        known = [p for p in found if p]
        if len(set(known)) == 1:
            return known[0]
        floats = [p for p in known if p.startswith(("fp", "bf"))]
        return floats[0] if floats else "int8" if known else "fp32"

    def stored(self, tensor: TensorInfo | None, *, is_operand: bool = False) -> TensorInfo | None:
        """Return the tensor as wide as it is stored under the requested precision."""
        if self.requested is None or tensor is None or tensor.dtype not in FLOAT_DTYPES:
            return tensor
        dtype = _STORED[self.requested][0 if is_operand else 1]
        return tensor if tensor.dtype == dtype else tensor._replace(dtype=dtype, stored_as="")

    def apply(self, node: Node, op_class: str, positions: tuple[int, int] = (0, 1)) -> Node:
        """Return the node on tensors as wide as they are stored: contraction operands and the rest differ."""
        if self.requested is None:
            return node
        operands = {0, 1, 2} if op_class in ("recurrent", "attention") else set(positions)
        if op_class not in CONTRACTIONS:
            operands = set()
        return node.with_tensors(
            tuple(self.stored(t, is_operand=i in operands) for i, t in enumerate(node.inputs)),
            tuple(self.stored(t) for t in node.outputs),
        )
