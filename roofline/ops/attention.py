"""Attention: two batched products around a softmax, whatever the operator is called."""

from __future__ import annotations

from roofline.graph.nodes import Dim, Node, UnknownShapeError
from roofline.ops.table import RULES, Cost, cost_of

SOFTMAX_FLOPS = 5
"""Per score: comparison, subtraction, exponential, sum, division."""


def attention_macs(batch: Dim, heads: Dim, queries: Dim, keys: Dim, head_size: Dim, value_size: Dim) -> Dim:
    """Return the MACs of QK^T (queries x keys x head size) and PV (queries x keys x value size).

    Causal masks are not discounted: every score counts, as in torch.utils.flop_counter.
    """
    return batch * heads * queries * keys * (head_size + value_size)


def score_flops(scores: Dim, *, masked: bool, softcap: bool = False) -> Dim:
    """Return the FLOP on the scores: scale, optional mask and soft cap (divide, tanh, multiply), softmax."""
    return scores * (1 + int(masked) + 3 * int(softcap) + SOFTMAX_FLOPS)


def split_heads(node: Node, position: int, heads_attribute: str) -> tuple[Dim, Dim, Dim, Dim]:
    """Return (batch, heads, length, head size) of a query, key or value, 4-D or packed in 3-D."""
    shape = node.tensor(position).shape or ()
    if len(shape) == 4:
        batch, heads, length, size = shape
        return batch, heads, length, size
    if len(shape) != 3 or not node.attributes.get(heads_attribute):
        raise UnknownShapeError(f"the heads of {node.tensor(position).name}")
    heads = node.attributes[heads_attribute]
    return shape[0], heads, shape[1], shape[2] // heads


@RULES.register("Attention", op_class="attention", since=23)
@RULES.register("FlexAttention", op_class="attention", domain="ai.onnx.preview")
def attention(node: Node) -> Cost:
    """MACs = B*Hq*Sq*Sk*(d + dv); FLOP = 2*MACs + scores*(scale 1 + mask 1 + softcap 3 + softmax 5).

    Sk counts past keys too. Every operand (Q, K, V, mask, past) is read once and every result written once:
    scores stay on the chip. Causal masks are not discounted. Modifier subgraphs are not counted.
    Source: ONNX operator Attention; torch.utils.flop_counter.sdpa_flop_count for the MACs.
    """
    batch, heads, queries, size = split_heads(node, 0, "q_num_heads")
    _, _, keys, _ = split_heads(node, 1, "kv_num_heads")
    _, _, _, value_size = split_heads(node, 2, "kv_num_heads")
    past = node.input(4)
    if past is not None and node.op_type == "Attention":
        keys = keys + (node.tensor(4).shape or (0, 0, 0, 0))[2]
    masked = node.op_type == "Attention" and (node.input(3) is not None or bool(node.attributes.get("is_causal")))
    scores = batch * heads * queries * keys
    return cost_of(
        node,
        macs=attention_macs(batch, heads, queries, keys, size, value_size),
        vector_flops=score_flops(scores, masked=masked, softcap=bool(node.attributes.get("softcap"))),
        pipe="vector" if queries == 1 else "matrix",
    )


@RULES.register("LinearAttention", op_class="attention", since=27)
@RULES.register("LinearAttention", op_class="attention", domain="com.microsoft")
def linear_attention(node: Node) -> Cost:
    """Per token: k (x) v into the state and q^T S out of it, dk*dv MACs each; delta rules one product more.

    MACs = B*T*dk*dv * (Hkv + Hq, + Hkv for delta rules). FLOP besides: one product per state element and token for
    gated rules, 2*dv per token and head for delta rules, one scaling per output element.
    Source: ONNX operator LinearAttention (the recurrence written in its description).
    """
    shape = node.tensor(0).shape or ()
    batch, tokens = shape[0], shape[1]
    q_heads, kv_heads = node.attributes["q_num_heads"], node.attributes["kv_num_heads"]
    size = shape[2] // q_heads
    value_size = (node.tensor(2).shape or ())[2] // kv_heads
    rule = node.attributes.get("update_rule", "gated_delta")
    products = kv_heads + q_heads + (kv_heads if "delta" in rule else 0)
    state = batch * tokens * kv_heads * size * value_size
    flops = (state if "gated" in rule else 0) + batch * tokens * q_heads * value_size
    if "delta" in rule:
        flops += 2 * batch * tokens * kv_heads * value_size
    return cost_of(node, macs=batch * tokens * size * value_size * products, vector_flops=flops)


@RULES.register("RotaryEmbedding", op_class="attention", since=23)
@RULES.register("RotaryEmbedding", op_class="attention", domain="com.microsoft")
def rotary_embedding(node: Node) -> Cost:
    """Each rotated element is x*cos - y*sin or x*sin + y*cos: FLOP = 3 per element of the rotated part.

    Source: ONNX operator RotaryEmbedding; com.microsoft.RotaryEmbedding.
    """
    data = node.tensor(0)
    shape = data.shape or ()
    rotated, heads = node.attributes.get("rotary_embedding_dim", 0), node.attributes.get("num_heads", 0)
    elements = data.elements
    if rotated:
        head_size = shape[-1] if len(shape) == 4 else shape[-1] // heads
        elements = elements // head_size * rotated
    return cost_of(node, vector_flops=3 * elements)
