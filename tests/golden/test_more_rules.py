"""Hand-computed rows for the operators that real networks rarely use; same form as in `test_rules`."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest
from test_rules import MS, W, make_node

from roofline.ops import RULES, Cost, Free

I64 = "int64"
ML = "ai.onnx.ml"
TRAIN = "ai.onnx.preview.training"

# op, domain, inputs, outputs, attributes -> macs, vector FLOP, bytes read, bytes written
ROWS: list[tuple[Any, ...]] = [
    # one FLOP per element: 24 elements
    *[(op, "", [(2, 12)], [(2, 12)], {}, 0, 24, 96, 96)
      for op in ("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "ThresholdedRelu",
                 "Hardmax", "Bernoulli", "BitwiseNot", "CumSum", "CumProd")],
    *[(op, "", [(2, 12)], [((2, 12), "bool")], {}, 0, 24, 96, 24) for op in ("IsNaN", "IsInf")],
    *[(op, "", [(2, 12), (12,)], [(2, 12)], {}, 0, 24, 144, 96)
      for op in ("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor")],
    # max, divide, exp, subtract, multiply, min, add
    ("Celu", "", [(2, 12)], [(2, 12)], {}, 0, 24 * 7, 96, 96),
    # two comparisons, one addition
    ("Shrink", "", [(2, 12)], [(2, 12)], {}, 0, 24 * 3, 96, 96),
    # sigmoid 4 and a product; a product more for alpha
    ("Swish", "", [(2, 12)], [(2, 12)], {}, 0, 24 * 5, 96, 96),
    ("Swish", "", [(2, 12)], [(2, 12)], {"alpha": 1.7}, 0, 24 * 6, 96, 96),
    ("SwiGLU", "", [(2, 12), (2, 12)], [(2, 12)], {}, 0, 24 * 6, 192, 96),
    # square, sum, two products
    ("RMSNormalization", "", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 4, 144, 96),
    ("SimplifiedLayerNormalization", "", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 4, 144, 96),
    ("SimplifiedLayerNormalization", MS, [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * 4, 144, 96),
    # skip, bias, and the four
    ("SkipSimplifiedLayerNormalization", MS, [(2, 12), (2, 12), (12,), (12,)], [(2, 12)], {},
     0, 24 * 6, 192 + 96, 96),
    ("MeanVarianceNormalization", "", [(2, 12)], [(2, 12)], {}, 0, 24 * 5, 96, 96),
    ("LpNormalization", "", [(2, 12)], [(2, 12)], {"p": 2}, 0, 24 * 3, 96, 96),
    # size 5: square, 4 additions, product, addition, power, division
    ("LRN", "", [(1, 2, 3, 4)], [(1, 2, 3, 4)], {"size": 5}, 0, 24 * 9, 96, 96),
    ("NegativeLogLikelihoodLoss", "", [(4, 6), ((4,), I64)], [()], {}, 0, 12, 96 + 32, 4),
    ("SoftmaxCrossEntropyLoss", "", [(4, 6), ((4,), I64)], [()], {}, 0, 24 * 5 + 12, 96 + 32, 4),
    # |x| 24, 22 additions; square, sum, 2 roots; square, sum; 22 additions, 2 logs; exp, 22, 2
    ("ReduceL1", "", [(2, 12)], [(2, 1)], {}, 0, 46, 96, 8),
    ("ReduceL2", "", [(2, 12)], [(2, 1)], {}, 0, 48, 96, 8),
    ("ReduceSumSquare", "", [(2, 12)], [(2, 1)], {}, 0, 46, 96, 8),
    ("ReduceLogSum", "", [(2, 12)], [(2, 1)], {}, 0, 24, 96, 8),
    ("ReduceLogSumExp", "", [(2, 12)], [(2, 1)], {}, 0, 48, 96, 8),
    # k = 5: three levels of a heap
    ("TopK", "", [(2, 12), ((1,), I64)], [(2, 5), ((2, 5), I64)], {}, 0, 24 * 3, 96 + 8, 40 + 80),
    ("TopK", "", [(2, 12), ((1,), I64)], [(2, 1), ((2, 1), I64)], {}, 0, 24, 96 + 8, 8 + 16),
    # 24 elements: five comparisons each
    ("Unique", "", [(24,)], [(7,)], {}, 0, 120, 96, 28),
    ("NonZero", "", [(2, 12)], [((2, 9), I64)], {}, 0, 24, 96, 144),
    ("OneHot", "", [((2,), I64), ((), I64), (2,)], [(2, 12)], {}, 0, 24, 16 + 8 + 8, 96),
    ("LpPool", "", [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 0, 8 * 27, 128, 32),
    ("GlobalLpPool", "", [(1, 2, 4, 4)], [(1, 2, 1, 1)], {}, 0, 96, 128, 8),
    *[(op, "", [(1, 4, 2, 3)], [(1, 1, 4, 6)], {}, 0, 0, 96, 96)
      for op in ("DepthToSpace", "SpaceToDepth", "CenterCropPad", "ReverseSequence", "Trilu", "EyeLike",
                 "MaxUnpool", "ImageDecoder", "RandomNormalLike", "RandomUniformLike", "Multinomial", "CastLike",
                 "MelWeightMatrix")],
    *[(op, "", [], [(2, 12)], {}, 0, 0, 0, 96) for op in ("RandomNormal", "RandomUniform")],
    ("SplitToSequence", "", [(4, 6)], [None], {}, 0, 0, 96, 96),
    ("ConcatFromSequence", "", [None], [(4, 6)], {}, 0, 0, 96, 96),
    # 10x8 table, 5 rows written over it; 40 updates added
    ("ScatterND", "", [(10, 8), ((5, 1), I64), (5, 8)], [(10, 8)], {}, 0, 0, 320 + 40 + 160, 320),
    *[(op, "", [(10, 8), ((5, 8), I64), (5, 8)], [(10, 8)], {"reduction": "add"}, 0, 40, 320 + 320 + 160, 320)
      for op in ("ScatterElements", "Scatter")],
    ("TensorScatter", "", [(1, 10, 8), (1, 2, 8)], [(1, 10, 8)], {}, 0, 0, 320 + 64, 320),
    ("Col2Im", "", [(1, 5, 5), ((2,), I64), ((2,), I64)], [(1, 1, 5, 5)], {}, 0, 25, 100 + 32, 100),
    ("Compress", "", [(10, 8), ((10,), "bool")], [(5, 8)], {}, 0, 0, 160 + 10, 160),
    # integers: 144 outputs x 18 taps, 1 byte in, 4 bytes out
    ("ConvInteger", "", [((1, 2, 6, 6), "uint8"), ((4, 2, 3, 3), "int8", W)], [((1, 4, 6, 6), "int32")], {},
     144 * 18, 0, 72 + 72, 576),
    # 5 to requantise and the bias; scales 4 bytes, zero points 1
    *[("QLinearConv", d, [((1, 2, 6, 6), "uint8"), (), ((), "uint8"), ((4, 2, 3, 3), "int8", W), (), ((), "int8"), (),
                          ((), "uint8"), ((4,), "int32")], [((1, 4, 6, 6), "uint8")], {},
       144 * 18, 144 * 6, 72 + 72 + 12 + 3 + 16, 144) for d in ("", MS)],
    ("MatMulInteger", "", [((3, 4), "uint8"), ((4, 5), "int8")], [((3, 5), "int32")], {}, 60, 0, 32, 60),
    ("MatMulInteger16", MS, [((3, 4), "int16"), ((4, 5), "int16")], [((3, 5), "int32")], {}, 60, 0, 64, 60),
    ("QLinearMatMul", "", [((3, 4), "uint8"), (), ((), "uint8"), ((4, 5), "int8"), (), ((), "int8"), (),
                           ((), "uint8")], [((3, 5), "uint8")], {}, 60, 75, 32 + 12 + 3, 15),
    # minimum, maximum, divide, round, add, saturate twice
    ("DynamicQuantizeLinear", "", [(2, 12)], [((2, 12), "uint8"), (), ((), "uint8")], {}, 0, 24 * 7, 96, 24 + 5),
    # B=2, 4 heads, 3 queries, 5 keys, d=8, dv=6: 120 scores x 14; scale 1, softmax 5
    ("Attention", "", [(2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6)], [(2, 4, 3, 6)], {},
     120 * 14, 120 * 6, 4 * (192 + 320 + 240), 4 * 144),
    # packed (B, S, H*d), grouped: 4 query heads of 8, 2 key heads; mask
    ("Attention", "", [(2, 3, 32), (2, 5, 16), (2, 5, 16), (3, 5)], [(2, 3, 32)], {"q_num_heads": 4, "kv_num_heads": 2},
     120 * 16, 120 * 7, 4 * (192 + 160 + 160 + 15), 4 * 192),
    # 7 past keys: 12 keys in all; causal and soft-capped: 1 + 1 + 3 + 5
    ("Attention", "", [(2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 8), None, (2, 4, 7, 8), (2, 4, 7, 8)],
     [(2, 4, 3, 8), (2, 4, 12, 8), (2, 4, 12, 8)], {"is_causal": 1, "softcap": 30.0},
     288 * 16, 288 * 10, 4 * (192 + 320 + 320 + 448 + 448), 4 * (192 + 768 + 768)),
    ("FlexAttention", "ai.onnx.preview", [(2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6)], [(2, 4, 3, 6)], {},
     120 * 14, 120 * 6, 4 * (192 + 320 + 240), 4 * 144),
    # B=1, T=3, 4 query and 2 key heads, dk=dv=8: per token 64 x (2 + 4 + 2); gate 128, delta 2*8*2, scale 32
    *[("LinearAttention", d, [(1, 3, 32), (1, 3, 16), (1, 3, 16)], [(1, 3, 32)],
       {"q_num_heads": 4, "kv_num_heads": 2, "update_rule": "gated_delta"},
       3 * 64 * 8, 3 * (128 + 32 + 32), 4 * (96 + 48 + 48), 384) for d in ("", MS)],
    ("LinearAttention", "", [(1, 3, 32), (1, 3, 16), (1, 3, 16)], [(1, 3, 32)],
     {"q_num_heads": 4, "kv_num_heads": 2, "update_rule": "linear"}, 3 * 64 * 6, 3 * 32, 4 * 192, 384),
    # two products and a sum per element
    *[("RotaryEmbedding", d, [(1, 2, 3, 8), (3, 4), (3, 4)], [(1, 2, 3, 8)], {}, 0, 48 * 3, 4 * (48 + 24), 192)
      for d in ("", MS)],
    # a quarter of the head is rotated
    ("RotaryEmbedding", "", [(1, 3, 16), (3, 1), (3, 1)], [(1, 3, 16)], {"num_heads": 2, "rotary_embedding_dim": 2},
     0, 12 * 3, 4 * (48 + 6), 192),
    # bilinear, bicubic, nearest samples; trilinear
    *[("GridSample", d, [(1, 2, 4, 4), (1, 3, 3, 2)], [(1, 2, 3, 3)], {"mode": mode}, 0, 18 * flops, 4 * (32 + 18), 72)
      for d in ("", MS) for mode, flops in (("linear", 9), ("bilinear", 9), ("cubic", 35), ("nearest", 0))],
    ("GridSample", "", [(1, 2, 4, 4, 4), (1, 3, 3, 3, 3)], [(1, 2, 3, 3, 3)], {}, 0, 54 * 21, 4 * (128 + 81), 216),
    # 2-D: x' = a*x + b*y + c: two products, two additions for each of 2x3x4x2 coordinates
    ("AffineGrid", "", [(2, 2, 3), ((4,), I64)], [(2, 3, 4, 2)], {}, 0, 48 * 4, 48 + 32, 192),
    # 4 samples of 9 FLOP and their sum
    ("RoiAlign", "", [(1, 2, 8, 8), (3, 4), ((3,), I64)], [(3, 2, 2, 2)], {"sampling_ratio": 2},
     0, 24 * 4 * 10, 4 * (128 + 12) + 24, 96),
    # adaptive: a box over the whole 8x8 map has 4x4 samples per 2x2 cell
    ("RoiAlign", "", [(1, 2, 8, 8), (3, 4), ((3,), I64)], [(3, 2, 2, 2)], {}, 0, 24 * 16 * 10, 4 * 140 + 24, 96),
    ("MaxRoiPool", "", [(1, 2, 8, 8), (3, 5)], [(3, 2, 2, 2)], {}, 0, 3 * 128, 4 * (128 + 15), 96),
    # 10 boxes: 45 pairs, 3 classes, 13 FLOP
    ("NonMaxSuppression", "", [(1, 10, 4), (1, 3, 10)], [((4, 3), I64)], {}, 0, 3 * 45 * 13, 4 * (40 + 30), 96),
    # 4x36 outputs x 18 taps; 2 x 9 x 36 sampled taps x (9 + 1); bias
    ("DeformConv", "", [(1, 2, 6, 6), (4, 2, 3, 3), (1, 18, 6, 6), (4,), (1, 9, 6, 6)], [(1, 4, 6, 6)], {},
     144 * 18, 648 * 10 + 144, 4 * (72 + 72 + 648 + 4 + 324), 576),
    # (i=3,k=4),(k=4,j=5): 60
    ("Einsum", "", [(3, 4), (4, 5)], [(3, 5)], {"equation": "ik,kj->ij"}, 60, 0, 4 * 32, 60),
    # batch by ellipsis: 2 x 60
    ("Einsum", "", [(2, 3, 4), (2, 4, 5)], [(2, 3, 5)], {"equation": "...ik, ...kj -> ...ij"}, 120, 0, 4 * 64, 120),
    # implicit result: i and j occur once
    ("Einsum", "", [(3, 4), (4, 5)], [(3, 5)], {"equation": "ik,kj"}, 60, 0, 4 * 32, 60),
    # outer product: no label is summed
    ("Einsum", "", [(3,), (5,)], [(3, 5)], {"equation": "i,j->ij"}, 0, 15, 32, 60),
    # three operands from the left: ij,jk (3*4*5) then ik,kl (3*5*6)
    ("Einsum", "", [(3, 4), (4, 5), (5, 6)], [(3, 6)], {"equation": "ij,jk,kl->il"}, 60 + 90, 0, 4 * 62, 72),
    # sum of a matrix: 11 additions; transpose: none
    ("Einsum", "", [(3, 4)], [()], {"equation": "ij->"}, 0, 11, 48, 4),
    ("Einsum", "", [(3, 4)], [(4, 3)], {"equation": "ij->ji"}, 0, 0, 48, 48),
    # real signals of 16: half of 5*16*4
    ("DFT", "", [(2, 16, 1)], [(2, 16, 2)], {"axis": 1}, 0, 2 * 160, 128, 256),
    ("DFT", "", [(2, 16, 2)], [(2, 16, 2)], {"axis": 1}, 0, 2 * 320, 256, 256),
    # five frames of 16 with a window
    ("STFT", "", [(1, 48, 1), ((), I64), (16,)], [(1, 5, 9, 2)], {}, 0, 5 * (16 + 160), 4 * (48 + 16) + 8, 360),
    *[(op, "", [((), I64)], [(12,)], {}, 0, 48, 8, 48) for op in ("HannWindow", "HammingWindow")],
    ("BlackmanWindow", "", [((), I64)], [(12,)], {}, 0, 96, 8, 48),
    # 3x3: 2*27/3 = 18, and two products
    ("Det", "", [(2, 3, 3)], [(2,)], {}, 0, 40, 72, 8),
    # depthwise over 4 steps, kernel 3: 32 outputs x 3; bias, SiLU
    *[("CausalConvWithState", d, [(1, 8, 4), (8, 1, 3), (8,), (1, 8, 2)], [(1, 8, 4), (1, 8, 2)],
       {"activation": "silu"}, 96, 32 * 6, 4 * (32 + 24 + 8 + 16), 4 * (32 + 16)) for d in ("", MS)],
    # one- and two-grams
    ("TfIdfVectorizer", "", [((2, 6), I64)], [(2, 4)], {"max_gram_length": 2, "min_gram_length": 1}, 0, 32, 96, 32),
    # one parameter tensor of 24: gradient, one or two states
    ("Adagrad", TRAIN, [(), ((), I64), (2, 12), (2, 12), (2, 12)], [(2, 12), (2, 12)], {}, 0, 24 * 7, 4 + 8 + 288, 192),
    ("Momentum", TRAIN, [(), ((), I64), (2, 12), (2, 12), (2, 12)], [(2, 12), (2, 12)], {"norm_coefficient": 0.1},
     0, 24 * 7, 4 + 8 + 288, 192),
    ("Adam", TRAIN, [(), ((), I64), *[(2, 12)] * 4], [(2, 12)] * 3, {}, 0, 24 * 12, 4 + 8 + 384, 288),
    ("Scaler", ML, [(2, 12)], [(2, 12)], {}, 0, 48, 96, 96),
    ("Normalizer", ML, [(2, 12)], [(2, 12)], {}, 0, 72, 96, 96),
    *[(op, ML, [(2, 12)], [(2, 12)], {}, 0, 24, 96, 96) for op in ("Binarizer", "Imputer", "OneHotEncoder")],
    ("LabelEncoder", ML, [((2, 12), "string")], [((2, 12), I64)], {}, 0, 0, 0, 192),
    ("FeatureVectorizer", ML, [(2, 4), (2, 8)], [(2, 12)], {}, 0, 0, 96, 96),
    ("ArrayFeatureExtractor", ML, [(2, 12), ((3,), I64)], [(2, 3)], {}, 0, 0, 24 + 24, 24),
    # 3 classes x 4 features, 3 intercepts, 5 rows
    *[(op, ML, [(5, 4)], [(5, 3)], {"coefficients": (0.5,) * 12, "intercepts": (0.5,) * 3}, 60, 15, 80, 60)
      for op in ("LinearClassifier", "LinearRegressor")],
    # 7 support vectors of 4, 7 coefficients, 5 rows
    *[(op, ML, [(5, 4)], [(5, 1)], {"support_vectors": (0.5,) * 28, "coefficients": (0.5,) * 7}, 5 * 35, 70, 80, 20)
      for op in ("SVMClassifier", "SVMRegressor")],
    # two trees: one of depth 2 (root, one inner child), one of depth 1; two additions; 5 rows
    *[(op, ML, [(5, 4)], [(5, 1)],
       {"nodes_treeids": (0, 0, 0, 0, 0, 1, 1, 1), "nodes_nodeids": (0, 1, 2, 3, 4, 0, 1, 2),
        "nodes_modes": ("BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"),
        "nodes_truenodeids": (1, 3, 0, 0, 0, 1, 0, 0), "nodes_falsenodeids": (2, 4, 0, 0, 0, 2, 0, 0)},
       0, 5 * (3 + 2), 80, 20) for op in ("TreeEnsembleClassifier", "TreeEnsembleRegressor")],
    ("TreeEnsemble", ML, [(5, 4)], [(5, 1)],
     {"tree_roots": (0,), "nodes_trueleafs": (0, 1), "nodes_truenodeids": (1, 0), "nodes_falseleafs": (1, 1),
      "nodes_falsenodeids": (1, 2)}, 0, 5 * (2 + 1), 80, 20),
]  # fmt: skip

FREE = [
    *[("", op) for op in ("BitCast", "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceConstruct",
                          "SequenceAt", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
                          "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "If", "Loop",
                          "Scan", "SequenceMap")],
    *[(ML, op) for op in ("CastMap", "DictVectorizer", "ZipMap", "CategoryMapper")],
    (TRAIN, "Gradient"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}.{row[0]}".strip("."))
def test_rule_gives_the_hand_computed_cost(row: tuple[Any, ...]) -> None:
    op, domain, inputs, outputs, attributes, macs, flops, read, written = row
    rule = RULES.find(domain, op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, domain, **attributes))
    assert isinstance(cost, Cost)
    assert (cost.macs, cost.vector_flops, cost.bytes_read, cost.bytes_written) == (macs, flops, read, written)


@pytest.mark.parametrize(("domain", "op"), FREE)
def test_free_operators_say_why(domain: str, op: str) -> None:
    rule = RULES.find(domain, op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, [(2, 12)], [(24,)], domain))
    assert isinstance(cost, Free) and cost.reason


def test_fft_is_counted_for_any_length() -> None:
    rule = RULES.find("", "DFT", 0)
    assert rule is not None
    cost = rule.function(make_node("DFT", [(1, 100, 2)], [(1, 100, 2)], axis=1))
    assert isinstance(cost, Cost) and cost.vector_flops == round(500 * log2(100))
