"""A model on a device, worked out by hand: precision, pipes, time, bound, energy, and what is said about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model, model_path
from onnx import TensorProto, helper

import roofline
from roofline.errors import DeviceError, GateError, UsageError

# x (512, 1024) @ w (1024, 2048): 512*1024*2048 MACs; bytes x 2 MiB, w 8 MiB, y 4 MiB
M, K, N = 512, 1024, 2048
FLOP = 2 * M * K * N
X, W, Y = 4 * M * K, 4 * K * N, 4 * M * N
PEAK_30W = {"tf32": 8 * 1024 * 612e6, "fp16": 8 * 2048 * 612e6, "fp32": 8 * 256 * 612e6, "int8": 8 * 4096 * 612e6}
PATH_30W, DRAM = 210 * 612e6, 2 * 32 * 3199e6
L2 = 4 * 2**20


def product(dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    weight = np.zeros((K, N), helper.tensor_dtype_to_np_dtype(dtype))
    return build_model([helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")], {"x": [M, K]}, ["y"], {"w": weight},
                       dtype=dtype)  # fmt: skip


def conv(kernel: int = 3) -> onnx.ModelProto:
    weight = np.zeros((64, 64, kernel, kernel), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="c", pads=[kernel // 2] * 4)
    return build_model([node], {"x": [1, 64, 56, 56]}, ["y"], {"w": weight})


def codes(analysis: roofline.Analysis) -> set[str]:
    return {finding.code for finding in analysis.findings}


def test_time_by_hand() -> None:
    totals = roofline.analyze(product(), "orin-agx").totals
    assert (totals["macs"], totals["bytes"]) == (M * K * N, X + W + Y)
    compute, memory = FLOP / PEAK_30W["tf32"], (X + W + Y) / PATH_30W
    assert totals["roofline_time_s"] == pytest.approx(max(compute, memory))
    assert totals["bound_time_s"] == pytest.approx(max(compute, (X + W + Y - L2) / DRAM))
    assert totals["limited_by"] == "compute"
    assert totals["intensity_flop_per_byte"] == pytest.approx(FLOP / (X + W + Y))
    assert totals["weight_bytes_read"] == W


def test_energy_by_hand() -> None:
    """fp32 and tf32: Pagoda's bytes, which for one MatMul are the same; every term scaled to the mode's voltage."""
    totals = roofline.analyze(product(), "orin-agx", mode="50W").totals
    v2 = (1.085 / 1.295) ** 2
    seconds = max(FLOP / (16 * 1024 * 816e6), (X + W + Y) / (210 * 816e6))
    want = 8.67e-12 * v2 * FLOP + (41.0e-12 + 92.7e-12 * v2) * (X + W + Y)
    want += (3.54 + 4.07 + (2.87 + 12.6) * 816 / 1300.5 * v2) * seconds  # idle and active
    assert totals["energy_j"] == pytest.approx(want)
    assert totals["power_w"] == pytest.approx(want / seconds)
    assert totals["power_boundary"] == "module"
    assert totals["energy_per_sample_j"] == pytest.approx(want / M)  # the leading dimension is the batch


def test_energy_is_at_least_static_power_times_time() -> None:
    analysis = roofline.analyze(model_path("mobilenet_v2"), "orin-agx", bindings={"batch": 4})
    assert analysis.evaluation is not None and analysis.evaluation.energy_table is not None
    static = analysis.evaluation.energy_table.static_power_w
    assert np.all(analysis.evaluation.energy_j >= static * analysis.evaluation.time_s)


@pytest.mark.parametrize(
    ("precision", "pipe", "moved"),
    [
        ("fp32", "vector", X + W + Y),
        ("tf32", "matrix", X + W + Y),  # another pipe, the same bytes
        ("fp16", "matrix", (X + W + Y) // 2),
        ("bf16", "matrix", (X + W + Y) // 2),
        ("int8", "matrix", (X + W) // 4 + Y // 2),  # operands in int8, the result in fp16
    ],
)
def test_precision_decides_pipe_and_bytes(precision: str, pipe: str, moved: int) -> None:
    analysis = roofline.analyze(product(), "orin-agx", precision=precision)
    (layer,) = analysis.layers
    assert (layer["pipe"], layer["precision"]) == (pipe, precision)
    assert analysis.totals["bytes"] == moved
    peak = {**PEAK_30W, "bf16": PEAK_30W["fp16"]}[precision]
    assert layer["roofline_time_s"] == pytest.approx(max(FLOP / peak, moved / PATH_30W))


def test_int4_operands_are_packed() -> None:
    analysis = roofline.analyze(product(), precision="int4")
    assert analysis.totals["bytes"] == (X + W) // 8 + Y // 2


@pytest.mark.parametrize(
    ("runtime", "matmul", "convolution"),
    [("tensorrt", "tf32", "tf32"), ("ort-cuda", "tf32", "tf32"), ("torch", "fp32", "tf32"), (None, "tf32", "tf32")],
)
def test_runtime_decides_where_tf32_is_used(runtime: str | None, matmul: str, convolution: str) -> None:
    for model, want in ((product(), matmul), (conv(), convolution)):
        analysis = roofline.analyze(model, "orin-agx", runtime=runtime)
        assert analysis.layers[0]["precision"] == want
        assert ("tf32-math" in codes(analysis)) == (runtime is None)


def test_fp16_file_runs_on_the_fp16_pipe() -> None:
    analysis = roofline.analyze(product(TensorProto.FLOAT16), "orin-agx")
    assert analysis.precision == "fp16" and analysis.totals["bytes"] == (X + W + Y) // 2
    assert analysis.totals["energy_j"] is not None


def test_quantised_operands_decide_the_precision() -> None:
    analysis = roofline.analyze(model_path("resnet18_qdq_int8"), "orin-agx")
    assert analysis.precision == "int8"
    assert analysis.totals["energy_j"] is None and "energy-unknown" in codes(analysis)


def test_constant_operands_are_read_as_they_are_stored() -> None:
    """Weights dequantised from int8, or cast from fp16, cost their stored bytes, in the bound too."""
    scale = np.array(0.1, np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"]),
        helper.make_node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "wt"], ["h"]),
        helper.make_node("Cast", ["half"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["h", "c"], ["y"]),
    ]
    weights = {"q": np.zeros((64, 32), np.int8), "s": scale, "half": np.zeros((64, 16), np.float16)}
    analysis = roofline.analyze(build_model(nodes, {"x": [8, 32]}, ["y"], weights))
    assert analysis.totals["weight_bytes_read"] == 64 * 32 + 2 * 64 * 16
    assert analysis.least_byte == 64 * 32 + 2 * 64 * 16 + 4 * 8 * 32 + 4 * 8 * 16


def test_bound_of_the_quantised_network_is_that_of_its_file() -> None:
    """11.7 MB of int8 weights; fp32 ones would make the bound five times as long."""
    analysis = roofline.analyze(model_path("resnet18_qdq_int8"), "orin-agx", mode="MAXN", bindings={"batch": 1})
    assert 11.6e6 < analysis.totals["weight_bytes_read"] < 11.9e6
    compute = 2 * analysis.totals["macs"] / (16 * 4096 * 1300.5e6)
    memory = (analysis.least_byte - L2) / DRAM
    assert analysis.totals["bound_time_s"] == pytest.approx(max(compute, memory), rel=2e-3)


def test_a_model_without_contractions_has_the_energy_of_its_vector_work() -> None:
    model = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [64, 64]}, ["y"])
    analysis = roofline.analyze(model, "orin-agx")
    assert analysis.evaluation is not None and analysis.evaluation.energy_set is not None
    assert analysis.evaluation.energy_set.name == "fp32-pagoda"
    assert "energy-flop-unknown" not in codes(analysis)


def test_what_is_not_counted_stands_in_the_verdict() -> None:
    model = build_model([helper.make_node("Mystery", ["x"], ["y"], domain="who.knows")], {"x": [2]}, ["y"],
                        domains=("who.knows",))  # fmt: skip
    for device in (None, "orin-agx"):
        data = roofline.analyze(model, device).to_dict()
        assert "INCOMPLETE: 1 of 1 nodes are not counted" in data["verdict"]
        assert "bound" not in data["verdict"] and data["totals"]["limited_by"] is None


def test_modes_over_the_power_limit_are_marked() -> None:
    data = roofline.analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}, traffic="unfused").to_dict()
    assert [m["power_limited"] for m in data["modes"]] == [True, False, False, False]
    assert "MAXN (over the module's power limit)" in data["verdict"]


def test_a_requested_precision_without_a_rate_is_refused() -> None:
    for precision in ("fp8", "int4"):
        with pytest.raises(DeviceError, match=f"{precision} rate of its gpu is not known"):
            roofline.analyze(product(), "orin-agx", precision=precision)


def test_a_long_range_is_not_allocated() -> None:
    """The library's own data propagation would: 10**12 numbers."""
    nodes = [helper.make_node("Range", ["a", "b", "c"], ["r"]), helper.make_node("Cast", ["r"], ["y"], to=1)]
    numbers = {"a": np.array(0), "b": np.array(10**12), "c": np.array(1)}
    graph = roofline.analyze(build_model(nodes, {}, ["y"], numbers)).graph
    assert graph.tensors["y"].shape == (10**12,)


