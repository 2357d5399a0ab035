"""Control flow: bodies times trips, the costlier branch, nesting; every model is valid in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import build_model
from onnx import TensorProto, helper

import roofline

F, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
W = np.ones((6, 6), np.float32)


def value(name: str, dtype: int = F, shape: Any = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def loop_body(inner: list[onnx.NodeProto] | None = None) -> onnx.GraphProto:
    """carried (4, 6) @ w; the step is scanned out too."""
    nodes = inner or [helper.make_node("MatMul", ["h", "w"], ["h2"], name="mm")]
    nodes = [*nodes, helper.make_node("Identity", ["cond_in"], ["cond_out"]), helper.make_node("Relu", ["h2"], ["s"])]
    return helper.make_graph(
        nodes,
        "body",
        [value("i", I64, []), value("cond_in", BOOL, []), value("h")],
        [value("cond_out", BOOL, []), value("h2"), value("s")],
    )


def loop_model(trips: int | None = 10, body: onnx.GraphProto | None = None) -> onnx.ModelProto:
    node = helper.make_node("Loop", ["m", "go", "x"], ["y", "steps"], name="repeat", body=body or loop_body())
    constants = {"w": W, "go": np.array(True)}
    if trips is not None:
        constants["m"] = np.array(trips, np.int64)
    model = build_model([node], {"x": [4, 6]}, ["y", "steps"], constants)
    if trips is None:
        model.graph.input.append(value("m", I64, []))
    return model


def run(model: onnx.ModelProto, **feeds: Any) -> list[tuple[int, ...]]:
    feeds = feeds or {"x": np.zeros((4, 6), np.float32)}
    return [v.shape for v in onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)]


def shapes(analysis: roofline.Analysis) -> list[Any]:
    return [analysis.graph.tensors[name].shape for name in analysis.graph.outputs]


def test_a_loop_counts_its_body_times_its_trips() -> None:
    model = loop_model(10)
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == 10 * 4 * 6 * 6
    assert analysis.totals["flops"] == 10 * (2 * 144 + 24)
    assert shapes(analysis) == run(model) == [(4, 6), (10, 4, 6)]
    names = {layer["name"]: layer for layer in analysis.layers}
    assert names["repeat/mm"]["macs"] == 1440
    assert names["repeat"]["status"] == "free" and "control flow" in names["repeat"]["reason"]


def test_weights_of_a_loop_are_read_once_if_a_cache_holds_them() -> None:
    """16 KB of weights; then 16 MB against 4 MB of cache."""
    small = roofline.analyze(loop_model(10), "orin-agx").layers
    moved = next(layer for layer in small if layer["name"] == "repeat/mm")
    assert moved["bytes_read"] == W.nbytes + 10 * 4 * 6 * 4
    wide = np.zeros((2048, 2048), np.float32)
    model = build_model(
        [helper.make_node("Loop", ["m", "go", "x"], ["y", "s"], name="repeat", body=loop_body())],
        {"x": [4, 2048]}, ["y"], {"w": wide, "go": np.array(True), "m": np.array(10, np.int64)},
    )  # fmt: skip
    large = next(layer for layer in roofline.analyze(model, "orin-agx").layers if layer["name"] == "repeat/mm")
    assert large["bytes_read"] == 10 * (wide.nbytes + 4 * 2048 * 4)
    assert large["weight_bytes_read"] == wide.nbytes


def test_an_unknown_trip_count_is_asked_for_by_name() -> None:
    model = loop_model(None)
    analysis = roofline.analyze(model)
    finding = next(f for f in analysis.findings if f.code == "trips-unknown")
    assert finding.hint == "bind it: --bind 'repeat.trips=10'" and finding.strict
    assert analysis.totals["macs"] == 0 and analysis.coverage["nodes_unsupported"] == 2  # views stay free
    bound = roofline.analyze(model, bindings={"repeat.trips": 7})
    assert bound.totals["macs"] == 7 * 144
    assert shapes(bound) == run(model, x=np.zeros((4, 6), np.float32), m=np.array(7)) == [(4, 6), (7, 4, 6)]


def test_a_loop_in_a_loop() -> None:
    inner = helper.make_node("Loop", ["m3", "go", "h"], ["h2"], name="inner", body=helper.make_graph(
        [helper.make_node("MatMul", ["k", "w"], ["k2"], name="deep"), helper.make_node("Identity", ["c"], ["c2"])],
        "inner", [value("j", I64, []), value("c", BOOL, []), value("k")], [value("c2", BOOL, []), value("k2")],
    ))  # fmt: skip
    model = loop_model(10, loop_body([inner]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(3, np.int64), "m3"))
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == 10 * 3 * 144
    assert "repeat/inner/deep" in {layer["name"] for layer in analysis.layers}
    assert shapes(analysis) == run(model)


def if_model(condition: Any = None) -> onnx.ModelProto:
    def branch(name: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
        return helper.make_graph(nodes, name, [], [value("out")])

    then = branch("then", [helper.make_node("MatMul", ["x", "w"], ["t"], name="once"),
                           helper.make_node("MatMul", ["t", "w"], ["out"], name="twice")])  # fmt: skip
    other = branch("else", [helper.make_node("Relu", ["x"], ["out"], name="cheap")])
    node = helper.make_node("If", ["c"], ["y"], name="choose", then_branch=then, else_branch=other)
    constants = {"w": W} | ({} if condition is None else {"c": np.array(condition)})
    model = build_model([node], {"x": [4, 6]}, ["y"], constants)
    if condition is None:
        model.graph.input.append(value("c", BOOL, []))
    return model


def test_the_costlier_branch_counts_and_it_is_said() -> None:
    model = if_model()
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == 2 * 144
    assert "if-costlier-branch" in {f.code for f in analysis.findings}
    cheap = next(layer for layer in analysis.layers if layer["name"] == "choose/cheap")
    assert cheap["status"] == "free" and "cheaper branch" in cheap["reason"]
    assert shapes(analysis) == run(model, x=np.zeros((4, 6), np.float32), c=np.array(True))


@pytest.mark.parametrize(("condition", "macs"), [(True, 288), (False, 0)])
def test_a_known_condition_decides(condition: bool, macs: int) -> None:
    analysis = roofline.analyze(if_model(condition))
    assert analysis.totals["macs"] == macs
    assert "if-costlier-branch" not in {f.code for f in analysis.findings}


def test_a_scan_runs_once_per_element_of_what_it_scans() -> None:
    body = helper.make_graph(
        [helper.make_node("MatMul", ["state", "w"], ["p"]), helper.make_node("Add", ["p", "step"], ["next"]),
         helper.make_node("Identity", ["next"], ["seen"])],
        "body", [value("state", F, [2, 6]), value("step", F, [2, 6])],
        [value("next", F, [2, 6]), value("seen", F, [2, 6])],
    )  # fmt: skip
    node = helper.make_node("Scan", ["x0", "xs"], ["y", "ys"], name="scan", num_scan_inputs=1, body=body)
    model = build_model([node], {"x0": [2, 6], "xs": [9, 2, 6]}, ["y", "ys"], {"w": W})
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == 9 * 2 * 6 * 6 and analysis.totals["flops"] == 9 * (2 * 72 + 12)
    feeds = {"x0": np.zeros((2, 6), np.float32), "xs": np.zeros((9, 2, 6), np.float32)}
    assert shapes(analysis) == run(model, **feeds) == [(2, 6), (9, 2, 6)]


def test_deep_nesting_is_refused_not_followed() -> None:
    end = graph = helper.make_graph([helper.make_node("Identity", ["x"], ["out"])], "g", [], [value("out")])
    for _ in range(30):
        node = helper.make_node("If", ["c"], ["out"], then_branch=graph, else_branch=end)
        graph = helper.make_graph([node], "g", [], [value("out")])
    model = build_model(list(graph.node), {"x": [2]}, ["out"], {"c": np.array(True)})
    with pytest.raises(roofline.ShapeError, match="nested deeper"):
        roofline.analyze(model)


def mapped(source: onnx.NodeProto, inputs: dict[str, Any], **constants: Any) -> onnx.ModelProto:
    """source makes a sequence s; each element @ w, then all joined again."""
    body = helper.make_graph(
        [helper.make_node("MatMul", ["e", "w"], ["r"], name="mm")], "each", [value("e", F, [2, 6])], [value("r", F)]
    )
    nodes = [
        source,
        helper.make_node("SequenceMap", ["s"], ["t"], name="every", body=body),
        helper.make_node("ConcatFromSequence", ["t"], ["y"], axis=0),
    ]
    return build_model(nodes, inputs, ["y"], {"w": W, **constants})


@pytest.mark.parametrize(
    ("source", "inputs", "length"),
    [
        (helper.make_node("SequenceConstruct", ["x", "x", "x"], ["s"]), {"x": [2, 6]}, 3),
        (helper.make_node("SplitToSequence", ["x", "two"], ["s"], axis=0), {"x": [8, 6]}, 4),
        (helper.make_node("SplitToSequence", ["x", "twos"], ["s"], axis=0), {"x": [4, 6]}, 2),
    ],
)
def test_a_sequence_map_runs_once_per_element(source: onnx.NodeProto, inputs: dict[str, Any], length: int) -> None:
    model = mapped(source, inputs, two=np.array(2, np.int64), twos=np.array([2, 2], np.int64))
    (shape,) = run(model, x=np.zeros(inputs["x"], np.float32))
    assert shape == (2 * length, 6)
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == length * 2 * 6 * 6
    assert "trips-unknown" not in {finding.code for finding in analysis.findings}


def test_a_sequence_of_unknown_length_is_asked_for() -> None:
    model = mapped(helper.make_node("Identity", ["x"], ["s"]), {"x": [2, 6]})
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", F, [2, 6]))
    analysis = roofline.analyze(model)
    assert any("every.trips=10" in finding.hint for finding in analysis.findings)
    assert roofline.analyze(model, bindings={"every.trips": 5}).totals["macs"] == 5 * 2 * 36


def test_functions_nest_and_are_told_apart_by_overload() -> None:
    """f(x) = g(x) @ w; g has two overloads: one product, or two."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    once = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    twice = [helper.make_node("MatMul", ["a", "b"], ["t"]), helper.make_node("MatMul", ["t", "b"], ["c"])]
    functions = [
        helper.make_function("own", "G", ["a", "b"], ["c"], once, imports, overload="one"),
        helper.make_function("own", "G", ["a", "b"], ["c"], twice, imports, overload="two"),
    ]
    for overload, products in (("one", 2), ("two", 3)):
        call = helper.make_node("G", ["a", "b"], ["t"], domain="own", overload=overload)
        outer = helper.make_function(
            "own", "F", ["a", "b"], ["c"], [call, helper.make_node("MatMul", ["t", "b"], ["c"])], imports
        )
        node = helper.make_node("F", ["x", "w"], ["y"], domain="own")
        model = build_model([node], {"x": [4, 6]}, ["y"], {"w": W}, domains=("own",))
        model.functions.extend([*functions, outer])
        model.graph.output[0].CopyFrom(value("y", F, [4, 6]))
        onnx.checker.check_model(model)  # ONNX Runtime 1.31 does not know overloads
        assert roofline.analyze(model).totals["macs"] == products * 4 * 36


