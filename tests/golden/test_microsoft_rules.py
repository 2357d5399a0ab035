"""Hand-computed rows for the operators of ONNX Runtime's optimiser; and every one of its schemas accounted for."""

from __future__ import annotations

from typing import Any

import pytest
from test_rules import MS, W, make_node

from roofline.ops import RULES, Cost

I64, U8, I8, I32 = "int64", "uint8", "int8", "int32"
S = ()  # a float scalar, 4 bytes
Z = ((), "uint8")  # a zero point, 1 byte

# op, inputs, outputs, attributes -> macs, vector FLOP, bytes read, bytes written
ROWS: list[tuple[Any, ...]] = [
    # 24 elements each; the formula's operations counted in the comment
    ("Gelu", [(2, 12)], [(2, 12)], {}, 0, 24 * 5, 96, 96),  # divide, erf, add, two products
    ("QuickGelu", [(2, 12)], [(2, 12)], {}, 0, 24 * 6, 96, 96),  # product, sigmoid 4, product
    ("BiasGelu", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 6, 144, 96),
    ("BiasSoftmax", [(2, 12), (2, 12)], [(2, 12)], {}, 0, 24 * 6, 192, 96),
    ("BiasSplitGelu", [(2, 12), (12,)], [(2, 6)], {}, 0, 12 * 8, 144, 48),  # two additions, gelu 5, product
    *[(op, [(2, 12), (2, 12)], [(2, 12)], {}, 0, 24 * 3, 192, 96) for op in ("ComplexMul", "ComplexMulConj")],
    ("GatedAdd", [(2, 12), (2, 12), (2, 12)], [(2, 12)], {}, 0, 48, 288, 96),
    ("ScaledSiLU", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 6, 144, 96),
    ("MulInteger", [((2, 12), U8), Z, ((2, 12), U8), Z], [((2, 12), I32)], {}, 0, 72, 50, 96),
    # dequantise (subtract, multiply) each operand, operate, requantise (5)
    *[(op, [((2, 12), U8), S, Z, ((2, 12), U8), S, Z, S, Z], [((2, 12), U8)], {}, 0, 24 * 10, 48 + 12 + 3, 24)
      for op in ("QLinearAdd", "QLinearMul")],
    ("QLinearSigmoid", [((2, 12), U8), S, Z, S, Z], [((2, 12), U8)], {}, 0, 24 * 11, 34, 24),
    ("QLinearLeakyRelu", [((2, 12), U8), S, Z, S, Z], [((2, 12), U8)], {}, 0, 24 * 9, 34, 24),
    ("QLinearSoftmax", [((2, 12), U8), S, Z, S, Z], [((2, 12), U8)], {}, 0, 24 * 12, 34, 24),
    ("QLinearConcat", [S, Z, ((2, 12), U8), S, Z, ((2, 12), U8), S, Z], [((4, 12), U8)], {}, 0, 48 * 7, 63, 48),
    ("QLinearWhere", [((2, 12), "bool"), ((2, 12), U8), S, Z, ((2, 12), U8), S, Z, S, Z], [((2, 12), U8)], {},
     0, 24 * 8, 72 + 12 + 3, 24),
    ("QOrderedGelu", [((2, 12), I8), S, S], [((2, 12), I8)], {}, 0, 24 * 12, 32, 24),
    ("QOrderedLayerNormalization", [((2, 12), I8), S, (12,), (12,), S], [((2, 12), I8)], {}, 0, 24 * 14, 128, 24),
    ("QuantizeLinear", [(2, 12), S, Z], [((2, 12), U8)], {}, 0, 24 * 5, 101, 24),
    ("QuantizeWithOrder", [(2, 12), S], [((2, 12), I8)], {}, 0, 24 * 4, 100, 24),
    ("DequantizeLinear", [((2, 12), U8), S, Z], [(2, 12)], {}, 0, 48, 29, 96),
    ("DequantizeWithOrder", [((2, 12), I8), S], [(2, 12)], {}, 0, 24, 28, 96),
    ("BranchwiseRMSNorm", [(2, 12), (12,)], [(2, 12)], {}, 0, 96, 144, 96),
    ("GatedRMSNorm", [(2, 12), (12,), (2, 12)], [(2, 12)], {}, 0, 240, 240, 96),  # norm 4, silu 5, product
    ("FastGelu", [(2, 12)], [(2, 12)], {}, 0, 24 * 8, 96, 96),
    ("FastGelu", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 9, 144, 96),
    ("BiasAdd", [(2, 12), (12,), (2, 12)], [(2, 12)], {}, 0, 48, 240, 96),
    *[(op, [(2, 12), (12,)], [(2, 12)], {}, 0, 24, 144, 96) for op in ("BiasDropout", "BitmaskBiasDropout")],
    *[(op, [(2, 12)], [((), "bool")], {}, 0, 24, 96, 1) for op in ("IsAllFinite", "ReduceSumInteger")],
    *[(op, [(2, 12)], [(2, 12)], {}, 0, 0, 96, 96)
      for op in ("Pad", "Range", "Trilu", "RemovePadding", "RestorePadding", "UnfoldTensor")],
    ("GatherND", [(10, 8), ((5, 1), I64)], [(5, 8)], {}, 0, 0, 200, 160),
    ("TorchEmbedding", [(1000, 8), ((5,), I64)], [(5, 8)], {}, 0, 0, 200, 160),
    *[(op, [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 0, 64, 128, 32)
      for op in ("NhwcMaxPool", "MaxpoolWithMask")],
    ("GroupNorm", [(1, 3, 4, 8), (8,), (8,)], [(1, 3, 4, 8)], {"activation": 1}, 0, 96 * 12, 384 + 64, 384),
    ("GroupNorm", [(1, 3, 4, 8), (8,), (8,)], [(1, 3, 4, 8)], {"activation": 0}, 0, 96 * 7, 384 + 64, 384),
    ("SkipGroupNorm", [(1, 3, 4, 8), (8,), (8,), (1, 3, 4, 8), (8,)], [(1, 3, 4, 8)], {}, 0, 96 * 9, 768 + 96, 384),
    # 6 tokens of 4: three rows each, two additions, norm 7; ids 24 + 24, gamma and beta 32
    ("EmbedLayerNormalization", [((2, 3), I32), ((2, 3), I32), (100, 4), (50, 4), (2, 4), (4,), (4,)], [(2, 3, 4)], {},
     0, 24 * 9, 3 * 96 + 48 + 32, 96),
    # without segments
    ("EmbedLayerNormalization", [((2, 3), I32), None, (100, 4), (50, 4), None, (4,), (4,)], [(2, 3, 4)], {},
     0, 24 * 8, 2 * 96 + 24 + 32, 96),
    ("QLinearAveragePool", [((1, 2, 4, 4), U8), S, Z, S, Z], [((1, 2, 2, 2), U8)], {"kernel_shape": (3, 3)},
     0, 8 * 14, 42, 8),
    ("QLinearGlobalAveragePool", [((1, 2, 4, 4), U8), S, Z, S, Z], [((1, 2, 1, 1), U8)], {}, 0, 32 + 10, 42, 2),
    ("QLinearReduceMean", [((2, 12), U8), S, Z, S, Z], [((2, 1), U8)], {}, 0, 24 + 10, 34, 2),
    # Conv's 144 x 18; bias 1, Z 1, Relu 1
    ("FusedConv", [(1, 2, 6, 6), (4, 2, 3, 3), (4,), (1, 4, 6, 6)], [(1, 4, 6, 6)], {"activation": "Relu"},
     144 * 18, 144 * 3, 4 * (72 + 72 + 4 + 144), 576),
    *[(op, [(1, 6, 6, 2), (4, 3, 3, 2)], [(1, 6, 6, 4)], {}, 144 * 18, 0, 576, 576)
      for op in ("NhwcConv", "NhwcFusedConv")],
    ("TransposeMatMul", [(2, 4, 3), (2, 4, 5)], [(2, 3, 5)], {"transA": 1}, 120, 0, 256, 120),
    ("FusedMatMulActivation", [(3, 4), (4, 5)], [(3, 5)], {"activation": "Relu", "alpha": 0.5}, 60, 30, 128, 60),
    ("GemmFastGelu", [(3, 4), (4, 5), (5,)], [(3, 5)], {}, 60, 15 * 9, 148, 60),
    ("GemmFloat8", [((3, 4), "float8e4m3fn"), ((4, 5), "float8e4m3fn")], [(3, 5)], {"activation": "RELU"},
     60, 15, 32, 60),
    # K = 64, N = 16, 4 bits in blocks of 32: 16*2*16 bytes of weights, 32 scales; 2 FLOP per weight; bias 3*16
    ("MatMulNBits", [(3, 64), ((16, 2, 16), U8, W), ((32,), "float32", W), None, None, ((16,), "float32", W)],
     [(3, 16)], {"K": 64, "N": 16, "bits": 4, "block_size": 32}, 3072, 2048 + 48, 768 + 512 + 128 + 64, 192),
    ("MatMulBnb4", [(3, 64), ((512,), U8, W), ((32,), "float32", W)], [(3, 16)], {"K": 64, "N": 16},
     3072, 2048, 768 + 512 + 128, 192),
    ("MatMulFpQ4", [(3, 64), ((640,), U8, W), ((2,), I64, W)], [(3, 16)], {}, 3072, 2048, 768 + 640 + 16, 192),
    *[(op, [(3, 64), ((512,), U8, W), (32,)], [(3, 16)], {}, 3072, 2048, 768 + 512 + 128, 192)
      for op in ("MatMulBlockQuantizedFp8Weight", "MatMulBlockQuantizedFp4Weight")],
    # convert, multiply, bias
    ("MatMulIntegerToFloat", [((3, 4), U8), ((4, 5), I8), S, S, Z, Z, (5,)], [(3, 5)], {}, 60, 45, 32 + 10 + 20, 60),
    # A quantised: 12 x 7; convert, multiply
    ("DynamicQuantizeMatMul", [(3, 4), ((4, 5), I8), S, Z], [(3, 5)], {}, 60, 84 + 30, 48 + 20 + 5, 60),
    ("QGemm", [((3, 4), U8), S, Z, ((4, 5), I8), S, Z, ((5,), I32), S, Z], [((3, 5), U8)], {},
     60, 15 * 6, 32 + 12 + 3 + 20, 15),
    # B=1, S=3, C=8, two heads of 4: projection 3*8*24; scores 2*9, d + dv = 8; bias 72; mask: 7 per score
    ("Attention", [(1, 3, 8), (8, 24), (24,), ((1, 3), I32)], [(1, 3, 8)], {"num_heads": 2},
     576 + 144, 18 * 7 + 72, 4 * (24 + 192 + 24 + 3), 96),
    # five past keys: scores 2*3*8
    ("Attention", [(1, 3, 8), (8, 24), (24,), None, (2, 1, 2, 5, 4)], [(1, 3, 8), (2, 1, 2, 8, 4)], {"num_heads": 2},
     576 + 48 * 8, 48 * 6 + 72, 4 * (24 + 192 + 24 + 80), 4 * (24 + 128)),
    ("DecoderMaskedSelfAttention", [(1, 1, 8), (8, 24), (24,), None, (2, 1, 2, 5, 4)], [(1, 1, 8)], {"num_heads": 2},
     192 + 12 * 8, 12 * 6 + 24, 4 * (8 + 192 + 24 + 80), 32),
    ("QAttention", [((1, 3, 8), U8), ((8, 24), I8), (24,), S, S], [(1, 3, 8)], {"num_heads": 2},
     576 + 144, 18 * 6 + 3 * 72, 24 + 192 + 96 + 8, 96),
    # cross attention: 3 queries, 5 keys, 2 heads of 4
    ("MultiHeadAttention", [(1, 3, 8), (1, 5, 8), (1, 5, 8)], [(1, 3, 8)], {"num_heads": 2},
     30 * 8, 30 * 6, 4 * (24 + 80), 96),
    # packed QKV with a bias on all three
    ("MultiHeadAttention", [(1, 3, 2, 3, 4), None, None, (24,)], [(1, 3, 8)], {"num_heads": 2},
     18 * 8, 18 * 6 + 3 * 24, 4 * (72 + 24), 96),
    # heads first, a mask, five past keys
    ("MultiHeadAttention", [(1, 3, 8), (1, 2, 3, 4), (1, 2, 3, 4), None, None, (1, 1, 3, 8), (1, 2, 5, 4),
                            (1, 2, 5, 4)], [(1, 3, 8)], {"num_heads": 2},
     48 * 8, 48 * 7, 4 * (24 * 3 + 24 + 80), 96),
    ("DecoderMaskedMultiHeadAttention", [(1, 1, 8), (1, 1, 8), (1, 1, 8), None, None, (1, 2, 5, 4), (1, 2, 5, 4)],
     [(1, 1, 8)], {"num_heads": 2}, 12 * 8, 12 * 6, 4 * (24 + 80), 32),
    # 4 query and 2 key heads of 8, one new token, 15 past: 64 scores x 16; 7 per score; rotary 3*(4 + 2)*8
    ("GroupQueryAttention", [(1, 1, 32), (1, 1, 16), (1, 1, 16), (1, 2, 15, 8), (1, 2, 15, 8), ((1,), I32),
                             ((), I32)], [(1, 1, 32), (1, 2, 16, 8), (1, 2, 16, 8)],
     {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1},
     64 * 16, 64 * 7 + 144, 4 * (64 + 2 * 240) + 8, 4 * (32 + 2 * 16)),
    # prompt, packed: 3 tokens
    ("GroupQueryAttention", [(1, 3, 64), None, None], [(1, 3, 32)], {"num_heads": 4, "kv_num_heads": 2},
     36 * 16, 36 * 7, 768, 4 * (96 + 2 * 48)),
    # 6 tokens of two sequences: 18 scores per head; projection 6*8*24
    ("PackedAttention", [(6, 8), (8, 24), (24,), ((2, 3), I32), ((3,), I32)], [(6, 8)], {"num_heads": 2},
     1152 + 36 * 8, 36 * 6, 4 * (48 + 192 + 24) + 36, 192),
    ("PackedMultiHeadAttention", [(6, 8), (6, 8), (6, 8), None, ((2, 3), I32), ((3,), I32)], [(6, 8)],
     {"num_heads": 2}, 36 * 8, 36 * 6, 4 * 144 + 36, 192),
    # 3 tokens, 8 wide, 4 experts with inner 16 (two matrices of 128), k = 2: all four can be chosen
    ("MoE", [(3, 8), (3, 4), (4, 16, 8), None, (4, 8, 16)], [(3, 8)], {"k": 2},
     3 * 2 * 256, 5 * 12 + 6 * (5 * 16 + 2 * 8), 4 * (24 + 12 + 1024), 96),
    # one token: two of the four experts are read
    ("MoE", [(1, 8), (1, 4), (4, 16, 8), None, (4, 8, 16)], [(1, 8)], {"k": 2},
     2 * 256, 5 * 4 + 2 * 96, 4 * (8 + 4 + 512), 32),
    # 4-bit weights: half a byte per element
    ("QMoE", [(3, 8), (3, 4), ((4, 16, 4), U8), (4, 16), None, ((4, 8, 8), U8), (4, 8)], [(3, 8)], {"k": 2},
     3 * 2 * 256, 5 * 12 + 6 * 96, 4 * (24 + 12 + 64 + 32) + 512, 96),
    # as LSTM: 40 cells x 28, 22 FLOP each; 8-bit weights (D, I, 4H), (D, H, 4H); 7 per quantised input
    ("DynamicQuantizeLSTM", [(5, 2, 3), ((1, 3, 16), I8), ((1, 4, 16), I8)], [(5, 1, 2, 4)], {},
     40 * 28, 40 * 22 + 7 * 10 * 7, 120 + 48 + 64, 160),
    # gate and up: 2 x 3*16*64; 2 x 2*1024 to dequantise; SiLU and product
    ("MatMulNBitsMlp", [(3, 64), None, None, ((16, 2, 16), U8), (32,), None, ((16, 2, 16), U8), (32,)], [(3, 16)], {},
     6144, 4096 + 48 * 6, 768 + 1024 + 256, 192),
    ("MatMulNBitsQkv", [(3, 64), None, (64,), ((16, 2, 16), U8), (32,), None, ((8, 2, 16), U8), (16,), None,
                        ((8, 2, 16), U8), (16,)], [(3, 16), (3, 8), (3, 8)], {},
     96 * 64, 2 * 64 * 32 + 4 * 192, 768 + 256 + 1024 + 256, 384),
]  # fmt: skip

FREE = ("ExpandDims", "BitmaskDropout")

ELSEWHERE = {"FusedGemm", "FusedMatMul", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
             "SimplifiedLayerNormalization", "RotaryEmbedding", "LinearAttention", "GridSample", "QLinearConv",
             "MatMulInteger16", "CausalConvWithState"}  # fmt: skip
"""com.microsoft operators whose rows stand beside those of their ONNX twins."""

LOOP = "runs a decoding loop over a subgraph, as long as the data makes it"
DATA = "what it does depends on the data (pages, selected blocks, lengths of sequences)"
OPAQUE = "holds a compiled graph of one vendor"
HASH = "hashing, sampling or text: no arithmetic that a FLOP count would describe"
RARE = "has no rule yet: reported as not counted"
NOT_COUNTED = {
    **dict.fromkeys(("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"), LOOP),
    **dict.fromkeys(("DynamicSparseAttention", "PagedAttention", "SparseAttention", "SparsePagedAttention",
                     "SparseAttentionIndexer", "PackedSparseAttentionIndexer", "VarlenCausalConvWithState",
                     "VarlenNGramHashMapping", "SparseToDenseMatMul", "DynamicTimeWarping"), DATA),
    **dict.fromkeys(("EPContext", "Snpe"), OPAQUE),
    **dict.fromkeys(("BifurcationDetector", "MurmurHash3", "NGramHashMapping", "NGramRepeatBlock", "SampleOp",
                     "Tokenizer", "Unique"), HASH),
    **dict.fromkeys(("AttnLSTM", "CDist", "ConvTransposeWithDynamicPads", "CropAndResize", "DecoderAttention",
                     "DequantizeBFP", "EngramGate", "GatedDeltaNet", "GatedRelativePositionBias",
                     "GatherBlockQuantized", "GemmaRotaryEmbedding", "HyperConnectionPostMix",
                     "HyperConnectionPreMix", "Inverse", "Irfft", "LinearAttentionGate", "LongformerAttention",
                     "MRotaryEmbedding", "QEmbedLayerNormalization", "QOrderedAttention",
                     "QOrderedLongformerAttention", "QOrderedMatMul", "QuantizeBFP", "RelativePositionBias", "Rfft",
                     "WordConvEmbedding"), RARE),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_rule_gives_the_hand_computed_cost(row: tuple[Any, ...]) -> None:
    op, inputs, outputs, attributes, macs, flops, read, written = row
    rule = RULES.find(MS, op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, MS, **attributes))
    assert isinstance(cost, Cost)
    assert (cost.macs, cost.vector_flops, cost.bytes_read, cost.bytes_written) == (macs, flops, read, written)


# the same functions on blocked channels
NCHWC_ROWS: list[tuple[Any, ...]] = [
    ("Conv", [(1, 8, 6, 6), (16, 8, 3, 3)], [(1, 16, 6, 6)], {"activation": "Relu"}, 576 * 72, 576),
    ("MaxPool", [(1, 8, 4, 4)], [(1, 8, 2, 2)], {"kernel_shape": (3, 3)}, 0, 32 * 8),
    ("AveragePool", [(1, 8, 4, 4)], [(1, 8, 2, 2)], {"kernel_shape": (3, 3)}, 0, 32 * 9),
    ("GlobalAveragePool", [(1, 8, 4, 4)], [(1, 8, 1, 1)], {}, 0, 128),
    ("GlobalMaxPool", [(1, 8, 4, 4)], [(1, 8, 1, 1)], {}, 0, 120),
    ("ReorderInput", [(1, 8, 4, 4)], [(1, 8, 4, 4)], {}, 0, 0),
    ("ReorderOutput", [(1, 8, 4, 4)], [(1, 5, 4, 4)], {"channels": 5}, 0, 0),
]


@pytest.mark.parametrize("row", NCHWC_ROWS, ids=lambda row: row[0])
def test_blocked_channels(row: tuple[Any, ...]) -> None:
    op, inputs, outputs, attributes, macs, flops = row
    domain = "com.microsoft.nchwc"
    rule = RULES.find(domain, op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, domain, **attributes))
    assert isinstance(cost, Cost) and (cost.macs, cost.vector_flops) == (macs, flops)


def test_every_schema_of_onnxruntime_is_accounted_for() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    schemas = {schema.name for schema in state.get_all_operator_schema() if schema.domain == MS}
    counted = {rule.op_type for rule in RULES if rule.domain == MS}
    assert schemas - counted - set(NOT_COUNTED) == set(), "new operators: write a rule, or say why there is none"
    assert not counted & set(NOT_COUNTED)


def test_every_rule_has_a_row() -> None:
    rows = {row[0] for row in ROWS} | set(FREE) | ELSEWHERE
    assert {rule.op_type for rule in RULES if rule.domain == MS} == rows
