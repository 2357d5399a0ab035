"""Whole-process time of `roofline plot` on a 5,000-node graph, every kind that one model has: wall and CPU seconds.

python tests/benchmarks/plots.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import onnx
from formulas_and_size import deeper

KINDS = ("roofline", "energy", "modes", "power", "pareto", "layers", "classes", "heatmap", "memory")


def seconds(command: list[str], rounds: int) -> tuple[float, float]:
    """Return the median wall time and CPU time of a command; on a busy machine the second says more."""
    subprocess.run(command, check=True, capture_output=True)  # once to fill the caches
    walls, works = [], []
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - start)
        works.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(works)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "vit_33_layers.onnx"
        model = deeper(33)
        onnx.save(model, large)
        print(f"{len(model.graph.node)} nodes, median of {rounds}, seconds")
        for kind in KINDS:
            taken = []
            for suffix in (".png", ".html"):
                options = ["--device", "orin-agx", "--precision", "fp16", "--kind", kind]
                output = str(Path(folder) / f"{kind}{suffix}")
                taken += seconds(["roofline", "plot", str(large), *options, "-o", output], rounds)
            print(f"{kind:10} png {taken[0]:5.2f} (CPU {taken[1]:.2f})   html {taken[2]:5.2f} (CPU {taken[3]:.2f})")


if __name__ == "__main__":
    main()
