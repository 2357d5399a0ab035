"""Operators that ONNX Runtime's optimiser writes: the domain com.microsoft.

Sources: docs/ContribOperators.md and the operator schemas of ONNX Runtime 1.31. Operators that run a whole decoding
loop (BeamSearch, GreedySearch, Sampling), vendor blobs (EPContext, Snpe) and text tools have no rule: what they
cost is not in the node, and they are reported as not counted.
"""

from __future__ import annotations

from roofline.graph.nodes import Dim, Node
from roofline.ops.contraction import conv, fused_matmul, gemm, matmul_pipe
from roofline.ops.elementwise import FLOPS_PER_ELEMENT, activation_flops, elementwise
from roofline.ops.movement import free, move, pick
from roofline.ops.quantized import REQUANTIZE_FLOPS
from roofline.ops.reduction import average_pool, global_average_pool, global_max_pool, max_pool
from roofline.ops.table import RULES, Cost, OpClass, cost_of, elements

DOMAIN = "com.microsoft"
GELU_FLOPS, TANH_GELU_FLOPS, SILU_FLOPS = 5, 8, 5
_DEQUANTIZE_FLOPS = 2
_CONTRIB = "ONNX Runtime's ContribOperators.md"

# operator -> (FLOP per output element, what is counted)
_ELEMENTWISE: dict[str, tuple[int, str, OpClass]] = {
    "Gelu": (GELU_FLOPS, "0.5*x*(1 + erf(x/sqrt(2)))", "elementwise"),
    "QuickGelu": (1 + SILU_FLOPS, "x * sigmoid(alpha*x)", "elementwise"),
    "BiasGelu": (1 + GELU_FLOPS, "gelu(x + bias)", "elementwise"),
    "BiasSoftmax": (1 + 5, "softmax(x + bias)", "normalization"),
    "BiasSplitGelu": (2 + GELU_FLOPS + 1, "(a + bias) * gelu(b + bias), a and b the halves of x", "elementwise"),
    "ComplexMul": (3, "(a + bi)*(c + di): 4 products and 2 sums per 2 elements", "elementwise"),
    "ComplexMulConj": (3, "(a + bi)*(c - di): 4 products and 2 sums per 2 elements", "elementwise"),
    "GatedAdd": (2, "x + gate*y", "elementwise"),
    "ScaledSiLU": (1 + SILU_FLOPS, "scale * x * sigmoid(x)", "elementwise"),
    "MulInteger": (3, "(a - zero_a) * (b - zero_b)", "quantization"),
    "QLinearAdd": (2 * 2 + 1 + REQUANTIZE_FLOPS, "requantise(dequantise(a) + dequantise(b))", "quantization"),
    "QLinearMul": (2 * 2 + 1 + REQUANTIZE_FLOPS, "requantise(dequantise(a) * dequantise(b))", "quantization"),
    "QLinearSigmoid": (2 + 4 + REQUANTIZE_FLOPS, "requantise(sigmoid(dequantise(x)))", "quantization"),
    "QLinearLeakyRelu": (2 + 2 + REQUANTIZE_FLOPS, "requantise(leaky_relu(dequantise(x)))", "quantization"),
    "QLinearSoftmax": (2 + 5 + REQUANTIZE_FLOPS, "requantise(softmax(dequantise(x)))", "quantization"),
    "QLinearConcat": (2 + REQUANTIZE_FLOPS, "requantise(dequantise(x)) of every element", "quantization"),
    "QLinearWhere": (1 + 2 + REQUANTIZE_FLOPS, "requantise(c ? dequantise(a) : dequantise(b))", "quantization"),
    "QOrderedGelu": (2 + GELU_FLOPS + REQUANTIZE_FLOPS, "requantise(gelu(dequantise(x)))", "quantization"),
    "QOrderedLayerNormalization": (2 + 7 + REQUANTIZE_FLOPS, "requantise(layer_norm(dequantise(x)))", "quantization"),
    "QuantizeLinear": (5, "min(max(round(x / scale) + zero_point, low), high)", "quantization"),
    "QuantizeWithOrder": (4, "min(max(round(x / scale), low), high)", "quantization"),
    "DequantizeLinear": (2, "(x - zero_point) * scale", "quantization"),
    "DequantizeWithOrder": (1, "x * scale", "quantization"),
    "BranchwiseRMSNorm": (4, "x / sqrt(mean(x**2)) * scale", "normalization"),
    "GatedRMSNorm": (4 + SILU_FLOPS + 1, "rms_norm(x) * scale * silu(gate)", "normalization"),
}
for _op_type, (_flops, _formula, _class) in _ELEMENTWISE.items():
    RULES.add(_op_type, elementwise(_flops, _formula), op_class=_class, domain=DOMAIN)

