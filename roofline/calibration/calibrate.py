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
from roofline.evaluate import evaluate
from roofline.measured.against import against_device
from roofline.measured.record import Measurement
from roofline.measured.suits import refuse_mistaken_units, refuse_others
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
        MeasurementError: fewer than four modes that the model can tell apart, runs that do not go together or are of
            something else than the analysis, times or powers in another unit, a mode the device does not have.
    """
    task = task_of(analysis)
    rows = [row for row in rows if not row.layer]
    refuse_others(rows, analysis, where)
    runs = [row for row in rows if row.time_s is not None]
    refuse_mixed(rows, where)
    refuse_mixed(runs, where)
    points, remarks = _one_per_mode(rows, task, where)
    modes = mode_set(task.device, [mode for mode, _ in points])
    _refuse_mistaken(task, points, where)
    time = np.array([row.time_s for _, row in points], dtype=np.float64)
    _refuse_too_few(task, modes, where, remarks)
    fitted, error, spread = time_fit(task, modes, time)
    powers = np.array([np.nan if row.power_w is None else row.power_w for _, row in points])
    known = int(np.isfinite(powers).sum())
    power = power_fit(task, modes, time, powers) if known >= LEAST_MODES else None
    if power is None and known:
        remarks.append(f"power was measured in {known} modes only: not fitted")
    if len(points) == LEAST_MODES:
        remarks.append("four modes only: the band rests on four fits to three runs each")
    first = runs[0]
    runtime = analysis.runtime or _plain(first.runtime)
    name = f"{task.device.id}.{runtime}.{_plain(analysis.precision)}.{_plain(first.workload)}"
    if first.time_kind:
        name += f".{first.time_kind}"
    return Calibration(
        name=name,
        key=key_of(analysis, rows),
        workload=first.workload,
        work=work_of(analysis.graph, analysis.counts),
        time=fitted._replace(band=spread, error=error),
        power=power,
        runs=tuple(mode.name for mode, _ in points),
        sources=tuple(dict.fromkeys(row.source for row in runs if row.source)),
        note="; ".join(remarks),
    )  # fmt: skip


def key_of(analysis: Analysis, rows: Sequence[Measurement]) -> Key:
    """Return where a fit to some rows applies; what only some of them say holds for all (`refuse_mixed`)."""
    task = task_of(analysis)

    def said(field: str) -> str:
        return next((getattr(row, field) for row in rows if getattr(row, field)), "")

    return Key(
        device=task.device.id, variant=task.device.variant, processor=task.processor.name,
        runtime=analysis.runtime or "", runtime_version=said("runtime_version"), precision=analysis.precision,
        phase=analysis.phase, traffic=analysis.traffic, clocks=said("clocks"), time_kind=said("time_kind"),
        power_boundary=said("power_boundary"), counting=COUNTING_VERSION,
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
    """Raise if runs differ in what must be the same in all of them; where a cell is empty, it is as the others say."""
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


def _one_per_mode(
    rows: Sequence[Measurement], task: Task, where: str
) -> tuple[list[tuple[PowerMode, Measurement]], list[str]]:
    """Return one run per mode, and what was left out or put together.

    Of several the one with the shortest time stands for the least disturbed; a power from a row of its own is that of
    its mode.
    """
    placed, _ = against_device(rows, task.device, where)
    unknown = sum(1 for _, mode in placed if mode is None)
    by_mode: dict[tuple[float, ...], tuple[PowerMode, list[Measurement]]] = {}
    for row, mode in placed:
        if mode is not None:
            by_mode.setdefault(tuple(mode.knobs.values()), (mode, []))[1].append(row)
    found, repeated, joined = [], 0, 0
    for mode, mine in by_mode.values():
        timed = [row for row in mine if row.time_s is not None]
        if not timed:
            continue
        best = min(timed, key=lambda row: row.time_s or 0.0)
        repeated += len(timed) > 1
        powers = [row.power_w for row in mine if row.power_w is not None and row.time_s is None]
        if best.power_w is None and powers:
            best = best._replace(power_w=float(np.median(powers)))
            joined += 1
        found.append((mode, best))
    remarks = [
        (unknown, f"{unknown} rows name no power mode, nor enough clocks: left out"),
        (repeated, f"{repeated} modes were measured more than once: the shortest time stands"),
        (joined, f"the power of {joined} modes is from rows of its own"),
    ]
    return found, [words for count, words in remarks if count]


def _refuse_too_few(task: Task, modes: ModeSet, where: str, remarks: Sequence[str]) -> None:
    """Raise unless the runs are at enough points that the model can tell apart."""
    compute, memory = roofline_parts(task, modes)
    parts = np.stack([compute.sum(axis=1), memory.sum(axis=1)], axis=1)
    points = len(np.unique(np.round(np.log(np.maximum(parts, 1e-300)), 6), axis=0))
    if points < LEAST_MODES:
        alike = f" that are {points} for the model: it does not see what else they change" if modes.size > 3 else ""
        left = "".join(f", and {words}" for words in remarks)
        raise MeasurementError(
            f"runs in {modes.size} modes{alike}{left}", where=where, expected=f"{LEAST_MODES} at least, better five",
            hint="which ones: roofline calibrate MODEL --device ID --suggest 5",
        )  # fmt: skip


def _refuse_mistaken(task: Task, points: Sequence[tuple[PowerMode, Measurement]], where: str) -> None:
    bound = evaluate(task, [mode for mode, _ in points]).bound_time_s if points else ()
    limit = task.device.power_limit_w.value if task.device.power_limit_w is not None else None
    for number, ((_, row), least) in enumerate(zip(points, bound, strict=True), 1):
        refuse_mistaken_units(row, float(least), limit, where, number)


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text.lower()).strip("-") or "any"
