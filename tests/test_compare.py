"""Two analyses side by side: every layer once, differences by hand, and no claim that the numbers do not carry."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import model_path, true_bindings
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

import roofline
from roofline.comparison import Comparison
from roofline.errors import BindingError, DeviceError, GateError, UsageError
from roofline.joining import longest_in_order

Build = Callable[..., onnx.ModelProto]
RESNET, BERT, MOBILENET = (str(model_path(n)) for n in ("resnet50", "bert_base", "mobilenet_v2"))


def matmul(build: Build, *sizes: int, name: str = "mm") -> onnx.ModelProto:
    """A model of square products side by side, each N x N x N of two inputs: 2 N^3 FLOP, 12 N^2 bytes in fp32."""
    nodes, inputs = [], {}
    for i, n in enumerate(sizes):
        nodes.append(helper.make_node("MatMul", [f"a{i}", f"b{i}"], [f"y{i}"], name=f"{name}{i}"))
        inputs |= {f"a{i}": [n, n], f"b{i}": [n, n]}
    return build(nodes, inputs, [f"y{i}" for i in range(len(sizes))])


def conv_relu(build: Build, relu: str = "relu") -> onnx.ModelProto:
    """x (1, 4, 8, 8) -> 1x1 convolution -> Relu: both results hold 256 floats."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Relu", ["c"], ["y"], name=relu),
    ]
    return build(nodes, {"x": [1, 4, 8, 8]}, ["y"], {"w": np.zeros((4, 4, 1, 1), np.float32)})


def row(comparison: Comparison, name: str) -> dict[str, Any]:
    return next(r for r in comparison.layers if r["name_a"] == name)


def test_totals_are_those_of_two_analyses() -> None:
    a, b = (roofline.analyze(RESNET, "orin-agx", mode=mode).totals for mode in ("30W", "MAXN"))
    totals = roofline.compare(RESNET, device="orin-agx", mode="30W", vs={"mode": "MAXN"}).totals
    assert totals["time_s"]["a"] == a["time_s"] and totals["time_s"]["b"] == b["time_s"]
    assert totals["time_s"]["difference"] == b["time_s"] - a["time_s"] < 0
    assert totals["energy_j"]["ratio"] == b["energy_j"] / a["energy_j"] > 1
    assert totals["macs"] == {"a": 4089184256, "b": 4089184256, "difference": 0, "ratio": 1}
    assert totals["limited_by"] == {"a": "memory", "b": "memory", "difference": None, "ratio": None}


def test_a_compute_bound_layer_follows_clock_and_units() -> None:
    comparison = roofline.compare(RESNET, device="orin-agx", mode="30W", vs={"mode": "MAXN"})
    layer = row(comparison, "/layer1/layer1.0/conv2/Conv")
    assert (layer["limited_by_a"], layer["limited_by_b"], layer["changed"]) == ("compute", "compute", False)
    assert layer["time_b_s"] / layer["time_a_s"] == pytest.approx(612 * 4 / (1300.5 * 8))


def test_only_an_intensity_between_the_ridge_points_changes_its_bound(build: Build) -> None:
    # N x N x N in fp32: N / 6 FLOP/B; the ridge points of tf32 are 39 in MODE_30W and 112 in MAXN
    model = matmul(build, 60, 300, 900)
    data = roofline.compare(model, device="orin-agx", mode="30W", vs={"mode": "MAXN"}).to_dict()
    assert [(r["name_a"], r["limited_by_a"], r["limited_by_b"]) for r in data["changed_bounds"]] == [
        ("mm1", "compute", "memory")
    ]
    assert "1 of 3 layers turns memory-bound" in data["verdict"]


def test_a_fused_group_meets_its_nodes(build: Build) -> None:
    comparison = roofline.compare(conv_relu(build), vs={"traffic": "unfused"})
    [layer] = comparison.layers
    assert (layer["layers_a"], layer["layers_b"]) == (1, 2)
    assert layer["bytes_a"] == 4 * (256 + 16 + 256)
    assert layer["bytes_b"] - layer["bytes_a"] == 4 * 2 * 256  # the convolution's result is written and read
    assert (layer["name_a"], layer["name_b"]) == ("conv", "conv")
    assert comparison.to_dict()["only_in_b"] == []