for _op_type in ("GatherND", "TorchEmbedding"):
    RULES.add(_op_type, pick, op_class="movement", domain=DOMAIN)
for _op_type in ("Pad", "Range", "Trilu", "RemovePadding", "RestorePadding", "UnfoldTensor"):
    RULES.add(_op_type, move, op_class="movement", domain=DOMAIN)
RULES.add("ExpandDims", free("view: no data moves", "com.microsoft.ExpandDims"), op_class="movement", domain=DOMAIN)
RULES.add("BitmaskDropout", free("identity at inference", "BitmaskDropout"), op_class="movement", domain=DOMAIN)
NCHWC = "com.microsoft.nchwc"
"""Channels in blocks of 8 or 16, as ONNX Runtime's CPU provider lays them out."""
for _op_type in ("ReorderInput", "ReorderOutput"):
    RULES.add(_op_type, move, op_class="movement", domain=NCHWC)
for _op_type, _rule in {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
}.items():
    RULES.add(_op_type, _rule, op_class="pooling", domain=NCHWC)
RULES.add("NhwcMaxPool", max_pool, op_class="pooling", domain=DOMAIN)
RULES.add("MaxpoolWithMask", max_pool, op_class="pooling", domain=DOMAIN)


@RULES.register("FastGelu", op_class="elementwise", domain=DOMAIN)
def fast_gelu(node: Node) -> Cost:
    """Gelu by tanh: FLOP = 8 per element, + 1 with a bias. Source: com.microsoft.FastGelu in ContribOperators.md."""
    per_element = TANH_GELU_FLOPS + (node.input(1) is not None)
    return cost_of(node, vector_flops=per_element * node.result().elements)


@RULES.register("BiasAdd", "BiasDropout", "BitmaskBiasDropout", op_class="elementwise", domain=DOMAIN)
def bias_add(node: Node) -> Cost:
    """x + bias (+ residual): FLOP = one addition per element each; dropout is the identity at inference.

    Source: com.microsoft.BiasAdd, BiasDropout, BitmaskBiasDropout in ContribOperators.md.
    """
    per_element = 1 + (node.input(2) is not None)
    return cost_of(node, vector_flops=per_element * node.result().elements)


@RULES.register("IsAllFinite", "ReduceSumInteger", op_class="reduction", domain=DOMAIN)
def test_each(node: Node) -> Cost:
    """One operation per input element. Source: com.microsoft.IsAllFinite, ReduceSumInteger in ContribOperators.md."""
    return cost_of(node, vector_flops=sum(t.elements for t in node.operands))


@RULES.register("GroupNorm", "SkipGroupNorm", op_class="normalization", domain=DOMAIN)
def group_norm(node: Node) -> Cost:
    """GroupNormalization: FLOP = 7 per element, + 1 per skip and bias, + 5 with SiLU (activation=1).

    Source: com.microsoft.GroupNorm, SkipGroupNorm in ContribOperators.md.
    """
    per_element = 7 + SILU_FLOPS * (node.attributes.get("activation", 0) == 1)
    per_element += sum(1 for position in (3, 4) if node.input(position) is not None)
    return cost_of(node, vector_flops=per_element * node.tensor(0).elements)


