"""Measured layers joined to a model's: by name, by what a runtime fused, by order; on nodes and on groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import build_model
from onnx import helper

import roofline
from roofline.analysis import Analysis
from roofline.errors import MeasurementError
from roofline.measured.formats import import_files
from roofline.measured.formats.common import Options
from roofline.measured.join import Joined, join_layers
from roofline.measured.record import Measurement

DATA = Path(__file__).parents[1] / "data" / "imports"


def small_model() -> onnx.ModelProto:
    """conv1, relu1, sig, mul (of relu1 and sig), pool, flat, fc; fused: [conv1 relu1 sig mul], [pool flat], [fc]."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["relu1_out"], name="relu1"),
        helper.make_node("Sigmoid", ["relu1_out"], ["s"], name="sig"),
        helper.make_node("Mul", ["relu1_out", "s"], ["m"], name="mul"),
        helper.make_node("GlobalAveragePool", ["m"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "v"], ["y"], name="fc"),
    ]
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "v": np.ones((4, 10), np.float32)}
    return build_model(nodes, {"x": [1, 3, 8, 8]}, ["y"], weights)


def analysis(traffic: str = "unfused") -> Analysis:
    return roofline.analyze(small_model().SerializeToString(), traffic=traffic)


def row(
    layer: str, time_ms: float = 1.0, op_type: str = "", nodes: tuple[str, ...] = (), shape: str = ""
) -> Measurement:
    return Measurement("net", layer=layer, time_s=time_ms / 1e3, op_type=op_type, nodes=nodes, input_shape=shape)


def blocks(joined: Joined, of: Analysis) -> list[tuple[list[str], set[str], str]]:
    """Layers of the run, labels of the model's layers, and the evidence."""
    return [
        ([r.layer for r in block.rows], {of.layer_counts[at].node.label for at in block.layers}, block.how)
        for block in joined.blocks
    ]


def codes(joined: Joined) -> set[str]:
    return {finding.code for finding in joined.findings}


def test_by_the_names_of_nodes() -> None:
    model = analysis()
    names = ["conv1", "relu1", "sig", "mul", "pool", "flat", "fc"]
    joined = join_layers([row(name) for name in names], model)
    counted = [name for name in names if name != "flat"]
    assert blocks(joined, model) == [([name], {name}, "name") for name in counted]
    assert [r.layer for r in joined.free] == ["flat"]  # a view
    assert joined.share_of_layers == 1 and joined.share_of_time == pytest.approx(6 / 7)
    assert joined.unmatched == () and joined.unmeasured == ()


def test_nodes_of_one_group_add_up() -> None:
    model = analysis("fused")
    joined = join_layers([row("conv1", 4), row("relu1", 2), row("sig", 1), row("mul", 1), row("fc", 2)], model)
    assert [[r.layer for r in block.rows] for block in joined.blocks] == [["conv1", "relu1", "sig", "mul"], ["fc"]]
    assert [block.time_s for block in joined.blocks] == pytest.approx([0.008, 0.002])
    assert all(len(block.layers) == 1 for block in joined.blocks)
    assert joined.share_of_time == 1 and joined.share_of_layers == pytest.approx(2 / 3)
    assert "layers-unmeasured" in codes(joined)


def test_what_tensorrt_fuses_is_one_block() -> None:
    model = analysis()
    rows = [
        row("Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", 0.5),
        row("conv1 + relu1", 4),
        row("PWN(PWN(sig), mul)", 1),
        row("{ForeignNode[pool...fc]}", 2.5),
        row("something else", 2),
    ]
    joined = join_layers(rows, model, "m.csv")
    assert blocks(joined, model) == [
        (["conv1 + relu1"], {"conv1", "relu1"}, "nodes"),
        (["PWN(PWN(sig), mul)"], {"sig", "mul"}, "nodes"),
        (["{ForeignNode[pool...fc]}"], {"pool", "fc"}, "region"),
    ]
    assert joined.share_of_time == pytest.approx(0.75) and joined.share_of_layers == 1
    assert [r.layer for r in joined.own] == [rows[0].layer] and [r.layer for r in joined.unmatched] == [rows[4].layer]
    (unmatched,) = [f for f in joined.findings if f.code == "layers-unmatched"]
    assert "20.0% of the time" in unmatched.message and unmatched.where == "m.csv: something else"


def test_the_nodes_that_a_tool_lists_go_before_its_name() -> None:
    model = analysis()
    joined = join_layers([row("conv1", nodes=("conv1", "relu1")), row("kernel_17", nodes=("fc",))], model)
    assert blocks(joined, model) == [(["conv1"], {"conv1", "relu1"}, "nodes"), (["kernel_17"], {"fc"}, "nodes")]


