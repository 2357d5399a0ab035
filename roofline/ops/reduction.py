"""Reductions and pooling."""

from __future__ import annotations

from math import prod

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, cost_of


@RULES.register("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ArgMax", "ArgMin", op_class="reduction")
def reduce(node: Node) -> Cost:
    """Fold the reduced elements pairwise: FLOP = elements in - elements out.

    Source: ONNX operators ReduceSum, ReduceMax, ReduceMin, ReduceProd, ArgMax, ArgMin.
    """
    return cost_of(node, vector_flops=node.tensor(0).elements - node.result().elements)


@RULES.register("ReduceMean", op_class="reduction")
def reduce_mean(node: Node) -> Cost:
    """Sum and divide: FLOP = elements in (n - 1 additions and 1 division per output of n inputs).

    Source: ONNX operator ReduceMean.
    """
    return cost_of(node, vector_flops=node.tensor(0).elements)


@RULES.register("MaxPool", op_class="pooling")
def max_pool(node: Node) -> Cost:
    """FLOP = (k - 1) comparisons per output element, k = prod(kernel_shape). Ignored: padding at the edges.

    Source: ONNX operator MaxPool.
    """
    return cost_of(node, vector_flops=(_window(node) - 1) * node.result().elements)


@RULES.register("AveragePool", op_class="pooling")
def average_pool(node: Node) -> Cost:
    """FLOP = k per output element (k - 1 additions, 1 division), k = prod(kernel_shape).

    Ignored: padding at the edges.
    Source: ONNX operator AveragePool.
    """
    return cost_of(node, vector_flops=_window(node) * node.result().elements)


def _window(node: Node) -> int:
    return prod(node.attributes["kernel_shape"])


@RULES.register("GlobalAveragePool", op_class="pooling")
def global_average_pool(node: Node) -> Cost:
    """FLOP = elements in (per channel H*W - 1 additions and 1 division).

    Source: ONNX operator GlobalAveragePool.
    """
    return cost_of(node, vector_flops=node.tensor(0).elements)


@RULES.register("GlobalMaxPool", op_class="pooling")
def global_max_pool(node: Node) -> Cost:
    """FLOP = elements in - elements out (per channel H*W - 1 comparisons).

    Source: ONNX operator GlobalMaxPool.
    """
    return cost_of(node, vector_flops=node.tensor(0).elements - node.result().elements)
