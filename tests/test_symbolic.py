"""Formulas: against hand arithmetic, and against plain analysis at sizes they were not found from."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import sympy
from conftest import build_model, model_path
from onnx import TensorProto, helper

import roofline
from roofline.cli.main import main
from roofline.formulas import Compiled, latex, text

COUNTS = ("macs", "flops", "bytes_read", "bytes_written", "bytes", "weight_bytes_read")


def free(model: onnx.ModelProto, **inputs: tuple[Any, ...]) -> onnx.ModelProto:
    """Give inputs free dimensions."""
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, inputs.get(value.name, ()), strict=False):
            dim.Clear()
            if isinstance(size, int):
                dim.dim_value = size
            elif size:
                dim.dim_param = size
    return model


def strided(channels: int = 8) -> onnx.ModelProto:
    """3x3 convolution, stride 2, padding 1: ceil(h/2) x ceil(w/2) results of 27 MACs per channel."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", strides=[2, 2], pads=[1, 1, 1, 1])
    weights = {"w": np.ones((channels, 3, 3, 3), np.float32)}
    return free(build_model([node], {"x": [1, 3, 8, 8]}, ["y"], weights), x=("n", 3, "h", "w"))


@pytest.mark.parametrize("name", ["bert_base", "gpt2"])
def test_a_transformers_formula_is_the_plain_analysis_at_20_bindings(name: str) -> None:
    formulas = roofline.symbolic(model_path(name))
    assert [s.name for s in formulas.symbols] == ["batch", "seq"] and not formulas.findings
    draw = random.Random(name)
    batch = [draw.randint(1, 64) for _ in range(20)]
    seq = [draw.randint(1, 512) for _ in range(20)]
    totals = formulas.evaluate({"batch": batch, "seq": seq})
    layers = formulas.evaluate_layers({"batch": batch, "seq": seq})
    for i, (b, s) in enumerate(zip(batch, seq, strict=True)):
        plain = roofline.analyze(model_path(name), bindings={"batch": b, "seq": s})
        for count in COUNTS:
            assert totals[count][i] == plain.totals[count], (count, b, s)
        for count in ("macs", "flops", "bytes_read", "bytes_written"):
            assert layers[count][:, i].tolist() == [layer[count] for layer in plain.layers], (count, b, s)


def test_berts_macs_by_hand() -> None:
    """12 layers: four 768 x 768 products and two of 768 x 3072 per token, QK^T and PV; the pooler once per sequence."""
    b, s = (sympy.Symbol(name, integer=True, positive=True) for name in ("batch", "seq"))
    per_token = 12 * (4 * 768**2 + 2 * 768 * 3072)
    expected = per_token * b * s + 12 * 2 * 768 * b * s**2 + 768**2 * b
    assert sympy.expand(roofline.symbolic(model_path("bert_base")).totals["macs"] - expected) == 0


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large", "shufflenet_v2_x1_0", "inception_v3"])
def test_pictures_of_any_size(name: str) -> None:
    model = onnx.load(model_path(name), load_external_data=False)
    weights = {tensor.name for tensor in model.graph.initializer}
    picture = next(value.name for value in model.graph.input if value.name not in weights)
    free(model, **{picture: ("batch", 3, "h", "w")})
    formulas = roofline.symbolic(model)
    assert not formulas.findings
    for sizes in ({"batch": 1, "h": 224, "w": 224}, {"batch": 3, "h": 301, "w": 447}, {"batch": 2, "h": 1080, "w": 97}):
        plain = roofline.analyze(model, bindings=sizes).totals
        assert {count: int(v) for count, v in formulas.evaluate(sizes).items() if count in COUNTS} == {
            count: plain[count] for count in COUNTS
        }


def test_a_strided_convolution_by_hand() -> None:
    formulas = roofline.symbolic(strided())
    assert text(formulas.totals["macs"]) == "216*n*ceil(h/2)*ceil(w/2)"
    assert latex(formulas.totals["macs"]) == (
        r"216 \cdot n \cdot \left\lceil \frac{h}{2} \right\rceil \cdot \left\lceil \frac{w}{2} \right\rceil"
    )
    session = onnxruntime.InferenceSession(strided().SerializeToString())
    for n, h, w in ((1, 8, 8), (2, 9, 13), (3, 31, 30)):
        out = session.run(None, {"x": np.zeros((n, 3, h, w), np.float32)})[0]
        values = formulas.evaluate({"n": n, "h": h, "w": w})
        assert values["macs"] == 27 * out.size
        assert values["bytes"] == 4 * (n * 3 * h * w + 8 * 27 + out.size)
    assert formulas.totals["parameters"] == 8 * 27