def test_a_runtime_that_fuses_across_groups_makes_one_block_of_them() -> None:
    model = analysis("fused")
    joined = join_layers([row("sig + mul + pool", 3), row("conv1 + relu1", 5), row("fc", 2)], model)
    first, second = joined.blocks
    assert {r.layer for r in first.rows} == {"sig + mul + pool", "conv1 + relu1"} and len(first.layers) == 2
    assert first.time_s == pytest.approx(0.008) and [r.layer for r in second.rows] == ["fc"]


def test_a_name_made_of_a_tensor_reaches_back_to_the_operator() -> None:
    model = analysis()
    joined = join_layers([row("relu1_out_nchwc", 1, "Conv"), row("fc", 1, "Gemm")], model)
    assert blocks(joined, model)[0] == (["relu1_out_nchwc"], {"conv1", "relu1"}, "nodes")


def test_new_names_are_placed_by_order_operator_and_shape() -> None:
    model = analysis()
    rows = [row("conv1"), row("k1", op_type="Mul", shape="1x4x8x8"), row("k2", op_type="GlobalAveragePool"), row("fc")]
    joined = join_layers(rows, model)
    assert [b[1] for b in blocks(joined, model)] == [{"conv1"}, {"mul"}, {"pool"}, {"fc"}]
    assert [block.how for block in joined.blocks] == ["name", "order", "order", "name"]
    assert "joined-by-order" in codes(joined)
    other = join_layers([row("conv1"), row("k1", op_type="Mul", shape="1x9x8x8"), row("fc")], model)
    assert [r.layer for r in other.unmatched] == ["k1"]
    late = join_layers([row("fc"), row("k1", op_type="Mul")], model)  # mul is not after fc
    assert [r.layer for r in late.unmatched] == ["k1"]


def test_the_second_layer_of_a_name_is_the_second_node_of_it() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"], name="r"), helper.make_node("Relu", ["a"], ["y"], name="r")]
    model = roofline.analyze(build_model(nodes, {"x": [4]}, ["y"]).SerializeToString(), traffic="unfused")
    joined = join_layers([row("r", 1), row("r #2", 2)], model)
    assert [(block.layers, block.time_s) for block in joined.blocks] == [((0,), 0.001), ((1,), 0.002)]


def test_a_run_of_another_model_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        join_layers([row("layer4/conv")._replace(line=9), row("k")], analysis(), "m.csv")
    message = str(caught.value)
    assert "m.csv: row 9, column layer" in message and "'layer4/conv'" in message and "conv1" in message


def test_layers_of_one_run_only() -> None:
    with pytest.raises(MeasurementError, match="no layer with a time"):
        join_layers([Measurement("net", time_s=1.0)], analysis())
    with pytest.raises(MeasurementError, match="several runs"):
        join_layers([row("conv1"), row("conv1")._replace(power_mode="MAXN")], analysis())


@pytest.mark.parametrize("traffic", ["fused", "unfused"])
def test_files_of_two_runtimes_fit_the_model_whole(traffic: str) -> None:
    model = analysis(traffic)
    for form, names in (("trtexec", ["trt_profile.json", "trt_layers.json"]), ("ort", ["ort_profile.json"])):
        found = import_files(form, [DATA / name for name in names], Options(Measurement("net")))
        joined = join_layers(found.rows, model)
        assert not joined.unmatched, form
        if form == "trtexec":
            assert joined.share_of_layers == 1 and joined.share_of_time == pytest.approx(0.8 / 0.9)


# a run of another model


def ort(layer: str, op_type: str, shape: str = "", time_ms: float = 1.0) -> Measurement:
    return row(layer, time_ms, op_type, shape=shape)._replace(runtime="ort-cpu")


WHOLE = (ort("conv1", "Conv", "1x3x8x8"), ort("relu1", "Relu", "1x4x8x8"), ort("sig", "Sigmoid", "1x4x8x8"))


def test_a_row_whose_operator_or_shape_contradicts_the_node_of_its_name_is_not_joined() -> None:
    model = analysis()
    joined = join_layers([*WHOLE, ort("mul", "Relu", "1x4x8x8", 0.4)], model, "m.csv")
    assert [b[0] for b in blocks(joined, model)] == [["conv1"], ["relu1"], ["sig"]]
    (said,) = [f for f in joined.findings if f.code == "layers-contradict"]
    assert said.where == "m.csv: mul" and "Relu of 1x4x8x8 in the run and Mul of 1x4x8x8 in the model" in said.message
    joined = join_layers([*WHOLE, ort("pool", "GlobalAveragePool", "1x4x16x16", 0.4)], model)
    assert [r.layer for r in joined.unmatched] == ["pool"]


