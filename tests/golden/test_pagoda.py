"""Pagoda's published totals (arXiv 2509.20189, roofline_batch_size_expt.ipynb), to the last digit."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import model_path
from test_rules import make_node

import roofline
from roofline.ops import PAGODA, Cost

# FLOP per sample, weight bytes, other bytes per sample
PUBLISHED = {
    "mobilenet_v3_large": (449_137_560, 21_805_088, 81_171_584),
    "resnet50": (8_206_316_544, 102_011_648, 234_659_744),
}
BATCHES = [2**e for e in range(11)]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("batch", BATCHES)
def test_published_totals(name: str, batch: int) -> None:
    flops, weights, per_sample = PUBLISHED[name]
    totals = roofline.analyze(model_path(name), bindings={"batch": batch}, traffic="pagoda").totals
    assert totals["flops"] == flops * batch
    assert totals["weight_bytes_read"] == weights
    assert totals["bytes"] == weights + per_sample * batch


@pytest.mark.parametrize("name", PUBLISHED)
def test_training_is_three_times_inference(name: str) -> None:
    flops, weights, per_sample = PUBLISHED[name]
    analysis = roofline.analyze(model_path(name), "orin-agx", bindings={"batch": 8}, traffic="pagoda", phase="training")
    assert analysis.totals["flops"] == 3 * 8 * flops
    assert analysis.totals["bytes"] == 3 * (weights + 8 * per_sample)


@pytest.mark.parametrize("batch", [1, 64])
def test_lstm_totals_are_those_of_eight_steps(batch: int) -> None:
    """The notebook's two LSTM nodes (256 -> 256) cost 8,486,912 FLOP whatever the batch."""
    node = make_node("LSTM", [(32, batch, 256), (1, 1024, 256), (1, 1024, 256)], [(32, 1, batch, 256)])
    rule = PAGODA.find("", "LSTM", 0)
    assert rule is not None
    cost = rule.function(node)
    assert isinstance(cost, Cost)
    assert 2 * cost.flops == 8_486_912


# op, inputs, outputs, attributes -> FLOP, bytes (four per element), by the table of estimates.py
ROWS: list[tuple[Any, ...]] = [
    ("Conv", [(2, 2, 6, 6), (4, 2, 3, 3)], [(2, 4, 6, 6)], {}, 288 * 36 + 288, 4 * (72 + 144 + 288)),
    ("Gemm", [(3, 4), (4, 5), (5,)], [(3, 5)], {}, 120, 4 * (20 + 12 + 15)),
    ("MatMul", [(2, 3, 4), (2, 4, 5)], [(2, 3, 5)], {}, 240, 4 * (20 + 24 + 30)),
    *[(op, [(2, 12)], [(2, 12)], {}, 24 * flops, 192)
      for op, flops in {"Relu": 1, "Sigmoid": 4, "Tanh": 5, "HardSigmoid": 4, "HardSwish": 5, "Swish": 5,
                        "Softmax": 7, "Erf": 8}.items()],
    ("BatchNormalization", [(2, 3, 4), (3,), (3,), (3,), (3,)], [(2, 3, 4)], {}, 48, 192 + 2 * 3 * 4),
    ("MaxPool", [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 64, 160),
    ("AveragePool", [(1, 2, 4, 4)], [(1, 2, 2, 2)], {"kernel_shape": (3, 3)}, 72, 160),
    ("GlobalAveragePool", [(1, 2, 4, 4)], [(1, 2, 1, 1)], {}, 32, 136),
    *[(op, [(2, 12), (12,)], [(2, 12)], {}, 24, 3 * 96) for op in ("Add", "Sub", "Mul", "Div")],
    *[(op, [(2, 12)], [(24,)], {}, 0, 192) for op in ("Transpose", "Flatten", "Identity")],
    ("Concat", [(2, 12), (3, 12)], [(5, 12)], {}, 0, 480),
    ("ConstantOfShape", [((2,), "int64")], [(3, 4)], {}, 0, 48),
    ("LSTM", [(8, 1, 3), (1, 16, 3), (1, 16, 4)], [(8, 1, 1, 4)], {},
     8 * (4 * 3 * 4 + 4 * 4 * 4 + 24 * 4), 4 * (4 * (3 * 4 + 16) + 8 * 3 + 8 * 4 + 8)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_rule_follows_the_published_table(row: tuple[Any, ...]) -> None:
    op, inputs, outputs, attributes, flops, moved = row
    rule = PAGODA.find("", op, 0)
    assert rule is not None
    cost = rule.function(make_node(op, inputs, outputs, **attributes))
    assert isinstance(cost, Cost)
    assert (cost.flops, cost.bytes_read + cost.bytes_written) == (flops, moved)


def test_every_pagoda_rule_has_a_row() -> None:
    assert {rule.op_type for rule in PAGODA} == {row[0] for row in ROWS}