def test_winograd_eligible_convolutions_lower_the_bound_only() -> None:
    strict = roofline.analyze(conv(), "orin-agx", precision="fp32")
    assert "winograd-eligible" in codes(strict)
    flop = 2 * 56 * 56 * 64 * 64 * 9
    assert strict.totals["roofline_time_s"] == pytest.approx(flop / PEAK_30W["fp32"])
    assert strict.totals["bound_time_s"] == pytest.approx(flop / 4 / PEAK_30W["fp32"])
    assert "winograd-eligible" not in codes(roofline.analyze(conv(), "orin-agx"))  # on the matrix pipe
    assert "winograd-eligible" not in codes(roofline.analyze(conv(1), "orin-agx", precision="fp32"))


def test_unknown_vector_rate_is_said_and_left_out_of_the_bound() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    model = build_model([node], {"x": [64, 64]}, ["y"], dtype=TensorProto.FLOAT16)
    analysis = roofline.analyze(model, "orin-agx")
    assert "rate-unknown" in codes(analysis)
    assert analysis.totals["bound_time_s"] == 0  # 16 KB fit in the cache, and no contraction


def test_depthwise_runs_on_the_vector_pipe() -> None:
    layers = roofline.analyze(model_path("mobilenet_v2"), "orin-agx").layers
    pipes = {layer["pipe"] for layer in layers if layer["class"] == "convolution"}
    assert pipes == {"matrix", "vector"}


