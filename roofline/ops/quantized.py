"""Contractions on integers, and (de)quantisation around them."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.contraction import matmul_pipe
from roofline.ops.table import RULES, Cost, cost_of, elements

REQUANTIZE_FLOPS = 5
"""Per output element: multiply by the scale, round, add the zero point, two comparisons to saturate."""


@RULES.register("ConvInteger", op_class="convolution")
def conv_integer(node: Node) -> Cost:
    """As Conv on 8-bit operands with a 32-bit result: MACs = N*C_out*prod(out) * C_in/group*prod(kernel).

    Ignored: the subtraction of zero points, folded into the weights or one correction per channel.
    Source: ONNX operator ConvInteger.
    """
    weight, group = node.tensor(1).shape or (), node.attributes.get("group", 1)
    return cost_of(
        node,
        macs=node.result().elements * elements(weight[1:]),
        pipe="vector" if group > 1 and weight[1] == 1 else "matrix",
    )


@RULES.register("QLinearConv", op_class="convolution", operands=(0, 3))
@RULES.register("QLinearConv", op_class="convolution", domain="com.microsoft", operands=(0, 3))
def qlinear_conv(node: Node) -> Cost:
    """As Conv on 8-bit operands; FLOP = 2*MACs + 5 per output element to requantise, + 1 with a bias.

    Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B (optional).
    Source: ONNX operator QLinearConv.
    """
    weight, out, group = node.tensor(3).shape or (), node.result(), node.attributes.get("group", 1)
    return cost_of(
        node,
        macs=out.elements * elements(weight[1:]),
        vector_flops=(REQUANTIZE_FLOPS + (node.input(8) is not None)) * out.elements,
        pipe="vector" if group > 1 and weight[1] == 1 else "matrix",
    )


@RULES.register("MatMulInteger", op_class="matmul")
@RULES.register("MatMulInteger16", op_class="matmul", domain="com.microsoft")
def matmul_integer(node: Node) -> Cost:
    """As MatMul on integer operands with a 32-bit result: MACs = elements of the result * K.

    Source: ONNX operator MatMulInteger; com.microsoft.MatMulInteger16.
    """
    a, b = node.tensor(0).shape or (), node.tensor(1).shape or ()
    return cost_of(node, macs=node.result().elements * a[-1], pipe=matmul_pipe(a, b))


@RULES.register("QLinearMatMul", op_class="matmul", operands=(0, 3))
def qlinear_matmul(node: Node) -> Cost:
    """As MatMul on 8-bit operands; FLOP = 2*MACs + 5 per result element to requantise.

    Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point.
    Source: ONNX operator QLinearMatMul.
    """
    a, b, out = node.tensor(0).shape or (), node.tensor(3).shape or (), node.result()
    return cost_of(
        node, macs=out.elements * a[-1], vector_flops=REQUANTIZE_FLOPS * out.elements, pipe=matmul_pipe(a, b)
    )


@RULES.register("DynamicQuantizeLinear", op_class="quantization")
def dynamic_quantize_linear(node: Node) -> Cost:
    """Range, then quantisation: FLOP = 7 per element (minimum, maximum, divide, round, add, saturate 2).

    Source: ONNX operator DynamicQuantizeLinear.
    """
    return cost_of(node, vector_flops=(2 + REQUANTIZE_FLOPS) * node.tensor(0).elements)