def test_nodes_that_share_a_name_are_told_apart(build: Build) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["y"], name="same"),
        helper.make_node("Relu", ["z"], ["u"], name="same"),
    ]
    model = build(nodes, {"x": [8], "z": [800]}, ["y", "u"])
    layers = roofline.compare(model, vs={"traffic": "unfused"}).layers
    assert [(r["bytes_a"], r["bytes_b"]) for r in layers] == [(64, 64), (6400, 6400)]


PAIRS = [
    (RESNET, None, {"traffic": "unfused"}),
    (RESNET, None, {"traffic": "pagoda"}),
    (MOBILENET, None, {"phase": "training"}),
    (RESNET, MOBILENET, {}),
    (BERT, str(model_path("bert_base_ort_extended")), {}),
    (str(model_path("resnet18")), str(model_path("resnet18_qdq_int8")), {}),
    (str(model_path("vit_b_16")), None, {"traffic": "ideal", "precision": "fp16"}),
]


@pytest.mark.parametrize(("a", "b", "vs"), PAIRS)
def test_every_layer_is_there_once(a: str, b: str | None, vs: dict[str, Any]) -> None:
    bindings = true_bindings(Path(a).stem)
    data = roofline.compare(a, b, "orin-agx", bindings=bindings, vs=vs).to_dict()
    both = [roofline.analyze(a, "orin-agx", bindings=bindings),
            roofline.analyze(b or a, "orin-agx", bindings=bindings, **vs)]  # fmt: skip
    for side, analysis in zip("ab", both, strict=True):
        active = [layer for layer in analysis.layers if layer["status"] != "free"]
        alone = data[f"only_in_{side}"]
        assert sum(r[f"layers_{side}"] for r in data["layers"]) + len(alone) == len(active)
        for key, name in (("time_s", f"time_{side}_s"), ("bytes", f"bytes_{side}"), ("flops", f"flops_{side}")):
            found = sum(r[name] for r in data["layers"]) + sum(r[key] for r in alone)
            assert found == pytest.approx(analysis.totals[key])
        assert sum(r[f"layers_{side}"] for r in data["operators"]) == len(active)


@pytest.mark.parametrize(("a", "b", "vs"), PAIRS[3:6])
def test_the_other_way_round_is_the_mirror_image(a: str, b: str, vs: dict[str, Any]) -> None:
    bindings = true_bindings(Path(a).stem)
    there = roofline.compare(a, b, bindings=bindings).to_dict()
    back = roofline.compare(b, a, bindings=bindings).to_dict()
    assert len(there["layers"]) == len(back["layers"])
    assert there["only_in_a"] == back["only_in_b"] and there["only_in_b"] == back["only_in_a"]
    assert there["totals"]["bytes"]["ratio"] == pytest.approx(1 / back["totals"]["bytes"]["ratio"])


def test_training_steps_are_joined_pass_by_pass() -> None:
    model = str(model_path("resnet18"))
    comparison = roofline.compare(model, phase="training", vs={"optimizer": "sgd", "traffic": "unfused"})
    names = {r["name_a"]: r for r in comparison.layers}
    assert names["optimizer (adam)"]["name_b"] == "optimizer (sgd)"
    assert names["/conv1/Conv (backward)"]["name_b"] == "/conv1/Conv (backward)"
    data = comparison.to_dict()
    assert not data["only_in_a"] and not data["only_in_b"]
    data = roofline.compare(model, vs={"phase": "training"}).to_dict()
    assert not data["only_in_a"]
    assert all(r["name"].endswith("(backward)") or r["op_type"] == "Optimizer" for r in data["only_in_b"])


