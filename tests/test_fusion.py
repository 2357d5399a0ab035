"""What fuses, on small graphs whose bytes are worked out by hand. All tensors are float32 unless a test says so."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import build_model, true_bindings
from onnx import TensorProto, helper

import roofline


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def groups(model: onnx.ModelProto, **options: Any) -> list[tuple[list[str], int, int]]:
    """(nodes, bytes read, bytes written) of each layer that is counted."""
    layers = roofline.analyze(model, **options).layers
    return [(x["nodes"], x["bytes_read"], x["bytes_written"]) for x in layers if x["status"] == "counted"]


def f32(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def test_a_convolution_takes_bias_normalisation_activation_and_residual() -> None:
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c s b m v", "n"),
        node("Relu", "n", "r"),
        node("Add", "r x", "y"),
    ]
    four = f32(4)
    model = build_model(
        nodes, {"x": [1, 4, 8, 8]}, ["y"], {"w": f32(4, 4, 3, 3), "s": four, "b": four, "m": four, "v": four}
    )
    assert groups(model) == [(["c", "n", "r", "y"], 4 * (256 + 144 + 16), 4 * 256)]
    layer = roofline.analyze(model).layers[0]
    assert layer["pattern"] == "Conv+BatchNormalization+Relu+Add"
    assert layer["saved_bytes"] == 4 * 256 * (
        2 + 2 + 2 + 1
    )  # c, n, r are neither written nor read again, x is read once less


def test_a_gate_that_depends_on_the_tensor_it_scales_is_a_kernel_of_its_own() -> None:
    """Squeeze and excite: the product cannot run before the average over what it scales."""
    nodes = [
        node("Conv", "x w", "c"),
        node("GlobalAveragePool", "c", "p"),
        node("Conv", "p u", "g"),
        node("Sigmoid", "g", "s"),
        node("Mul", "c s", "y"),
    ]
    model = build_model(nodes, {"x": [1, 4, 8, 8]}, ["y"], {"w": f32(4, 4, 1, 1), "u": f32(4, 4, 1, 1)})
    assert groups(model) == [
        (["c"], 4 * (256 + 16), 4 * 256),
        (["p"], 4 * 256, 16),
        (["g", "s"], 16 + 64, 16),
        (["y"], 4 * 256 + 16, 4 * 256),
    ]


def test_normalisation_and_softmax_out_of_primitives_are_one_pass() -> None:
    norm = [
        node("ReduceMean", "x", "mean", axes=[-1]),
        node("Sub", "x mean", "d"),
        node("Pow", "d two", "q"),
        node("ReduceMean", "q", "var", axes=[-1]),
        node("Add", "var eps", "ve"),
        node("Sqrt", "ve", "sd"),
        node("Div", "d sd", "n"),
        node("Mul", "n g", "ng"),
        node("Add", "ng b", "y"),
    ]
    scalars = {"two": np.float32(2), "eps": np.float32(1e-5)}
    arrays = {k: np.asarray(v) for k, v in scalars.items()} | {"g": f32(16), "b": f32(16)}
    model = build_model(norm, {"x": [8, 16]}, ["y"], arrays)
    ((names, read, written),) = groups(model)
    assert len(names) == 9 and (read, written) == (4 * (128 + 16 + 16 + 2), 4 * 128)
    softmax = [
        node("ReduceMax", "x", "m", axes=[-1]),
        node("Sub", "x m", "d"),
        node("Exp", "d", "e"),
        node("ReduceSum", "e axis", "s"),
        node("Div", "e s", "y"),
    ]
    model = build_model(softmax, {"x": [8, 16]}, ["y"], {"axis": np.array([-1], np.int64)})
    ((names, read, written),) = groups(model)
    assert len(names) == 5 and (read, written) == (4 * 128 + 8, 4 * 128)
    rms = [
        node("Pow", "x two", "q"),
        node("ReduceMean", "q", "ms", axes=[-1]),
        node("Add", "ms eps", "me"),
        node("Sqrt", "me", "r"),
        node("Div", "x r", "n"),
        node("Mul", "n g", "y"),
    ]
    ((names, read, written),) = groups(build_model(rms, {"x": [8, 16]}, ["y"], arrays))
    assert len(names) == 6 and (read, written) == (4 * (128 + 16 + 2), 4 * 128)


def test_a_quantised_tensor_crosses_as_int8() -> None:
    quantise = {"s": np.asarray(np.float32(0.1)), "z": np.asarray(np.int8(0))}
    nodes = [
        node("QuantizeLinear", "x s z", "xq"),
        node("DequantizeLinear", "xq s z", "xd"),
        node("DequantizeLinear", "wq s z", "wd"),
        node("Conv", "xd wd", "c"),
        node("Relu", "c", "r"),
        node("QuantizeLinear", "r s z", "rq"),
        node("DequantizeLinear", "rq s z", "y"),
    ]
    model = build_model(nodes, {"x": [1, 4, 8, 8]}, ["y"], {**quantise, "wq": np.ones((4, 4, 1, 1), np.int8)})
    first, second = groups(model)
    assert first == (["xq", "xd"], 4 * 256 + 5, 256)
    assert second[1:] == (256 + 16 + 5, 256 * 4)  # the graph's output is dequantised in the same kernel


def test_parts_of_a_concat_are_written_in_place_unless_something_else_reads_them() -> None:
    def branch(w: str, out: str) -> list[onnx.NodeProto]:
        return [node("Conv", f"x {w}", f"c{out}"), node("Relu", f"c{out}", out)]

    joined = [*branch("w1", "a"), *branch("w2", "b"), node("Concat", "a b", "j", axis=1), node("Neg", "j", "y")]
    weights = {"w1": f32(4, 4, 1, 1), "w2": f32(4, 4, 3, 3)}
    pads = build_model(joined, {"x": [1, 4, 8, 8]}, ["y"], {**weights, "w2": f32(4, 4, 1, 1)})
    found = {tuple(names): (read, written) for names, read, written in groups(pads)}
    assert ("j",) not in found and found["y",] == (4 * 512, 4 * 512)
    shared = [*joined[:-1], node("Add", "a b", "y")]
    model = build_model(shared, {"x": [1, 4, 8, 8]}, ["y", "j"], {**weights, "w2": f32(4, 4, 1, 1)})
    found = {tuple(names): (read, written) for names, read, written in groups(model)}
    assert found["j",] == (4 * 512, 4 * 512)


def test_a_cache_grows_in_place() -> None:
    """past (1, 2, 7, 16) and one new row: attention reads 8 rows of K and V, and one row of each is written."""
    nodes = [
        node("MatMul", "x wq", "q"), node("MatMul", "x wk", "k0"), node("MatMul", "x wv", "v0"),
        node("Reshape", "q heads", "q1"), node("Transpose", "q1", "q2", perm=[0, 2, 1, 3]),
        node("Reshape", "k0 heads", "k1"), node("Transpose", "k1", "k2", perm=[0, 2, 1, 3]),
        node("Reshape", "v0 heads", "v1"), node("Transpose", "v1", "v2", perm=[0, 2, 1, 3]),
        node("Concat", "past_k k2", "present_k", axis=2), node("Concat", "past_v v2", "present_v", axis=2),
        node("Transpose", "present_k", "kt", perm=[0, 1, 3, 2]),
        node("MatMul", "q2 kt", "scores"), node("Softmax", "scores", "p"), node("MatMul", "p present_v", "o"),
        node("Transpose", "o", "o1", perm=[0, 2, 1, 3]), node("Reshape", "o1 flat", "y"),
    ]  # fmt: skip
    weights = {f"w{c}": f32(32, 32) for c in "qkv"}
    shapes = {"heads": np.array([1, 1, 2, 16], np.int64), "flat": np.array([1, 1, 32], np.int64)}
    inputs = {"x": [1, 1, 32], "past_k": [1, 2, 7, 16], "past_v": [1, 2, 7, 16]}
    model = build_model(nodes, inputs, ["y", "present_k", "present_v"], {**weights, **shapes})
    onnxruntime.InferenceSession(model.SerializeToString())
    found = {names[0]: (read, written) for names, read, written in groups(model)}
    assert found["q"] == (4 * (32 + 3 * 32 * 32), 4 * 3 * 32)  # one product for Q, K and V
    assert found["k1"] == found["v1"] == (4 * 32, 4 * 32)
    assert found["q1"] == (4 * (32 + 2 * 2 * 8 * 16), 4 * 32)


def test_what_something_else_reads_is_written() -> None:
    """The scores are an output too: no flash attention then."""
    nodes = [node("MatMul", "q k", "s"), node("Softmax", "s", "p"), node("MatMul", "p v", "y")]
    inputs = {"q": [2, 8, 4], "k": [2, 4, 8], "v": [2, 8, 4]}
    assert len(groups(build_model(nodes, inputs, ["y"]))) == 1
    assert len(groups(build_model(nodes, inputs, ["y", "p"]))) == 3


def test_layers_add_up_under_every_model() -> None:
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "a"), node("Relu", "a", "y")]
    model = build_model(nodes, {"x": [4, 8]}, ["y"], {"w": f32(8, 8), "b": f32(8)})
    counted = {t: roofline.analyze(model, traffic=t).totals for t in ("fused", "unfused", "ideal")}
    assert {t["flops"] for t in counted.values()} == {2 * 4 * 64 + 32 + 32}
    assert [counted[t]["bytes"] for t in ("unfused", "fused", "ideal")] == [
        4 * ((32 + 64 + 32) + (32 + 8 + 32) + (32 + 32)), 4 * (32 + 64 + 8 + 32), 4 * (32 + 64 + 8 + 32),
    ]  # fmt: skip


def test_nodes_of_a_loop_are_not_fused() -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("MatMul", "h w", "m"), node("Relu", "m", "h2"), node("Identity", "c", "c2")], "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("h", TensorProto.FLOAT, None)],
        [value("c2", TensorProto.BOOL, []), value("h2", TensorProto.FLOAT, None)],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["trips", "go", "x"], ["y"], name="repeat", body=body)
    constants = {"trips": np.array(3, np.int64), "go": np.array(True), "w": f32(6, 6)}
    model = build_model([loop], {"x": [4, 6]}, ["y"], constants)
    assert groups(model) == groups(model, traffic="unfused")


DATA = Path(__file__).parent / "data"
FILES = [*sorted((DATA / "models").glob("*.onnx")), *sorted((DATA / "exports").glob("*.onnx"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_on_real_files(path: Path) -> None:
    """Every node in one layer; equal work under every model; ideal <= fused <= unfused; no kernel waits for itself."""
    bindings = true_bindings(path.stem) if path.parent.name == "models" else None
    found = {t: roofline.analyze(path, bindings=bindings, traffic=t) for t in ("ideal", "fused", "unfused")}
    fused = found["fused"]
    named = [label for layer in fused.layers for label in layer["nodes"]]
    assert sorted(named) == sorted(node.label for node in fused.graph.nodes)
    assert len({(a.totals["macs"], a.totals["flops"]) for a in found.values()}) == 1
    assert found["ideal"].totals["bytes"] <= fused.totals["bytes"] <= found["unfused"].totals["bytes"]
    assert all(layer["bytes_read"] >= 0 and layer["bytes_written"] >= 0 for layer in fused.layers)
    of = {label: i for i, layer in enumerate(fused.layers) for label in layer["nodes"]}
    maker = {t.name: of[n.label] for n in fused.graph.nodes for t in n.results}
    needs: dict[int, set[int]] = {}
    for node in fused.graph.nodes:
        mine = of[node.label]
        needs.setdefault(mine, set()).update(maker[r] for r in node.reads if r in maker and maker[r] != mine)
    tuple(TopologicalSorter(needs).static_order())  # raises CycleError


def test_only_what_is_picked_out_of_a_tensor_is_read() -> None:
    """A mask (1024, 1024) cut to (16, 16) in front of attention: 1 KiB of it is read, not 4 MiB."""
    nodes = [
        node("Slice", "mask zero end axes", "m"),
        node("MatMul", "q k", "s"), node("Add", "s m", "sm"), node("Softmax", "sm", "p"), node("MatMul", "p v", "y"),
    ]  # fmt: skip
    constants = {"zero": np.zeros(2, np.int64), "end": np.full(2, 16, np.int64), "axes": np.arange(2)}
    inputs = {"q": [16, 8], "k": [8, 16], "v": [16, 8], "mask": [1024, 1024]}
    ((names, read, written),) = groups(build_model(nodes, inputs, ["y"], constants))
    assert len(names) == 5
    assert (read, written) == (4 * (3 * 128 + 256) + 3 * 16, 4 * 128)
    ideal = roofline.analyze(build_model(nodes, inputs, ["y"], constants), traffic="ideal")
    assert ideal.totals["bytes"] == 4 * (3 * 128 + 256 + 128) + 3 * 16


def test_contractions_share_a_kernel_only_if_nothing_else_differs_at_run_time() -> None:
    """The second product adds what a softmax over the first one gives: it has to wait."""
    nodes = [node("Gemm", "x u", "a"), node("Softmax", "a", "s"), node("Gemm", "x w s", "y")]
    model = build_model(nodes, {"x": [8, 8]}, ["y"], {"u": f32(8, 8), "w": f32(8, 8)})
    assert [names for names, _, _ in groups(model)] == [["a"], ["s"], ["y"]]


def test_two_inputs_joined_are_no_cache_unless_something_looks_up_in_them() -> None:
    nodes = [node("Relu", "x", "r"), node("Concat", "img r", "y", axis=1)]
    model = build_model(nodes, {"x": [4, 8], "img": [4, 800]}, ["y"])
    assert groups(model)[1][1:] == (4 * 3200, 4 * 3200)  # the Relu writes its part in place
    assert roofline.analyze(model).totals["kv_cache_bytes"] == 0


def test_a_part_that_is_an_output_too_is_copied() -> None:
    nodes = [
        node("Relu", "x", "y"),
        node("Reshape", "y s", "v"),
        node("Concat", "v z", "j", axis=0),
        node("Neg", "j", "o"),
    ]
    model = build_model(nodes, {"x": [8, 8], "z": [64]}, ["y", "o"], {"s": np.array([64], np.int64)})
    found = {tuple(names): (read, written) for names, read, written in groups(model)}
    assert found["j",] == (4 * 128, 4 * 128)


def test_an_operand_that_is_read_twice_counts_once() -> None:
    model = build_model([node("Mul", "x x", "y")], {"x": [8, 8]}, ["y"])
    assert {roofline.analyze(model, traffic=t).totals["bytes"] for t in ("ideal", "fused", "unfused")} == {512}


def test_the_bound_is_below_the_roofline_while_decoding() -> None:
    nodes = [
        node("Relu", "k", "k1"), node("Concat", "past k1", "present", axis=1), node("MatMul", "q present", "s"),
        node("Softmax", "s", "p"), node("MatMul", "p v", "y"),
    ]  # fmt: skip
    inputs = {"k": [64, 1], "past": [64, 9999], "q": [1, 64], "v": [10000, 64]}
    model = build_model(nodes, inputs, ["y", "present"])
    moved = {t: roofline.analyze(model, traffic=t).totals["bytes"] for t in ("ideal", "fused", "unfused")}
    assert moved["ideal"] <= moved["fused"] < moved["unfused"]
    totals = roofline.analyze(model, "orin-agx").totals
    assert totals["bound_time_s"] <= totals["roofline_time_s"]
