"""Convolutions and matrix products: everything that is multiply-accumulates.

MACs follow ``torch.utils.flop_counter`` (2 FLOP per MAC): one MAC per output element and filter tap, padding
not discounted.
"""

from __future__ import annotations

from roofline.graph.nodes import Dim, Node, Shape
from roofline.graph.shape_math import transposed
from roofline.ops.elementwise import activation_flops
from roofline.ops.table import RULES, Cost, Pipe, cost_of, elements


@RULES.register("Conv", op_class="convolution")
def conv(node: Node) -> Cost:
    """Direct convolution: MACs = N*C_out*prod(out) * C_in/group*prod(kernel); FLOP = 2*MACs + bias adds.

    Counted: one MAC per output element and tap, one addition per output element if there is a bias.
    Ignored: taps that fall on padding, Winograd and FFT algorithms (marked, not discounted).
    A depthwise convolution runs on the vector pipe: a matrix unit has no reuse to exploit.
    Source: torch.utils.flop_counter.conv_flop_count.
    """
    weight = node.tensor(1).shape or ()  # (C_out, C_in / group, *kernel)
    out = node.result()
    group = node.attributes.get("group", 1)
    depthwise = group > 1 and weight[1] == 1
    channels = (node.tensor(0).shape or (0, 0))[1]
    if node.op_type == "Conv" and not node.domain and channels != weight[1] * group:
        raise ValueError(f"{channels} channels against a weight for {group} groups of {weight[1]}")
    return cost_of(
        node,
        macs=out.elements * elements(weight[1:]),
        vector_flops=out.elements if node.input(2) else 0,
        pipe="vector" if depthwise else "matrix",
        winograd=group == 1 and _is_winograd(node, weight),
    )


def _is_winograd(node: Node, weight: Shape) -> bool:
    strides = node.attributes.get("strides", (1, 1))
    dilations = node.attributes.get("dilations", (1, 1))
    return tuple(weight[2:]) == (3, 3) and set(strides) == {1} and set(dilations) == {1}


@RULES.register("ConvTranspose", op_class="convolution")
def conv_transpose(node: Node) -> Cost:
    """Transposed convolution: MACs = N*C_in*prod(in) * C_out/group*prod(kernel); FLOP = 2*MACs + bias adds.

    Counted: one MAC per input element and tap, one addition per output element if there is a bias.
    Ignored: taps cut off by output padding or cropping.
    Source: torch.utils.flop_counter.conv_flop_count with transposed=True.
    """
    weight = node.tensor(1).shape or ()  # (C_in, C_out / group, *kernel)
    group = node.attributes.get("group", 1)
    return cost_of(
        node,
        macs=node.tensor(0).elements * elements(weight[1:]),
        vector_flops=node.result().elements if node.input(2) else 0,
        pipe="vector" if group > 1 and weight[1] == 1 else "matrix",
    )


@RULES.register("MatMul", op_class="matmul")
def matmul(node: Node) -> Cost:
    """Matrix product (..., M, K) x (..., K, N): MACs = elements of the result * K; FLOP = 2*MACs.

    Counted: one MAC per result element and step of the inner dimension, batch dimensions broadcast.
    A product with M = 1 or N = 1 (matrix times vector) runs on the vector pipe.
    Source: torch.utils.flop_counter.bmm_flop.
    """
    a, b = node.tensor(0).shape or (), node.tensor(1).shape or ()
    return cost_of(node, macs=node.result().elements * a[-1], pipe=matmul_pipe(a, b))


def matmul_pipe(a: Shape, b: Shape) -> Pipe:
    """Return ``vector`` for a matrix-vector product: rows of a 2-D right operand are batched together."""
    rows = elements(a[:-1]) if len(b) <= 2 else (a[-2] if len(a) > 1 else 1)
    columns = b[-1] if len(b) > 1 else 1
    return "vector" if rows == 1 or columns == 1 else "matrix"


@RULES.register("FusedMatMul", op_class="matmul", domain="com.microsoft")
def fused_matmul(node: Node) -> Cost:
    """MatMul with optional transpositions and a factor alpha: MACs = result * K; FLOP = 2*MACs + scaling.

    Counted: the product, and one multiplication per result element if alpha is not 1.
    Source: com.microsoft.FusedMatMul in ONNX Runtime's ContribOperators.md.
    """
    attributes = node.attributes
    a = transposed(node.tensor(0).shape or (), bool(attributes.get("transA")), bool(attributes.get("transBatchA")))
    inner, out = a[-1], node.result()
    rows = out.shape[-2] if out.shape and len(out.shape) > 1 else 1
    scaled = node.attributes.get("alpha", 1.0) != 1.0
    return cost_of(
        node,
        macs=out.elements * inner,
        vector_flops=out.elements if scaled else 0,
        pipe="vector" if rows == 1 else "matrix",
    )


@RULES.register("Gemm", op_class="matmul")
def gemm(node: Node) -> Cost:
    """alpha*A*B + beta*C with A (M, K), B (K, N): MACs = M*N*K; FLOP = 2*MACs + scaling + bias.

    Counted: one addition per result element if there is a C, one multiplication per result element if
    alpha is not 1, one per element of C if beta is not 1. M = 1 or N = 1 runs on the vector pipe.
    Source: ONNX operator Gemm; torch.utils.flop_counter.addmm_flop for the MACs.
    """
    macs, pipe = _gemm_macs(node)
    return cost_of(node, macs=macs, vector_flops=_gemm_epilogue(node), pipe=pipe)


def _gemm_macs(node: Node) -> tuple[Dim, Pipe]:
    a = node.tensor(0).shape or ()
    out = node.result()
    inner = a[0] if node.attributes.get("transA", 0) else a[1]
    rows, columns = out.shape or (1, 1)
    return out.elements * inner, "vector" if rows == 1 or columns == 1 else "matrix"


def _gemm_epilogue(node: Node) -> Dim:
    out, bias = node.result(), node.input(2)
    flops = out.elements if node.attributes.get("alpha", 1.0) != 1.0 else 0
    if bias is not None:
        flops += out.elements
        if node.attributes.get("beta", 1.0) != 1.0:
            flops += node.tensor(2).elements
    return flops


@RULES.register("FusedGemm", op_class="matmul", domain="com.microsoft")
def fused_gemm(node: Node) -> Cost:
    """Gemm followed by an activation: as Gemm, plus the activation's FLOP per result element.

    Source: com.microsoft.FusedGemm in ONNX Runtime's ContribOperators.md.
    """
    macs, pipe = _gemm_macs(node)
    activation = activation_flops(str(node.attributes.get("activation", "")))
    return cost_of(node, macs=macs, vector_flops=_gemm_epilogue(node) + activation * node.result().elements, pipe=pipe)