def test_two_models_by_name_then_by_operator_and_shape(build: Build) -> None:
    def chain(names: list[str], shapes: list[int]) -> onnx.ModelProto:
        nodes, inputs = [], {}
        for i, (name, size) in enumerate(zip(names, shapes, strict=True)):
            op = "Softmax" if "soft" in name else "LpNormalization"
            nodes.append(helper.make_node(op, [f"x{i}"], [f"y{i}"], name=name))
            inputs[f"x{i}"] = [2, size]
        return build(nodes, inputs, [f"y{i}" for i in range(len(names))])

    a = chain(["soft_a", "norm", "norm_old", "soft_last"], [10, 20, 30, 40])
    b = chain(["soft_b", "soft_new", "norm", "soft_end"], [10, 15, 99, 40])
    data = roofline.compare(a, b).to_dict()
    joined = [(r["name_a"], r["name_b"]) for r in data["layers"]]
    # norm by its name, though its size differs; the rest by operator and size
    assert joined == [("soft_a", "soft_b"), ("norm", "norm"), ("soft_last", "soft_end")]
    assert [r["name"] for r in data["only_in_a"]] == ["norm_old"]
    assert [r["name"] for r in data["only_in_b"]] == ["soft_new"]
    [finding] = [f for f in data["findings"] if f["code"] == "two-models"]
    assert finding["message"].startswith("1 layers are joined by name, 2 by operator and shape")


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_the_longest_common_order_is_found(left: list[int], right: list[int]) -> None:
    longest = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]  # the textbook's table
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            longest[i + 1][j + 1] = longest[i][j] + 1 if x == y else max(longest[i][j + 1], longest[i + 1][j])
    found = longest_in_order(left, right)
    assert len(found) == longest[-1][-1]
    assert all(left[i] == right[j] for i, j in found)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in pairwise(found))


def test_blocks_that_repeat_stay_joined_around_a_layer_that_is_left_out() -> None:
    blocks = ["qkv", "attention", "out", "norm"] * 50
    shorter = blocks[:77] + blocks[78:130] + blocks[131:]
    assert len(longest_in_order(blocks, shorter)) == len(shorter)


def test_two_models_of_different_batch_are_joined(build: Build) -> None:
    def model(batch: int, name: str) -> onnx.ModelProto:
        return build([helper.make_node("Softmax", ["x"], ["y"], name=name)], {"x": [batch, 7]}, ["y"])

    data = roofline.compare(model(2, "p"), model(5, "q")).to_dict()
    assert [(r["name_a"], r["name_b"]) for r in data["layers"]] == [("p", "q")]


def test_energies_of_two_fits_have_no_ratio() -> None:
    data = roofline.compare(RESNET, device="orin-agx", vs={"precision": "fp16"}).to_dict()
    energy = data["totals"]["energy_j"]
    assert energy["a"] > 0 and energy["b"] > 0 and energy["ratio"] is None and energy["difference"] is None
    assert data["totals"]["power_w"]["ratio"] is None
    assert all(r["energy_a_j"] is None for r in data["layers"])
    [finding] = [f for f in data["findings"] if f["code"] == "energy-not-compared"]
    assert "fp32-pagoda" in finding["message"] and "fp16-rails" in finding["message"]
    assert "energies not comparable" in data["verdict"] and "less energy" not in data["verdict"]


def test_one_fit_is_compared_and_an_unknown_energy_is_named() -> None:
    data = roofline.compare(RESNET, device="orin-agx", vs={"mode": "15W"}).to_dict()
    assert data["totals"]["energy_j"]["ratio"] > 1 and "more energy" in data["verdict"]
    assert not [f for f in data["findings"] if f["code"] == "energy-not-compared"]
    data = roofline.compare(RESNET, device="orin-agx", vs={"precision": "int8"}).to_dict()
    assert "energy of B unknown" in data["verdict"] and data["totals"]["energy_j"]["ratio"] is None


def test_the_boundary_of_the_energy_decides_too(monkeypatch: pytest.MonkeyPatch) -> None:
    device = roofline.load_device("orin-agx")
    at_the_wall = device._replace(energy=tuple(e._replace(boundary="ac") for e in device.energy))
    a, b = roofline.analyze(RESNET, device), roofline.analyze(RESNET, at_the_wall)
    data = roofline.compare(a, b).to_dict()
    assert data["totals"]["energy_j"]["ratio"] is None
    assert any("module boundary" in f["message"] and "ac boundary" in f["message"] for f in data["findings"])


