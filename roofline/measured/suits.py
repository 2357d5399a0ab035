"""Hold measured rows against the analysis that they are to be compared with: the same precision, runtime and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from roofline.devices.locate import device_files
from roofline.errors import MeasurementError
from roofline.measured.record import Measurement

if TYPE_CHECKING:
    from roofline.analysis import Analysis

_TENSORRT = re.compile(r"tensorrt|trtexec|\btrt\b")
_ORT = re.compile(r"ort|onnx ?runtime")
_ORT_ON = {"cuda": "ort-cuda", "gpu": "ort-cuda", "cpu": "ort-cpu"}
"""What stands behind onnxruntime's name -> the runtime; the first that fits."""
UNIT_MISTAKE = 0.5
"""A time below this share of the bound is a mistake of the unit, not of the bound."""
POWER_MISTAKE = 5.0
"""So is a power this many times over what the module can take."""


def runtime_named(text: str) -> str:
    """Return the runtime that a row's text names; empty where it is none that is known."""
    plain = text.lower().replace("-", " ").replace("_", " ")
    if _TENSORRT.search(plain):
        return "tensorrt"
    ort = _ORT.search(plain)
    behind = plain[ort.end() :] if ort else ""
    return next((name for word, name in _ORT_ON.items() if word in behind), "torch" if "torch" in plain else "")


def refuse_others(rows: Iterable[Measurement], analysis: Analysis, where: str) -> None:
    """Raise at the first row that was measured of something else than the analysis is of.

    Cells that are empty, and runtimes and devices in words that are not known, are taken to fit. A row of ``fp32`` fits
    tf32: that is what most runtimes compute float32 files in, on chips that can.

    Raises:
        MeasurementError: another precision, runtime, phase, batch size, or the id of another device.
    """
    for number, row in enumerate(rows, 1):
        for column, has, wanted in _differences(row, analysis):
            raise MeasurementError(
                f"{has} in the row, the model is counted for {wanted}",
                where=f"{where}: row {row.line or number}, column {column}",
                hint=f"keep rows of one kind (--only {column}=...), or give the model's option",
            )


def _differences(row: Measurement, analysis: Analysis) -> Iterable[tuple[str, str, str]]:
    counted = set(analysis.precision.removeprefix("mixed ").split("+"))
    if row.precision and row.precision not in counted and not (row.precision == "fp32" and "tf32" in counted):
        yield "precision", row.precision, analysis.precision
    runtime = runtime_named(row.runtime)
    if runtime and analysis.runtime is not None and runtime != analysis.runtime:
        yield "runtime", f"{row.runtime!r}", analysis.runtime
    if row.phase and row.phase != analysis.phase:
        yield "phase", row.phase, analysis.phase
    batch = _batch(analysis)
    if row.batch_size is not None and batch is not None and row.batch_size != batch:
        yield "batch_size", f"batch size {row.batch_size}", f"batch size {batch}"
    device = analysis.device
    if device is not None and row.device != device.id and row.device in {path.stem for path in device_files()}:
        yield "device", row.device, device.id


def _batch(analysis: Analysis) -> int | None:
    """Return the batch size that a model is counted at; None where its leading dimension may be something else."""
    graph = analysis.graph
    ranks = [len(graph.tensors[name].shape or ()) for name in graph.inputs if name in graph.tensors]
    return graph.batch if graph.bindings or max(ranks, default=0) > 2 else None


def refuse_mistaken_units(
    row: Measurement, bound_time_s: float, power_limit_w: float | None, where: str, number: int
) -> None:
    """Raise for a time far below the bound, or a power far above what the module takes: it is in another unit.

    Raises:
        MeasurementError: names row and column.
    """
    place = f"{where}: row {row.line or number}, column"
    if row.time_s is not None and row.time_s < UNIT_MISTAKE * bound_time_s:
        raise MeasurementError(
            f"{row.time_s * 1e3:g} ms, where nothing can be faster than {bound_time_s * 1e3:.3g} ms",
            where=f"{place} latency_ms", expected="milliseconds", hint="is it in seconds, or of another model?",
        )  # fmt: skip
    if row.power_w is not None and power_limit_w is not None and row.power_w > POWER_MISTAKE * power_limit_w:
        raise MeasurementError(
            f"{row.power_w:g} W, where the module takes {power_limit_w:g} W",
            where=f"{place} power_w", expected="watts", hint="is it in milliwatts?",
        )  # fmt: skip
