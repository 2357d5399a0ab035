"""What the user should know about an analysis: its findings, each with a stable code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from roofline.findings import Finding
from roofline.model.energy import average_power
from roofline.units import significant, text

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.counting import LayerCount
    from roofline.training.step import TrainingStep


def findings_about(analysis: Analysis) -> Iterator[Finding]:
    """Yield the findings of a counted and evaluated model."""
    yield from uncounted(analysis.counts)
    yield from _traffic(analysis)
    if analysis.step is not None:
        yield from _training(analysis, analysis.step)
    if analysis.evaluation is not None:
        yield from _precision(analysis)
        yield from _ceilings(analysis)
        yield from _energy(analysis)
        yield from _power(analysis)
        yield from _fit(analysis)
        yield from _levels(analysis)


def uncounted(counts: Sequence[LayerCount]) -> Iterator[Finding]:
    """Yield one finding per operator and reason for nodes that are not counted."""
    lost = [count for count in counts if count.status == "unsupported"]
    total = len(counts)
    by_reason = Counter((count.node.qualified_op, count.reason) for count in lost)
    for (op, reason), number in by_reason.items():
        first = next(c.node.label for c in lost if (c.node.qualified_op, c.reason) == (op, reason))
        yield Finding(
            code="unsupported-op",
            where=first if number == 1 else f"{number} nodes, first {first}",
            message=f"{op} is not counted ({number / total:.1%} of the nodes): {reason}",
            hint="totals are too low by what it costs",
            strict=True,
        )


def _traffic(analysis: Analysis) -> Iterator[Finding]:
    if analysis.traffic == "fused":
        layers = analysis.layer_counts[: analysis.step.forward if analysis.step else None]
        kernels = sum(layer.status == "counted" for layer in layers)
        nodes = sum(count.status == "counted" for count in analysis.counts)
        saved = sum(layer.saved_bytes for layer in layers)
        yield Finding(
            code="traffic-fused",
            where="--traffic",
            message=f"{nodes} counted nodes run as {kernels} kernels, which saves {text(saved, 'B')} of traffic",
            hint="a runtime that fuses less moves more, up to --traffic unfused; the patterns are in "
            "roofline/fusion/patterns.py",
        )
    elif analysis.traffic == "ideal":
        yield Finding(
            code="traffic-ideal",
            where="--traffic",
            message="only touched weights, inputs and outputs move, once each: no cache is that large",
            hint="use it as a lower limit",
        )
    elif analysis.traffic == "unfused":
        yield Finding(
            code="traffic-unfused",
            where="--traffic",
            message="bytes are counted unfused: each node reads its inputs and writes its outputs",
            hint="a runtime that fuses layers moves fewer bytes: --traffic fused",
        )
    else:
        yield Finding(
            code="traffic-pagoda",
            where="--traffic",
            message="FLOPs and bytes follow the conventions of Pagoda (arXiv 2509.20189), not the real operators",
            hint="for comparison with the paper; use --traffic fused for anything else",
        )


def _fit(analysis: Analysis) -> Iterator[Finding]:
    device, needed = analysis.device, analysis.memory.peak_bytes
    size = device.memory.size_bytes.value if device is not None else 0
    if device is not None and needed > size:
        yield Finding(
            code="does-not-fit",
            where=device.id,
            message=f"it needs {text(needed, 'B')} at once, the device has {text(size, 'B')}",
            hint="a smaller batch, a narrower --precision, or a larger device",
            strict=True,
        )


def _levels(analysis: Analysis) -> Iterator[Finding]:
    device, levels = analysis.device, analysis.levels
    if device is None or levels is None or device.cache_bytes is None:
        return
    yield Finding(
        code="levels",
        where=f"{device.id}, cache of {text(device.cache_bytes.value, 'B')}",
        message=f"{text(sum(levels.cache_bytes), 'B')} pass the cache, {text(sum(levels.dram_bytes), 'B')} DRAM: "
        "a result that fits the cache is taken to stay there until the next layer has read it",
        hint="the cache's own bandwidth is not known, so DRAM and compute alone make the time",
    )


def _training(analysis: Analysis, step: TrainingStep) -> Iterator[Finding]:
    yield Finding(
        code="training-step",
        where="--phase training",
        message=f"forward, backward and optimiser; {text(step.kept_bytes, 'B')} of activations are kept in between; "
        "the loss, its gradient and the data are not counted, embedding gradients are dense",
        hint="--recompute keeps less",
    )
    if step.parameters < analysis.graph.parameters:
        yield Finding(
            code="untrained-parameters",
            where=f"{analysis.graph.parameters - step.parameters} of {analysis.graph.parameters} parameters",
            message="are not trained: scalars, running statistics, and tables that are only looked up at constants",
        )
    if step.bodies:
        yield Finding(
            code="training-bodies",
            where=f"{step.bodies} nodes",
            message="inside loops and branches: their backward pass is not counted, nor their weights updated",
            hint="totals are too low by it",
            strict=True,
        )
    if step.estimated:
        yield Finding(
            code="backward-estimated",
            where=", ".join(step.estimated[:5]),
            message="the backward pass is taken to cost what the forward pass costs",
            hint="the operators with rules are in roofline/training/rules.py",
            strict=True,
        )


def _precision(analysis: Analysis) -> Iterator[Finding]:
    if analysis.runtime is None and any(count.precision == "tf32" for count in analysis.counts):
        yield Finding(
            code="tf32-math",
            where="--precision",
            message="fp32 file, tf32 math: contractions are put on the tf32 ceiling, as most runtimes do here",
            hint="name yours (--runtime tensorrt|ort-cuda|torch), or ask for --precision fp32",
        )


def _ceilings(analysis: Analysis) -> Iterator[Finding]:
    evaluation, processor, device = analysis.evaluation, analysis.processor, analysis.device
    assert evaluation is not None and processor is not None and device is not None
    workload = analysis.workload
    yield Finding(
        code="not-calibrated",
        where=f"{device.id}, {analysis.runtime or 'any runtime'}",
        message="ROOFLINE ONLY, not calibrated: times come from ceilings, without launch overhead",
        hint="a real run is slower; compare modes and layers rather than read off milliseconds",
    )
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
            message=f"energy is counted on {energy.traffic[0]} FLOPs and bytes, time on {analysis.traffic} ones: "
            "the coefficients were fitted that way",
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
    if chosen.id is None and chosen.name != chosen.base:
        yield Finding(
            code="idle-of-base-mode",
            where=chosen.name,
            message=f"idle power is that of {chosen.base}: how it changes with single clocks is not known",
        )


def _power(analysis: Analysis) -> Iterator[Finding]:
    evaluation, device = analysis.evaluation, analysis.device
    assert evaluation is not None and device is not None
    if device.power_limit_w is None:
        return
    limit = device.power_limit_w.value
    power = average_power(evaluation.energy_j, evaluation.time_s)
    over = {
        mode.name: float(p) for mode, p in zip(evaluation.modes, power, strict=True) if np.isfinite(p) and p > limit
    }
    if over:
        shown = ", ".join(f"{name} {text(p, 'W')}" for name, p in over.items())
        yield Finding(
            code="power-limited",
            where=shown,
            message=f"energy over roofline time is more than the {text(limit, 'W')} the module can take",
            hint="the clocks would fall, or the run is slower than its roofline",
        )
