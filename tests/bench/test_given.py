"""Inputs out of a .npz file: what fits is read, anything else is refused before it is inflated."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import build_model
from onnx import helper

from roofline.bench.given import read_inputs
from roofline.errors import MeasurementError
from roofline.graph.nodes import Graph
from roofline.graph.read import read_graph

ONES = np.ones((1, 4), "f4")


@pytest.fixture(scope="module")
def graph() -> Graph:
    return read_graph(build_model([helper.make_node("Identity", ["x"], ["y"])], {"x": [1, 4]}, ["y"]))[0]


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def damaged() -> bytes:
    data = bytearray(zipped(x_npy=npy(ONES)))
    data[data.index(ONES.tobytes())] ^= 255
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(zipped(x_npy=npy(ONES)))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def test_what_fits_is_read(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(npz(x=ONES * 7))
    assert read_inputs(tmp_path / "x.npz", graph)["x"].tolist() == [[7, 7, 7, 7]]
    assert read_inputs(None, graph) == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(ONES), "cannot be read"),
        (b"", "cannot be read"),
        (b"PK\x03\x04" + b"a" * 100, "cannot be read"),
        (npz(x=ONES)[:100], "cannot be read"),
        (damaged(), "Bad CRC-32"),
        (encrypted(), "is encrypted"),
        (zipped(x=b"hello"), "'x' in it is no array"),
        (zipped(x_npy=b"hello"), "cannot be read: EOF"),
        (zipped(x_npy=b"\x93NUMPY\x02\x00" + (9000).to_bytes(4, "little") + b"(" * 9000), "cannot be read"),
        (zipped(x_npy=b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b" " * 20_000), "cannot be read"),
        (zipped(x_npy=npy(ONES) + b"more"), "goes on behind its array"),
        (zipped(x_npy=npy(ONES)[:-4]), "cannot be read"),
        (npz(y=ONES), "no input 'y'"),
        (npz(x=np.ones((1, 2**25), "f4")), "x has shape (1, 33554432); expected (1, 4)"),
        (npz(x=ONES.astype("f8")), "x has type float64; expected float32"),
        (zipped(x_npy=npy(np.array([["a"] * 4], object))), "x has type object"),
    ],
)
def test_what_does_not_is_refused_in_one_line(data: bytes, words: str, graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with pytest.raises(MeasurementError) as caught:
        read_inputs(path, graph)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and words in message and "\n" not in message


def test_an_array_is_there_once(graph: Graph, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("x.npy", npy(ONES))
    with pytest.raises(MeasurementError, match="'x' is there twice"):
        read_inputs(tmp_path / "x.npz", graph)


@pytest.mark.parametrize("name", ["gone.npz", "a" * 5000, "/dev/null"])
def test_a_file_that_is_none(name: str, graph: Graph) -> None:
    with pytest.raises(MeasurementError, match="cannot be read"):
        read_inputs(name, graph)
