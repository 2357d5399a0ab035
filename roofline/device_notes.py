"""What the user should know about an analysis on a device: where its ceilings and energies are weak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from roofline.devices.modes import show_knob
from roofline.devices.tables import find_idle_model
from roofline.findings import Finding
from roofline.units import significant, text

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.calibration.record import Calibration, Coefficient
    from roofline.devices.spec import DeviceSpec, PowerMode


def findings_on_device(analysis: Analysis) -> Iterator[Finding]:
    """Yield the findings of an evaluated model."""
    yield from _precision(analysis)
    yield from _ceilings(analysis)
    yield from _roof_origin(analysis)
    yield from _clocks(analysis)
    yield from _energy(analysis)
    yield from _power(analysis)
    if analysis.rate_per_s is not None:
        yield from _rate(analysis, analysis.rate_per_s)


def _rate(analysis: Analysis, rate_per_s: float) -> Iterator[Finding]:
    """Say whether the chosen mode keeps up with the rate: for certain not, or not by its roofline time."""
    evaluation, samples = analysis.evaluation, analysis.graph.batch or 1
    assert evaluation is not None
    period, bound, time = samples / rate_per_s, float(evaluation.bound_time_s[0]), float(evaluation.time_s[0])
    name = evaluation.modes[0].name
    if bound > period:
        yield Finding(
            code="rate-infeasible",
            where=f"{name}: {significant(rate_per_s)}/s",
            message=f"impossible: no run is faster than {text(bound, 's')}, and there are {text(period, 's')} for each",
            hint="a faster mode, a narrower --precision, a smaller model",
            strict=True,
        )
    elif time > period:
        yield Finding(
            code="rate-not-excluded",
            where=f"{name}: {significant(rate_per_s)}/s",
            message=f"its roofline time of {text(time, 's')} is over the {text(period, 's')} there are for each run; "
            "its bound is not",
        )
    if bound <= period and np.isnan(evaluation.power_at_rate(rate_per_s, samples)[0]) and evaluation.task.has_energy:
        spent = float(evaluation.energy_time_s[0])
        reason = "the idle power at this boundary is missing"
        if max(spent, time) > period:
            reason = f"the energies are of a run of {text(spent, 's')}, longer than the {text(period, 's')} there are"
        yield Finding(
            code="average-power-unknown",
            where=f"{name}: {significant(rate_per_s)}/s",
            message=f"no average power: {reason}",
        )


def _precision(analysis: Analysis) -> Iterator[Finding]:
    if analysis.runtime is None and any(count.precision == "tf32" for count in analysis.counts):
        yield Finding(
            code="tf32-math",
            where="--precision",
            message="fp32 file, tf32 math: contractions are put on the tf32 ceiling, as most runtimes do here",
            hint="name yours (--runtime tensorrt|ort-cuda|torch), or ask for --precision fp32",
        )


def _basis(analysis: Analysis) -> Finding:
    """Say what the times rest on: ceilings alone, or measured runs."""
    device, used = analysis.device, analysis.calibration
    assert device is not None
    if used is None:
        return Finding(
            code="not-calibrated",
            where=f"{device.id}, {analysis.runtime or 'any runtime'}",
            message="ROOFLINE ONLY, not calibrated: times come from ceilings, without launch overhead",
            hint="a real run is slower; compare modes and layers rather than read off milliseconds",
        )
    power = f"; power off by {used.power.error:.1%}" if used.power is not None else "; power is not in it"
    loose = [name for name, c in _coefficients(used) if c.standing == "not determined"]
    undetermined = f"; not determined by them: {', '.join(loose)}" if loose else ""
    return Finding(
        code="calibrated",
        where=used.name,
        message=f"times are predictions from {len(used.runs)} measured runs ({used.key.runtime or 'any runtime'}, "
        f"{used.key.time_kind or 'kind of timing not stated'}): those left out of the fit one by one were off by "
        f"{used.time.error:.1%}{power}{undetermined}",
        hint="--calibration none shows the rooflines alone",
    )


def outside_runs(used: Calibration, device: DeviceSpec, mode: PowerMode) -> Iterator[Finding]:
    """Say where a mode lies outside the runs that a calibration was fitted to."""
    from roofline.calibration.apply import outside

    beyond = outside(used, device, mode)
    if beyond:
        yield Finding(
            code="outside-runs",
            where=f"{used.name}: {mode.name}",
            message=f"no run was measured there: {beyond}; the 80 % band is not tested beyond the runs",
            hint="measure this mode, or choose between the measured ones",
        )


def _below_bound(analysis: Analysis) -> Iterator[Finding]:
    evaluation = analysis.evaluation
    if evaluation is None or analysis.calibration is None:
        return
    time, bound = float(evaluation.time_s[0]), float(evaluation.bound_time_s[0])
    if time < bound:
        yield Finding(
            code="below-bound",
            where=f"{analysis.calibration.name}: {evaluation.modes[0].name}",
            message=f"{text(time, 's')} is predicted, and nothing can be faster than {text(bound, 's')}",
            hint="were the runs of this model, and their times in milliseconds?",
            strict=True,
        )


def _coefficients(used: Calibration) -> Iterator[tuple[str, Coefficient]]:
    yield "host time", used.time.host_s
    for name, factors in used.time.classes.items():
        of = "" if name == "all" else f" of {name}"
        yield f"compute efficiency{of}", factors.compute
        yield f"memory efficiency{of}", factors.memory


def _ceilings(analysis: Analysis) -> Iterator[Finding]:
    evaluation, processor, device = analysis.evaluation, analysis.processor, analysis.device
    assert evaluation is not None and processor is not None and device is not None
    workload = analysis.workload
    yield _basis(analysis)
    if analysis.calibration is not None:
        yield from outside_runs(analysis.calibration, device, evaluation.modes[0])
        yield from _below_bound(analysis)
    for index, (pipe, precision) in enumerate(workload.ceilings):
        work = float(workload.flop[index].sum())
        if not evaluation.table.is_known[index] and work > 0:
            yield Finding(
                code="rate-unknown",
                where=f"{device.id}: {processor.name}.{pipe}.{precision}",
                message=f"the {precision} rate of the {pipe} pipe is unknown: the fp32 rate stands in "
                f"({work / float(workload.flop.sum()):.1%} of the FLOPs)",
                hint="the bound leaves it out",
            )
    eligible = np.flatnonzero(workload.winograd)
    if eligible.size:
        share = float(workload.flop[:, eligible].sum() / max(1.0, workload.flop.sum()))
        yield Finding(
            code="winograd-eligible",
            where=f"{eligible.size} layers, first {analysis.counts[int(eligible[0])].node.label}",
            message=f"3x3 stride-1 convolutions on the vector pipe ({share:.0%} of the FLOPs) can beat their "
            "compute time: Winograd's algorithm needs a quarter of the multiplications",
            hint="the bound allows for it, the roofline does not",
        )
    if processor.memory_path is None:
        yield Finding(
            code="memory-path-unknown",
            where=f"{device.id}: {processor.name}",
            message=f"the {processor.name} is given the whole DRAM bandwidth: its own limit is not known",
            hint="memory-bound layers can be slower than shown",
        )


def _energy(analysis: Analysis) -> Iterator[Finding]:
    evaluation, device, processor = analysis.evaluation, analysis.device, analysis.processor
    assert evaluation is not None and device is not None and processor is not None
    energy = evaluation.energy_set
    if analysis.calibration is not None and analysis.calibration.power is not None:
        return
    if energy is None:
        there = [s for s in device.energy if s.processor == processor.name]
        same = sorted({p for s in there if s.clocks == analysis.clocks for p in s.precisions})
        hint = f"it has them for {', '.join(same)}: try --precision {same[0]}" if same else ""
        if there and not same:
            hint = f"it has them for clocks {there[0].clocks}: try --clocks {there[0].clocks}"
        yield Finding(
            code="energy-unknown",
            where=f"{device.id}: {processor.name}, {analysis.precision}, clocks {analysis.clocks}",
            message=f"no energy: the device file has no coefficients for {analysis.precision} on the "
            f"{processor.name} with {analysis.clocks} clocks",
            hint=hint or f"it has none for the {processor.name}",
        )
        return
    yield Finding(
        code="energy-set",
        where=f"{device.id}: {energy.name}",
        message=f"energy at the {energy.boundary} boundary, clocks {energy.clocks}; {energy.error}",
    )
    if analysis.traffic not in energy.traffic:
        yield Finding(
            code="energy-traffic",
            where=f"{device.id}: {energy.name}",
            message=f"energy and power are those of a run with {energy.traffic[0]} FLOPs and bytes, which takes "
            f"{text(float(evaluation.energy_time_s[0]), 's')}: the coefficients were fitted that way; the time is of "
            f"{analysis.traffic} traffic",
        )
    yield from _energy_gaps(analysis)


def _energy_gaps(analysis: Analysis) -> Iterator[Finding]:
    evaluation = analysis.evaluation
    assert evaluation is not None and evaluation.energy_table is not None and evaluation.energy_set is not None
    workload = analysis.workload
    for index, key in enumerate(workload.ceilings):
        share = float(workload.flop[index].sum() / max(1.0, workload.flop.sum()))
        if key not in evaluation.energy_set.flop and share > 0:
            yield Finding(
                code="energy-flop-unknown",
                where=f"{evaluation.energy_set.name}: {key[0]} {key[1]}",
                message=f"the energy per FLOP of the {key[0]} pipe in {key[1]} is unknown: "
                f"{significant(100 * share)} % of the FLOPs are left out of the energy",
            )
    chosen = evaluation.modes[0]
    energy = evaluation.energy_set
    has_model = find_idle_model(evaluation.task.device, energy.clocks, energy.boundary) is not None
    if chosen.id is None and chosen.name != chosen.base and not has_model:
        yield Finding(
            code="idle-of-base-mode",
            where=chosen.name,
            message=f"idle power is that of {chosen.base}: how it changes with single clocks is not known",
        )


def _power(analysis: Analysis) -> Iterator[Finding]:
    evaluation = analysis.evaluation
    assert evaluation is not None
    task, power = evaluation.task, evaluation.power_w
    over = {m.name: text(float(p), "W") for m, p in zip(evaluation.modes, power, strict=True) if p > task.power_limit_w}
    if over:
        yield Finding(
            code="power-limited",
            where=", ".join(f"{name} {shown}" for name, shown in over.items()),
            message=f"energy over time is more than the {text(task.power_limit_w, 'W')} that the module can take; "
            f"energies here can be off by {task.energy_error:.0%}",
            hint="the clocks would fall, or the run is slower than its roofline",
        )


def _roof_origin(analysis: Analysis) -> Iterator[Finding]:
    """Say which ceilings nobody has measured, and which of the two bandwidth limits binds."""
    evaluation, processor, device = analysis.evaluation, analysis.processor, analysis.device
    assert evaluation is not None and processor is not None and device is not None
    kinds = {processor.pipes[key].origin.kind for key in analysis.workload.ceilings if key in processor.pipes}
    if kinds and not kinds & {"measured", "fitted"}:
        yield Finding(
            code="roof-datasheet",
            where=f"{device.id}: {processor.name}",
            message=f"its peaks are {' and '.join(sorted(kinds))} values, not measured ones",
            hint="kernels reach less: compare modes and layers rather than read off milliseconds",
        )
    if device.memory.efficiency is None:
        yield Finding(
            code="bandwidth-datasheet",
            where=f"{device.id}: memory.dram",
            message="its bandwidth is the nominal one: no measured share of it is known",
            hint="other devices reach 86 to 93 % of theirs",
        )
    table, clock = evaluation.table, device.memory.clock
    if clock is not None and table.path_byte_per_s[0] < table.dram_byte_per_s[0]:
        mode = evaluation.modes[0]
        enough = [v for v in device.knobs[clock].values if v * table.dram_byte_per_s[0] / mode.knobs[clock]
                  >= table.path_byte_per_s[0]]  # fmt: skip
        lowest = f": {show_knob(clock, enough[0])} would do" if enough and enough[0] < mode.knobs[clock] else ""
        yield Finding(
            code="fabric-limit",
            where=f"{mode.name}: {processor.clock}={show_knob(processor.clock, mode.knobs[processor.clock])}",
            message=f"the {processor.name}'s own path carries {text(float(table.path_byte_per_s[0]), 'B/s')}, memory "
            f"{text(float(table.dram_byte_per_s[0]), 'B/s')}: the {processor.name} clock binds, not {clock}{lowest}",
        )


def _clocks(analysis: Analysis) -> Iterator[Finding]:
    """Say how far a mode's clocks are those that occur."""
    evaluation, device = analysis.evaluation, analysis.device
    assert evaluation is not None and device is not None
    stock = {mode.name: mode.stock_knobs for mode in device.modes if mode.stock_knobs}
    shown = "; ".join(
        f"{name} " + ", ".join(f"{knob}={show_knob(knob, value)}" for knob, value in knobs.items())
        for name, knobs in stock.items()
    )
    if analysis.clocks == "stock":
        yield Finding(
            code="stock-clocks",
            where=f"{device.id}: --clocks stock",
            message=f"the governor does not reach every cap: {shown}"
            if shown
            else "a mode's clocks are caps: which the governor reaches under load is not known here",
            hint="sudo jetson_clocks locks them",
        )
    elif stock:
        yield Finding(
            code="locked-clocks",
            where=f"{device.id}: --clocks locked",
            message=f"clocks are taken to be locked at their caps; the stock governor is known to stop at {shown}",
            hint="--clocks stock, or lock them: sudo jetson_clocks",
        )
