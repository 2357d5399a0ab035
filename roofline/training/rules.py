"""What each operator does in the backward pass: FLOP, and what it keeps from the forward pass.

One FLOP is counted as in the forward pass. A gradient that is only passed on, or added where a tensor has several
readers, is counted where that happens. Source: the derivative of each operator's definition; what is kept follows
torch's ``derivatives.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kept = Literal["inputs", "output", "indices", "nothing"]


class Backward(NamedTuple):
    """Backward pass of an operator that is no contraction."""

    flops: int
    """Per output element (per input element where the result is smaller)."""
    kept: Kept
    formula: str


BACKWARD: Mapping[str, Backward] = {
    "Add": Backward(0, "nothing", "dx = dy"),
    "Sum": Backward(0, "nothing", "dx = dy"),
    "Sub": Backward(1, "nothing", "da = dy, db = -dy"),
    "Mul": Backward(2, "inputs", "da = dy*b, db = dy*a"),
    "Div": Backward(4, "inputs", "da = dy/b, db = -dy*y/b"),
    "Pow": Backward(3, "inputs", "dx = dy*n*x**(n - 1)"),
    "Neg": Backward(1, "nothing", "dx = -dy"),
    "Abs": Backward(1, "inputs", "dx = dy*sign(x)"),
    "Sqrt": Backward(2, "output", "dx = dy/(2*y)"),
    "Reciprocal": Backward(2, "output", "dx = -dy*y*y"),
    "Exp": Backward(1, "output", "dx = dy*y"),
    "Log": Backward(1, "inputs", "dx = dy/x"),
    "Erf": Backward(4, "inputs", "dx = dy*2/sqrt(pi)*exp(-x*x)"),
    "Tanh": Backward(3, "output", "dx = dy*(1 - y*y)"),
    "Sigmoid": Backward(3, "output", "dx = dy*y*(1 - y)"),
    "Relu": Backward(1, "output", "dx = y > 0 ? dy : 0"),
    "LeakyRelu": Backward(2, "output", "dx = y > 0 ? dy : alpha*dy"),
    "PRelu": Backward(3, "inputs", "dx = x > 0 ? dy : slope*dy; dslope = dy*min(x, 0)"),
    "Elu": Backward(3, "output", "dx = y > 0 ? dy : dy*(y + alpha)"),
    "Clip": Backward(3, "inputs", "dx = low < x and x < high ? dy : 0"),
    "HardSigmoid": Backward(3, "inputs", "dx = 0 < y and y < 1 ? alpha*dy : 0"),
    "HardSwish": Backward(5, "inputs", "dx = dy*(x < -3 ? 0 : x > 3 ? 1 : x/3 + 0.5)"),
    "Softplus": Backward(4, "inputs", "dx = dy*sigmoid(x)"),
    "Gelu": Backward(10, "inputs", "dx = dy*(cdf(x) + x*pdf(x))"),
    "Swish": Backward(8, "inputs", "dx = dy*(s + x*s*(1 - s)), s = sigmoid(x)"),
    "Where": Backward(1, "inputs", "dx = c ? dy : 0"),
    "Softmax": Backward(4, "output", "dx = y*(dy - sum(dy*y))"),
    "LogSoftmax": Backward(4, "output", "dx = dy - exp(y)*sum(dy)"),
    "LayerNormalization": Backward(13, "inputs", "x^, dscale, dbias; dx = (dy*s - mean(dy*s) - x^*mean(dy*s*x^))/d"),
    "GroupNormalization": Backward(13, "inputs", "as LayerNormalization"),
    "InstanceNormalization": Backward(13, "inputs", "as LayerNormalization"),
    "BatchNormalization": Backward(13, "inputs", "as LayerNormalization, over the batch"),
    "RMSNormalization": Backward(9, "inputs", "x^, dscale; dx = (dy*s - x^*mean(dy*s*x^))/r"),
    "SimplifiedLayerNormalization": Backward(9, "inputs", "as RMSNormalization"),
    "MaxPool": Backward(1, "indices", "dy is added where the maximum was"),
    "GlobalAveragePool": Backward(1, "nothing", "dx = dy/n"),
    "ReduceMean": Backward(1, "nothing", "dx = dy/n"),
    "ReduceSum": Backward(0, "nothing", "dx = dy"),
    "Gather": Backward(1, "indices", "each row of dy is added to its row of the table's gradient"),
}
"""Operator -> its backward pass. Operators of the class movement and views cost no FLOP and keep nothing; any other
is taken to cost what its forward pass costs and to keep its inputs (finding ``backward-estimated``)."""

PER_INPUT = frozenset({"GlobalAveragePool", "ReduceMean"})
"""Counted per input element."""
BATCH_NORM_FORWARD = 6
"""Further FLOP per element of BatchNormalization while training: its mean and variance (2 + 2), running averages are
per channel; subtract and square are in them. Inference counts 2."""


class Optimizer(NamedTuple):
    """What one update of one parameter costs."""

    flops: int
    state_values: int
    """Values kept per parameter, as wide as the parameter (float32 beside narrower weights)."""
    formula: str


OPTIMIZERS: Mapping[str, Optimizer] = {
    "sgd": Optimizer(2, 0, "w -= lr*g"),
    "momentum": Optimizer(4, 1, "m = mu*m + g; w -= lr*m"),
    "adam": Optimizer(14, 2, "m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g*g; w -= lr*(m/c1)/(sqrt(v/c2) + eps)"),
    "adamw": Optimizer(16, 2, "w -= lr*decay*w; then as adam"),
}
"""Formulas: Sutskever et al. 2013 (momentum), Kingma & Ba 2015 (adam), Loshchilov & Hutter 2019 (adamw)."""