@RULES.register("EmbedLayerNormalization", op_class="normalization", domain=DOMAIN)
def embed_layer_norm(node: Node) -> Cost:
    """Rows of two or three tables added, then LayerNormalization: FLOP = 1 (2 with segments) + 7 per element.

    Reads one row per token from each table, not the tables. Source: com.microsoft.EmbedLayerNormalization.
    """
    out = node.result()
    tables = [node.tensor(i) for i in (2, 3, 4) if node.input(i) is not None]
    small = [node.tensor(i) for i in (0, 1, 5, 6, 7, 8) if node.input(i) is not None]
    rows = sum(out.elements * table.nbytes // max(1, table.elements) for table in tables)
    written = sum(t.nbytes for t in node.results)
    return Cost(
        vector_flops=(len(tables) - 1 + 7) * out.elements,
        bytes_read=rows + sum(t.nbytes for t in small),
        bytes_written=written,
        weight_bytes=rows + sum(t.nbytes for t in small if t.is_static),
    )


@RULES.register("QLinearAveragePool", op_class="pooling", domain=DOMAIN)
def qlinear_average_pool(node: Node) -> Cost:
    """AveragePool, then requantisation: FLOP = k + 5 per output element.

    Source: com.microsoft.QLinearAveragePool in ContribOperators.md.
    """
    cost = average_pool(node)
    assert isinstance(cost, Cost)
    return cost._replace(vector_flops=cost.vector_flops + REQUANTIZE_FLOPS * node.result().elements)


@RULES.register("QLinearGlobalAveragePool", "QLinearReduceMean", op_class="pooling", domain=DOMAIN)
def qlinear_mean(node: Node) -> Cost:
    """A mean, then requantisation: FLOP = elements in + 5 per output element.

    Source: com.microsoft.QLinearGlobalAveragePool, QLinearReduceMean in ContribOperators.md.
    """
    return cost_of(node, vector_flops=node.tensor(0).elements + REQUANTIZE_FLOPS * node.result().elements)


@RULES.register("Conv", op_class="convolution", domain=NCHWC)
@RULES.register("FusedConv", "NhwcConv", "NhwcFusedConv", op_class="convolution", domain=DOMAIN)
def fused_conv(node: Node) -> Cost:
    """Conv, + 1 FLOP per output element for an added Z, + the activation's FLOP per output element.

    Channels-last forms count the same: the product of the weight's dimensions does not change.
    Source: com.microsoft.FusedConv, NhwcConv, NhwcFusedConv, com.microsoft.nchwc.Conv in ContribOperators.md.
    """
    cost = conv(node)
    assert isinstance(cost, Cost)
    extra = activation_flops(str(node.attributes.get("activation", ""))) + (node.input(3) is not None)
    return cost._replace(vector_flops=cost.vector_flops + extra * node.result().elements)


RULES.add("TransposeMatMul", fused_matmul, op_class="matmul", domain=DOMAIN)


@RULES.register("FusedMatMulActivation", op_class="matmul", domain=DOMAIN)
def fused_matmul_activation(node: Node) -> Cost:
    """FusedMatMul, + the activation's FLOP per result element.

    Source: com.microsoft.FusedMatMulActivation in ContribOperators.md.
    """
    cost = fused_matmul(node)
    assert isinstance(cost, Cost)
    extra = activation_flops(str(node.attributes.get("activation", "")))
    return cost._replace(vector_flops=cost.vector_flops + extra * node.result().elements)


@RULES.register("GemmFastGelu", op_class="matmul", domain=DOMAIN)
def gemm_fast_gelu(node: Node) -> Cost:
    """MatMul, bias, tanh Gelu: MACs = result * K; FLOP = 2*MACs + 8 (9 with a bias) per result element.

    Source: com.microsoft.GemmFastGelu in ContribOperators.md.
    """
    a, b, out = node.tensor(0).shape or (), node.tensor(1).shape or (), node.result()
    per_element = TANH_GELU_FLOPS + (node.input(2) is not None)
    return cost_of(node, macs=out.elements * a[-1], vector_flops=per_element * out.elements, pipe=matmul_pipe(a, b))


@RULES.register("GemmFloat8", op_class="matmul", domain=DOMAIN)
def gemm_float8(node: Node) -> Cost:
    """Gemm on 8-bit floats: as Gemm, + the activation's FLOP per result element.

    Source: com.microsoft.GemmFloat8 in ContribOperators.md.
    """
    cost = gemm(node)
    assert isinstance(cost, Cost)
    name = {"RELU": "Relu", "GELU": "Gelu"}.get(str(node.attributes.get("activation", "NONE")).upper(), "")
    flops = GELU_FLOPS if name == "Gelu" else FLOPS_PER_ELEMENT[name][0] if name else 0
    return cost._replace(vector_flops=cost.vector_flops + flops * node.result().elements)


@RULES.register("MatMulNBits", "MatMulBnb4", "MatMulFpQ4", "MatMulBlockQuantizedFp8Weight",
                "MatMulBlockQuantizedFp4Weight", op_class="matmul", domain=DOMAIN, operands=(0, 0))  # fmt: skip
def matmul_packed(node: Node) -> Cost:
    """MatMul with a packed, block-quantised weight: MACs = result elements * K; FLOP = 2*MACs + 2*N*K.

    Every weight is dequantised once (subtract or look up, multiply); with a bias one addition per result element.
    The weight is read as it is packed. Computes in the type of A.
    Source: com.microsoft.MatMulNBits, MatMulBnb4, MatMulFpQ4, MatMulBlockQuantizedFp8Weight, ...Fp4Weight.
    """
    a, out = node.tensor(0).shape or (), node.result()
    inner, columns = a[-1], (out.shape or (1,))[-1]
    rows = elements(a[:-1])
    bias = {"MatMulNBits": 5, "MatMulBlockQuantizedFp8Weight": 4, "MatMulBlockQuantizedFp4Weight": 5}
    has_bias = node.input(bias[node.op_type]) is not None if node.op_type in bias else False
    return cost_of(
        node,
        macs=out.elements * inner,
        vector_flops=_DEQUANTIZE_FLOPS * inner * columns + (out.elements if has_bias else 0),
        pipe="vector" if rows == 1 else "matrix",
    )


@RULES.register("MatMulIntegerToFloat", op_class="matmul", domain=DOMAIN)
def matmul_integer_to_float(node: Node) -> Cost:
    """MatMulInteger, then scaled: FLOP = 2*MACs + 2 per result element (convert, multiply), + 1 with a bias.

    Source: com.microsoft.MatMulIntegerToFloat in ContribOperators.md.
    """
    a, b, out = node.tensor(0).shape or (), node.tensor(1).shape or (), node.result()
    per_element = 2 + (node.input(6) is not None)
    return cost_of(node, macs=out.elements * a[-1], vector_flops=per_element * out.elements, pipe=matmul_pipe(a, b))


@RULES.register("DynamicQuantizeMatMul", op_class="matmul", domain=DOMAIN, operands=(1, 1))
def dynamic_quantize_matmul(node: Node) -> Cost:
    """A quantised (7 FLOP per element), MatMulInteger, then scaled (2 per result element), + 1 with a bias.

    Source: com.microsoft.DynamicQuantizeMatMul in ContribOperators.md.
    """
    a, b, out = node.tensor(0), node.tensor(1).shape or (), node.result()
    per_element = 2 + (node.input(4) is not None)
    inner = (a.shape or (1,))[-1]
    return cost_of(
        node,
        macs=out.elements * inner,
        vector_flops=7 * a.elements + per_element * out.elements,
        pipe=matmul_pipe(a.shape or (), b),
    )


@RULES.register("QGemm", op_class="matmul", domain=DOMAIN, operands=(0, 3))
def qgemm(node: Node) -> Cost:
    """Gemm on 8-bit operands: MACs = M*N*K; FLOP = 2*MACs + 5 per result element, + 1 with C.

    Inputs: A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point.
    Source: com.microsoft.QGemm in ContribOperators.md.
    """
    a, out = node.tensor(0).shape or (), node.result()
    inner = a[0] if node.attributes.get("transA", 0) else a[1]
    rows: Dim = (out.shape or (1,))[0]
    per_element = REQUANTIZE_FLOPS + (node.input(6) is not None)
    return cost_of(
        node,
        macs=out.elements * inner,
        vector_flops=per_element * out.elements,
        pipe="vector" if rows == 1 else "matrix",
    )
