"""Weights that are not on disk are made up; those that are there stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import build_model, model_path
from onnx import TensorProto, helper, numpy_helper

from roofline.bench.weights import runnable, values_for
from roofline.errors import MeasurementError

RNG = np.random.default_rng(0)


def with_external(model: onnx.ModelProto, sizes: dict[str, tuple[str, int]]) -> onnx.ModelProto:
    """Move initialisers to (file, offset) without writing the file."""
    for tensor in model.graph.initializer:
        if tensor.name in sizes:
            location, offset = sizes[tensor.name]
            length = len(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", offset), ("length", length)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
    return model


def small(**weights: np.ndarray) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])]
    constants = {"w": RNG.standard_normal((8, 4)).astype("f4"), "b": np.arange(4, dtype="f4"), **weights}
    return build_model(nodes, {"x": [2, 8]}, ["y"], constants)


def loaded(path: str | bytes) -> dict[str, np.ndarray]:
    assert isinstance(path, str)
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


def test_a_whole_model_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small(), path)
    found = runnable(path, tmp_path / "none")
    assert found.model == str(path) and found.made_up == ()
    content = path.read_bytes()
    assert runnable(content, tmp_path / "none").model == content


def test_missing_weights_are_made_up_and_the_rest_is_kept(tmp_path: Path) -> None:
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    onnx.save(with_external(small(), {"w": ("gone.data", 0)}), path)
    found = runnable(path, folder)
    assert found.made_up == ("w",) and found.zeroed == ()
    weights = loaded(found.model)
    assert weights["w"].shape == (8, 4) and weights["w"].dtype == np.float32 and weights["w"].any()
    assert weights["b"].tolist() == [0, 1, 2, 3]
    (y,) = ort.InferenceSession(found.model).run(None, {"x": np.ones((2, 8), "f4")})
    assert np.isfinite(y).all()


def test_the_weights_are_the_same_every_time(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(with_external(small(), {"w": ("gone.data", 0)}), path)
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    a, b = loaded(runnable(path, first).model), loaded(runnable(path, second).model)
    assert (a["w"] == b["w"]).all()


def test_weights_that_are_there_are_copied(tmp_path: Path) -> None:
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    model = small()
    bias = next(t.raw_data for t in model.graph.initializer if t.name == "b")
    (tmp_path / "here.data").write_bytes(b"\xff" * 32 + bias)
    onnx.save(with_external(model, {"w": ("gone.data", 0), "b": ("here.data", 32)}), path)
    found = runnable(path, folder)
    assert found.made_up == ("w",)
    assert loaded(found.model)["b"].tolist() == [0, 1, 2, 3]


def test_a_file_that_is_too_short_counts_as_missing(tmp_path: Path) -> None:
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    (tmp_path / "short.data").write_bytes(b"\0" * 100)  # w takes 128
    onnx.save(with_external(small(), {"w": ("short.data", 0)}), path)
    assert runnable(path, folder).made_up == ("w",)


def test_bytes_have_no_folder_to_find_weights_in(tmp_path: Path) -> None:
    content = with_external(small(), {"w": ("gone.data", 0)}).SerializeToString()
    assert runnable(content, tmp_path).made_up == ("w",)


def test_weights_inside_a_branch(tmp_path: Path) -> None:
    def branch(name: str, constant: str) -> onnx.GraphProto:
        weight = numpy_helper.from_array(np.ones((4,), "f4"), constant)
        return helper.make_graph(
            [helper.make_node("Add", ["x", constant], [name])], name, [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])], [weight],
        )  # fmt: skip

    then, other = branch("t", "wt"), branch("e", "we")
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    model = build_model([node], {"x": [4]}, ["y"], {"c": np.array(True)})
    for attribute in model.graph.node[0].attribute:
        inner = onnx.ModelProto(graph=attribute.g)
        attribute.g.CopyFrom(with_external(inner, {"wt": ("gone", 0)}).graph)
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    onnx.save(model, path)
    found = runnable(path, folder)
    assert found.made_up == ("wt",)
    ort.InferenceSession(found.model).run(None, {"x": np.ones(4, "f4")})


def test_a_type_that_cannot_be_made_up(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Identity", ["x"], ["y"])], {"x": [1]}, ["y"])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", TensorProto.BFLOAT16, TensorProto.EXTERNAL
    tensor.dims.extend([3000])
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "gone"
    with pytest.raises(MeasurementError, match="w \\(bfloat16\\)"):
        runnable(model.SerializeToString(), tmp_path)


def one_weight(entries: dict[str, str], dims: tuple[int, ...] = (4,), kind: int = TensorProto.FLOAT) -> bytes:
    """Return x + w, where w lies in another file."""
    model = build_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, ["y"])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", kind, TensorProto.EXTERNAL
    tensor.dims.extend(dims)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "a\0b"},
        {"location": "a" * 5000},
        {"location": "w.bin", "offset": "9" * 5000},
        {"location": "w.bin", "length": "9" * 5000},
        {"location": "w.bin", "offset": "\u0663"},
        {"location": "w.bin", "offset": "-1"},
        {"location": "../w.bin"},
        {"location": ""},
    ],
)
def test_names_and_places_that_no_file_has_count_as_missing(entries: dict[str, str], tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "made"
    home.mkdir()
    folder.mkdir()
    for place in (home, tmp_path):
        (place / "w.bin").write_bytes(b"\0" * 64)
    (home / "m.onnx").write_bytes(one_weight(entries))
    found = runnable(home / "m.onnx", folder)
    assert found.made_up == ("w",)
    ort.InferenceSession(found.model).run(None, {"x": np.ones(4, "f4")})


@pytest.mark.parametrize(
    ("dims", "kind", "words"),
    [
        ((4,), 99, "the weight w is of type 99"),
        ((4,), -1, "the weight w is of type -1"),
        ((4,), 0, "the weight w is of type 0"),
        ((4, -4), TensorProto.FLOAT, r"the weight w has shape \[4, -4\]"),
        ((2**31, 2**31), TensorProto.FLOAT, "made up they take 18447 PB"),
    ],
)
def test_weights_without_a_size_or_without_room(dims: tuple[int, ...], kind: int, words: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    path.write_bytes(one_weight({"location": "gone"}, dims, kind))
    with pytest.raises(MeasurementError, match=words) as caught:
        runnable(path, folder)
    assert caught.value.where == str(path) and not any(folder.iterdir())


def test_weights_inside_a_function_of_the_model(tmp_path: Path) -> None:
    constant = onnx.ModelProto.FromString(one_weight({"location": "../gone"})).graph.initializer[0]
    nodes = [
        helper.make_node("Constant", [], ["w"], value=constant),
        helper.make_node("Add", ["a", "w"], ["b"]),
    ]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "F", ["a"], ["b"], nodes, opsets)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("F", ["x"], ["y"], domain="own")], "g", values[:1], values[1:])
    model = helper.make_model(
        graph, functions=[function], opset_imports=[*opsets, helper.make_opsetid("own", 1)], ir_version=8
    )
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    path.write_bytes(model.SerializeToString())
    found = runnable(path, folder)
    assert found.made_up == ("w",)
    (y,) = ort.InferenceSession(found.model).run(None, {"x": np.zeros(4, "f4")})
    assert y.any()


def test_a_variance_behind_a_copy_is_positive(tmp_path: Path) -> None:
    """Exporters share equal weights through Identity: here one weight is shift and, behind a copy, variance."""
    nodes = [
        helper.make_node("Identity", ["shared"], ["variance"]),
        helper.make_node("BatchNormalization", ["x", "one", "shared", "shared", "variance"], ["y"]),
    ]
    weights = {"one": np.ones(600, "f4"), "shared": np.ones(600, "f4")}
    model = with_external(build_model(nodes, {"x": [1, 600, 2]}, ["y"], weights), {"shared": ("gone", 0)})
    path, folder = tmp_path / "m.onnx", tmp_path / "made"
    folder.mkdir()
    onnx.save(model, path)
    found = runnable(path, folder)
    assert found.made_up == ("shared",) and (loaded(found.model)["shared"] > 0).all()


def values(dtype: str, shape: tuple[int, ...], op: str, position: int, **attributes: int) -> np.ndarray:
    found = values_for(dtype, shape, op, position, attributes, np.random.default_rng(1))
    assert found is not None
    return found


def test_variances_and_scales_are_positive() -> None:
    assert (values("float32", (64,), "BatchNormalization", 4) > 0.5).all()
    assert (values("float32", (64,), "LayerNormalization", 1) > 0.5).all()
    assert (values("float32", (64,), "DequantizeLinear", 1) > 0).all()
    assert not values("int8", (64,), "DequantizeLinear", 2).any()


@pytest.mark.parametrize(
    ("shape", "op", "position", "attributes", "fan_in"),
    [
        ((64, 32, 3, 3), "Conv", 1, {}, 32 * 9),
        ((64, 1, 3, 3), "Conv", 1, {}, 9),
        ((512, 128), "MatMul", 1, {}, 512),
        ((128, 512), "Gemm", 1, {"transB": 1}, 512),
        ((512, 128), "Gemm", 1, {}, 512),
    ],
)
def test_variance_is_two_over_fan_in(
    shape: tuple[int, ...], op: str, position: int, attributes: dict[str, int], fan_in: int
) -> None:
    found = values("float32", shape, op, position, **attributes)
    assert found.std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)


def test_whole_numbers_are_valid_indices_and_eight_bits_use_their_range() -> None:
    assert not values("int64", (512,), "Gather", 1).any()
    eight = values("int8", (4096,), "DequantizeLinear", 0)
    assert eight.min() < -100 and eight.max() > 100
    assert values("bool", (8,), "Where", 0).all()


def test_real_graph_keeps_its_shapes(tmp_path: Path) -> None:
    path = model_path("mobilenet_v2")
    found = runnable(path, tmp_path)
    wanted = {t.name: tuple(t.dims) for t in onnx.load(path, load_external_data=False).graph.initializer}
    assert isinstance(found.model, str)
    assert {name: value.shape for name, value in loaded(found.model).items()} == wanted
    assert len(found.made_up) == 59
