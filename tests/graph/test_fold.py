"""What is worked out before the run: nothing that costs more than its small inputs, whatever a file asks for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model
from onnx import TensorProto, helper

import roofline
from roofline.graph import fold

LONG = np.ones(4096, np.int64)
IMAGE = np.ones((1, 1, 3, 3), np.float32)
COSTLY: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "text whose search doubles with each letter": (
        "RegexFullMatch", [np.array(["a" * 40], object)], {"pattern": "(a+)+b"}),
    "an image, which a decoder hands to other programs": ("ImageDecoder", [np.arange(200).astype(np.uint8)], {}),
    "a kernel far larger than its input": (
        "AveragePool", [IMAGE], {"kernel_shape": [20001, 20001], "pads": [10000] * 4}),
    "padding far larger than its input": (
        "ConvInteger", [np.ones((1, 1, 3, 3), np.uint8), np.ones((1, 1, 3, 3), np.uint8)], {"pads": [20000] * 4}),
    "samples by the million": (
        "RoiAlign", [IMAGE, np.ones((1, 4), np.float32), np.zeros(1, np.int64)], {"sampling_ratio": 20000}),
    "grams with any number of words between": (
        "TfIdfVectorizer", [np.arange(4096)], {"max_gram_length": 2, "max_skip_count": 500_000_000,
         "min_gram_length": 2, "mode": "TF", "ngram_counts": [0, 1], "ngram_indexes": [0, 1],
         "pool_int64s": [1, 2, 3]}),
    "a broadcast of two vectors": ("Mod", [LONG.reshape(1, -1), LONG.reshape(-1, 1)], {}),
    "a largest one of two vectors": ("Max", [LONG.reshape(1, -1), LONG.reshape(-1, 1)], {}),
    "a row picked by each of many": ("Gather", [LONG.reshape(1, -1), np.zeros(4096, np.int64)], {"axis": 0}),
    "the same thing joined on and on": ("Concat", [LONG] * 1000, {"axis": 0}),
    "many copies": ("Tile", [LONG, np.array([100_000])], {}),
    "an outer product": ("MatMul", [LONG.reshape(-1, 1), LONG.reshape(1, -1)], {}),
    "text that doubles": ("Add", [np.array(["ab"], object)] * 2, {}),
    "random numbers": ("RandomUniformLike", [IMAGE], {}),
}  # fmt: skip


@pytest.mark.parametrize("why", COSTLY)
def test_what_could_cost_more_than_its_inputs_is_not_worked_out(why: str) -> None:
    op_type, inputs, attributes = COSTLY[why]
    node = helper.make_node(op_type, [f"x{i}" for i in range(len(inputs))], ["y"], **attributes)
    assert fold.evaluate(node, inputs, attributes, 20, is_small=False) is None


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes", "wanted"),
    [("Mod", [np.array([7, 9]), np.array([4])], {}, [3, 1]),
     ("GreaterOrEqual", [np.array([1, 2]), np.array([2])], {}, [False, True]),
     ("TopK", [np.array([3.0, 1.0, 2.0]), np.array([2])], {}, [3.0, 2.0]),
     ("Gather", [np.array([5, 6, 7]), np.array([2, 0])], {}, [7, 5]),
     ("ReduceSum", [np.array([[1, 2], [3, 4]]), np.array([0])], {"keepdims": 0}, [4, 6])],
)  # fmt: skip
def test_arithmetic_around_shapes_is(op_type: str, inputs: list[Any], attributes: dict[str, Any], wanted: Any) -> None:
    names = ["y", "z"] if op_type == "TopK" else ["y"]
    node = helper.make_node(op_type, [f"x{i}" for i in range(len(inputs))], names, **attributes)
    found = fold.evaluate(node, inputs, attributes, 18, is_small=False)
    assert found is not None and found[0].tolist() == wanted


def test_a_file_starts_no_program(tmp_path: Any) -> None:
    """PIL, which decodes images for ONNX's reference operators, hands PostScript to a program of its own."""
    script = (
        "import sys, subprocess, roofline\n"
        "def refuse(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system'):\n"
        "        raise SystemExit(f'started {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        "roofline.analyze(sys.argv[1])\n"
    )
    content = np.frombuffer(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", np.uint8)
    model = build_model([helper.make_node("ImageDecoder", ["i"], ["y"], pixel_format="RGB")], {}, ["y"], {"i": content},
                        opset=20, dtype=TensorProto.UINT8)  # fmt: skip
    path = tmp_path / "image.onnx"
    onnx.save(model, path)
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_functions_that_double_are_refused_and_ones_called_often_are_not() -> None:
    def model(levels: int) -> onnx.ModelProto:
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        functions = [helper.make_function("own", "f0", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], opsets)]
        for i in range(1, levels):
            calls = [helper.make_node(f"f{i - 1}", ["x"], ["a"], domain="own"),
                     helper.make_node(f"f{i - 1}", ["a"], ["y"], domain="own")]  # fmt: skip
            functions.append(helper.make_function("own", f"f{i}", ["x"], ["y"], calls, opsets))
        made = build_model([helper.make_node(f"f{levels - 1}", ["x"], ["y"], domain="own")], {"x": (4,)}, ["y"])
        made.functions.extend(functions)
        made.opset_import.append(opsets[1])
        return made

    with pytest.raises(roofline.ModelFileError, match="written out"):
        roofline.analyze(model(17))
    assert roofline.analyze(model(10)).totals["flops"] == 4 * 2**9
