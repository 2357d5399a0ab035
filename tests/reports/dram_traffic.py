"""Predicted bytes against measured DRAM traffic, and against another tool's: two public data sets, by path.

    python tests/reports/dram_traffic.py --counters kernels_core_mem_freq.csv --layers layers_jetson_agx_orin.csv

The first is GPU-DVFS-Job-Schedule's (github.com/HKBU-HPML/GPU-DVFS-Job-Schedule, commit 7ae3c9c; no licence stated, so
it is not shipped): DRAM and L2 transactions of 32 bytes, CUDA samples on a GTX 1080 Ti. Five of them are ONNX
operators; their sizes follow from what they write. The second is graphs' (github.com/branes-ai/graphs, commit
b6c5e82, MIT): bytes that its authors' tool assigned to torchvision's networks, for comparison only.
"""

from __future__ import annotations

import argparse
import collections
import csv
import sys
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

import roofline

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import MODELS, model_path

# application -> (operator, inputs in elements n written, attributes)
KERNELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "vectorAdd": ("Add", lambda n: {"a": [n], "b": [n]}, {}),
    "transpose": ("Transpose", lambda n: {"a": [round(n**0.5), round(n**0.5)]}, {}),
    "scanScanExclusiveShared": ("CumSum", lambda n: {"a": [n]}, {}),
    "matrixMulShared": ("MatMul", lambda n: {"a": [round(n**0.5)] * 2, "b": [round(n**0.5)] * 2}, {}),
    "matrixMulGlobal": ("MatMul", lambda n: {"a": [round(n**0.5)] * 2, "b": [round(n**0.5)] * 2}, {}),
}


def predicted(op_type: str, inputs: dict[str, list[int]], attributes: dict[str, Any]) -> int:
    """Return the bytes of one operator."""
    names = [*inputs, "axis"] if op_type == "CumSum" else list(inputs)
    graph = helper.make_graph(
        [helper.make_node(op_type, names, ["y"], **attributes)],
        "kernel",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("axis", TensorProto.INT64, [], [0])] if op_type == "CumSum" else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model))
    return int(roofline.analyze(model).totals["bytes"])


def counters(path: Path) -> None:
    rows: dict[str, list[dict[str, str]]] = collections.defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["dram_read_transactions"] and row["app"] in KERNELS:
                rows[row["app"]].append(row)
    print(f"{'kernel':26}{'op':>11}{'predicted MB':>14}{'DRAM MB':>10}{'ratio':>8}{'L2 MB':>11}")
    for app, (op_type, shapes, attributes) in KERNELS.items():
        found = rows[app]

        def mean(kind: str, found: list[dict[str, str]] = found) -> float:
            columns = (f"{kind}_read_transactions", f"{kind}_write_transactions")
            return 32 * sum(float(row[c]) for row in found for c in columns) / len(found)

        elements = round(32 * sum(float(r["l2_write_transactions"]) for r in found) / len(found) / 4 / 2**16) * 2**16
        ours = predicted(op_type, shapes(elements), attributes)
        measured = mean("dram")
        ratio, passes = ours / measured, mean("l2")
        print(f"{app:26}{op_type:>11}{ours / 1e6:14.1f}{measured / 1e6:10.1f}{ratio:8.2f}{passes / 1e6:11.1f}")


def layers(path: Path) -> None:
    totals: dict[tuple[str, int], int] = collections.defaultdict(int)
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["precision"] == "fp32" and row["hardware_id"] == "jetson_orin_15w":
                totals[row["model"], int(row["batch_size"])] += int(float(row["total_bytes"]))
    print(f"{'network':26}{'batch':>6}{'fused MB':>10}{'unfused MB':>12}{'theirs MB':>11}")
    for (name, batch), theirs in sorted(totals.items()):
        if (MODELS / f"{name}.onnx").exists() and batch in (1, 16):
            ours = [roofline.analyze(model_path(name), bindings={"batch": batch}, traffic=t).totals["bytes"]
                    for t in ("fused", "unfused")]  # fmt: skip
            print(f"{name:26}{batch:6}{ours[0] / 1e6:10.1f}{ours[1] / 1e6:12.1f}{theirs / 1e6:11.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counters", type=Path)
    parser.add_argument("--layers", type=Path)
    options = parser.parse_args()
    if options.counters:
        counters(options.counters)
    if options.layers:
        layers(options.layers)


if __name__ == "__main__":
    main()
