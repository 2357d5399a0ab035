"""Whole-process time of ``roofline analyze`` against onnx-tool, onnxsim and the floor, side by side in one run.

    python tests/benchmarks/whole_process.py [--rounds 9] [MODEL ...]

The floor is a process that imports onnx and parses the file. Weights are filled in with random numbers first, as
in a file somebody would have. Each round runs all, one after the other; the table gives medians in seconds, the
median per round of our time over onnx-tool's, and nodes per second of our whole process. onnxsim does another job
(it writes a simpler model), stands here as what people run to get shapes, and runs once, as it takes up to a minute.
Needs ``onnx-tool`` and ``onnxsim``; a peer that cannot read a file has no figure there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

MODELS = Path(__file__).parents[1] / "data" / "models"
DEFAULT = ("resnet50", "densenet121", "shufflenet_v2_x1_0", "vit_b_16", "bert_base", "gpt2", "segformer_b0", "vgg16")
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""A checkout's modules are compiled once, as pip compiles those of an installed package."""
FLOOR = "import onnx; onnx.load({path!r})"
PEER = """
import json, numpy, onnx, onnx_tool
types = {{i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type)
         for i in onnx.load({path!r}, load_external_data=False).graph.input}}
onnx_tool.model_profile({path!r}, {{n: numpy.zeros(s, types[n]) for n, s in json.loads({shapes!r}).items()}})
"""


def fill(source: Path, target: Path) -> None:
    """Write the model with random weights where the file has none."""
    model = onnx.load(source, load_external_data=False)
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            values = rng.random(tuple(tensor.dims), dtype=np.float32).astype(dtype)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, target)


def seconds(command: list[str]) -> float:
    """Return the wall time of one run; a failing command raises."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=COMPILED)
    return time.perf_counter() - start


def commands(path: Path, inputs: dict[str, list[int]]) -> dict[str, list[str]]:
    """Return what each column runs; `inputs` are the shapes of the model's inputs."""
    shapes = {name: "x".join(map(str, shape)) for name, shape in inputs.items()}
    fixed = [f"{name}:{','.join(map(str, shape))}" for name, shape in inputs.items()]
    return {
        "floor": [sys.executable, "-c", FLOOR.format(path=str(path))],
        "roofline": [
            "roofline", "analyze", str(path), "--device", "orin-agx",
            "--shapes", ",".join(f"{name}:{shape}" for name, shape in shapes.items()),
        ],
        "onnx-tool": [sys.executable, "-c", PEER.format(path=str(path), shapes=json.dumps(inputs))],
        "onnxsim": [
            "onnxsim", str(path), str(path.with_suffix(".simple.onnx")), "--overwrite-input-shape", *fixed,
        ],
    }  # fmt: skip


def timed(command: list[str]) -> float:
    """Return `seconds`, or NaN where a peer cannot do it."""
    try:
        return seconds(command)
    except subprocess.CalledProcessError:
        return math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    truth = json.loads((MODELS / "truth.json").read_text())
    print(f"{'model':20} nodes   floor  roofline  onnx-tool  onnxsim   / onnx-tool  / onnxsim   nodes/s")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            path = Path(folder) / f"{name}.onnx"
            fill(MODELS / f"{name}.onnx", path)
            nodes = len(onnx.load(path).graph.node)
            runs = commands(path, truth[name]["inputs"])
            seconds(runs["roofline"])  # ours must not fail
            simple = timed(runs.pop("onnxsim"))
            rounds = [{who: timed(command) for who, command in runs.items()} for _ in range(options.rounds)]
            floor, ours, tool = (statistics.median(r[who] for r in rounds) for who in runs)
            ratio = statistics.median(r["roofline"] / r["onnx-tool"] for r in rounds)
            print(
                f"{name:20}{nodes:6}{floor:8.2f}{ours:10.2f}{tool:11.2f}{simple:9.2f}"
                f"{ratio:14.2f}{ours / simple:12.2f}{nodes / ours:10,.0f}"
            )


if __name__ == "__main__":
    main()
