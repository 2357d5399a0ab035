"""The public `calibrate`: from measured runs of one model in several modes to a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.analysis import Analysis
from roofline.calibration.apply import work_of
from roofline.calibration.fit import band, fit_power, fit_whole, leave_one_out
from roofline.calibration.record import (
    ANY_CLASS,
    COUNTING_VERSION,
    Band,
    Calibration,
    ClassFactors,
    Coefficient,
    Key,
    PowerFit,
    TimeFit,
)
from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.spec import PowerMode
from roofline.errors import MeasurementError
from roofline.measured.against import Placed, against_device
from roofline.measured.record import Measurement
from roofline.model.predicted import power_terms
from roofline.task import Task, clocks_of, roofline_parts

Array = NDArray[np.float64]
LEAST_MODES = 4
"""Three coefficients, and one run to say how wrong they are."""
_ONE_OF = ("runtime", "runtime_version", "precision", "phase", "batch_size", "clocks", "time_kind", "power_boundary",
           "device")  # fmt: skip
"""What must be the same in all runs of a fit: boundaries and kinds of timing are never mixed."""


def calibrate(analysis: Analysis, rows: Iterable[Measurement], where: str = "measurements") -> Calibration:
    """Fit one model's time, and its power where that was measured, across the modes it was measured in.

    Args:
        analysis: the model on its device, with the runtime, precision and traffic that the runs had.
        rows: its runs, one per mode; rows of single layers are left out.
        where: what to call the rows in errors.

    Raises:
        MeasurementError: fewer than four modes, runs that do not go together, a mode the device does not have.
    """
    task = task_of(analysis)
    runs = [row for row in rows if not row.layer and row.time_s is not None]
    refuse_mixed(runs, where)
    placed, _ = against_device(runs, task.device, where)
    points = _one_per_mode(placed, where)
    modes = mode_set(task.device, [mode for mode, _ in points])
    time = np.array([row.time_s for _, row in points], dtype=np.float64)
    fitted, error, spread = time_fit(task, modes, time)
    powers = np.array([np.nan if row.power_w is None else row.power_w for _, row in points])
    power = power_fit(task, modes, time, powers) if np.isfinite(powers).sum() >= LEAST_MODES else None
    first = runs[0]
    runtime = analysis.runtime or _plain(first.runtime)
    name = f"{task.device.id}.{runtime}.{_plain(analysis.precision)}.{_plain(first.workload)}"
    if first.time_kind:
        name += f".{first.time_kind}"
    return Calibration(
        name=name,
        key=Key(
            device=task.device.id, variant=task.device.variant, processor=task.processor.name,
            runtime=analysis.runtime or "", runtime_version=first.runtime_version, precision=analysis.precision,
            traffic=analysis.traffic, clocks=first.clocks, time_kind=first.time_kind,
            power_boundary=first.power_boundary, counting=COUNTING_VERSION,
        ),
        workload=first.workload,
        work=work_of(analysis.graph, analysis.counts),
        time=fitted._replace(band=spread, error=error),
        power=power,
        runs=tuple(mode.name for mode, _ in points),
        sources=tuple(dict.fromkeys(row.source for row in runs if row.source)),
        note="" if len(points) > 4 else "four modes only: the band rests on four fits to three runs each",
    )  # fmt: skip


def task_of(analysis: Analysis) -> Task:
    """Return what was evaluated, without any calibration that was used.

    Raises:
        MeasurementError: the analysis has no device.
    """
    if analysis.evaluation is None:
        raise MeasurementError("runs are compared on a device", expected="--device as well")
    return analysis.evaluation.task._replace(factors=None)


def time_fit(task: Task, modes: ModeSet, time_s: Array) -> tuple[TimeFit, float, Band]:
    """Return the fit to all runs; the mean error, and the band, of runs left out one by one."""
    compute, memory = roofline_parts(task, modes)
    whole = fit_whole(compute, memory, time_s)

    def left_out(kept: NDArray[np.intp], i: int) -> float:
        rest = fit_whole(compute[kept], memory[kept], time_s[kept], near=whole)
        return float(rest.times(compute[[i]], memory[[i]])[0])

    predicted = leave_one_out(len(time_s), left_out)
    factors = ClassFactors(whole.compute, whole.memory, Coefficient(0.0, "prior"))
    spread = band(np.log(time_s / predicted))
    fit = TimeFit(whole.knee, whole.host_s, MappingProxyType({ANY_CLASS: factors}), spread, 0.0)
    return fit, float(np.abs(predicted / time_s - 1).mean()), spread


def power_fit(task: Task, modes: ModeSet, time_s: Array, power_w: Array) -> PowerFit:
    """Return the fit to all measured powers, its error and band of runs left out one by one."""
    known = np.flatnonzero(np.isfinite(power_w))
    clocks = clocks_of(task, modes)
    reference = float(clocks.speed_hz.max())
    moved = float(task.workload.moved_byte.sum())
    terms = power_terms(clocks.speed_hz / reference, clocks.voltage, moved / time_s)[known]
    power = power_w[known]

    def left_out(kept: NDArray[np.intp], i: int) -> float:
        return float(terms[i] @ np.array([c.value for c in fit_power(terms[kept], power[kept])]))

    predicted = leave_one_out(len(power), left_out)
    return PowerFit(
        terms=fit_power(terms, power),
        speed_reference=reference,
        band=band(np.log(power / predicted)),
        error=float(np.abs(predicted / power - 1).mean()),
    )


def refuse_mixed(runs: Sequence[Measurement], where: str) -> None:
    """Raise if runs differ in what must be the same in all of them."""
    if not runs:
        raise MeasurementError(
            "no run of this model in the table", where=where, expected="rows with its name as workload"
        )
    for field in _ONE_OF:
        found: dict[Any, int] = {}
        for row in runs:
            value = getattr(row, field)
            if value not in ("", None):
                found.setdefault(value, row.line)
        if len(found) > 1:
            (a, row_a), (b, row_b) = list(found.items())[:2]
            raise MeasurementError(
                f"runs that do not go together: {field} {a!r} (row {row_a}) and {b!r} (row {row_b})",
                where=where, hint=f"fit them one by one: --only {field}={a}",
            )  # fmt: skip


def _one_per_mode(placed: Sequence[Placed], where: str) -> list[tuple[PowerMode, Measurement]]:
    """Return one run per mode: of several the one with the shortest time stands for the least disturbed."""
    best: dict[tuple[float, ...], tuple[PowerMode, Measurement]] = {}
    for row, mode in placed:
        if mode is None:
            continue
        key = tuple(mode.knobs.values())
        if key not in best or (row.time_s or 0.0) < (best[key][1].time_s or 0.0):
            best[key] = (mode, row)
    if len(best) < LEAST_MODES:
        unknown = sum(1 for _, mode in placed if mode is None)
        silent = f", and {unknown} rows that name no power mode, nor enough clocks" if unknown else ""
        raise MeasurementError(
            f"runs in {len(best)} modes{silent}", where=where, expected=f"{LEAST_MODES} at least, better five",
            hint="which ones: roofline calibrate MODEL --device ID --suggest 5",
        )  # fmt: skip
    return list(best.values())


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text.lower()).strip("-") or "any"