def test_cpu_has_its_own_peak_and_no_energy() -> None:
    analysis = roofline.analyze(product(), "orin-agx", processor="cpu", mode="MAXN")
    assert analysis.layers[0]["precision"] == "fp32"
    assert analysis.totals["time_s"] == pytest.approx(FLOP / (12 * 16 * 2201.6e6))
    assert {"energy-unknown", "memory-path-unknown"} <= codes(analysis)
    assert roofline.analyze(product(), "orin-agx", runtime="ort-cpu").processor.name == "cpu"  # type: ignore[union-attr]


def test_mode_can_be_built_from_knobs() -> None:
    analysis = roofline.analyze(product(), "orin-agx", mode="30W,gpu_freq=306MHz")
    assert analysis.totals["time_s"] == pytest.approx(FLOP / (8 * 1024 * 306e6))
    assert analysis.to_dict()["mode"] == "MODE_30W,gpu_freq=306MHz"


def test_stock_clocks_have_no_coefficients_and_say_so() -> None:
    analysis = roofline.analyze(product(), "orin-agx", clocks="stock")
    assert analysis.totals["energy_j"] is None and "energy-unknown" in codes(analysis)


def test_tied_weights_and_gathered_rows_count_once_in_the_bound() -> None:
    """An embedding of which 4 rows are read, used again whole as the output projection."""
    table = np.zeros((50000, 256), np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["h"]),
        helper.make_node("Transpose", ["table"], ["tt"], perm=[1, 0]),
        helper.make_node("MatMul", ["h", "tt"], ["y"]),
    ]
    model = build_model(nodes, {}, ["y"], {"table": table})
    model.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, [4]))
    analysis = roofline.analyze(model)
    assert analysis.least_byte == table.nbytes + 4 * 8 + 4 * 50000 * 4
    rows = next(layer for layer in analysis.layers if layer["op_type"] == "Gather")
    assert rows["bytes_read"] == 4 * 256 * 4 + 32


