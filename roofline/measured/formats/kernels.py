"""One launch of a GPU kernel as Nsight Compute counts it: FLOP per pipe, bytes per memory level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_PIPES = {"fp32": "f", "fp64": "d", "fp16": "h"}
_FACTORS = ((re.compile("16816|tensor16x8x16"), 4096), (re.compile("tensor16x8x32"), 8192),
            (re.compile("1688|tensor16x8x8"), 2048), (re.compile("h884"), 1024))  # fmt: skip
DEFAULT_TENSOR_FACTOR = 2048


class Kernel(NamedTuple):
    """One launch. None is unknown: the report does not hold the metrics."""

    name: str
    time_s: float
    flop: Mapping[str, float | None]
    """FLOP of the vector pipes per precision, and of the matrix pipe under ``tensor``."""
    dram_bytes: float | None
    l2_bytes: float | None
    l1_bytes: float | None


def kernel(name: str, metrics: Mapping[str, float]) -> Kernel:
    """Return FLOP and bytes of one launch from Nsight Compute's metrics in base units.

    FLOP of a vector pipe = add + mul + 2 fma, thread instructions; of the matrix pipe = instructions x FLOP of one,
    which the kernel's name tells (``16816`` 4096, ``1688`` 2048, int8 ``16x8x32`` 8192, Volta's ``h884`` 1024, else
    2048). Counts are ``.sum``, or ``.sum.per_cycle_elapsed`` x cycles per second x time. Bytes of DRAM are unknown
    where they are 0, as on integrated GPUs, which have no such counter. Source: the roofline recipe of NERSC
    (https://gitlab.com/NERSC/roofline-on-nvidia-gpus) and Pagoda's tools (https://github.com/dream-lab/pagoda).
    """
    time_s = metrics["gpu__time_duration.sum"]
    flop: dict[str, float | None] = {}
    for precision, letter in _PIPES.items():
        counts = [_count(metrics, f"sass_thread_inst_executed_op_{letter}{op}_pred_on", time_s) for op in
                  ("add", "mul", "fma")]  # fmt: skip
        add, mul, fma = counts
        flop[precision] = None if add is None or mul is None or fma is None else add + mul + 2 * fma
    tensor = _count(metrics, "inst_executed_pipe_tensor", time_s)
    flop["tensor"] = None if tensor is None else tensor * tensor_factor(name)
    return Kernel(
        name,
        time_s,
        flop,
        _bytes(metrics, "dram__bytes", time_s) or None,
        _bytes(metrics, "lts__t_bytes", time_s),
        _bytes(metrics, "l1tex__t_bytes", time_s),
    )


def tensor_factor(name: str) -> int:
    """Return the FLOP of one matrix instruction of a kernel, by its name."""
    return next((factor for pattern, factor in _FACTORS if pattern.search(name)), DEFAULT_TENSOR_FACTOR)


def _count(metrics: Mapping[str, float], name: str, time_s: float) -> float | None:
    for unit in ("smsp", "sm"):
        found = metrics.get(f"{unit}__{name}.sum")
        if found is not None:
            return found
        rate = metrics.get(f"{unit}__{name}.sum.per_cycle_elapsed")
        clock = metrics.get(f"{unit}__cycles_elapsed.avg.per_second")
        if clock is None:
            clock = metrics.get("smsp__cycles_elapsed.avg.per_second", metrics.get("sm__cycles_elapsed.avg.per_second"))
        if rate is not None and clock is not None:
            return rate * clock * time_s
    twice = metrics.get(f"derived__smsp__{name}_x2") if name.endswith("fma_pred_on") else None
    clock = metrics.get("smsp__cycles_elapsed.avg.per_second")
    return twice / 2 * clock * time_s if twice is not None and clock is not None else None


def _bytes(metrics: Mapping[str, float], name: str, time_s: float) -> float | None:
    found = metrics.get(f"{name}.sum")
    if found is None:
        rate = metrics.get(f"{name}.sum.per_second")
        return None if rate is None else rate * time_s
    return found
