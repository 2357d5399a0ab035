"""Output shapes of operators outside the ONNX standard, which ``onnx.shape_inference`` does not know.

Where such an operator has a twin in the standard, the twin's own inference is asked, on the inputs that correspond
(`TWINS`); the rest are small functions (`RULES`). Sources: the operator schemas of ONNX Runtime 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from roofline.graph.shape_math import broadcast, matmul_shape, transposed, window_outputs

Type = tuple[int, tuple[int, ...]]
"""(element type as in ``TensorProto.DataType``, shape)."""

Inputs = Sequence["Type | None"]
Outputs = list["Type | None"]
ShapeRule = Callable[[Inputs, Mapping[str, Any], int], Outputs]
"""inputs, attributes, number of outputs -> the outputs' types."""

MICROSOFT = "com.microsoft"
NCHWC = "com.microsoft.nchwc"
FLOAT, INT32, BOOL = 1, 6, 9


class Twin(NamedTuple):
    """A standard operator whose outputs are shaped the same."""

    op_type: str
    inputs: tuple[int, ...] | None = None
    """Positions of the inputs to hand over, in order; None hands over all."""
    dtype_of: int | None = None
    """Input whose element type the first output has, where the twin's would be another."""


TWINS: Mapping[tuple[str, str], Twin] = {
    **{
        (MICROSOFT, op): Twin(op)
        for op in ("Pad", "Range", "Trilu", "GridSample", "GatherND", "QuantizeLinear",
                   "DequantizeLinear", "LinearAttention", "CausalConvWithState")
    },
    (MICROSOFT, "FusedConv"): Twin("Conv", (0, 1, 2)),
    (MICROSOFT, "QLinearAdd"): Twin("Add", (0, 3)),
    (MICROSOFT, "QLinearMul"): Twin("Mul", (0, 3)),
    (MICROSOFT, "QLinearWhere"): Twin("Where", (0, 1, 4)),
    (MICROSOFT, "QLinearReduceMean"): Twin("ReduceMean", (0,), dtype_of=0),
    (MICROSOFT, "MaxpoolWithMask"): Twin("MaxPool", (0,)),
    (MICROSOFT, "ExpandDims"): Twin("Unsqueeze"),
    (MICROSOFT, "TorchEmbedding"): Twin("Gather", (0, 1)),
    **{(NCHWC, op): Twin(op, (0,)) for op in ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")},
    (NCHWC, "Conv"): Twin("Conv", (0, 1, 2)),
}  # fmt: skip


def _known(inputs: Inputs, position: int) -> Type:
    found = inputs[position] if position < len(inputs) else None
    if found is None:
        raise LookupError(f"the shape of input {position} is unknown")
    return found


def _has(inputs: Inputs, position: int) -> bool:
    return position < len(inputs) and inputs[position] is not None


def like_first(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """The output is shaped and typed like the first input."""
    return [_known(inputs, 0)]


def skip_norm(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(out, mean, inverse deviation, sum of input and skip): out and sum are shaped like the input."""
    dtype, shape = _known(inputs, 0)
    statistics: Type = (FLOAT, (*shape[:-1], 1))
    outputs: Outputs = [(dtype, shape), statistics, statistics, (dtype, shape)]
    return outputs[:count]


def skip_group_norm(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(out, sum of input, skip and bias)."""
    return [_known(inputs, 0)] * min(count, 2)


def embed_layer_norm(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(out (B, S, H), mask index (B,), embedding sum)."""
    _, ids = _known(inputs, 0)
    dtype, table = _known(inputs, 2)
    out: Type = (dtype, (*ids, table[1]))
    outputs: Outputs = [out, (INT32, ids[:1]), out]
    return outputs[:count]


def split_gelu(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """Half of the last axis."""
    dtype, shape = _known(inputs, 0)
    return [(dtype, (*shape[:-1], shape[-1] // 2))]


def product(position: int = 1, dtype: int | None = None) -> ShapeRule:
    """Return a rule for a matrix product of input 0 and input `position`, optionally of another type."""

    def rule(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
        kind, a = _known(inputs, 0)
        _, b = _known(inputs, position)
        a = transposed(a, bool(attributes.get("transA")), bool(attributes.get("transBatchA")))
        b = transposed(b, bool(attributes.get("transB")), bool(attributes.get("transBatchB")))
        return [(dtype or kind, matmul_shape(a, b))]

    return rule


def scaled_product(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """A product of integers whose result has the type of its scale, input 2."""
    return [(_known(inputs, 2)[0], matmul_shape(_known(inputs, 0)[1], _known(inputs, 1)[1]))]


def packed_product(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(..., K) times a packed (K, N) weight; N is an attribute."""
    dtype, a = _known(inputs, 0)
    return [(dtype, (*a[:-1], attributes["N"]))]


def multiply_integers(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """Two operands broadcast together, as 32-bit integers."""
    return [(INT32, broadcast(_known(inputs, 0)[1], _known(inputs, 2)[1]))]


def all_finite(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """One truth value."""
    return [(BOOL, ())]


def qlinear_concat(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """Tensors are inputs 2, 5, 8, ... , each followed by its scale and zero point."""
    parts = [_known(inputs, position) for position in range(2, len(inputs), 3)]
    dtype, shape = parts[0]
    axis = attributes["axis"] % len(shape)
    total = sum(part[axis] for _, part in parts)
    return [(dtype, (*shape[:axis], total, *shape[axis + 1 :]))]


def projected_attention(past: int, dtype_of: int = 0) -> ShapeRule:
    """Return a rule for attention with its projection inside: (B, S, Hv) and the present keys and values."""

    def rule(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
        _, (batch, length, _) = _known(inputs, 0)
        columns, heads = _known(inputs, 1)[1][1], attributes["num_heads"]
        dtype = _known(inputs, dtype_of)[0]
        sizes = attributes.get("qkv_hidden_sizes") or (columns // 3,) * 3
        before = _known(inputs, past)[1][3] if _has(inputs, past) else 0
        present: Type = (dtype, (2, batch, heads, before + length, sizes[1] // heads))
        outputs: Outputs = [(dtype, (batch, length, sizes[2])), present]
        return outputs[:count]

    return rule


def multi_head_attention(past: int) -> ShapeRule:
    """Return a rule for attention on ready queries, keys and values: (B, S, Hv), present key and value."""

    def rule(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
        dtype, query = _known(inputs, 0)
        heads, batch, length = attributes["num_heads"], query[0], query[1]
        size = query[-1] if len(query) == 5 else query[2] // heads
        keys, value_size = length, size
        if _has(inputs, 1):
            key = _known(inputs, 1)[1]
            keys = key[2] if len(key) == 4 else key[1]
        if _has(inputs, 2):
            value = _known(inputs, 2)[1]
            value_size = value[3] if len(value) == 4 else value[2] // heads
        keys += _known(inputs, past)[1][2] if _has(inputs, past) else 0
        present: Outputs = [(dtype, (batch, heads, keys, size)), (dtype, (batch, heads, keys, value_size))]
        outputs: Outputs = [(dtype, (batch, length, heads * value_size)), *present]
        return outputs[: min(count, 3)]

    return rule


def group_query_attention(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(B, S, Hq*d), present key and value of (B, Hkv, past + S, d)."""
    dtype, query = _known(inputs, 0)
    heads, kv_heads = attributes["num_heads"], attributes["kv_num_heads"]
    size = query[2] // (heads if _has(inputs, 1) else heads + 2 * kv_heads)
    past = _known(inputs, 3)[1][2] if _has(inputs, 3) else 0
    present: Type = (dtype, (query[0], kv_heads, past + query[1], size))
    outputs: Outputs = [(dtype, (query[0], query[1], heads * size)), present, present]
    return outputs[: min(count, 3)]


def packed_attention(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """(tokens, Hv)."""
    dtype, data = _known(inputs, 0)
    columns = _known(inputs, 1)[1][1]
    sizes = attributes.get("qkv_hidden_sizes") or (columns // 3,) * 3
    return [(dtype, (data[0], sizes[2]))]


def quantized_window(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """QLinearConv (weight (M, C/group, *kernel) at input 3) or QLinearAveragePool, in either layout."""
    dtype, shape = _known(inputs, 0)
    last = attributes.get("channels_last")
    spatial, channels = (shape[1:-1], shape[-1]) if last else (shape[2:], shape[1])
    is_pool = not _has(inputs, 5)
    weight = None if is_pool else _known(inputs, 3)[1]
    kernel = attributes.get("kernel_shape") or (weight or ())[2:]
    out = window_outputs(spatial, tuple(kernel), attributes)
    channels = weight[0] if weight else channels
    return [(dtype, (shape[0], *out, channels) if last else (shape[0], channels, *out))]


def global_pool(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """One value per channel: (N, C, 1, ...), or (N, 1, ..., C) with channels_last."""
    dtype, shape = _known(inputs, 0)
    ones = (1,) * (len(shape) - 2)
    last = attributes.get("channels_last")
    return [(dtype, (shape[0], *ones, shape[-1]) if last else (*shape[:2], *ones))]


def quantized_lstm(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """Y (S, D, B, H), Y_h and Y_c (D, B, H); the recurrent weight is (D, H, 4*H)."""
    _, (steps, batch, _) = _known(inputs, 0)
    directions, hidden, _ = _known(inputs, 2)[1]
    state: Type = (FLOAT, (directions, batch, hidden))
    outputs: Outputs = [(FLOAT, (steps, directions, batch, hidden)), state, state]
    return outputs[:count]


def channels_last_window(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """A convolution or pooling over (N, H, W, C); a convolution's weight is (M, kH, kW, C/group)."""
    dtype, shape = _known(inputs, 0)
    batch, spatial, channels = shape[0], shape[1:-1], shape[-1]
    weight = _known(inputs, 1)[1] if _has(inputs, 1) else None
    kernel = attributes.get("kernel_shape") or (weight or ())[1:-1]
    out = window_outputs(spatial, tuple(kernel), attributes)
    return [(dtype, (batch, *out, weight[0] if weight else channels))]


def reorder_output(inputs: Inputs, attributes: Mapping[str, Any], count: int) -> Outputs:
    """From blocked channels back to (N, C, H, W), or (N, H, W, C)."""
    dtype, (batch, _, *spatial) = _known(inputs, 0)
    channels: int = attributes["channels"]
    shape = (batch, *spatial, channels) if attributes.get("channels_last") else (batch, channels, *spatial)
    return [(dtype, shape)]


_LIKE_FIRST = (
    "Gelu", "FastGelu", "BiasGelu", "QuickGelu", "BiasAdd", "BiasSoftmax", "BitmaskDropout", "BiasDropout",
    "BitmaskBiasDropout", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "ScaledSiLU", "GatedAdd",
    "ComplexMul", "ComplexMulConj", "GroupNorm", "BranchwiseRMSNorm", "GatedRMSNorm", "QOrderedGelu",
    "QOrderedLayerNormalization", "RotaryEmbedding", "MoE", "QMoE", "PackedMultiHeadAttention",
    "SimplifiedLayerNormalization",
)  # fmt: skip

RULES: dict[tuple[str, str], ShapeRule] = {
    ("", "SimplifiedLayerNormalization"): like_first,
    (NCHWC, "ReorderInput"): like_first,
    (NCHWC, "ReorderOutput"): reorder_output,
    **{(MICROSOFT, op): like_first for op in _LIKE_FIRST},
    **{
        (MICROSOFT, op): rule
        for op, rule in {
            "SkipLayerNormalization": skip_norm,
            "SkipSimplifiedLayerNormalization": skip_norm,
            "SkipGroupNorm": skip_group_norm,
            "EmbedLayerNormalization": embed_layer_norm,
            "BiasSplitGelu": split_gelu,
            "FusedMatMul": product(),
            "FusedMatMulActivation": product(),
            "TransposeMatMul": product(),
            "GemmFastGelu": product(),
            "FusedGemm": product(),
            "GemmFloat8": product(),
            "MatMulInteger16": product(dtype=INT32),
            "MatMulIntegerToFloat": scaled_product,
            "DynamicQuantizeMatMul": product(dtype=FLOAT),
            "QGemm": product(3),
            "MatMulNBits": packed_product,
            "MatMulBnb4": packed_product,
            "MatMulBlockQuantizedFp8Weight": packed_product,
            "MatMulBlockQuantizedFp4Weight": packed_product,
            "MulInteger": multiply_integers,
            "IsAllFinite": all_finite,
            "QLinearConcat": qlinear_concat,
            "Attention": projected_attention(4),
            "DecoderMaskedSelfAttention": projected_attention(4),
            "QAttention": projected_attention(8, dtype_of=3),
            "MultiHeadAttention": multi_head_attention(6),
            "DecoderMaskedMultiHeadAttention": multi_head_attention(5),
            "GroupQueryAttention": group_query_attention,
            "PackedAttention": packed_attention,
            "DynamicQuantizeLSTM": quantized_lstm,
            "QLinearGlobalAveragePool": global_pool,
            "QLinearConv": quantized_window,
            "QLinearAveragePool": quantized_window,
            "NhwcConv": channels_last_window,
            "NhwcFusedConv": channels_last_window,
            "NhwcMaxPool": channels_last_window,
        }.items()
    },
}
