"""Attention, experts and other large fused operators of com.microsoft.

Sources: docs/ContribOperators.md and the operator schemas of ONNX Runtime 1.31.
"""

from __future__ import annotations

from dataclasses import dataclass

from roofline.graph.nodes import BITS, Dim, Node, UnknownShapeError
from roofline.ops.attention import attention_macs, score_flops
from roofline.ops.recurrent import LSTM_STEP_FLOPS
from roofline.ops.table import RULES, Cost, cost_of, elements, read_bytes

DOMAIN = "com.microsoft"
_SILU_FLOPS = 5


@dataclass(frozen=True, slots=True)
class _Heads:
    """Sizes of one attention: queries attend to keys (past ones included)."""

    batch: Dim
    heads: Dim
    queries: Dim
    keys: Dim
    size: Dim
    value_size: Dim

    @property
    def scores(self) -> Dim:
        return self.batch * self.heads * self.queries * self.keys

    @property
    def macs(self) -> Dim:
        return attention_macs(self.batch, self.heads, self.queries, self.keys, self.size, self.value_size)


def _with_projection(node: Node, weight: int, past: int, mask: tuple[int, ...], extra_flops: Dim = 0) -> Cost:
    """Attention whose input is projected to Q, K and V by one weight (C_in, Hq + Hk + Hv) first."""
    batch, queries, inputs = node.tensor(0).shape or (0, 0, 0)
    columns = (node.tensor(weight).shape or (0, 0))[1]
    heads = node.attributes["num_heads"]
    sizes = node.attributes.get("qkv_hidden_sizes") or (columns // 3,) * 3
    keys = queries
    if node.input(past) is not None:
        keys = keys + (node.tensor(past).shape or (0,) * 5)[3]
    found = _Heads(batch, heads, queries, keys, sizes[0] // heads, sizes[2] // heads)
    masked = any(node.input(position) is not None for position in mask) or bool(node.attributes.get("unidirectional"))
    projection = batch * queries * inputs * columns
    return cost_of(
        node,
        macs=projection + found.macs,
        vector_flops=score_flops(found.scores, masked=masked) + extra_flops,
    )


@RULES.register("Attention", "DecoderMaskedSelfAttention", op_class="attention", domain=DOMAIN)
def attention(node: Node) -> Cost:
    """Projection B*S*C_in*(Hq + Hk + Hv) MACs and its bias, then attention over S + past keys.

    Scores: scale 1, mask 1 if there is one, softmax 5. Causal masks are not discounted. Inputs: input, weights, bias,
    mask_index, past, attention_bias. Source: com.microsoft.Attention, DecoderMaskedSelfAttention.
    """
    shape, columns = node.tensor(0).shape or (0, 0, 0), (node.tensor(1).shape or (0, 0))[1]
    bias = shape[0] * shape[1] * columns if node.input(2) is not None else 0
    return _with_projection(node, 1, 4, (3, 5), bias)


@RULES.register("QAttention", op_class="attention", domain=DOMAIN, operands=(0, 1))
def quantized_attention(node: Node) -> Cost:
    """As com.microsoft.Attention on 8-bit operands, + 2 FLOP per projected element to scale it, + 1 for the bias.

    Inputs: input, weight, bias, input_scale, weight_scale, mask_index, zero points, past (8).
    Source: com.microsoft.QAttention in ContribOperators.md.
    """
    shape, columns = node.tensor(0).shape or (0, 0, 0), (node.tensor(1).shape or (0, 0))[1]
    return _with_projection(node, 1, 8, (5,), 3 * shape[0] * shape[1] * columns)


@RULES.register("MultiHeadAttention", "DecoderMaskedMultiHeadAttention", op_class="attention", domain=DOMAIN,
                operands=(0, 1))  # fmt: skip
def multi_head_attention(node: Node) -> Cost:
    """MACs = B*N*Sq*Sk*(d + dv); FLOP = 2*MACs + scores*(scale 1 + mask 1 + softmax 5) + bias.

    Query (B, S, N*d), or packed (B, S, N, 3, d); key and value (B, S, N*d) or (B, N, S, d). Past keys count.
    Inputs: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value; the decoder's form has
    mask_index third and the bias last. Source: com.microsoft.MultiHeadAttention, DecoderMaskedMultiHeadAttention.
    """
    decoder = node.op_type == "DecoderMaskedMultiHeadAttention"
    bias, masks, past = (10, (3, 4), 5) if decoder else (3, (4, 5), 6)
    query = node.tensor(0).shape or ()
    heads, batch, queries = node.attributes["num_heads"], query[0], query[1]
    size = query[-1] if len(query) == 5 else query[2] // heads
    keys, value_size = queries, size
    if node.input(1) is not None:
        key = node.tensor(1).shape or ()
        keys = key[2] if len(key) == 4 else key[1]
    if node.input(2) is not None:
        value = node.tensor(2).shape or ()
        value_size = value[3] if len(value) == 4 else value[2] // heads
    if node.input(past) is not None:
        keys = keys + (node.tensor(past).shape or (0,) * 4)[2]
    found = _Heads(batch, heads, queries, keys, size, value_size)
    masked = any(node.input(m) is not None for m in masks) or bool(node.attributes.get("unidirectional"))
    added = batch * (queries * heads * size + keys * heads * (size + value_size)) if node.input(bias) is not None else 0
    return cost_of(
        node,
        macs=found.macs,
        vector_flops=score_flops(found.scores, masked=masked) + added,
        pipe="vector" if queries == 1 else "matrix",
    )


@RULES.register("GroupQueryAttention", op_class="attention", domain=DOMAIN, operands=(0, 0))
def group_query_attention(node: Node) -> Cost:
    """MACs = B*Hq*S*T*2*d; FLOP = 2*MACs + scores*(scale 1 + mask 1 + softcap 3 + softmax 5) + 3 per rotated element.

    T, past and new keys together, is total_sequence_length where its value is known, else the length of the
    present key cache. Only T positions of the caches are read, only S are written. Rotary embedding (do_rotary)
    turns queries and new keys. Inputs: query (packed with key and value if those are absent), key, value, past_key,
    past_value, seqlens_k, total_sequence_length. Source: com.microsoft.GroupQueryAttention.
    """
    query, attributes = node.tensor(0).shape or (), node.attributes
    heads, kv_heads = attributes["num_heads"], attributes["kv_num_heads"]
    batch, queries = query[0], query[1]
    size = query[2] // (heads if node.input(1) is not None else heads + 2 * kv_heads)
    keys = _total_length(node, queries)
    found = _Heads(batch, heads, queries, keys, size, size)
    flops = score_flops(found.scores, masked=True, softcap=bool(attributes.get("softcap", 0.0)))
    if attributes.get("do_rotary", 0):
        flops += 3 * batch * queries * (heads + kv_heads) * size
    caches = [t for t in (node.input(3), node.input(4)) if t is not None]
    small = [t for t in node.operands if t not in caches]
    row = batch * kv_heads * size
    element = BITS[caches[0].dtype or "float16"] // 8 if caches else 0
    result = node.result()
    return Cost(
        macs=found.macs,
        vector_flops=flops,
        bytes_read=read_bytes(small) + len(caches) * row * (keys - queries) * element,
        bytes_written=result.nbytes + 2 * row * queries * (element or BITS[result.dtype or "float16"] // 8),
        weight_bytes=read_bytes(t for t in small if t.is_static),
        pipe="vector" if queries == 1 else "matrix",
    )


def _total_length(node: Node, queries: Dim) -> Dim:
    total = node.input(6)
    if total is not None and total.value:
        return int(total.value[0])
    present = node.outputs[1] if len(node.outputs) > 1 else None
    if present is not None and present.shape is not None:
        return present.shape[2]
    if node.input(3) is not None:
        return (node.tensor(3).shape or (0,) * 4)[2] + queries
    return queries


@RULES.register("PackedAttention", "PackedMultiHeadAttention", op_class="attention", domain=DOMAIN)
def packed_attention(node: Node) -> Cost:
    """Tokens of B sequences without padding, taken as equally long: T tokens make T*T/B scores per head.

    PackedAttention projects first: T*C_in*(Hq + Hk + Hv) MACs. How long each sequence really is depends on the data.
    Source: com.microsoft.PackedAttention, PackedMultiHeadAttention in ContribOperators.md.
    """
    heads = node.attributes["num_heads"]
    data = node.tensor(0).shape or ()
    is_plain = node.op_type == "PackedAttention"
    sequences = (node.tensor(4 if is_plain else 5).shape or (2,))[0] - 1
    tokens = data[0]
    if is_plain:
        columns = (node.tensor(1).shape or (0, 0))[1]
        sizes = node.attributes.get("qkv_hidden_sizes") or (columns // 3,) * 3
        projection, size, value_size = tokens * data[1] * columns, sizes[0] // heads, sizes[2] // heads
    elif len(data) == 4:  # (tokens, heads, 3, size)
        projection, size, value_size = 0, data[3], data[3]
    else:
        projection, size = 0, data[1] // heads
        value_size = (node.tensor(2).shape or (0, 0))[1] // heads
    scores = heads * (tokens * tokens // max(1, sequences))
    return cost_of(node, macs=projection + scores * (size + value_size), vector_flops=score_flops(scores, masked=False))


@RULES.register("MoE", "QMoE", op_class="matmul", domain=DOMAIN, operands=(0, 0))
def mixture_of_experts(node: Node) -> Cost:
    """Each token goes through k experts: MACs = tokens * k * (elements of one expert's matrices).

    FLOP besides: softmax of the router (5 per score), SiLU or Gelu (5) per inner element, k weighted sums. Read: the
    matrices of the experts that tokens can choose, min(experts, tokens*k) of them. Packed weights (QMoE) are counted
    by expert_weight_bits. Source: com.microsoft.MoE, QMoE in ContribOperators.md.
    """
    data, router = node.tensor(0), node.tensor(1)
    shape = data.shape or ()
    tokens, hidden = elements(shape[:-1]), shape[-1]
    k = node.attributes.get("k", 1)
    quantized = node.op_type == "QMoE"
    places = (2, 5, 8) if quantized else (2, 4, 6)
    matrices = [node.tensor(place) for place in places if node.input(place) is not None]
    if not matrices:
        raise UnknownShapeError("the experts' weights")
    packed = 8 // node.attributes.get("expert_weight_bits", 4) if quantized else 1
    experts = (matrices[0].shape or (1,))[0]
    per_expert = [m.elements // experts * packed for m in matrices]
    chosen = min(experts, tokens * k) if isinstance(tokens, int) else experts
    weights = sum(m.nbytes for m in matrices)
    others = [t for t in node.operands if t not in matrices]
    read = weights * chosen // experts
    inner = per_expert[0] // hidden
    return Cost(
        macs=tokens * k * sum(per_expert),
        vector_flops=5 * router.elements + tokens * k * (_SILU_FLOPS * inner + 2 * hidden),
        bytes_read=read + read_bytes(others),
        bytes_written=read_bytes(node.results),
        weight_bytes=read + read_bytes(t for t in others if t.is_static),
        pipe="vector" if tokens == 1 else "matrix",
    )


@RULES.register("DynamicQuantizeLSTM", op_class="recurrent", domain=DOMAIN, operands=(1, 2))
def quantized_lstm(node: Node) -> Cost:
    """As LSTM with 8-bit weights (D, I, 4*H) and (D, H, 4*H): MACs = D*S*B*4*H*(I + H).

    FLOP besides: as LSTM, and the activations quantised in every step (7 per element of input and hidden state).
    Source: com.microsoft.DynamicQuantizeLSTM in ContribOperators.md.
    """
    steps, batch, inputs = node.tensor(0).shape or (0, 0, 0)
    weight = node.tensor(2)
    directions, hidden, _ = weight.shape or (1, 1, 1)
    cells = directions * steps * batch * hidden
    per_cell = LSTM_STEP_FLOPS + (4 if node.input(3) is not None else 0)
    quantize = 7 * directions * steps * batch * (inputs + hidden)
    cost = cost_of(node, macs=cells * 4 * (inputs + hidden), vector_flops=cells * per_cell + quantize)
    return cost._replace(resident_bytes=weight.nbytes, resident_steps=steps)


@RULES.register("MatMulNBitsMlp", op_class="matmul", domain=DOMAIN, operands=(0, 0))
def packed_mlp(node: Node) -> Cost:
    """Gate and up projection of a gated MLP with packed weights: MACs = 2 * result elements * K.

    FLOP besides: 2 per weight to dequantise it, SiLU and a product (6) per result element, RMSNormalization
    (4 per element of A) with a norm_scale. Source: com.microsoft.MatMulNBitsMlp.
    """
    a, out = node.tensor(0), node.result()
    inner, columns = (a.shape or (1,))[-1], (out.shape or (1,))[-1]
    norm = 4 * a.elements if node.input(2) is not None else 0
    flops = 2 * 2 * inner * columns + (_SILU_FLOPS + 1) * out.elements + norm
    return cost_of(node, macs=2 * out.elements * inner, vector_flops=flops)


@RULES.register("MatMulNBitsQkv", op_class="matmul", domain=DOMAIN, operands=(0, 0))
def packed_qkv(node: Node) -> Cost:
    """Three projections with packed weights: MACs = elements of Q, K and V together * K.

    FLOP besides: 2 per weight to dequantise it, RMSNormalization (4 per element of A) with a norm_scale.
    Source: com.microsoft.MatMulNBitsQkv.
    """
    a = node.tensor(0)
    inner = (a.shape or (1,))[-1]
    results = [node.result(i) for i in range(3)]
    columns = sum((r.shape or (1,))[-1] for r in results)
    norm = 4 * a.elements if node.input(2) is not None else 0
    return cost_of(node, macs=sum(r.elements for r in results) * inner, vector_flops=2 * inner * columns + norm)
