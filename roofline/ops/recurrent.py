"""Recurrent layers, in all directions and both layouts."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, cost_of

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
# per hidden element and step, without biases: sums of the two products, activations, state update
_STEP_FLOPS = {
    "RNN": 1 + 1,  # one sum, tanh
    "GRU": 3 + 2 * 4 + 1 + 5,  # three sums, two sigmoids, tanh, r*h and (1 - z)*n + z*h
    "LSTM": 4 + 3 * 4 + 2 + 4,  # four sums, three sigmoids, two tanh, f*c + i*g and o*tanh(c)
}
LSTM_STEP_FLOPS = _STEP_FLOPS["LSTM"]
_PEEPHOLE_FLOPS = 6  # three products and three additions


@RULES.register("LSTM", "GRU", "RNN", op_class="recurrent")
def recurrent(node: Node) -> Cost:
    """MACs = D*S*B * g*H*(I + H); FLOP = 2*MACs + D*S*B*H * (step FLOP + g if biased).

    D directions, S steps, B batch, I input size, H hidden size; g gates: RNN 1, GRU 3, LSTM 4. Step FLOP per
    hidden element: RNN 2, GRU 17, LSTM 22 (default activations: sigmoid 4, tanh 1), plus 6 with peepholes.
    The two biases count as one addition per gate: their sum is constant. The input and recurrent matrices
    are read once; the recurrent matrix is read again in every step when no cache holds it.
    Source: ONNX operators LSTM, GRU, RNN.
    """
    gates = _GATES[node.op_type]
    steps = node.tensor(0)  # (S, B, I), or (B, S, I) with layout=1
    recurrence = node.tensor(2)  # (D, g*H, H)
    shape = steps.shape or ()
    directions, _, hidden = recurrence.shape or (1, 1, 1)
    cells = directions * shape[0] * shape[1] * hidden
    per_cell = _STEP_FLOPS[node.op_type] + (gates if node.input(3) else 0)
    if node.op_type == "LSTM" and node.input(7):
        per_cell += _PEEPHOLE_FLOPS
    cost = cost_of(node, macs=cells * gates * (shape[2] + hidden), vector_flops=cells * per_cell)
    time_axis = 1 if node.attributes.get("layout", 0) else 0
    return cost._replace(resident_bytes=recurrence.nbytes, resident_steps=shape[time_axis])
