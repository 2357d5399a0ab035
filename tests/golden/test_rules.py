"""One hand-computed row, at least, per rule of the table. The arithmetic stands beside each row."""

from __future__ import annotations

from typing import Any

import pytest

from roofline.graph.nodes import Node, TensorInfo
from roofline.ops import RULES, Cost, Free

F32 = "float32"


def tensor(name: str, shape: tuple[int, ...], dtype: str = F32, origin: str = "data") -> TensorInfo:
    return TensorInfo(name, dtype, shape, origin, name if origin == "initializer" else "")


def make_node(op: str, inputs: list[Any], outputs: list[Any], domain: str = "", **attributes: Any) -> Node:
    """Inputs and outputs are shapes, or (shape, dtype), or (shape, dtype, origin), or None."""

    def convert(prefix: str, items: list[Any]) -> tuple[TensorInfo | None, ...]:
        found: list[TensorInfo | None] = []
        for i, item in enumerate(items):
            if item is None:
                found.append(None)
            elif item and isinstance(item[0], tuple):
                found.append(tensor(f"{prefix}{i}", *item))
            else:
                found.append(tensor(f"{prefix}{i}", item))
        return tuple(found)

    outs = convert("y", outputs)
    ins = convert("x", inputs)
    return Node("n", op, domain, 0, ins, outs, attributes, results=tuple(t for t in outs if t is not None))


W = "initializer"
MS = "com.microsoft"