def test_bound_dimensions_become_numbers() -> None:
    formulas = roofline.symbolic(strided(), bindings={"h": 9, "x[3]": 8})
    assert text(formulas.totals["macs"]) == f"{216 * 5 * 4}*n"
    whole = roofline.symbolic(strided(), shapes={"x": (2, 3, 9, 8)})
    assert whole.symbols == () and whole.totals["macs"] == 2 * 216 * 5 * 4
    assert whole.evaluate({})["macs"] == 2 * 216 * 5 * 4


def test_unnamed_and_composed_dimensions() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = build_model([node], {"x": [4, 5]}, ["y"], {"w": np.ones((5, 7), np.float32)})
    formulas = roofline.symbolic(free(model, x=(None, 5)))
    assert [s.name for s in formulas.symbols] == ["x[0]"]
    assert formulas.evaluate({"x[0]": [1, 100]})["macs"].tolist() == [35, 3500]
    assert r"\mathrm{x[0]}" in formulas.latex()
    tokens = roofline.symbolic(free(model, x=("batch*(past + 1)", 5)))
    assert text(tokens.totals["macs"]) == "35*batch*(past + 1)"


def test_trips_of_a_loop_are_a_symbol() -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("MatMul", ["h", "w"], ["h2"]), helper.make_node("Identity", ["c"], ["c2"])], "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("h", TensorProto.FLOAT, None)],
        [value("c2", TensorProto.BOOL, []), value("h2", TensorProto.FLOAT, None)],
    )  # fmt: skip
    node = helper.make_node("Loop", ["", "go", "x"], ["y"], name="repeat", body=body)
    model = build_model([node], {"x": [4, 6]}, ["y"], {"go": np.array(True), "w": np.ones((6, 6), np.float32)})
    formulas = roofline.symbolic(free(model, x=("rows", 6)))
    assert sympy.expand(formulas.totals["macs"]) == sympy.expand(36 * formulas.symbols[0] * formulas.symbols[1])
    assert [s.name for s in formulas.symbols] == ["rows", "repeat.trips"] and not formulas.findings
    assert formulas.evaluate({"rows": 4, "repeat.trips": 10})["macs"] == 10 * 4 * 36


def test_a_model_for_multiples_only_says_so() -> None:
    """Halve, double, and add to the original: only an even size fits."""
    pool = helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2], strides=[2])
    up = helper.make_node("Resize", ["p", "", "s"], ["u"], mode="nearest")
    add = helper.make_node("Add", ["x", "u"], ["y"])
    model = build_model([pool, up, add], {"x": [1, 1, 8]}, ["y"], {"s": np.array([1, 1, 2], np.float32)})
    formulas = roofline.symbolic(free(model, x=(1, 1, "t")))
    assert "formula-for-multiples" in {f.code for f in formulas.findings}
    assert formulas.evaluate({"t": 128})["flops"] == roofline.analyze(model, bindings={"t": 128}).totals["flops"]


