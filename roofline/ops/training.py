"""Optimiser steps of the domain ai.onnx.preview.training."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, Free, cost_of

DOMAIN = "ai.onnx.preview.training"

_STEP_FLOPS = {
    "Adagrad": 7,  # square, add; root, add epsilon, divide, multiply, subtract
    "Momentum": 5,  # two products and a sum for the momentum; multiply, subtract
    "Adam": 12,  # 3 for the first moment, 4 for the second; root, add epsilon, divide, multiply, subtract
}


@RULES.register(*_STEP_FLOPS, op_class="elementwise", domain=DOMAIN)
def optimizer_step(node: Node) -> Cost:
    """FLOP per parameter: Adagrad 7, Momentum 5, Adam 12; + 2 with norm_coefficient (multiply, add).

    Ignored: the learning rate's schedule, once per step; Adam's norm_coefficient_post.
    Source: ONNX operators ai.onnx.preview.training.Adagrad, Momentum, Adam (their pseudocode).
    """
    per_element = _STEP_FLOPS[node.op_type] + 2 * bool(node.attributes.get("norm_coefficient", 0.0))
    states = 4 if node.op_type == "Adam" else 3  # parameter, gradient, and one or two states per tensor
    tensors = (len(node.inputs) - 2) // states
    return cost_of(node, vector_flops=per_element * sum(node.tensor(2 + i).elements for i in range(tensors)))


@RULES.register("Gradient", op_class="movement", domain=DOMAIN)
def gradient(node: Node) -> Free:
    """A placeholder: the backward nodes that it stands for are not in the file.

    Source: ONNX operator ai.onnx.preview.training.Gradient.
    """
    return Free("a placeholder for nodes that the file does not hold")
