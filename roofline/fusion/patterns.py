"""What fuses with what: every pattern of the traffic model ``fused``, as data. Read this file to know them all.

1.  A **view** moves nothing; its result is the storage of its input.
2.  A **dequantisation** moves nothing: what reads its result reads the quantised tensor.
3.  A **pointwise** operator joins the group that makes the operand of its own size: bias, activation, folded batch
    normalisation, scaling, residual addition (it joins the later producer), quantisation, and every activation
    exported as primitives (GELU by erf, tanh or sigmoid, SiLU, hard-swish). Without such a group it starts a chain.
4.  A **reduction** (softmax, normalisation, pooling, ReduceMean, ...) starts a group of its own and takes pointwise
    operators behind it. One exported as primitives is one pass: what reads only the tensors that entered the group,
    its own results and constants joins it (ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add), and so does a
    pointwise operator in front that only the reduction reads (the square of RMSNorm).
5.  **Contractions** that read the same tensor, and else only constants, in the same way (Q, K and V; 1x1 convolutions
    of one block), are one group.
6.  **Attention** is one kernel: QK^T, what is done to the scores, softmax, PV; and the layout work around it that
    nothing else reads (transposes, splits, repeated heads, rotary embedding). It reads Q, K, V and the mask once and
    writes its result once: scores stay on the chip.
7.  **Concat** is free for parts that nothing else reads: their producers write in place. Past keys and values that are
    graph inputs, joined with new ones into a graph output that attention reads, are a cache grown in place: only the
    new part is written, by one kernel together with the layout work and rotary embedding in front of it.
8.  Everything else (Transpose, Gather, Slice, Resize, recurrent cells, ...) is a kernel of its own.

A group's bytes: each distinct tensor that enters, once; each tensor made inside and used outside, or a graph output,
once. Format changes between layouts (NCHW, NHWC) are not counted. Bodies of loops and branches are not fused.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["view", "alias", "pointwise", "reduction", "contraction", "attention", "concat", "other"]

VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "BitCast", "Dropout"})
ALIASES = frozenset({"DequantizeLinear"})
POINTWISE = frozenset({"BatchNormalization", "QuantizeLinear", "Cast", "CastLike", "QuickGelu", "BiasGelu", "FastGelu"})
"""Besides the class elementwise."""
NOT_POINTWISE = frozenset({"Hardmax", "HannWindow", "HammingWindow", "BlackmanWindow", "AffineGrid"})
"""Of the class elementwise, but not element by element of an input."""
PLAIN_REDUCTIONS = frozenset(
    {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceSumSquare", "ReduceProd",
     "ReduceLogSumExp"}
)  # fmt: skip
"""Parts of a normalisation exported as primitives (rule 4)."""
ALONE = frozenset({"TopK", "Unique", "NonZero", "OneHot", "CumSum", "NonMaxSuppression", "STFT", "DFT"})
"""Of the class reduction, but nothing joins them."""
TAKES_POINTWISE = frozenset({"contraction", "pointwise", "reduction", "attention"})
"""Kinds of groups that pointwise operators join."""

SOFTMAX = frozenset({"Softmax", "BiasSoftmax"})
PRODUCTS = frozenset({"MatMul", "FusedMatMul", "Einsum"})
"""How QK^T and PV are written."""
SCORES = frozenset(
    {"Mul", "Div", "Add", "Sub", "Where", "Cast", "CastLike", "Clip", "Max", "Min", "Tanh", "IsNaN", "Neg"}
) | VIEWS  # fmt: skip
"""What may be done to the scores, before softmax and after."""
AROUND = (
    frozenset({"Transpose", "Expand", "Tile", "Split", "Slice", "Concat", "Neg", "Mul", "Div", "Add", "Cast", "Gather"})
    | VIEWS
)
"""Layout work and rotary embedding in front of attention, where nothing else reads it."""
PICKS = frozenset({"Gather", "Slice", "Split"})
"""Operators that read only what they return."""
MAX_CHAIN = 8
"""Operators between a product and the softmax, at most."""


def kind_of(op_type: str, op_class: str, status: str) -> Kind:
    """Return how a node takes part in fusion."""
    if op_type in VIEWS and status == "free":
        return "view"
    if op_type in ALIASES:
        return "alias"
    if op_type in POINTWISE or (op_class == "elementwise" and op_type not in NOT_POINTWISE):
        return "pointwise"
    if op_type in ALONE:
        return "other"
    if op_class in ("normalization", "reduction", "pooling"):
        return "reduction"
    if op_class in ("convolution", "matmul"):
        return "contraction"
    if op_class == "attention":
        return "attention"
    return "concat" if op_type == "Concat" else "other"
