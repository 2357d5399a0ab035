"""What cannot be read gets one line that says where, what, and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import build_model, model_path
from onnx import helper

import roofline
from roofline.errors import ModelFileError
from roofline.graph.load import load_proto

GOOD = model_path("resnet18")


def message(source: object) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_proto(source)
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text
    return text


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "nothing.onnx")


def test_directory(tmp_path: Path) -> None:
    assert "directory" in message(tmp_path)


def test_empty(tmp_path: Path) -> None:
    assert "empty" in message(write(tmp_path, "a.onnx", b""))
    assert "empty" in message(b"")


def test_gzip(tmp_path: Path) -> None:
    assert "gunzip" in message(write(tmp_path, "a.onnx", gzip.compress(GOOD.read_bytes())))


@pytest.mark.parametrize("text", [b'{"irVersion": "8"}', b"ir_version: 8\ngraph {\n}", b"<ir_version: 7>", b"# notes"])
def test_text(tmp_path: Path, text: bytes) -> None:
    assert "text" in message(write(tmp_path, "a.onnx", text))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_truncated(tmp_path: Path, share: float) -> None:
    data = GOOD.read_bytes()
    assert "not a whole ONNX file" in message(write(tmp_path, "a.onnx", data[: int(share * len(data))]))


def test_not_onnx(tmp_path: Path) -> None:
    for data in (b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000), b"PK\x03\x04" + bytes(50), b"\x7fELF" + bytes(64)):
        assert "ONNX" in message(write(tmp_path, "a.onnx", data))


@pytest.mark.parametrize("suffix", [".engine", ".plan", ".pt", ".tflite", ".ort", ".pth"])
def test_other_formats_name_the_export_command(tmp_path: Path, suffix: str) -> None:
    text = message(write(tmp_path, f"a{suffix}", b"anything"))
    assert "is not an ONNX file" in text
    assert "onnx" in text.partition("; ")[2]


def test_newer_opset() -> None:
    model = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, ["y"], opset=99)
    text = message(model)
    assert "opset 99" in text and "pip install --upgrade onnx" in text


def test_no_graph() -> None:
    assert "no graph" in message(onnx.ModelProto(ir_version=8).SerializeToString())


def test_wrong_type() -> None:
    assert "int" in message(3)


def test_path_bytes_and_message_give_the_same() -> None:
    data = GOOD.read_bytes()
    parsed = onnx.load(GOOD, load_external_data=False)
    results = [roofline.analyze(source, bindings={"batch": 2}).totals for source in (str(GOOD), data, parsed)]
    assert results[0] == results[1] == results[2]


def test_a_message_is_left_as_it_was() -> None:
    model = build_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["batch", 64]}, ["y"],
        {"w": np.zeros((64, 4096), np.float32)},
    )  # fmt: skip
    before = model.SerializeToString()
    totals = roofline.analyze(model, bindings={"batch": 3}).totals
    assert model.SerializeToString() == before
    assert totals["macs"] == 3 * 64 * 4096


def test_external_data_is_never_opened(tmp_path: Path) -> None:
    """The file it names does not exist, and lies outside the folder."""
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[50000, 50000], data_location=1)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    model = build_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [2, 50000]}, ["y"])
    model.graph.initializer.append(tensor)
    path = write(tmp_path, "a.onnx", model.SerializeToString())
    analysis = roofline.analyze(path)
    assert analysis.totals["macs"] == 2 * 50000 * 50000
    assert analysis.graph.weight_bytes == 4 * 50000 * 50000
