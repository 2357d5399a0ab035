"""Whole-process time of ``roofline analyze`` against onnx-tool on the same files, side by side in one run.

    python tests/benchmarks/whole_process.py [--rounds 9] [MODEL ...]

Weights are filled in with random numbers first, as in a file somebody would have. Each round runs both, one
after the other; the table gives medians, and the median of the ratio per round. Needs ``onnx-tool``.
"""

from __future__ import annotations

import argparse
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
DEFAULT = ("resnet50", "densenet121", "shufflenet_v2_x1_0", "vit_b_16")
PEER = (
    "import onnx_tool, numpy; "
    "onnx_tool.model_profile({path!r}, {{'input': numpy.zeros((1, 3, 224, 224), numpy.float32)}})"
)


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
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{'model':22}{'roofline':>10}{'onnx-tool':>11}{'ratio':>8}   median of {options.rounds}, seconds")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            path = Path(folder) / f"{name}.onnx"
            fill(MODELS / f"{name}.onnx", path)
            ours = ["roofline", "analyze", str(path), "--device", "orin-agx", "--bind", "batch=1"]
            peer = [sys.executable, "-c", PEER.format(path=str(path))]
            seconds(ours), seconds(peer)
            pairs = [(seconds(ours), seconds(peer)) for _ in range(options.rounds)]
            a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{name:22}{a:10.3f}{b:11.3f}{a / b:8.2f}")


if __name__ == "__main__":
    main()
