"""The FLOP and byte conventions of Pagoda (arXiv 2509.20189; code at dream-lab/pagoda, ``estimates.py``).

Reproduced to the digit, so that the study's published totals can be checked: four bytes per element whatever
the file stores, biases never counted in bytes, every operator reads its inputs and writes its outputs,
broadcast operands charged in full, views copied, operators not listed free. Not meant as truth.
"""

from __future__ import annotations

from math import prod

from roofline.graph.nodes import Node
from roofline.ops.table import Cost, CostRule, RuleTable

BYTES = 4
"""Pagoda takes every element as float32."""

TRAINING_FACTOR = 3
"""Pagoda's training step: W and Q times three, nothing else."""

PAGODA = RuleTable()


def _moved(node: Node, flops: int = 0, weights: int = 0) -> Cost:
    """Return `flops`, the first input plus the first output, and `weights` elements."""
    moved_in = node.tensor(0).elements
    return Cost(
        vector_flops=flops,
        bytes_read=BYTES * (moved_in + weights),
        bytes_written=BYTES * node.result().elements,
        weight_bytes=BYTES * weights,
    )


@PAGODA.register("Conv", op_class="convolution")
def conv(node: Node) -> Cost:
    """FLOP = 2*b*Cout*Ho*Wo*Cin/g*Kh*Kw + b*Cout*Ho*Wo; bytes = 4*(weights + in + out).

    The second term is there with or without a bias. Source: Pagoda estimates.py.
    """
    weight, out = node.tensor(1), node.result()
    taps = prod((weight.shape or ())[1:])
    return Cost(
        macs=out.elements * taps,
        vector_flops=out.elements,
        bytes_read=BYTES * (weight.elements + node.tensor(0).elements),
        bytes_written=BYTES * out.elements,
        weight_bytes=BYTES * weight.elements,
        pipe="vector" if node.attributes.get("group", 1) > 1 and (weight.shape or ())[1] == 1 else "matrix",
    )


@PAGODA.register("Gemm", op_class="matmul")
def gemm(node: Node) -> Cost:
    """FLOP = 2*b*Nin*Nout, no bias; bytes = 4*(Nin*Nout + b*Nin + b*Nout). Source: Pagoda estimates.py."""
    weight, out = node.tensor(1), node.result()
    (rows, columns), inner = out.shape or (1, 1), node.tensor(0).elements // ((out.shape or (1, 1))[0] or 1)
    return Cost(
        macs=rows * columns * inner,
        bytes_read=BYTES * (weight.elements + node.tensor(0).elements),
        bytes_written=BYTES * out.elements,
        weight_bytes=BYTES * weight.elements,
        pipe="vector" if rows == 1 else "matrix",
    )


@PAGODA.register("MatMul", op_class="matmul")
def matmul(node: Node) -> Cost:
    """A flattened to (prod(lead), K), out (M, N): FLOP = 2*M*N*K; bytes = 4*(K*N + prod(A) + M*N).

    The second operand counts as one K x N weight whatever its batch dimensions. Source: Pagoda estimates.py.
    """
    a, out = node.tensor(0), node.result()
    inner, columns = (a.shape or (1,))[-1], (out.shape or (1,))[-1]
    return Cost(
        macs=out.elements * inner,
        bytes_read=BYTES * (inner * columns + a.elements),
        bytes_written=BYTES * out.elements,
        weight_bytes=BYTES * inner * columns,
    )


def _activation(flops: int) -> CostRule:
    def rule(node: Node) -> Cost:
        return _moved(node, flops * node.result().elements)

    rule.__doc__ = f"FLOP = {flops} per element; bytes = in + out. Source: Pagoda estimates.py."
    return rule


for _op_type, _flops in {
    "Relu": 1, "Sigmoid": 4, "Tanh": 5, "HardSigmoid": 4, "HardSwish": 5, "Swish": 5, "Softmax": 7, "Erf": 8,
}.items():  # fmt: skip
    PAGODA.add(_op_type, _activation(_flops), op_class="elementwise")


@PAGODA.register("BatchNormalization", op_class="normalization")
def batch_norm(node: Node) -> Cost:
    """FLOP = 2 per element; bytes = in + out + 2*C*4. Source: Pagoda estimates.py."""
    channels = (node.tensor(0).shape or (1, 1))[1]
    return _moved(node, 2 * node.result().elements, weights=2 * channels)


@PAGODA.register("MaxPool", op_class="pooling")
def max_pool(node: Node) -> Cost:
    """FLOP = (k*k - 1) per output; bytes = in + out. Source: Pagoda estimates.py."""
    return _moved(node, (prod(node.attributes["kernel_shape"]) - 1) * node.result().elements)


@PAGODA.register("AveragePool", op_class="pooling")
def average_pool(node: Node) -> Cost:
    """FLOP = k*k per output; bytes = in + out. Source: Pagoda estimates.py."""
    return _moved(node, prod(node.attributes["kernel_shape"]) * node.result().elements)


@PAGODA.register("GlobalAveragePool", op_class="pooling")
def global_average_pool(node: Node) -> Cost:
    """FLOP = H*W per output channel; bytes = in + out. Source: Pagoda estimates.py."""
    return _moved(node, node.tensor(0).elements)


@PAGODA.register("Add", "Sub", "Mul", "Div", op_class="elementwise")
def binary(node: Node) -> Cost:
    """FLOP = 1 per output element; bytes = 3 * output, broadcast or not. Source: Pagoda estimates.py."""
    size = node.result().elements
    return Cost(vector_flops=size, bytes_read=2 * BYTES * size, bytes_written=BYTES * size)


@PAGODA.register("Transpose", "Flatten", "Identity", op_class="movement")
def copy(node: Node) -> Cost:
    """No FLOP; bytes = in + out. Source: Pagoda estimates.py."""
    return _moved(node)


@PAGODA.register("Concat", op_class="movement")
def concat(node: Node) -> Cost:
    """No FLOP; bytes = all inputs + out. Source: Pagoda estimates.py."""
    size = node.result().elements
    return Cost(bytes_read=BYTES * size, bytes_written=BYTES * size)


@PAGODA.register("ConstantOfShape", op_class="movement")
def constant_of_shape(node: Node) -> Cost:
    """No FLOP; bytes = out. Source: Pagoda estimates.py."""
    return Cost(bytes_written=BYTES * node.result().elements)


_LSTM_STEPS = 8


@PAGODA.register("LSTM", op_class="recurrent")
def lstm(node: Node) -> Cost:
    """4*D*H*S + 4*H*H*S + (4 + 12 + 5 + 3)*H*S FLOP; 4*(4*(D*H + H*H) + S*D + S*H + 2*H) bytes.

    D inputs, H hidden; S is 8 and the batch 1 whatever the graph says, and a MAC counts once: so published.
    Source: Pagoda estimates.py.
    """
    _, _, inputs = node.tensor(1).shape or (1, 1, 1)
    _, _, hidden = node.tensor(2).shape or (1, 1, 1)
    weights = 4 * (inputs * hidden + hidden * hidden)
    return Cost(
        vector_flops=_LSTM_STEPS * (weights + 24 * hidden),
        bytes_read=BYTES * (weights + _LSTM_STEPS * inputs),
        bytes_written=BYTES * (_LSTM_STEPS * hidden + 2 * hidden),
        weight_bytes=BYTES * weights,
    )