@pytest.mark.parametrize(
    ("options", "vs", "text"),
    [
        ({"device": "orin-agx"}, {"precision": "fp16"}, "(tf32 -> fp16, batch 1): 2.00x faster (2.14 -> 1.07 ms)"),
        ({"device": "orin-agx"}, {"traffic": "unfused"}, "(tf32, batch 1, fused -> unfused): 1."),
        ({"device": "orin-agx"}, {"mode": "30W"}, "equally fast (2.14 ms), the same energy (116 mJ); no layer changes"),
        ({"device": "orin-agx"}, {"mode": "MAXN"}, "MODE_30W -> MAXN, over the module's power limit (tf32, batch 1)"),
        ({"device": "orin-agx"}, {"bindings": {"batch": 8}}, "batch 1 -> batch 8"),
        ({}, {"traffic": "unfused"}, "4.09 GMAC, 8.21 GFLOP, 215 -> 337 MB moved (1.57x)"),
    ],
)
def test_the_first_line(options: dict[str, Any], vs: dict[str, Any], text: str) -> None:
    verdict = roofline.compare(RESNET, **options, vs=vs).to_dict()["verdict"]
    assert text in verdict
    assert verdict.startswith("ROOFLINE ONLY, not calibrated. ") == bool(options)


def test_a_size_is_told_even_where_it_equals_the_batch() -> None:
    data = roofline.compare(BERT, bindings={"seq": 1}, vs={"bindings": {"seq": 2}}).to_dict()
    assert "(fp32, batch 1, seq=1 -> seq=2)" in data["verdict"] and data["b"]["label"] == "seq=2"


def test_a_side_without_a_device_has_counts_only() -> None:
    data = roofline.compare(RESNET, vs={"device": "orin-agx"}).to_dict()
    assert data["totals"]["time_s"]["ratio"] is None and data["totals"]["bytes"]["ratio"] == 1
    assert "on none -> NVIDIA Jetson AGX Orin 64GB" in data["verdict"] and "faster" not in data["verdict"]


def test_batches_are_compared_per_sample() -> None:
    data = roofline.compare(RESNET, device="orin-agx", vs={"bindings": {"batch": 8}}).to_dict()
    per_run, per_sample = data["totals"]["time_s"], data["totals"]["time_per_sample_s"]
    assert per_sample["b"] == pytest.approx(per_run["b"] / 8) and per_run["ratio"] > 1 > per_sample["ratio"]
    assert "x faster per sample" in data["verdict"]
    assert any(f["code"] == "batch-differs" for f in data["findings"])


def test_what_is_not_counted_stands_in_the_first_line(build: Build) -> None:
    node = helper.make_node("Mystery", ["x"], ["y"], domain="acme", name="m")
    odd = build([node], {"x": [4]}, ["y"], domains=("acme",))
    verdict = roofline.compare(RESNET, odd).to_dict()["verdict"]
    assert verdict.endswith("INCOMPLETE: 1 of 1 nodes of B are not counted.")


def test_a_prediction_is_never_held_against_a_roofline(monkeypatch: pytest.MonkeyPatch) -> None:
    from roofline.export import as_dict

    real = as_dict.analysis_dict

    def predicted(analysis: roofline.Analysis, **options: Any) -> dict[str, Any]:
        data = real(analysis, **options)
        if analysis.mode_was_chosen:
            data["basis"] = "prediction"
            data["totals"] |= {"predicted_time_s": 1.0, "time_s": 1.0}
        return data

    a, b = roofline.analyze(RESNET, "orin-agx"), roofline.analyze(RESNET, "orin-agx", mode="30W")
    monkeypatch.setattr(as_dict, "analysis_dict", predicted)
    data = roofline.compare(a, b).to_dict()
    assert data["basis"] == "mixed" and data["totals"]["time_s"]["ratio"] is None
    assert data["totals"]["roofline_time_s"]["ratio"] == 1
    assert data["verdict"].startswith("ROOFLINE ONLY") and "equally fast" in data["verdict"]


