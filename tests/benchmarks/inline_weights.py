"""Time and memory of ``roofline analyze`` on a model with 438 MB of inline weights, against its bare graph.

    python tests/benchmarks/inline_weights.py [--rounds 9]

Both run in turn, in one loop; the table gives medians of wall time and of peak resident memory per process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from whole_process import MODELS


def measure(path: Path) -> tuple[float, float]:
    """Return (seconds, MB) of one run."""
    command = ["roofline", "analyze", str(path), "--device", "orin-agx", "--bind", "batch=1,seq=128"]
    start = time.perf_counter()
    # a small launcher in between: the peak of a forked child would begin at this process's own size
    launcher = ["/usr/bin/env", *command]
    process = subprocess.Popen(launcher, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    bare = MODELS / "bert_base.onnx"
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "bert_base.onnx"
        # in a process of its own, so that this one stays small
        subprocess.run(
            ["python", "-c", f"from whole_process import *; fill(Path({str(bare)!r}), Path({str(full)!r}))"],
            cwd=Path(__file__).parent, check=True,
        )  # fmt: skip
        measure(bare), measure(full)
        pairs = [(measure(bare), measure(full)) for _ in range(rounds)]
        size = full.stat().st_size / 1e6
    print(f"{'bert_base':24}{'file MB':>9}{'seconds':>9}{'peak MB':>9}   median of {rounds}")
    rows = []
    for index, (name, megabytes) in enumerate((("graph only", bare.stat().st_size / 1e6), ("inline weights", size))):
        seconds, memory = (statistics.median(pair[index][column] for pair in pairs) for column in (0, 1))
        rows.append((seconds, memory))
        print(f"{name:24}{megabytes:9.1f}{seconds:9.3f}{memory:9.0f}")
    print(f"{'difference':24}{'':9}{rows[1][0] - rows[0][0]:+9.3f}{rows[1][1] - rows[0][1]:+9.0f}")


if __name__ == "__main__":
    main()
