"""Models as ONNX Runtime's optimiser and quantiser write them: the same MACs, every node counted, true shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import build_model
from onnx import helper

import roofline

RNG = np.random.default_rng(0)
LEVELS = {
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def weights(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {name: RNG.standard_normal(shape).astype(np.float32) * 0.1 for name, shape in shapes.items()}


def convolutions() -> onnx.ModelProto:
    """Conv, Relu, depthwise Conv, Clip, a residual Add, pools, Gemm."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b1"], ["c2"], pads=[1] * 4, group=16),
        helper.make_node("Conv", ["c2", "w3", "b1"], ["c3"]),
        helper.make_node("Add", ["c3", "r1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"], transB=1),
    ]
    constants = weights(w1=(16, 3, 3, 3), b1=(16,), w2=(16, 1, 3, 3), w3=(16, 16, 1, 1), w4=(10, 16), b4=(10,))
    return build_model(nodes, {"x": [2, 3, 12, 12]}, ["y"], constants)


CONVOLUTION_MACS = 2 * 144 * 16 * (27 + 9 + 16) + 2 * 160


def transformer() -> onnx.ModelProto:
    """MatMul, bias, Gelu from primitives, MatMul, bias, residual, LayerNormalization, scaled MatMul of two inputs."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Add", ["h", "b1"], ["hb"]),
        helper.make_node("Div", ["hb", "root2"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["e1"]),
        helper.make_node("Mul", ["hb", "e1"], ["m"]),
        helper.make_node("Mul", ["m", "half"], ["g"]),
        helper.make_node("MatMul", ["g", "w2"], ["o"]),
        helper.make_node("Add", ["o", "b2"], ["ob"]),
        helper.make_node("Add", ["ob", "x"], ["s"]),
        helper.make_node("LayerNormalization", ["s", "gamma", "beta"], ["n"], axis=-1),
        helper.make_node("Transpose", ["n"], ["nt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["n", "nt"], ["q"]),
        helper.make_node("Mul", ["q", "scale"], ["y"]),
    ]
    constants = weights(w1=(8, 32), b1=(32,), w2=(32, 8), b2=(8,), gamma=(8,), beta=(8,))
    constants |= {"root2": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5), "scale": np.float32(0.25)}
    return build_model(nodes, {"x": [2, 5, 8]}, ["y"], {k: np.asarray(v) for k, v in constants.items()})


TRANSFORMER_MACS = 2 * 5 * 8 * 32 * 2 + 2 * 5 * 5 * 8


def optimised(model: onnx.ModelProto, level: str, path: Path) -> onnx.ModelProto:
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


def check(model: onnx.ModelProto, macs: int, feeds: dict[str, Any]) -> set[str]:
    """MACs, coverage and the shape of every tensor that a session returns; returns the operators that occur."""
    analysis = roofline.analyze(model)
    operators = {node.op_type for node in model.graph.node}
    lost = [(layer["op_type"], layer["reason"]) for layer in analysis.layers if layer["status"] == "unsupported"]
    assert lost == []
    assert analysis.totals["macs"] == macs
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for output, value in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        assert analysis.graph.tensors[output.name].shape == value.shape
    return operators


@pytest.mark.parametrize("level", LEVELS)
def test_optimised_convolutions(tmp_path: Path, level: str) -> None:
    model = optimised(convolutions(), level, tmp_path / "m.onnx")
    operators = check(model, CONVOLUTION_MACS, {"x": np.zeros((2, 3, 12, 12), np.float32)})
    domains = {node.domain for node in model.graph.node}
    assert "FusedConv" in operators or "com.microsoft.nchwc" in domains


@pytest.mark.parametrize("level", LEVELS)
def test_optimised_transformer(tmp_path: Path, level: str) -> None:
    model = optimised(transformer(), level, tmp_path / "m.onnx")
    operators = check(model, TRANSFORMER_MACS, {"x": np.zeros((2, 5, 8), np.float32)})
    assert {"SkipLayerNormalization", "FusedMatMul"} & operators
    assert {"BiasGelu", "Gelu"} & operators


def quantised(model: onnx.ModelProto, folder: Path, feeds: dict[str, Any] | None) -> onnx.ModelProto:
    """Quantise to 8 bits: dynamically, or with calibration data to a Q/DQ model."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    if feeds is None:
        # unsigned weights: older releases have no kernel for a ConvInteger of signed ones
        quantization.quantize_dynamic(source, target, weight_type=quantization.QuantType.QUInt8)
    else:

        class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined, misc]
            data = iter([feeds])

            def get_next(self) -> Any:
                return next(self.data, None)

        quantization.quantize_static(source, target, Reader(), quant_format=quantization.QuantFormat.QDQ)
    return onnx.load(target)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("level", [None, *LEVELS])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("name", ["convolutions", "transformer"])
def test_quantised_models(tmp_path: Path, name: str, dynamic: bool, level: str | None) -> None:
    build, macs, shape = {
        "convolutions": (convolutions, CONVOLUTION_MACS, (2, 3, 12, 12)),
        "transformer": (transformer, TRANSFORMER_MACS, (2, 5, 8)),
    }[name]
    feeds = {"x": RNG.standard_normal(shape).astype(np.float32)}
    model = quantised(build(), tmp_path, None if dynamic else feeds)
    if level is not None:
        model = optimised(model, level, tmp_path / "m.onnx")
    check(model, macs, feeds)
    precisions = {layer["precision"] for layer in roofline.analyze(model).layers if layer["macs"]}
    assert "int8" in precisions
