"""Every real model: MACs against torch's own counter, shapes against a real run, every mode, full coverage."""

from __future__ import annotations

import pytest
from conftest import TRUTH, model_path, true_bindings, true_shapes

import roofline

NAMES = sorted(TRUTH)

# torch's counter does not see LSTM cells: 2 layers of S=32 steps, 4 gates, hidden 256, input 256
LSTM_MACS = 2 * 32 * 4 * 256 * (256 + 256)
# torch's fast attention path hides the whole attention block: QK^T and PV of 12 heads over 197 tokens with head
# size 64, the three input projections and the output projection of 768 x 768, in 12 layers
VIT_MACS = 12 * (2 * 12 * 197 * 197 * 64 + 4 * 197 * 768 * 768)
UNSEEN_BY_TORCH = {"lstm_lm": LSTM_MACS, "vit_b_16": VIT_MACS}


@pytest.mark.parametrize("name", NAMES)
def test_macs_equal_torchs_count(name: str) -> None:
    totals = roofline.analyze(model_path(name), bindings=true_bindings(name)).totals
    hidden = UNSEEN_BY_TORCH.get(name, 0)
    assert 2 * (totals["macs"] - hidden) == TRUTH[name]["total"]


@pytest.mark.parametrize("name", [n for n in NAMES if true_shapes(n)])
def test_every_tensor_has_the_shape_and_type_of_a_real_run(name: str) -> None:
    got = roofline.analyze(model_path(name), bindings=true_bindings(name)).to_dict(tensors=True)["tensors"]
    want = {tensor: {"shape": shape, "dtype": dtype} for tensor, (shape, dtype) in true_shapes(name).items()}
    assert {tensor: got.get(tensor) for tensor in want} == want


@pytest.mark.parametrize("name", NAMES)
def test_every_mode_counts_every_node(name: str) -> None:
    for mode in ("MAXN", "15W", "30W", "50W"):
        analysis = roofline.analyze(model_path(name), "orin-agx", mode=mode, bindings=true_bindings(name))
        coverage = analysis.coverage
        assert coverage["nodes_unsupported"] == 0
        assert coverage["nodes_counted"] + coverage["nodes_free"] == len(analysis.graph.nodes)
        totals = analysis.totals
        assert 0 < totals["bound_time_s"] <= totals["roofline_time_s"]


def test_batch_scales_macs_exactly() -> None:
    one = roofline.analyze(model_path("bert_base"), bindings={"batch": 1, "seq": 77}).totals["macs"]
    five = roofline.analyze(model_path("bert_base"), bindings={"batch": 5, "seq": 77}).totals["macs"]
    assert five == 5 * one
