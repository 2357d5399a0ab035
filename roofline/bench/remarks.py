"""What a reader of a measured run should know: findings, and the notes of its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roofline.bench.backend import Provider
from roofline.bench.energy import Reading
from roofline.bench.machine import Machine
from roofline.bench.nodes import NodeTime
from roofline.bench.sensors import NoReading
from roofline.bench.timing import Timing
from roofline.bench.weights import Runnable
from roofline.findings import Finding

CROWDED = 0.9
"""Share of CPU time below which other programs are taken to be in the way: idle threads of onnxruntime spin."""
NOISY = 1.5
"""99th percentile over median from which a run is called noisy."""


def no_energy(reason: NoReading) -> Finding:
    """Say why there is no energy."""
    return Finding(code="energy-not-measured", where="energy_j", message=reason.reason, hint=reason.hint)


def odd_outputs(outputs: Any) -> list[Finding]:
    """Say if an output is infinite or NaN: the time can be off then."""
    import numpy as np

    floats = [value for value in outputs or () if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    if all(np.isfinite(value).all() for value in floats):
        return []
    return [Finding("outputs-not-finite", "outputs", "some are infinite or NaN; the time can be off", "use real data")]


def weight_findings(ready: Runnable, where: str) -> list[Finding]:
    """Say which weights are made up."""
    found = []
    if ready.made_up:
        found.append(
            Finding("weights-made-up", where, f"{len(ready.made_up)} weights are not on disk; random ones were used")
        )
    if ready.zeroed:
        names = ", ".join(ready.zeroed[:3]) + (" ..." if len(ready.zeroed) > 3 else "")
        found.append(Finding("weights-zero", where, f"whole numbers that are not on disk are 0: {names}"))
    return found


def noise(timing: Timing, share: float, where: str) -> list[Finding]:
    """Say if other programs disturbed the runs."""
    found = []
    hint = "end other programs, lock clocks"
    if timing.p99_s > NOISY * timing.median_s:
        ratio = timing.p99_s / timing.median_s
        found.append(Finding("noisy", where, f"the 99th percentile is {ratio:.1f} times the median", hint))
    if share < CROWDED:
        message = f"its threads were on a CPU {share:.0%} of the time: other programs ran, or there are fewer CPUs"
        found.append(Finding("machine-busy", where, message, "measure again when the machine is idle"))
    return found


def elsewhere(nodes: Sequence[NodeTime], provider: Provider) -> list[Finding]:
    """Say which nodes the provider left to another."""
    others = [node for node in nodes if node.provider and node.provider != provider.ort_name]
    if not others:
        return []
    share = sum(n.time_s for n in others) / sum(n.time_s for n in nodes)
    message = f"{len(others)} of {len(nodes)} nodes ran on {others[0].provider}, {share:.1%} of the nodes' time"
    return [Finding("nodes-elsewhere", others[0].name, message)]


def notes(
    machine: Machine, timing: Timing, share: float, warmup: int, ready: Runnable, energy: Reading | None,
    provider: Provider, options: Mapping[str, str],
) -> str:  # fmt: skip
    """Return what else a row should say, as text."""
    parts = [
        f"warmup {warmup}",
        f"shortest {timing.shortest_s * 1e3:.6g} ms, longest {timing.longest_s * 1e3:.6g} ms",
        f"threads on a CPU {share:.0%} of the time",
        f"governor {machine.governor or 'unreadable'}",
        f"clock {machine.clock_source}",
    ]
    if provider.memory != "cpu":
        parts.append("inputs and outputs stay on the device")
    parts += [f"{name}={value}" for name, value in options.items()]
    if ready.made_up:
        parts.append("random weights")
    if energy is not None:
        parts.append(f"power {energy.sensor}")
    return "; ".join(parts)
