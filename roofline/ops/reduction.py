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


_REDUCTIONS = {  # operator -> (FLOP per input element before the sum, FLOP per output element after it)
    "ReduceL1": (1, 0),
    "ReduceL2": (1, 1),
    "ReduceSumSquare": (1, 0),
    "ReduceLogSum": (0, 1),
    "ReduceLogSumExp": (1, 1),
}


@RULES.register(*_REDUCTIONS, op_class="reduction")
def reduce_function(node: Node) -> Cost:
    """A function per element, a sum, a function per result: FLOP = in + (in - out) + out, as far as there is one.

    L1: |x|, sum. L2: square, sum, root. SumSquare: square, sum. LogSum: sum, log. LogSumExp: exp, sum, log.
    Source: ONNX operators ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum, ReduceLogSumExp.
    """
    before, after = _REDUCTIONS[node.op_type]
    given, left = node.tensor(0).elements, node.result().elements
    return cost_of(node, vector_flops=(before + 1) * given - left + after * left)


@RULES.register("CumSum", "CumProd", op_class="reduction")
def cumulate(node: Node) -> Cost:
    """One operation per element. Source: ONNX operators CumSum, CumProd."""
    return cost_of(node, vector_flops=node.result().elements)


@RULES.register("TopK", op_class="reduction")
def top_k(node: Node) -> Cost:
    """A heap of k: FLOP = elements in * ceil(log2(k)) comparisons, one at least.

    Source: ONNX operator TopK; heap selection, Knuth, TAOCP vol. 3, 5.2.3.
    """
    results = node.result().shape or (1,)
    axis = node.attributes.get("axis", -1)
    comparisons = max(1, (results[axis] - 1).bit_length()) if isinstance(results[axis], int) else 1
    return cost_of(node, vector_flops=node.tensor(0).elements * comparisons)


@RULES.register("Unique", op_class="reduction", since=11)
def unique(node: Node) -> Cost:
    """A sort: FLOP = n * ceil(log2(n)) comparisons. Source: ONNX operator Unique; merge sort."""
    size = node.tensor(0).elements
    return cost_of(node, vector_flops=size * max(1, (size - 1).bit_length()) if isinstance(size, int) else size)


@RULES.register("NonZero", "OneHot", op_class="reduction")
def compare_each(node: Node) -> Cost:
    """One comparison per element: of the input for NonZero, of the output for OneHot.

    Source: ONNX operators NonZero, OneHot.
    """
    counted = node.tensor(0) if node.op_type == "NonZero" else node.result()
    return cost_of(node, vector_flops=counted.elements)


@RULES.register("LpPool", op_class="pooling")
def lp_pool(node: Node) -> Cost:
    """FLOP = 3*k per output element (absolute value, power, sum), k = prod(kernel_shape). Ignored: the root.

    Source: ONNX operator LpPool.
    """
    return cost_of(node, vector_flops=3 * _window(node) * node.result().elements)


@RULES.register("GlobalLpPool", op_class="pooling")
def global_lp_pool(node: Node) -> Cost:
    """FLOP = 3 per input element (absolute value, power, sum). Ignored: the root per channel.

    Source: ONNX operator GlobalLpPool.
    """
    return cost_of(node, vector_flops=3 * node.tensor(0).elements)


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
