"""Every benchmark of this folder that has a goal, one after the other, and each goal beside what was reached.

    python tests/benchmarks/table.py [--quick]

Whole-process time against the floor, onnx-tool and onnxsim, with nodes per second; modes x layers per second and their
memory; formulas and a graph of 5,000 nodes; inline weights; a sweep of 1,000 models on one and two workers, killed and
resumed. --quick takes fewer rounds and 100 models: a look, not figures to quote. Nothing else may run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
FULL = (
    ("whole_process.py", "--rounds", "5"),
    ("mode_grid.py",),
    ("formulas_and_size.py", "--rounds", "5"),
    ("inline_weights.py",),
    ("sweep.py", "--models", "1000", "--repeat", "2", "--dask"),
)
QUICK = (
    ("whole_process.py", "--rounds", "2", "resnet50", "shufflenet_v2_x1_0"),
    ("mode_grid.py",),
    ("formulas_and_size.py", "--rounds", "1"),
    ("sweep.py", "--models", "100", "--repeat", "1"),
)


def main() -> None:
    """Run them all; exit 1 if one fails or misses a goal of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("roofline", "onnx", "numpy", "onnx-tool"))
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {versions}; "
          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    failed = []
    for script, *arguments in QUICK if options.quick else FULL:
        print(f"\n== {' '.join((script, *arguments))}", flush=True)
        start = time.monotonic()
        done = subprocess.run([sys.executable, str(HERE / script), *arguments], check=False)
        print(f"({time.monotonic() - start:.0f} s)", flush=True)
        failed += [script] if done.returncode else []
    print("\n" + (f"FAILED OR MISSED A GOAL: {', '.join(failed)}" if failed else "every goal is reached"))
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
