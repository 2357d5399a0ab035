"""Output shapes of operators outside the ONNX standard, which ``onnx.shape_inference`` does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from roofline.graph.shape_math import matmul_shape, transposed

Type = tuple[int, tuple[int, ...]]
"""(element type as in ``TensorProto.DataType``, shape)."""

ShapeRule = Callable[[Sequence["Type | None"], Mapping[str, Any], int], "list[Type | None]"]
"""inputs, attributes, number of outputs -> the outputs' types."""

MICROSOFT = "com.microsoft"


def _known(inputs: Sequence[Type | None], position: int) -> Type:
    found = inputs[position] if position < len(inputs) else None
    if found is None:
        raise LookupError(position)
    return found


def skip_layer_norm(inputs: Sequence[Type | None], attributes: Mapping[str, Any], count: int) -> list[Type | None]:
    """(out, mean, inverse deviation, sum of input and skip): out and sum are shaped like the input."""
    dtype, shape = _known(inputs, 0)
    statistics: Type = (1, (*shape[:-1], 1))
    outputs: list[Type | None] = [(dtype, shape), statistics, statistics, (dtype, shape)]
    return outputs[:count]


def fused_matmul(inputs: Sequence[Type | None], attributes: Mapping[str, Any], count: int) -> list[Type | None]:
    """MatMul after the transpositions that ``transA``, ``transB``, ``transBatchA``, ``transBatchB`` ask for."""
    dtype, a = _known(inputs, 0)
    _, b = _known(inputs, 1)
    a = transposed(a, bool(attributes.get("transA")), bool(attributes.get("transBatchA")))
    b = transposed(b, bool(attributes.get("transB")), bool(attributes.get("transBatchB")))
    return [(dtype, matmul_shape(a, b))]


def fused_gemm(inputs: Sequence[Type | None], attributes: Mapping[str, Any], count: int) -> list[Type | None]:
    """Gemm: (M, K) x (K, N) after transposition."""
    dtype, a = _known(inputs, 0)
    _, b = _known(inputs, 1)
    return [(dtype, (a[1] if attributes.get("transA") else a[0], b[0] if attributes.get("transB") else b[1]))]


def like_first(inputs: Sequence[Type | None], attributes: Mapping[str, Any], count: int) -> list[Type | None]:
    """The output is shaped and typed like the first input."""
    return [_known(inputs, 0)]


RULES: Mapping[tuple[str, str], ShapeRule] = {
    (MICROSOFT, "SkipLayerNormalization"): skip_layer_norm,
    (MICROSOFT, "FusedMatMul"): fused_matmul,
    (MICROSOFT, "FusedGemm"): fused_gemm,
    (MICROSOFT, "Gelu"): like_first,
    (MICROSOFT, "FastGelu"): like_first,
    (MICROSOFT, "BiasGelu"): like_first,
    (MICROSOFT, "QuickGelu"): like_first,
}
