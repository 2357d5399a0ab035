"""What starting costs: imports that the common path avoids, and records of two kinds. Best of five, milliseconds.

    python tests/benchmarks/start_costs.py

Each import is timed in a process of its own, after what the common path has loaded anyway (onnx, numpy, click).
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import NamedTuple

IMPORTS = ("import yaml", "import pint", "import onnx.reference.ops._op_list", "import sympy")
TIMED = "import onnx, numpy, click, time; t = time.perf_counter(); {}; print((time.perf_counter() - t) * 1e3)"


def import_ms(statement: str) -> float:
    """Return the time of one import in a new process."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5))
    return min(float(run.stdout) for run in runs)


def define_dataclass() -> None:
    """Define a frozen dataclass of eight fields."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Record:
        a: int
        b: int
        c: int
        d: int
        e: int
        f: int
        g: int
        h: int


def define_named_tuple() -> None:
    """Define a named tuple of eight fields."""

    class Record(NamedTuple):
        a: int
        b: int
        c: int
        d: int
        e: int
        f: int
        g: int
        h: int


def main() -> None:
    for statement in IMPORTS:
        print(f"{statement:40}{import_ms(statement):8.1f}")
    for define in (define_dataclass, define_named_tuple):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(50):
                define()
            times.append((time.perf_counter() - start) / 50 * 1e3)
        print(f"{define.__name__:40}{min(times):8.2f}")


if __name__ == "__main__":
    main()