def test_values_of_any_size_stay_exact() -> None:
    x = sympy.Symbol("x", integer=True, positive=True)
    found = Compiled([x**3 + 1, sympy.floor((x - 3) / 4), sympy.ceiling(x / 3), x * (x + 1) / 2, sympy.Max(x, 7)], [x])
    sizes = [1, 10**9 + 7, 2]
    assert [list(map(int, values)) for values in found({"x": sizes})] == [
        [n**3 + 1 for n in sizes],
        [(n - 3) // 4 for n in sizes],
        [-(-n // 3) for n in sizes],
        [n * (n + 1) // 2 for n in sizes],
        [max(n, 7) for n in sizes],
    ]
    assert found({"x": 5})[0].dtype == np.int64


def test_crossover_points_are_where_plain_analysis_changes_its_mind() -> None:
    crossings = roofline.symbolic(model_path("resnet50"), "orin-agx", mode="50W").crossovers
    found = {c.name: c for c in crossings}
    changing = [c for c in crossings if c.changes]
    assert len(changing) >= 5 and found["/fc/Gemm"] in changing
    for crossing in changing:
        size, limit = crossing.changes[0]
        for batch, expected in ((size, limit), (size - 1, crossing.first)):
            plain = roofline.analyze(model_path("resnet50"), "orin-agx", mode="50W", bindings={"batch": batch})
            layer = next(x for x in plain.layers if x["name"] == crossing.name)
            assert layer["limited_by"] == expected, (crossing, batch)


def test_a_gemms_crossover_by_hand(tmp_path: Any) -> None:
    """2*n*k*m FLOP against 4*(n*k + k*m + n*m) B: n = k*m*4*r / (2*k*m - 4*r*(k + m)) for the ridge r in FLOP/B."""
    k = m = 4096
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    model = free(build_model([node], {"x": [2, k]}, ["y"], {"w": np.ones((k, m), np.float32)}), x=("n", k))
    ceilings = roofline.analyze(model, "orin-agx", bindings={"n": 2}, precision="tf32").to_dict()["ceilings"]
    ridge = ceilings["compute"]["tf32 matrix"]["ridge_flop_per_byte"]
    exact = 4 * ridge * k * m / (2 * k * m - 4 * ridge * (k + m))
    (crossing,) = roofline.symbolic(model, "orin-agx", precision="tf32").crossovers
    assert crossing.first == "memory" and crossing.changes == ((int(np.ceil(exact)), "compute"),)


def test_what_cannot_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    formulas = roofline.symbolic(strided())
    with pytest.raises(roofline.BindingError, match="no size for h"):
        formulas.evaluate({"n": 1, "w": 3})
    with pytest.raises(roofline.BindingError, match="no free dimension 'q'"):
        formulas.evaluate({"n": 1, "h": 3, "w": 3, "q": 1})
    with pytest.raises(roofline.BindingError, match="whole numbers from 1"):
        formulas.evaluate({"n": 1, "h": 3.5, "w": 3})
    with pytest.raises(roofline.UsageError, match="need a device"):
        formulas.crossovers  # noqa: B018
    with pytest.raises(roofline.BindingError, match="all but one bound"):
        roofline.symbolic(strided(), "orin-agx").crossovers  # noqa: B018
    node = helper.make_node("Relu", ["x"], ["y"])
    wide = free(build_model([node], {"x": [2] * 6}, ["y"]), x=tuple("abcdef"))
    with pytest.raises(roofline.UsageError, match="at most 5"):
        roofline.symbolic(wide)
    assert main(["formula", str(model_path("bert_base")), "--bind", "sequence=3"]) == 2
    assert "no free dimension 'sequence'" in capsys.readouterr().err


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    bert = str(model_path("bert_base"))
    assert main(["formula", bert]) == 0
    out = capsys.readouterr().out
    assert "18432*batch*(seq**2 + 4608*seq + 32)" in out and "12 x  MatMul" in out
    assert main(["formula", bert, "--latex", "--format", "markdown"]) == 0
    assert r"18432 \cdot \mathrm{batch}" in capsys.readouterr().out
    assert main(["formula", bert, "--bind", "batch=1", "--device", "orin-agx", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "roofline.formula/1" and data["symbols"] == ["seq"]
    assert data["totals"]["macs"] == "18432*(seq**2 + 4608*seq + 32)"
    assert {"from", "limited_by"} == set(next(c for c in data["crossovers"] if c["changes"])["changes"][0])
    assert main(["formula", bert, "--format", "csv"]) == 0
    header = "name,op_type,nodes,pattern,domain,class,status,reason,macs,flops,bytes_read"
    assert capsys.readouterr().out.startswith(header)


def padded_to_32() -> onnx.ModelProto:
    """Rows are padded to a multiple of 32 before a 1x1 convolution from 3 to 8 channels, as windowed networks do."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "two"], ["h"], axis=0),
        helper.make_node("Neg", ["h"], ["minus"]),
        helper.make_node("Mod", ["minus", "c32"], ["more"]),
        helper.make_node("Concat", ["z6", "more", "z1"], ["pads"], axis=0),
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["y"]),
    ]
    constants = {
        "two": np.array([2], np.int64), "c32": np.array([32], np.int64), "z6": np.zeros(6, np.int64),
        "z1": np.zeros(1, np.int64), "w": np.ones((8, 3, 1, 1), np.float32),
    }  # fmt: skip
    return free(build_model(nodes, {"x": [1, 3, 8, 64]}, ["y"], constants, opset=18), x=("b", 3, "h", 64))


def sliced(to: int) -> onnx.ModelProto:
    nodes = [helper.make_node("Slice", ["x", "zero", "end"], ["s"]), helper.make_node("MatMul", ["s", "w"], ["y"])]
    constants = {"zero": np.zeros(1, np.int64), "end": np.array([to], np.int64), "w": np.ones((4, 8), np.float32)}
    return free(build_model(nodes, {"x": [8, 4]}, ["y"], constants), x=("seq", 4))


def branching(threshold: int) -> onnx.ModelProto:
    """If rows > threshold: x @ (16, 8), else x @ (16, 100)."""
    value = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    graphs = {
        name: helper.make_graph([helper.make_node("MatMul", ["x", weight], ["o"])], name, [], [value])
        for name, weight in (("then_branch", "w8"), ("else_branch", "w100"))
    }
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
        helper.make_node("Squeeze", ["s"], ["n"]),
        helper.make_node("Greater", ["n", "t"], ["c"]),
        helper.make_node("If", ["c"], ["y"], name="choose", **graphs),
    ]
    constants = {"t": np.array(threshold, np.int64), "w8": np.ones((16, 8), np.float32),
                 "w100": np.ones((16, 100), np.float32)}  # fmt: skip
    return free(build_model(nodes, {"x": [4, 16]}, ["y"], constants), x=("n", 16))


@pytest.mark.parametrize(
    ("model", "size"), [(padded_to_32(), {"b": 1, "h": 33}), (sliced(512), {"seq": 5000}), (sliced(-8), {"seq": 20}),
                        (branching(2048), {"n": 3000}), (branching(10), {"n": 5})],
    ids=["pad", "slice", "slice-from-end", "if-large", "if-small"],
)  # fmt: skip
def test_what_holds_in_a_part_of_the_range_only_is_said_or_right(model: onnx.ModelProto, size: dict[str, int]) -> None:
    formulas = roofline.symbolic(model)
    right = roofline.analyze(model, bindings=size).totals
    same = all(formulas.evaluate(size)[count] == right[count] for count in COUNTS)
    assert same or any(f.strict and f.code in ("formula-differs", "formula-for-multiples") for f in formulas.findings)


def test_the_files_own_expression_is_used() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    relu = helper.make_node("Relu", ["z"], ["r"])
    model = build_model([node, relu], {"x": [4, 8], "z": [4]}, ["y", "r"], {"w": np.ones((8, 8), np.float32)})
    formulas = roofline.symbolic(free(model, x=("min(n, 4096)", 8), z=("n",)))
    assert formulas.findings == ()
    assert formulas.evaluate({"n": [100, 5000]})["macs"].tolist() == [6400, 64 * 4096]
    halves = build_model([node], {"x": [4, 8]}, ["y"], {"w": np.ones((8, 8), np.float32)})
    formulas = roofline.symbolic(free(halves, x=("floor(m/2)+1", 8)))
    assert text(formulas.totals["macs"]) == "64*(floor(m/2) + 1)" or formulas.evaluate({"m": 5})["macs"] == 64 * 3
    assert formulas.findings == ()
    offset = roofline.symbolic(free(halves, x=("n - 20", 8)))
    assert offset.evaluate({"n": 21})["macs"] == 64


def test_both_branches_of_an_if_may_depend_on_a_symbol() -> None:
    """x @ x^T against x @ W (16, 16): the first is costlier beyond 16 rows."""
    value = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    square = [helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["o"])]
    graphs = {
        "then_branch": helper.make_graph(square, "a", [], [value]),
        "else_branch": helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["o"])], "b", [], [value]),
    }
    node = helper.make_node("If", ["c"], ["y"], **graphs)
    model = build_model([node], {"x": [4, 16]}, ["y"], {"w": np.ones((16, 16), np.float32)})
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    formulas = roofline.symbolic(free(model, x=("n", 16)))
    assert formulas.evaluate({"n": 100})["macs"] == 100 * 100 * 16
    assert "formula-differs" in {f.code for f in formulas.findings}  # below 16 the other branch is costlier


def test_a_hyphenated_name_is_a_name() -> None:
    model = free(build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [4]}, ["y"]), x=("seq-len",))
    assert roofline.analyze(model, bindings={"seq-len": 7}).totals["flops"] == 7


def test_dimensions_that_depend_on_each_other() -> None:
    """A decoder's mask is as long as past and new keys together, under a name of its own."""
    nodes = [
        helper.make_node("Concat", ["past_k", "k"], ["keys"], axis=1),
        helper.make_node("Transpose", ["keys"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["sm"]),
        helper.make_node("Softmax", ["sm"], ["p"]),
        helper.make_node("MatMul", ["p", "keys"], ["y"]),
    ]
    inputs = {"q": ["b", "s", 8], "k": ["b", "s", 8], "past_k": ["b", "past", 8], "mask": ["b", "s", "total"]}
    formulas = roofline.symbolic(build_model(nodes, inputs, ["y"]))
    assert {s.name for s in formulas.symbols} == {"b", "s", "past"}
    assert [f.code for f in formulas.findings] == ["dimension-tied"]
    assert "past" in formulas.findings[0].message and formulas.findings[0].where == "total"
    sizes = {"b": 2, "s": 3, "past": 20}
    plain = roofline.analyze(build_model(nodes, inputs, ["y"]), bindings={**sizes, "total": 23}).totals
    assert formulas.evaluate(sizes)["macs"] == 2 * 2 * 3 * 23 * 8 == plain["macs"]
    assert formulas.evaluate(sizes)["bytes"] == plain["bytes"]
    two = build_model([helper.make_node("Sub", ["x", "z"], ["y"])], {"x": ["n", 4], "z": ["m", 4]}, ["y"])
    assert len(roofline.symbolic(two).symbols) == 1