# op, domain, inputs, outputs, attributes -> macs, vector FLOP, bytes read, bytes written, weight bytes
ROWS: list[tuple[Any, ...]] = [
    # 1x4x6x6 <- 3x3 kernel over 2 channels: 144 outputs x 18 taps; bias 144 adds; read (72 + 72 + 4)*4
    ("Conv", "", [(1, 2, 6, 6), ((4, 2, 3, 3), F32, W), ((4,), F32, W)], [(1, 4, 6, 6)],
     {"pads": (1, 1, 1, 1)}, 144 * 18, 144, 4 * (72 + 72 + 4), 4 * 144, 4 * 76),
    # depthwise, no bias: 4 channels, 36 outputs each x 9 taps
    ("Conv", "", [(1, 4, 6, 6), ((4, 1, 3, 3), F32, W)], [(1, 4, 6, 6)], {"group": 4},
     144 * 9, 0, 4 * (144 + 36), 4 * 144, 4 * 36),
    # 1-D, stride 2: (2, 3, 10) -> (2, 5, 4), kernel 3: 40 outputs x 9 taps
    ("Conv", "", [(2, 3, 10), ((5, 3, 3), F32, W)], [(2, 5, 4)], {"strides": (2,)},
     40 * 9, 0, 4 * (60 + 45), 4 * 40, 4 * 45),
    # torch: 1x8x7x7 -> 16 channels, 4x4 kernel, group 2: 392 inputs x 8 x 16 taps = 50176 (MACs)
    ("ConvTranspose", "", [(1, 8, 7, 7), ((8, 8, 4, 4), F32, W)], [(1, 16, 14, 14)], {"group": 2},
     392 * 8 * 16, 0, 4 * (392 + 1024), 4 * 3136, 4 * 1024),
    # 2x3x4 @ 4x5: 30 results x 4
    ("MatMul", "", [(2, 3, 4), ((4, 5), F32, W)], [(2, 3, 5)], {}, 120, 0, 4 * (24 + 20), 4 * 30, 80),
    # A 3x4, B 4x5, C 5: 60 MACs, 15 adds
    ("Gemm", "", [(3, 4), ((4, 5), F32, W), ((5,), F32, W)], [(3, 5)], {}, 60, 15, 4 * (12 + 20 + 5), 60, 100),
    # transA, alpha 0.5 (15 mul), beta 2 with C of 5 (5 mul), 15 adds
    ("Gemm", "", [(4, 3), (4, 5), (5,)], [(3, 5)], {"transA": 1, "alpha": 0.5, "beta": 2.0},
     60, 35, 4 * (12 + 20 + 5), 60, 0),
    # transB: (2, 3, 4) @ (2, 5, 4)^T: 30 x 4; alpha: 30 mul
    ("FusedMatMul", MS, [(2, 3, 4), (2, 5, 4)], [(2, 3, 5)], {"transB": 1, "alpha": 0.125},
     120, 30, 4 * (24 + 40), 120, 0),
    # Gemm 60 MACs, 15 bias adds, 15 Tanh
    ("FusedGemm", MS, [(3, 4), (4, 5), (5,)], [(3, 5)], {"activation": "Tanh"}, 60, 30, 4 * 37, 60, 0),
    # S=5, B=2, I=3, H=4, one direction: 40 cells x (4 gates x 7); per cell 22 + 4 bias adds
    ("LSTM", "", [(5, 2, 3), ((1, 16, 3), F32, W), ((1, 16, 4), F32, W), ((1, 32), F32, W)],
     [(5, 1, 2, 4), (1, 2, 4), (1, 2, 4)], {"hidden_size": 4},
     40 * 28, 40 * 26, 4 * (30 + 48 + 64 + 32), 4 * (40 + 8 + 8), 4 * (48 + 64 + 32)),
    # bidirectional, no bias, with peepholes: 80 cells x 28; per cell 22 + 6
    ("LSTM", "", [(5, 2, 3), (2, 16, 3), (2, 16, 4), None, None, None, None, (2, 12)], [(5, 2, 2, 4)], {},
     80 * 28, 80 * 28, 4 * (30 + 96 + 128 + 24), 4 * 80, 0),
    # batch first (B=2, S=5): 40 cells x (3 gates x 7); per cell 17 + 3
    ("GRU", "", [(2, 5, 3), (1, 12, 3), (1, 12, 4), (1, 24)], [(2, 5, 1, 4)], {"layout": 1},
     40 * 21, 40 * 20, 4 * (30 + 36 + 48 + 24), 160, 0),
    # 40 cells x 7; per cell 2
    ("RNN", "", [(5, 2, 3), (1, 4, 3), (1, 4, 4)], [(5, 1, 2, 4)], {}, 40 * 7, 80, 4 * (30 + 12 + 16), 160, 0),
    # 24 elements x (max, sub, exp, add, div)
    ("Softmax", "", [(2, 3, 4)], [(2, 3, 4)], {}, 0, 120, 96, 96, 0),
    ("LogSoftmax", "", [(2, 3, 4)], [(2, 3, 4)], {}, 0, 120, 96, 96, 0),
    # scale and shift
    ("BatchNormalization", "", [(2, 3, 4), *[((3,), F32, W)] * 4], [(2, 3, 4)], {}, 0, 48, 96 + 48, 96, 48),
    # sum, sub, square, sum, mul, scale, bias
    ("LayerNormalization", "", [(2, 3, 4), ((4,), F32, W), ((4,), F32, W)], [(2, 3, 4)], {},
     0, 24 * 7, 96 + 32, 96, 32),
    ("LayerNormalization", "", [(2, 3, 4), (4,)], [(2, 3, 4)], {}, 0, 24 * 6, 96 + 16, 96, 0),
    ("InstanceNormalization", "", [(2, 3, 4), (3,), (3,)], [(2, 3, 4)], {}, 0, 24 * 7, 96 + 24, 96, 0),
    ("GroupNormalization", "", [(2, 4, 3), (4,), (4,)], [(2, 4, 3)], {"num_groups": 2},
     0, 24 * 7, 96 + 32, 96, 0),
    # skip add, norm 6, beta, bias
    ("SkipLayerNormalization", MS, [(2, 3, 4), (2, 3, 4), (4,), (4,), (4,)], [(2, 3, 4)], {},
     0, 24 * 9, 192 + 48, 96, 0),
    # 3x3 windows: 8 comparisons x 8 outputs
    ("MaxPool", "", [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 0, 64, 128, 32, 0),
    # 8 additions and a division
    ("AveragePool", "", [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 0, 72, 128, 32, 0),
    ("GlobalAveragePool", "", [(1, 2, 4, 4)], [(1, 2, 1, 1)], {}, 0, 32, 128, 8, 0),
    ("GlobalMaxPool", "", [(1, 2, 4, 4)], [(1, 2, 1, 1)], {}, 0, 30, 128, 8, 0),
    ("ReduceMean", "", [(2, 12)], [(2, 1)], {}, 0, 24, 96, 8, 0),
    *[(op, "", [(2, 12)], [(2, 1)], {}, 0, 22, 96, 8, 0)
      for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ArgMax", "ArgMin")],
    # one comparison per bound
    ("Clip", "", [(2, 12), (), ()], [(2, 12)], {}, 0, 48, 96 + 8, 96, 0),
    ("Clip", "", [(2, 12), ()], [(2, 12)], {}, 0, 24, 96 + 4, 96, 0),
    ("Clip", "", [(2, 12)], [(2, 12)], {"min": 0.0, "max": 6.0}, 0, 48, 96, 96, 0),
    # n - 1 operations
    *[(op, "", [(2, 12), (12,), (2, 1)], [(2, 12)], {}, 0, 48, 96 + 48 + 8, 96, 0) for op in ("Max", "Min", "Sum")],
    ("Mean", "", [(2, 12), (2, 12)], [(2, 12)], {}, 0, 48, 192, 96, 0),
    ("Gelu", "", [(2, 12)], [(2, 12)], {}, 0, 24 * 5, 96, 96, 0),
    ("Gelu", "", [(2, 12)], [(2, 12)], {"approximate": "tanh"}, 0, 24 * 8, 96, 96, 0),
    # divide, round, add, min, max; int8 out: 24 bytes; scale 4, zero point 1
    ("QuantizeLinear", "", [(2, 12), ((), F32, W), ((), "int8", W)], [((2, 12), "int8")], {},
     0, 24 * 5, 96 + 5, 24, 5),
    ("DequantizeLinear", "", [((2, 12), "int8"), ((), F32, W), ((), "int8", W)], [(2, 12)], {},
     0, 24 * 2, 24 + 5, 96, 5),
    *[(op, "", [(2, 12)], [(2, 12)], {}, 0, 0, 96, 96, 0) for op in ("Transpose", "Pad", "Tile")],
    ("Concat", "", [(2, 12), (3, 12)], [(5, 12)], {"axis": 0}, 0, 0, 240, 240, 0),
    ("Split", "", [(4, 12)], [(2, 12), (2, 12)], {}, 0, 0, 192, 192, 0),
    ("Expand", "", [(1, 12), ((2,), "int64", "shape")], [(5, 12)], {}, 0, 0, 48 + 16, 240, 16),
    ("Cast", "", [((2, 12), "float16")], [(2, 12)], {"to": 1}, 0, 0, 48, 96, 0),
    ("Range", "", [((), "int64"), ((), "int64"), ((), "int64")], [((9,), "int64")], {}, 0, 0, 24, 72, 0),
    ("ConstantOfShape", "", [((2,), "int64")], [(3, 4)], {}, 0, 0, 16, 48, 0),
    # 5 rows of an embedding table of 1000: 5 x 8 x 4 bytes and 5 indices
    ("Gather", "", [((1000, 8), F32, W), ((5,), "int64")], [(5, 8)], {}, 0, 0, 160 + 40, 160, 160),
    ("GatherND", "", [(10, 8), ((5, 1), "int64")], [(5, 8)], {}, 0, 0, 160 + 40, 160, 0),
    ("GatherElements", "", [(10, 8), ((5, 8), "int64")], [(5, 8)], {}, 0, 0, 160 + 320, 160, 0),
    # a slice reads what it returns, and three small constants
    ("Slice", "", [(100, 8), *[((1,), "int64", "constant")] * 3], [(5, 8)], {}, 0, 0, 160 + 24, 160, 24),
    ("Resize", "", [(1, 2, 4, 4), None, ((4,), F32, W)], [(1, 2, 8, 8)], {"mode": "nearest"},
     0, 0, 128 + 16, 512, 16),
    # bilinear: three a + t*(b - a) per output
    ("Resize", "", [(1, 2, 4, 4)], [(1, 2, 8, 8)], {"mode": "linear"}, 0, 128 * 9, 128, 512, 0),
    # bicubic: four cubics along one axis, one along the other, 7 FLOP each
    ("Resize", "", [(1, 2, 4, 4)], [(1, 2, 8, 8)], {"mode": "cubic"}, 0, 128 * 35, 128, 512, 0),
    ("Upsample", "", [(1, 2, 4, 4)], [(1, 2, 8, 8)], {"mode": "nearest"}, 0, 0, 128, 512, 0),
]  # fmt: skip

# FLOP per output element, counted by hand in the definitions of https://onnx.ai/onnx/operators/
ELEMENTWISE = {
    "Add": 1, "Sub": 1, "Mul": 1, "Div": 1, "Mod": 1, "Pow": 1, "And": 1, "Or": 1, "Xor": 1, "Equal": 1,
    "Less": 1, "LessOrEqual": 1, "Greater": 1, "GreaterOrEqual": 1, "Where": 1, "Not": 1, "Abs": 1, "Neg": 1,
    "Ceil": 1, "Floor": 1, "Round": 1, "Sign": 1, "Reciprocal": 1, "Sqrt": 1, "Exp": 1, "Log": 1, "Erf": 1,
    "Sin": 1, "Cos": 1, "Tanh": 1, "Relu": 1,
    "LeakyRelu": 2,  # compare, multiply
    "PRelu": 2,  # compare, multiply
    "Elu": 4,  # compare, exp, subtract, multiply
    "Selu": 5,  # Elu and one multiplication
    "Sigmoid": 4,  # negate, exp, add, divide
    "HardSigmoid": 4,  # multiply, add, min, max
    "HardSwish": 5,  # HardSigmoid and one multiplication
    "Softplus": 3,  # exp, add, log
    "Softsign": 3,  # abs, add, divide
    "Mish": 5,  # exp, add, log, tanh, multiply
}  # fmt: skip
ROWS += [(op, "", [(2, 12), (12,)], [(2, 12)], {}, 0, 24 * flops, 96 + 48, 96, 0) for op, flops in ELEMENTWISE.items()]

FREE = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout", "Shape", "Size", "Constant")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_rule_gives_the_hand_computed_cost(row: tuple[Any, ...]) -> None:
    op, domain, inputs, outputs, attributes, macs, flops, read, written, weights = row
    rule = RULES.find(domain, op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, domain, **attributes))
    assert isinstance(cost, Cost)
    got = (cost.macs, cost.vector_flops, cost.bytes_read, cost.bytes_written, cost.weight_bytes)
    assert got == (macs, flops, read, written, weights)
    assert cost.flops == 2 * macs + flops


@pytest.mark.parametrize("op", FREE)
def test_free_operators_say_why(op: str) -> None:
    rule = RULES.find("", op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, [(2, 12)], [(24,)]))
    assert isinstance(cost, Free) and cost.reason


def test_every_rule_has_a_row_and_says_formula_and_source() -> None:
    import test_microsoft_rules as microsoft
    import test_more_rules as more

    rows = {(row[1], row[0]) for row in (*ROWS, *more.ROWS)} | {("", op) for op in FREE} | set(more.FREE)
    rows |= {("com.microsoft.nchwc", row[0]) for row in microsoft.NCHWC_ROWS}
    rows |= {(MS, row[0]) for row in microsoft.ROWS} | {(MS, op) for op in microsoft.FREE}
    for rule in RULES:
        assert (rule.domain, rule.op_type) in rows, f"{rule.op_type} has no golden row"
        assert "Source:" in rule.doc, f"{rule.op_type} does not say where its formula comes from"


def test_every_onnx_operator_has_a_rule() -> None:
    """All of ai.onnx, ai.onnx.ml and the preview domains that the installed onnx knows."""
    from onnx.defs import get_all_schemas

    known = {(rule.domain, rule.op_type) for rule in RULES}
    missing = {(s.domain, s.name) for s in get_all_schemas() if not s.deprecated} - known
    assert missing == set()


@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "attributes", "pipe"),
    [
        ("Conv", [(1, 4, 6, 6), (4, 1, 3, 3)], [(1, 4, 6, 6)], {"group": 4}, "vector"),
        ("Conv", [(1, 4, 6, 6), (4, 2, 3, 3)], [(1, 4, 6, 6)], {"group": 2}, "matrix"),
        ("Conv", [(1, 1, 6, 6), (4, 1, 3, 3)], [(1, 4, 6, 6)], {}, "matrix"),
        ("Gemm", [(1, 4), (4, 5)], [(1, 5)], {}, "vector"),
        ("Gemm", [(2, 4), (4, 5)], [(2, 5)], {}, "matrix"),
        ("MatMul", [(1, 1, 4), (4, 5)], [(1, 1, 5)], {}, "vector"),
        ("MatMul", [(2, 1, 4), (4, 5)], [(2, 1, 5)], {}, "matrix"),  # two rows share one weight
        ("MatMul", [(2, 1, 4), (2, 4, 5)], [(2, 1, 5)], {}, "vector"),  # one row per matrix
    ],
)
def test_matrix_vector_products_and_depthwise_run_on_the_vector_pipe(
    op: str, inputs: list[Any], outputs: list[Any], attributes: dict[str, Any], pipe: str
) -> None:
    rule = RULES.find("", op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, **attributes))
    assert isinstance(cost, Cost) and cost.pipe == pipe