@pytest.mark.parametrize(
    "other",
    [
        ort("mul", "Mul", "1x8x8x4"),  # channels last
        ort("mul", "Mul", "1x8x8x8"),  # four channels in a block of eight
        ort("mul", "Mul", "4x64"),  # merged
        ort("mul", "Mul", "batchx4x8x8"),  # not known
        ort("mul", "Mul", "x:1x9x9x9"),  # the shape of the model's input, by its name
        ort("mul", "FancyFusedMul", "1x4x8x8"),  # an operator of the runtime's own
        row("mul", 1, "PointWise", shape="1x4x8x8")._replace(runtime="tensorrt"),
        row("mul", 1, "Softmax", shape="1x4x8x8")._replace(runtime="tensorrt"),  # a type of TensorRT's, no operator
        ort("fc", "FusedGemm", "1x4"),
        ort("relu1_out_nchwc", "Conv", "1x3x8x8"),
    ],
)
def test_other_layouts_and_fused_operators_do_not_contradict(other: Measurement) -> None:
    rows = [row._replace(runtime=other.runtime) for row in WHOLE[other.layer.endswith("nchwc") :]]
    joined = join_layers([*rows, other], analysis())
    assert joined.unmatched == () and joined.share_of_time == 1


def test_one_shape_in_all_rows_is_that_of_the_models_input() -> None:
    joined = join_layers([row(name, shape="4x3x16x16") for name in ("conv1", "relu1", "fc")], analysis())
    assert joined.share_of_time == 1


def test_a_made_up_name_that_contradicts_is_placed_by_order() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Tanh", ["a"], ["b"]),
             helper.make_node("Relu", ["b"], ["y"])]  # fmt: skip
    model = roofline.analyze(build_model(nodes, {"x": [4]}, ["y"]).SerializeToString(), traffic="unfused")
    joined = join_layers([ort("Relu_0", "Relu"), ort("Tanh_1", "Tanh"), ort("Relu_1", "Relu")], model)
    assert blocks(joined, model)[2] == (["Relu_1"], {"Relu_2"}, "order")


def test_less_than_half_of_the_time_is_another_model() -> None:
    rows = [ort("conv1", "Conv", "1x3x8x8", 4.9), ort("layer9", "Conv", "1x3x8x8", 5.1)._replace(line=7)]
    with pytest.raises(MeasurementError) as caught:
        join_layers(rows, analysis(), "m.csv")
    message = str(caught.value)
    # 4.9 of 10 ms; one of the six counted layers
    assert "only 49.0% of the time of the run's layers and 16.7% of the model's counted layers fit" in message
    assert "m.csv: row 7, column layer" in message and "'layer9'" in message
    copy = ort("ReorderInput", "ReorderInput", time_ms=90)  # the runtime's own: not held against the model
    enough = [rows[0]._replace(time_s=5.1e-3), rows[1]._replace(time_s=4.9e-3), copy]
    assert join_layers(enough, analysis()).share_of_time == pytest.approx(0.051)


def test_layers_that_are_free_in_the_model_are_in_the_model() -> None:
    joined = join_layers([ort("fc", "Gemm", "1x4", 1), ort("flat", "Flatten", "1x4x1x1", 9)], analysis())
    assert joined.share_of_time == pytest.approx(0.1) and [r.layer for r in joined.free] == ["flat"]


def test_names_in_common_with_other_shapes_are_another_model() -> None:
    rows = [*WHOLE, ort("mul", "Mul", "1x4x16x16", 1.2)]  # 1.2 of 4.2 ms
    with pytest.raises(MeasurementError, match=r"only 71\.4% .* Mul of 1x4x16x16 in the run and Mul of 1x4x8x8"):
        join_layers(rows, analysis())


def test_a_batch_normalisation_that_onnxruntime_runs_as_a_conv() -> None:
    scale = {name: np.ones(4, np.float32) for name in ("s", "b", "m", "v")}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["p", "s", "b", "m", "v"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["y"], name="relu"),
    ]
    model = build_model(nodes, {"x": [1, 3, 8, 8]}, ["y"], {"w": np.ones((4, 3, 3, 3), np.float32), **scale})
    of = roofline.analyze(model.SerializeToString(), traffic="unfused")
    rows = [
        ort("c_nchwc", "Conv", "1x3x8x8"),
        ort("p_nchwc", "MaxPool", "1x4x8x8"),
        ort("y_bn_nchwc", "Conv", "1x4x4x4"),
    ]
    assert blocks(join_layers(rows, of), of)[2] == (["y_bn_nchwc"], {"norm", "relu"}, "nodes")
