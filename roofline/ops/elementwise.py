"""Operators that compute every output element from the input elements at the same place.

One FLOP is one arithmetic operation, comparison, logical operation or elementary function (exp, log, sqrt,
tanh, erf, pow, sin, ...) of the operator's definition at https://onnx.ai/onnx/operators/. An elementary
function counts 1: what it costs in instructions differs between processors and is not guessed here.
"""

from __future__ import annotations

from collections.abc import Mapping

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, CostRule, cost_of

FLOPS_PER_ELEMENT: Mapping[str, tuple[int, str]] = {
    "Add": (1, "a + b"),
    "Sub": (1, "a - b"),
    "Mul": (1, "a * b"),
    "Div": (1, "a / b"),
    "Mod": (1, "a mod b"),
    "Pow": (1, "a ** b"),
    "And": (1, "a and b"),
    "Or": (1, "a or b"),
    "Xor": (1, "a xor b"),
    "Not": (1, "not x"),
    "Equal": (1, "a == b"),
    "Less": (1, "a < b"),
    "LessOrEqual": (1, "a <= b"),
    "Greater": (1, "a > b"),
    "GreaterOrEqual": (1, "a >= b"),
    "Where": (1, "c ? a : b"),
    "Abs": (1, "|x|"),
    "Neg": (1, "-x"),
    "Ceil": (1, "ceil(x)"),
    "Floor": (1, "floor(x)"),
    "Round": (1, "round(x)"),
    "Sign": (1, "sign(x)"),
    "Reciprocal": (1, "1 / x"),
    "Sqrt": (1, "sqrt(x)"),
    "Exp": (1, "exp(x)"),
    "Log": (1, "log(x)"),
    "Erf": (1, "erf(x)"),
    "Sin": (1, "sin(x)"),
    "Cos": (1, "cos(x)"),
    "Tan": (1, "tan(x)"),
    "Asin": (1, "asin(x)"),
    "Acos": (1, "acos(x)"),
    "Atan": (1, "atan(x)"),
    "Sinh": (1, "sinh(x)"),
    "Cosh": (1, "cosh(x)"),
    "Tanh": (1, "tanh(x)"),
    "Asinh": (1, "asinh(x)"),
    "Acosh": (1, "acosh(x)"),
    "Atanh": (1, "atanh(x)"),
    "IsNaN": (1, "x is NaN"),
    "IsInf": (1, "x is infinite"),
    "BitShift": (1, "a << b or a >> b"),
    "BitwiseAnd": (1, "a & b"),
    "BitwiseOr": (1, "a | b"),
    "BitwiseXor": (1, "a ^ b"),
    "BitwiseNot": (1, "~x"),
    "Hardmax": (1, "x is the first maximum ? 1 : 0"),
    "Bernoulli": (1, "random < x"),
    "Relu": (1, "max(0, x)"),
    "LeakyRelu": (2, "x < 0 ? alpha * x : x"),
    "PRelu": (2, "x < 0 ? slope * x : x"),
    "Elu": (4, "x < 0 ? alpha * (exp(x) - 1) : x"),
    "Selu": (5, "gamma * (x < 0 ? alpha * (exp(x) - 1) : x)"),
    "Sigmoid": (4, "1 / (1 + exp(-x))"),
    "HardSigmoid": (4, "max(0, min(1, alpha * x + beta))"),
    "HardSwish": (5, "x * max(0, min(1, x / 6 + 0.5))"),
    "Softplus": (3, "log(exp(x) + 1)"),
    "Softsign": (3, "x / (1 + |x|)"),
    "Mish": (5, "x * tanh(log(1 + exp(x)))"),
    "Celu": (7, "max(0, x) + min(0, alpha * (exp(x / alpha) - 1))"),
    "ThresholdedRelu": (1, "x > alpha ? x : 0"),
    "Shrink": (3, "x < -lambd ? x + bias : x > lambd ? x - bias : 0"),
}
"""Operator -> (FLOP per output element, the definition they are counted in)."""


def elementwise(flops: int, formula: str) -> CostRule:
    """Return a rule for `flops` operations per output element."""

    def rule(node: Node) -> Cost:
        return cost_of(node, vector_flops=flops * node.result().elements)

    rule.__doc__ = (
        f"y = {formula}: FLOP = {flops} per output element. Broadcast operands are read at their own size. "
        "Source: the operator's definition, one FLOP per operation or elementary function."
    )
    return rule


for _op_type, (_flops, _formula) in FLOPS_PER_ELEMENT.items():
    RULES.add(_op_type, elementwise(_flops, _formula), op_class="elementwise")


def activation_flops(name: str) -> int:
    """Return the FLOP per element of an activation named in a fused operator's attribute."""
    if not name:
        return 0
    return FLOPS_PER_ELEMENT[name][0]


@RULES.register("Clip", op_class="elementwise")
def clip(node: Node) -> Cost:
    """y = min(max(x, low), high): FLOP = one comparison per given bound and output element.

    Source: ONNX operator Clip (bounds are attributes before opset 11, inputs from then on).
    """
    given = sum(1 for position in (1, 2) if node.input(position) is not None)
    given += sum(1 for name in ("min", "max") if name in node.attributes)
    return cost_of(node, vector_flops=given * node.result().elements)


@RULES.register("Max", "Min", "Sum", op_class="elementwise")
def variadic(node: Node) -> Cost:
    """y = x1 op x2 op ... op xn: FLOP = n - 1 per output element.

    Source: ONNX operators Max, Min, Sum.
    """
    return cost_of(node, vector_flops=(len(node.inputs) - 1) * node.result().elements)


@RULES.register("Mean", op_class="elementwise")
def mean(node: Node) -> Cost:
    """y = (x1 + ... + xn) / n: FLOP = n per output element (n - 1 additions, 1 division).

    Source: ONNX operator Mean.
    """
    return cost_of(node, vector_flops=len(node.inputs) * node.result().elements)


@RULES.register("Gelu", op_class="elementwise", since=20)
def gelu(node: Node) -> Cost:
    """0.5*x*(1 + erf(x/sqrt(2))): 5 FLOP per element; 8 with approximate=tanh.

    tanh form: 0.5*x*(1 + tanh(c*(x + 0.044715*x**3))): pow, mul, add, mul, tanh, add, mul, mul.
    Source: ONNX operator Gelu.
    """
    per_element = 8 if node.attributes.get("approximate", "none") == "tanh" else 5
    return cost_of(node, vector_flops=per_element * node.result().elements)


@RULES.register("Swish", op_class="elementwise", since=24)
def swish(node: Node) -> Cost:
    """x * sigmoid(alpha*x): 5 FLOP per element (sigmoid 4, product), 6 if alpha is not 1.

    Source: ONNX operator Swish.
    """
    per_element = 5 + (node.attributes.get("alpha", 1.0) != 1.0)
    return cost_of(node, vector_flops=per_element * node.result().elements)


@RULES.register("SwiGLU", op_class="elementwise", since=28)
def swiglu(node: Node) -> Cost:
    """a * sigmoid(alpha*a) * b: 6 FLOP per element, 7 if alpha is not 1.

    Source: ONNX operator SwiGLU.
    """
    per_element = 6 + (node.attributes.get("alpha", 1.0) != 1.0)
    return cost_of(node, vector_flops=per_element * node.result().elements)


RULES.add(
    "QuantizeLinear",
    elementwise(5, "min(max(round(x / scale) + zero_point, low), high)"),
    op_class="quantization",
)
RULES.add(
    "DequantizeLinear",
    elementwise(2, "(x - zero_point) * scale"),
    op_class="quantization",
)
