"""Normalisations and softmax: reductions over an axis, then elementwise work."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, cost_of

LAYER_NORM_FLOPS = 6
"""Per element: sum, subtract the mean, square, sum, multiply by 1/deviation, multiply by the scale."""


RMS_NORM_FLOPS = 4
"""Per element: square, sum, multiply by 1/root mean square, multiply by the scale."""


@RULES.register("BatchNormalization", op_class="normalization")
def batch_norm(node: Node) -> Cost:
    """Inference form y = x*a + b per channel: FLOP = 2 per element.

    Counted: one multiplication and one addition. Ignored: a and b, worked out once per channel.
    Source: ONNX operator BatchNormalization with training_mode=0.
    """
    return cost_of(node, vector_flops=2 * node.result().elements)


@RULES.register("LayerNormalization", op_class="normalization")
def layer_norm(node: Node) -> Cost:
    """(x - mean) / sqrt(var + eps) * scale + bias: FLOP = 6 per element, 7 with a bias.

    Counted per element: addition into the mean, subtraction, square, addition into the variance, product
    with 1/deviation, product with the scale, addition of the bias. Ignored: the few operations per row.
    Source: ONNX operator LayerNormalization.
    """
    return cost_of(node, vector_flops=(LAYER_NORM_FLOPS + (node.input(2) is not None)) * node.tensor(0).elements)


@RULES.register("InstanceNormalization", "GroupNormalization", op_class="normalization")
def instance_norm(node: Node) -> Cost:
    """(x - mean) / sqrt(var + eps) * scale + bias per channel or group: FLOP = 7 per element.

    Counted and ignored as in LayerNormalization; scale and bias are always there.
    Source: ONNX operators InstanceNormalization, GroupNormalization.
    """
    return cost_of(node, vector_flops=(LAYER_NORM_FLOPS + 1) * node.result().elements)


@RULES.register("RMSNormalization", op_class="normalization", since=23)
@RULES.register("SimplifiedLayerNormalization", op_class="normalization")
@RULES.register("SimplifiedLayerNormalization", op_class="normalization", domain="com.microsoft")
def rms_norm(node: Node) -> Cost:
    """x / sqrt(mean(x**2) + eps) * scale: FLOP = 4 per element (square, sum, two products).

    Ignored: the few operations per row.
    Source: ONNX operator RMSNormalization; ONNX Runtime's SimplifiedLayerNormalization.
    """
    return cost_of(node, vector_flops=RMS_NORM_FLOPS * node.tensor(0).elements)


@RULES.register("SkipSimplifiedLayerNormalization", op_class="normalization", domain="com.microsoft")
def skip_rms_norm(node: Node) -> Cost:
    """RMSNormalization of input + skip (+ bias): one addition per element each, then 4 FLOP per element.

    Inputs: input, skip, gamma, bias (optional).
    Source: com.microsoft.SkipSimplifiedLayerNormalization in ONNX Runtime's ContribOperators.md.
    """
    per_element = 1 + RMS_NORM_FLOPS + (node.input(3) is not None)
    return cost_of(node, vector_flops=per_element * node.tensor(0).elements)


@RULES.register("MeanVarianceNormalization", op_class="normalization", since=9)
def mean_variance_norm(node: Node) -> Cost:
    """(x - mean) / sqrt(var): FLOP = 5 per element (sum, subtract, square, sum, divide).

    Source: ONNX operator MeanVarianceNormalization.
    """
    return cost_of(node, vector_flops=5 * node.result().elements)


@RULES.register("LpNormalization", op_class="normalization")
def lp_norm(node: Node) -> Cost:
    """x / ||x||_p: FLOP = 3 per element (absolute value or square, sum, divide). Ignored: one root per row.

    Source: ONNX operator LpNormalization.
    """
    return cost_of(node, vector_flops=3 * node.result().elements)


@RULES.register("LRN", op_class="normalization")
def local_response_norm(node: Node) -> Cost:
    """x / (bias + alpha/size * sum(x**2))**beta over `size` channels: FLOP = size + 4 per element.

    Square, size - 1 additions, product, addition, power, division. Source: ONNX operator LRN.
    """
    return cost_of(node, vector_flops=(node.attributes["size"] + 4) * node.result().elements)


@RULES.register("NegativeLogLikelihoodLoss", op_class="reduction", since=12)
def nll_loss(node: Node) -> Cost:
    """Per target: negate, weight, add: FLOP = 3 per target. Reads one score per target.

    Source: ONNX operator NegativeLogLikelihoodLoss.
    """
    return cost_of(node, vector_flops=3 * node.tensor(1).elements)


@RULES.register("SoftmaxCrossEntropyLoss", op_class="normalization", since=12)
def cross_entropy_loss(node: Node) -> Cost:
    """LogSoftmax (5 FLOP per score), then 3 FLOP per target.

    Source: ONNX operator SoftmaxCrossEntropyLoss.
    """
    return cost_of(node, vector_flops=5 * node.tensor(0).elements + 3 * node.tensor(1).elements)


@RULES.register("SkipLayerNormalization", op_class="normalization", domain="com.microsoft")
def skip_layer_norm(node: Node) -> Cost:
    """LayerNormalization of input + skip (+ bias): one addition per element each, then as LayerNormalization.

    Inputs: input, skip, gamma, beta (optional), bias (optional).
    Source: com.microsoft.SkipLayerNormalization in ONNX Runtime's ContribOperators.md.
    """
    per_element = 1 + LAYER_NORM_FLOPS + (node.input(3) is not None) + (node.input(4) is not None)
    return cost_of(node, vector_flops=per_element * node.tensor(0).elements)


@RULES.register("Softmax", "LogSoftmax", op_class="normalization")
def softmax(node: Node) -> Cost:
    """exp(x - max) / sum(exp(x - max)): FLOP = 5 per element.

    Counted: comparison for the maximum, subtraction, exponential, addition into the sum, division (for
    LogSoftmax the subtraction of the logarithm). Ignored: the logarithm per row.
    Source: ONNX operators Softmax, LogSoftmax.
    """
    return cost_of(node, vector_flops=5 * node.result().elements)
