"""Peak memory against ONNX Runtime on this machine's CPU: ``python tests/reports/peak_memory.py [MODEL ...]``.

The reference: weights, plus the growth of resident memory during a second run, with the arena, memory patterns and
prepacking off and only basic graph optimisation (constants folded), so that every tensor is allocated when it is made
and given back when it is done with. What its kernels use as workspace is in there, and not in our figure; it may
also run nodes in another order. Weights are random numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import roofline

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from conftest import model_path, true_bindings
from whole_process import fill

DEFAULT = ("vgg16", "bert_base", "segformer_b0", "mobilenet_v2", "resnet50", "densenet121", "gpt2",
           "shufflenet_v2_x1_0", "efficientnet_b0", "unet")  # fmt: skip
RUN = """
import json, sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 3
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
options.add_session_config_entry("session.disable_prepacking", "1")
options.enable_mem_pattern = options.enable_cpu_mem_arena = False
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
sizes, types = json.loads(sys.argv[2]), {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}
feeds = {i.name: numpy.ones([sizes.get(d, d) for d in i.shape], types[i.type]) for i in session.get_inputs()}
def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
session.run(None, feeds)
before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
session.run(None, feeds)
print(status("VmHWM") - before + sum(feed.nbytes for feed in feeds.values()))
"""


def measured(path: Path, sizes: dict[str, int]) -> int:
    """Return the bytes that a run holds beside the weights."""
    give_back = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", RUN, str(path), json.dumps(sizes)]
    environment = {**os.environ, **give_back}
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=DEFAULT)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    print(f"{'MB':22}{'weights':>9}{'activations':>13}{'measured':>10}{'peak':>9}{'measured':>10}{'error':>8}")
    for name in options.models:
        sizes = {k: options.batch if k == "batch" else v for k, v in true_bindings(name).items()}
        memory = roofline.analyze(model_path(name), bindings=sizes, traffic="unfused").memory
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            fill(model_path(name), path)
            truth = measured(path, sizes)
        whole = memory.weight_bytes + truth
        print(
            f"{name:22}{memory.weight_bytes / 1e6:9.1f}{memory.activation_bytes / 1e6:13.1f}{truth / 1e6:10.1f}"
            f"{memory.peak_bytes / 1e6:9.1f}{whole / 1e6:10.1f}{memory.peak_bytes / whole - 1:8.1%}"
        )


if __name__ == "__main__":
    main()
