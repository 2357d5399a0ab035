"""Rows of the measurement table (``roofline.measurement/1``) as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = (
    "source", "device", "power_mode", "cpu_cores", "cpu_freq_khz", "gpu_freq_hz", "emc_freq_hz", "runtime",
    "precision", "workload", "phase", "batch_size", "input_shape", "latency_ms", "power_w", "energy_j", "notes",
    "layer", "op_type", "nodes", "sm_count", "l4t", "runtime_version", "clocks", "power_boundary", "time_kind", "n",
    "latency_p50_ms", "latency_p99_ms",
)  # fmt: skip
"""The columns of public measurement tables first, then our own."""


def rows_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the rows as CSV. Unknown values stay empty; numbers keep nine digits."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return value
