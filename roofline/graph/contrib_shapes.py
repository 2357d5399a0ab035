"""Output shapes of operators outside the ONNX standard, which ``onnx.shape_inference`` does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
    a = _transposed(a, bool(attributes.get("transA")), bool(attributes.get("transBatchA")))
    b = _transposed(b, bool(attributes.get("transB")), bool(attributes.get("transBatchB")))
    return [(dtype, matmul_shape(a, b))]


def _transposed(shape: tuple[int, ...], last: bool, batch: bool) -> tuple[int, ...]:
    if batch and len(shape) > 2:  # the leading axis moves to just before the last one
        shape = (*shape[1:-1], shape[0], shape[-1])
    return (*shape[:-2], shape[-1], shape[-2]) if last and len(shape) > 1 else shape


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of ``numpy.matmul`` of the two shapes."""
    rows = () if len(a) == 1 else (a[-2],)
    columns = () if len(b) == 1 else (b[-1],)
    return (*broadcast(a[:-2], b[:-2]), *rows, *columns)


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of two operands broadcast together."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    head = len(longer) - len(shorter)
    return longer[:head] + tuple(y if x == 1 else x for x, y in zip(longer[head:], shorter, strict=True))


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