@pytest.mark.parametrize(
    ("weight", "attributes", "eligible"),
    [
        ((4, 2, 3, 3), {}, True),
        ((4, 2, 3, 3), {"strides": (1, 1), "dilations": (1, 1)}, True),
        ((4, 2, 3, 3), {"strides": (2, 2)}, False),
        ((4, 2, 3, 3), {"dilations": (2, 2)}, False),
        ((4, 2, 1, 1), {}, False),
        ((4, 1, 3, 3), {"group": 2}, False),
    ],
)
def test_winograd_is_for_dense_3x3_stride_1(weight: Any, attributes: dict[str, Any], eligible: bool) -> None:
    rule = RULES.find("", "Conv", 0)
    assert rule is not None
    cost = rule.function(make_node("Conv", [(1, 2, 6, 6), weight], [(1, 4, 6, 6)], **attributes))
    assert isinstance(cost, Cost) and cost.winograd is eligible


@pytest.mark.parametrize(("dtype", "nbytes"), [("int4", 3), ("uint4", 3), ("bool", 5), ("float64", 40), ("string", 0),
                                               ("float8e4m3fn", 5), ("bfloat16", 10), ("int2", 2)])  # fmt: skip
def test_elements_are_stored_packed(dtype: str, nbytes: int) -> None:
    assert tensor("t", (5,), dtype).nbytes == nbytes


def test_a_rule_is_filed_once() -> None:
    from roofline.errors import RooflineError
    from roofline.ops.table import RuleTable

    table = RuleTable()
    table.add("Add", lambda node: Cost(), op_class="elementwise", doc="x")
    with pytest.raises(RooflineError, match="has a rule already"):
        table.add("Add", lambda node: Cost(), op_class="elementwise", domain="ai.onnx", doc="x")
    with pytest.raises(RooflineError, match="no docstring"):
        table.add("Sub", lambda node: Cost(), op_class="elementwise")


def test_the_newest_rule_not_above_the_opset_applies() -> None:
    from roofline.ops.table import RuleTable

    table = RuleTable()
    for since in (1, 13, 7):
        table.add("Op", lambda node: Cost(), op_class="elementwise", since=since, doc="x")
    assert [table.find("", "Op", opset).since for opset in (1, 6, 7, 12, 13, 20, 0)] == [1, 1, 7, 7, 13, 13, 13]
    assert table.find("", "Other", 1) is None