def test_findings_say_whose_they_are() -> None:
    findings = roofline.compare(RESNET, device="orin-agx", vs={"precision": "fp16"}).findings
    places = {f.code: [g.where for g in findings if g.code == f.code] for f in findings}
    assert places["batch-assumed"] == ["batch"]  # both sides have it: said once
    assert places["tf32-math"] == ["A: --precision"]
    assert all(where.startswith("B: ") for where in places["rate-unknown"])


def test_bindings_are_put_on_top_and_none_takes_an_option_back() -> None:
    comparison = roofline.compare(BERT, bindings={"batch": 2, "seq": 16}, vs={"bindings": {"seq": 32}})
    assert dict(comparison.b.graph.bindings) == {"batch": 2, "seq": 32}
    comparison = roofline.compare(BERT, RESNET, bindings={"seq": 16}, vs={"bindings": None})
    assert dict(comparison.b.graph.bindings) == {"batch": 1}
    comparison = roofline.compare(RESNET, precision="fp16", vs={"precision": None})
    assert (comparison.a.precision, comparison.b.precision) == ("fp16", "fp32")


def test_one_model_from_stdin_serves_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(Path(RESNET).read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    comparison = roofline.compare("-", vs={"precision": "fp16"})
    assert comparison.a.graph.path == comparison.b.graph.path == "<stdin>"
    assert len(comparison.a.counts) == len(comparison.b.counts) == 169


ERRORS: list[Any] = [
    ((RESNET,), {}, UsageError, "both sides are the same"),
    ((RESNET,), {"vs": {"presicion": "fp16"}}, UsageError, "did you mean 'precision'"),
    ((RESNET,), {"vs": {"strict": True}}, UsageError, "there is no option 'strict'"),
    ((RESNET,), {"top": 3, "vs": {"mode": "30W"}}, UsageError, "there is no option 'top'"),
    (("-", "-"), {}, UsageError, "stdin holds one model"),
    ((RESNET, BERT), {}, BindingError, "side B: "),
    ((BERT, RESNET), {"vs": {"bindings": {"seq": 8}}}, BindingError, "side A: "),
    ((RESNET,), {"device": "orin-agx", "vs": {"mode": "77W"}}, DeviceError, "side B: --mode: orin-agx has no mode"),
    ((RESNET, MOBILENET), {"strict": True}, GateError, "batch-assumed"),
]


@pytest.mark.parametrize(("models", "options", "kind", "text"), ERRORS)
def test_errors(models: tuple[Any, ...], options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text.replace("(", r"\(")):
        roofline.compare(*models, **options)


def test_a_finished_analysis_takes_no_options() -> None:
    analysis = roofline.analyze(RESNET)
    for arguments in ((analysis,), (analysis, MOBILENET, "orin-agx")):
        with pytest.raises(UsageError, match=r"same|finished"):
            roofline.compare(*arguments)
    with pytest.raises(UsageError, match="finished"):
        roofline.compare(analysis, vs={"precision": "fp16"})
    assert roofline.compare(analysis, analysis).totals["bytes"]["difference"] == 0


def test_json_has_the_schema_and_no_nan() -> None:
    data = json.loads(roofline.compare(RESNET, MOBILENET, "orin-agx", precision="int8").to_json())
    assert data["schema"] == "roofline.comparison/1"
    assert set(data) >= {
        "verdict",
        "a",
        "b",
        "totals",
        "layers",
        "changed_bounds",
        "only_in_a",
        "only_in_b",
        "findings",
    }
    assert set(data["a"]) >= {"label", "model", "device", "mode", "precision", "traffic", "totals"}
    assert (data["a"]["label"], data["b"]["label"]) == ("resnet50", "mobilenet_v2")
    keys = {"name_a", "name_b", "op_type", "time_a_s", "time_b_s", "difference_s", "limited_by_a", "limited_by_b",
            "changed"}  # fmt: skip
    assert all(set(layer) >= keys for layer in data["layers"])