def test_an_optional_is_passed_on_for_free() -> None:
    nodes = [
        helper.make_node("Optional", ["x"], ["o"]),
        helper.make_node("OptionalGetElement", ["o"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["y"]),
    ]
    model = build_model(nodes, {"x": [4, 6]}, ["y"], {"w": W}, opset=18)
    assert run(model) == [(4, 6)]
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == 4 * 36 and analysis.coverage["nodes_unsupported"] == 0
    assert analysis.totals["bytes"] == 4 * (24 + 36 + 24)


def test_a_state_that_grows_is_counted_trip_by_trip() -> None:
    """kv (1, 16) gets one row per trip before it meets (16, 1): (2 + 3 + 4 + 5) * 16 MACs in four trips."""
    body = helper.make_graph(
        [
            helper.make_node("Concat", ["kv", "row"], ["kv2"], axis=0),
            helper.make_node("MatMul", ["kv2", "v"], ["s"]),
            helper.make_node("ReduceSum", ["s"], ["total"], keepdims=0),
            helper.make_node("Identity", ["cond"], ["cond2"]),
        ],
        "body",
        [value("i", I64, []), value("cond", BOOL, []), value("kv")],
        [value("cond2", BOOL, []), value("kv2"), value("total")],
    )
    node = helper.make_node("Loop", ["m", "go", "x"], ["y", "sums"], name="grow", body=body)
    constants = {
        "m": np.array(4, np.int64), "go": np.array(True), "row": np.ones((1, 16), np.float32),
        "v": np.ones((16, 1), np.float32),
    }  # fmt: skip
    model = build_model([node], {"x": [1, 16]}, ["y", "sums"], constants)
    assert run(model, x=np.zeros((1, 16), np.float32)) == [(5, 16), (4,)]
    analysis = roofline.analyze(model)
    assert analysis.totals["macs"] == (2 + 3 + 4 + 5) * 16
    assert shapes(analysis) == [(5, 16), (4,)]


@pytest.mark.parametrize(("go", "inside", "trips"), [(False, None, 0), (True, False, 1), (True, True, 10)])
def test_a_constant_condition_is_obeyed(go: bool, inside: bool | None, trips: int) -> None:
    model = loop_model(10)
    next(t for t in model.graph.initializer if t.name == "go").CopyFrom(
        onnx.numpy_helper.from_array(np.array(go), "go")
    )
    body = model.graph.node[0].attribute[0].g
    if inside is not None:
        position = next(i for i, n in enumerate(body.node) if n.output[0] == "cond_out")
        constant = onnx.numpy_helper.from_array(np.array(inside))
        body.node[position].CopyFrom(helper.make_node("Constant", [], ["cond_out"], value=constant))
    assert run(model)[1][0] == trips
    assert roofline.analyze(model).totals["macs"] == trips * 4 * 36


def test_a_condition_of_the_data_may_end_it_early() -> None:
    model = loop_model(10)
    body = model.graph.node[0].attribute[0].g
    position = next(i for i, n in enumerate(body.node) if n.output[0] == "cond_out")
    limit = helper.make_node("Constant", [], ["limit"], value=onnx.numpy_helper.from_array(np.array(5, np.int64)))
    body.node[position].CopyFrom(helper.make_node("Less", ["i", "limit"], ["cond_out"]))
    body.node.insert(0, limit)
    assert "loop-may-end-early" in {f.code for f in roofline.analyze(model).findings}


def test_two_ifs_of_one_name_choose_their_branches_apart() -> None:
    """One is costlier in its first branch, the other in its second: 4 * 36 MACs each."""

    def branch(name: str, has_product: bool) -> onnx.GraphProto:
        node = helper.make_node("MatMul", ["x", "w"], ["o"]) if has_product else helper.make_node("Relu", ["x"], ["o"])
        return helper.make_graph([node], name, [], [value("o")])

    nodes = [
        helper.make_node(
            "If", ["c"], ["a"], name="same", then_branch=branch("t", True), else_branch=branch("e", False)
        ),
        helper.make_node(
            "If", ["c"], ["b"], name="same", then_branch=branch("t", False), else_branch=branch("e", True)
        ),
    ]
    model = build_model(nodes, {"x": [4, 6]}, ["a", "b"], {"w": W})
    model.graph.input.append(value("c", BOOL, []))
    assert roofline.analyze(model).totals["macs"] == 2 * 4 * 36


def test_growing_loops_inside_each_other_do_not_multiply() -> None:
    """Four levels of 60 trips each: counted at the first trip's sizes inside, which is said."""

    def growing(inner: list[onnx.NodeProto]) -> onnx.GraphProto:
        nodes = [helper.make_node("Concat", ["h", "h"], ["h2"], axis=0), *inner,
                 helper.make_node("Identity", ["c"], ["c2"])]  # fmt: skip
        ins = [value("i", I64, []), value("c", BOOL, []), value("h")]
        return helper.make_graph(nodes, "body", ins, [value("c2", BOOL, []), value("h2")])

    inner: list[onnx.NodeProto] = []
    for level in range(4):
        inner = [helper.make_node("Loop", ["m", "go", "x"], [f"y{level}"], name=f"l{level}", body=growing(inner))]
    constants = {"m": np.array(5, np.int64), "go": np.array(True)}
    analysis = roofline.analyze(build_model(inner, {"x": [1, 6]}, ["y3"], constants))
    found = [f.where for f in analysis.findings if f.code == "loop-state-changes"]
    assert found and len(found) == len(set(found))


def test_an_if_inside_the_cheaper_branch_is_not_counted() -> None:
    """then: two products; else: an If of one product or none. Two products of 144 MACs run at most."""

    def graph(name: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
        return helper.make_graph(nodes, name, [], [value("o")])

    product, relu = helper.make_node("MatMul", ["x", "w"], ["o"]), helper.make_node("Relu", ["x"], ["o"])
    inner = helper.make_node("If", ["c"], ["o"], then_branch=graph("a", [product]), else_branch=graph("b", [relu]))
    twice = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("MatMul", ["p", "w"], ["o"])]
    outer = helper.make_node("If", ["c"], ["y"], then_branch=graph("t", twice), else_branch=graph("e", [inner]))
    model = build_model([outer], {"x": [4, 6]}, ["y"], {"w": W})
    model.graph.input.append(value("c", BOOL, []))
    run(model, x=np.zeros((4, 6), np.float32), c=np.array(False))
    assert roofline.analyze(model).totals["macs"] == 2 * 4 * 36


def doubling_ifs(depth: int, name: str = "") -> onnx.GraphProto:
    """A subgraph of Ifs in both branches of Ifs: 2^depth Relus below 2^depth - 1 Ifs."""
    node = helper.make_node("Relu", ["x"], [f"{name}o"])
    if depth:
        branches = {f"{kind}_branch": doubling_ifs(depth - 1, name + kind[0]) for kind in ("then", "else")}
        node = helper.make_node("If", ["c"], [f"{name}o"], **branches)
    return helper.make_graph([node], f"g{name}", [], [value(f"{name}o")])


def test_nested_bodies_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of strangers: reading each level's bodies anew, or a matrix of layers by layers, makes small files slow."""
    from roofline.graph import raw

    read = []
    real = raw.raw_node
    monkeypatch.setattr(raw, "raw_node", lambda node, index: read.append(node.name) or real(node, index))
    graph = doubling_ifs(9)
    graph.input.extend([value("c", BOOL, []), value("x", F, [4, 6])])
    found = roofline.analyze(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), "orin-agx")
    assert len(read) == 2**10 - 2  # all but the outermost If
    assert found.totals["flops"] == 24 and len(found.graph.nodes) == 2**10 - 1  # one Relu runs
