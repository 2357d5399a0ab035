"""What the user should know about an analysis: its findings, each with a stable code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from roofline.findings import Finding
from roofline.units import text

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.counting import LayerCount
    from roofline.training.step import TrainingStep


def findings_about(analysis: Analysis) -> Iterator[Finding]:
    """Yield the findings of a counted and evaluated model."""
    yield from uncounted(analysis.counts)
    yield from _empty(analysis)
    yield from _traffic(analysis)
    if analysis.step is not None:
        yield from _training(analysis, analysis.step)
    if analysis.evaluation is not None:
        from roofline.device_notes import findings_on_device

        yield from findings_on_device(analysis)
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


def _empty(analysis: Analysis) -> Iterator[Finding]:
    """A size of 0 is legal (a past of no tokens), but a run whose every output is empty does nothing."""
    graph = analysis.graph
    shapes = [graph.tensors[name].shape for name in graph.outputs if name in graph.tensors]
    if not shapes or not all(shape is not None and 0 in shape for shape in shapes):
        return
    zeros = [f"{name}=0" for name, size in graph.bindings.items() if size == 0]
    yield Finding(
        code="empty-outputs",
        where=", ".join(zeros) or "the model's inputs",
        message="every output is empty, so there is no work; what remains is what the weights cost to read",
        hint="--bind or --shapes with sizes of 1 or more",
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
    known = device.memory.size_bytes if device is not None else None
    if device is None or known is None:
        return
    size = known.value
    if needed > size:
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
