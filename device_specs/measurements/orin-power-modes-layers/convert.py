"""Make measurements.csv from the authors' table: one row per measured subgraph, with the nodes that it ran.

    python convert.py layers_jetson_agx_orin.csv

The authors name a subgraph by its first node in PyTorch's FX graph (``layer1_0_conv1``); it runs up to the next one's
first node. A node of a TorchScript export carries its module's path (``/layer1/layer1.0/conv1/Conv``), so the two can
be told to be the same. Eager PyTorch runs the batch normalisations that an export folds away: they are listed too, by
the name that `eager.py` gives them. Subgraphs without a node in the export (stochastic depth) are left out. Batch sizes
16 and 64, fp32 and fp16: smaller batches are dominated by launching each subgraph by itself.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import onnx
from eager import MODELS, NORMALISED

from roofline.measured.record import Measurement
from roofline.measured.table import table_text

PRECISIONS = {"fp32": "tf32", "fp16": "fp16"}
"""PyTorch convolves float32 files in tf32 on Ampere by default; the authors call it fp32."""
RUN = ("power_mode", "model", "precision", "batch_size")


def module_path(name: str) -> str:
    """Return the module that a node of a TorchScript export is in: ``layer1.0.conv1`` of the name above."""
    path: list[str] = []
    before = ""
    for scope in name.strip("/").split("/")[:-1]:
        path.append(scope.removeprefix(before + ".") if before else scope)
        before = scope
    return ".".join(path)


def fx_names(model: Path) -> list[tuple[str, str]]:
    """Return (ONNX node, FX node) in the graph's order; operators outside a leaf module are numbered, as FX does."""
    names = [node.name for node in onnx.load(model, load_external_data=False).graph.node if "/" in node.name]
    paths = [module_path(name) for name in names]
    inner = {path[:at] for path in paths for at, char in enumerate(path) if char == "."}
    seen: Counter[str] = Counter()
    found = []
    for name, path in zip(names, paths, strict=True):
        if path and path not in inner:
            found.append((name, path.replace(".", "_")))
            continue
        function = name.rpartition("/")[2].partition("_")[0].lower()
        found.append((name, f"{function}_{seen[function]}" if seen[function] else function))
        seen[function] += 1
    return found


def converted(rows: Iterable[dict[str, str]]) -> Iterator[Measurement]:
    """Yield one row per subgraph that has nodes in the export.

    Raises:
        SystemExit: subgraphs are not in the graph's order, so what one runs up to is not known.
    """
    graphs: dict[str, list[tuple[str, str]]] = {}
    for (mode, model, precision, batch), group in groupby(rows, lambda row: tuple(row[key] for key in RUN)):
        if model not in graphs:
            graphs[model] = fx_names(MODELS / f"{model}.onnx")
        graph = graphs[model]
        place: dict[str, int] = {}
        for at, (_, name) in enumerate(graph):
            place.setdefault(name, at)
        subgraphs = [row for row in group if row["first_node"] in place]
        starts = [place[row["first_node"]] for row in subgraphs]
        if starts != sorted(set(starts)):
            raise SystemExit(f"{model}: subgraphs are not in the graph's order")
        for row, start, end in zip(subgraphs, starts, [*starts[1:], len(graph)], strict=True):
            nodes = [name for name, _ in graph[start:end]]
            if "BatchNorm2d" in row["fusion_pattern"]:
                nodes += [name + NORMALISED for name in nodes if name.endswith("/Conv")]
            yield Measurement(
                source="branes-ai/graphs", device="Jetson AGX Orin 64GB", power_mode=mode, runtime="PyTorch 2.1 eager",
                precision=PRECISIONS[precision], workload=model, phase="inference", batch_size=int(batch),
                time_s=float(row["latency_ms_mean"] + "e-3"), layer=row["first_node"], op_type=row["fusion_pattern"],
                nodes=tuple(nodes), clocks="stock", time_kind="host", n=int(row["samples"]),
            )  # fmt: skip


def main() -> None:
    """Write measurements.csv beside this file."""
    with Path(sys.argv[1]).open() as file:
        rows = [
            row for row in csv.DictReader(file) if row["precision"] in PRECISIONS and row["batch_size"] in ("16", "64")
        ]
    made = list(converted(rows))
    (Path(__file__).parent / "measurements.csv").write_text(table_text(made))
    print(f"{len(made)} of {len(rows)} subgraphs")


if __name__ == "__main__":
    main()