def test_recurrent_matrix_too_large_for_the_cache_is_read_every_step() -> None:
    """Hidden 1024: 16 MiB of recurrent weights against 4 MiB of cache, 7 steps."""
    hidden, steps = 1024, 7
    model = build_model(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=hidden)],
        {"x": [steps, 1, 8]},
        ["y"],
        {"w": np.zeros((1, 4 * hidden, 8), np.float32), "r": np.zeros((1, 4 * hidden, hidden), np.float32)},
    )
    once = 4 * (steps * 8 + 4 * hidden * 8 + 4 * hidden * hidden)
    assert roofline.analyze(model).totals["bytes_read"] == once
    assert roofline.analyze(model, "orin-agx").totals["bytes_read"] == once + 6 * 16 * hidden * hidden


def test_strict_refuses_assumptions() -> None:
    with pytest.raises(GateError, match="batch-assumed"):
        roofline.analyze(model_path("resnet18"), strict=True)
    roofline.analyze(model_path("resnet18"), bindings={"batch": 1}, strict=True)


def test_a_run_without_work_is_said_and_an_empty_past_is_not() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    empty = roofline.analyze(build_model([relu], {"x": ["batch", 8]}, ["y"]), bindings={"batch": 0})
    (finding,) = (found for found in empty.findings if found.code == "empty-outputs")
    assert finding.where == "batch=0"
    join = helper.make_node("Concat", ["past", "x"], ["y"], axis=0)
    grown = roofline.analyze(build_model([join], {"past": ["past", 8], "x": [1, 8]}, ["y"]), bindings={"past": 0})
    assert "empty-outputs" not in codes(grown)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"mode": "30W"}, UsageError),
        ({"precision": "fp12"}, UsageError),
        ({"traffic": "fusion"}, UsageError),
        ({"phase": "training", "traffic": "ideal"}, UsageError),
        ({"phase": "training", "optimizer": "lion"}, UsageError),
        ({"optimizer": "adam"}, UsageError),
        ({"device": "orin-agx", "processor": "npu"}, DeviceError),
        ({"device": "orin-agx", "processor": "gpu", "runtime": "ort-cpu"}, UsageError),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        roofline.analyze(product(), **options)


def test_more_bandwidth_and_clock_are_never_slower() -> None:
    for name in ("resnet50", "bert_base"):
        bindings = {"batch": 1} if name == "resnet50" else {"batch": 1, "seq": 64}
        times = [
            roofline.analyze(model_path(name), "orin-agx", mode=f"MAXN,{knob}", bindings=bindings).totals["time_s"]
            for knob in ("gpu_freq=306MHz", "gpu_freq=816MHz", "gpu_freq=1300.5MHz")
        ]
        assert times == sorted(times, reverse=True)
        slow = roofline.analyze(model_path(name), "orin-agx", mode="MAXN,mem_freq=665.6MHz", bindings=bindings)
        assert slow.totals["time_s"] >= times[-1]


def test_html_is_escaped_and_complete() -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="<script>alert(1)</script>")
    html = roofline.analyze(build_model([node], {"x": [2]}, ["y"]), "orin-agx")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "ROOFLINE ONLY" in html


def test_analysis_is_frozen_and_json_has_no_nan() -> None:
    analysis = roofline.analyze(model_path("lstm_lm"), "orin-agx", bindings={"seq": 8})
    assert "NaN" not in analysis.to_json(tensors=True)
    with pytest.raises(AttributeError):
        analysis.phase = "training"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        analysis.workload.flop[0, 0] = 1


def test_power_at_a_rate_by_hand() -> None:
    """The product, 512 samples a run, 10 runs a second: P = 10 * (E + P_idle * (0.1 - T))."""
    totals = roofline.analyze(product(), "orin-agx", mode="MAXN", rate_per_s=10.0 * M).totals
    energy, time = totals["energy_j"], totals["time_s"]
    assert totals["average_power_w"] == pytest.approx(10 * (energy + (3.54 + 2.87 + 4.07) * (0.1 - time)))
    assert roofline.analyze(product(), "orin-agx").totals["average_power_w"] is None


def test_rate_that_no_run_can_keep_is_said() -> None:
    bound = roofline.analyze(product(), "orin-agx").totals["bound_time_s"]
    assert "rate-infeasible" in codes(roofline.analyze(product(), "orin-agx", rate_per_s=1.01 * M / bound))
    found = codes(roofline.analyze(product(), "orin-agx", rate_per_s=0.1 * M / bound))
    assert not found & {"rate-infeasible", "rate-not-excluded"}
    with pytest.raises(UsageError, match="a rate without a device"):
        roofline.analyze(product(), rate_per_s=30.0)
